#include "harness.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include <cuebm/cuebm.hpp>

namespace bench {
namespace {

// The commit measured, with -dirty where files differ from it; a copy of the tree may have no git.
std::string commit() {
    std::string line;
    if (FILE* const pipe = popen("git describe --always --dirty 2>/dev/null", "r")) {
        for (int c = 0; (c = std::fgetc(pipe)) != EOF && c != '\n';) line += static_cast<char>(c);
        pclose(pipe);
    }
    return line.empty() ? "unknown" : line;
}

}  // namespace

void report(benchmark::State& state, const Machine& machine, const Work& work, double seconds) {
    const Limits& limits = machine.limits;
    const double bytes = work.read + work.written, instructions = work.operations.instructions();
    state.counters["GFLOP/s"] = work.operations.flops() / seconds * 1e-9;
    if (bytes > 0) state.counters["GB/s"] = bytes / seconds * 1e-9;
    const double peak = limits.fp32_flops / 2;
    if (peak <= 0 && (bytes <= 0 || instructions > bytes)) return state.SetLabel("limit: unknown");
    const double arithmetic = peak > 0 ? instructions / peak : 0;
    const double fastest = std::max(limits.copy_bytes, limits.read_bytes);
    const double copying = bytes > 0 ? bytes / fastest : 0;
    const double reading = limits.read_bytes > 0 ? work.read / limits.read_bytes : 0;
    state.counters["%limit"] = 100 * std::max({arithmetic, copying, reading}) / seconds;
    state.SetLabel(std::string("limit: ") + (arithmetic > std::max(copying, reading) ? "operations"
                                             : copying > reading                     ? "copy"
                                                                                     : "read"));
}

double time(benchmark::State& state, const std::function<void()>& work) {
    const auto begin = std::chrono::steady_clock::now();
    for (auto _ : state) work();
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - begin;
    return elapsed.count() / static_cast<double>(state.iterations());
}

int run_program(const std::string& name, int argc, char** argv, bool one_thread_too, const AddRows& add) try {
    CLI::App app("Google Benchmark's options work too: --benchmark_filter=REGEX, --benchmark_out=FILE, ...", name);
    bool quick = false;
    std::string device = "best";
    int threads = 0;
    app.allow_extras();
    app.add_flag("--quick", quick, "less work, seconds in all");
    app.add_option("--device", device, "best, cpu or cuda")->check(CLI::IsMember({"best", "cpu", "cuda"}));
    app.add_option("--threads", threads, "of the CPU (which this then chooses); 0: all");
    CLI11_PARSE(app, argc, argv);

    std::vector<std::unique_ptr<Machine>> machines;
    const auto on = [&](cuebm::Context context) {
        const Limits limits = measure_limits(context);
        machines.push_back(std::make_unique<Machine>(Machine{std::move(context), limits}));
    };
    const bool on_cpu = device == "cpu" || threads > 0;
    on(device == "cuda" ? cuebm::Context::cuda(0)
       : on_cpu         ? cuebm::Context::cpu({.threads = threads})
                        : cuebm::Context::best());
    const bool all_of_cpu = machines[0]->context.device() == cuebm::Device{} && threads == 0;
    if (one_thread_too && all_of_cpu && machines[0]->context.properties().processors > 1)
        on(cuebm::Context::cpu({.threads = 1}));

    benchmark::AddCustomContext("device", machines[0]->context.properties().name);
    benchmark::AddCustomContext("processor", machines[0]->limits.processor);
    benchmark::AddCustomContext("isa", machines[0]->limits.isa);
    benchmark::AddCustomContext("cuebm", cuebm::version());
    benchmark::AddCustomContext("commit", commit());
    for (const auto& machine : machines) {
        const std::string count = std::to_string(machine->context.properties().processors);
        const auto about = [&](const std::string& what, double per_second) {
            benchmark::AddCustomContext(what + "_" + count + "_threads",
                                        per_second > 0 ? std::to_string(per_second * 1e-9) : "unknown");
        };
        about("peak_fp32_gflops", machine->limits.fp32_flops);
        about("copy_gbytes", machine->limits.copy_bytes);
        about("read_gbytes", machine->limits.read_bytes);
        add(*machine, count, quick);
    }
    std::cerr << machines[0]->context.description() << '\n';

    std::vector<std::string> rest = app.remaining();
    std::vector<char*> arguments{argv[0]};
    for (auto& argument : rest) arguments.push_back(argument.data());
    int count = static_cast<int>(arguments.size());
    benchmark::Initialize(&count, arguments.data());
    if (benchmark::ReportUnrecognizedArguments(count, arguments.data())) return 2;
    if (benchmark::RunSpecifiedBenchmarks() == 0) throw std::runtime_error("no benchmark has that name");
    return 0;
} catch (const std::exception& error) {
    std::cerr << name << ": " << error.what() << '\n';
    return 1;
}

}  // namespace bench
