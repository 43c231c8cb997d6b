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

std::string commit() {
    std::string line;  // a copy of the tree may have no git
    if (FILE* const pipe = popen("git describe --always --dirty 2>/dev/null", "r")) {
        for (int c = 0; (c = std::fgetc(pipe)) != EOF && c != '\n';) line += static_cast<char>(c);
        pclose(pipe);
    }
    return line.empty() ? "unknown" : line;
}

void report(benchmark::State& state, const Work& work, const Measured& measured) {
    const auto& [seconds, limits] = measured;
    const double bytes = work.read + work.written, instructions = work.operations.instructions();
    state.counters["GFLOP/s"] = work.operations.flops() / seconds * 1e-9;
    if (bytes > 0) state.counters["GB/s"] = bytes / seconds * 1e-9;
    const double peak = limits.fp32_flops / 2;
    const double fastest = std::max(limits.copy_bytes, limits.read_bytes);
    if (fastest <= 0 || (peak <= 0 && (bytes <= 0 || instructions > bytes))) return state.SetLabel("limit: unknown");
    const double arithmetic = peak > 0 ? instructions / peak : 0;
    const double copying = bytes > 0 ? bytes / fastest : 0;
    const double reading = limits.read_bytes > 0 ? work.read / limits.read_bytes : 0;
    state.counters["%limit"] = 100 * std::max({arithmetic, copying, reading}) / seconds;
    state.SetLabel(std::string("limit: ") + (arithmetic > std::max(copying, reading) ? "operations"
                                             : copying > reading                     ? "copy"
                                                                                     : "read"));
}

Measured measure(benchmark::State& state, Machine& machine, const std::function<double()>& seconds) {
    const bool again = machine.context.device() == cuebm::Device{} && !machine.quick;
    const auto now = [&] { return measure_limits(machine.context, 1, machine.short_formats); };
    std::vector<Limits> limits{again ? now() : machine.limits};
    std::vector<double> all;
    double since = 0;
    for (auto _ : state) {
        since += seconds_of([&] { all.push_back(seconds()); });
        state.SetIterationTime(all.back());
        if (again && since > 0.15) {
            limits.push_back(now());
            since = 0;
        }
    }
    if (all.empty()) all.push_back(0);  // of a row that is skipped
    std::sort(all.begin(), all.end());
    return {(all[(all.size() - 1) / 2] + all[all.size() / 2]) / 2, median_of(limits)};
}

Measured time(benchmark::State& state, Machine& machine, const std::function<void()>& work) {
    return measure(state, machine, [&] { return seconds_of(work); });
}

int with_options(const std::string& name, int argc, char** argv, const std::function<int(const Options&)>& run) try {
    CLI::App app("Google Benchmark's options work too: --benchmark_filter=REGEX, --benchmark_out=FILE, ...", name);
    Options options;
    app.allow_extras();
    app.add_flag("--quick", options.quick, "less work, seconds in all");
    app.add_option("--device", options.device, "best, cpu or cuda")->check(CLI::IsMember({"best", "cpu", "cuda"}));
    app.add_option(
           "--paths", options.paths,
           "bench_assign's, on the CPU: a row for each of fp32, bf16, int8, amx, direct, small, ... (with commas), "
           "forced by CUEBM_ASSIGN, beside what is chosen; those that this machine lacks are left out with a note")
        ->delimiter(',');
    app.add_option("--threads", options.threads, "of the CPU (which this then chooses); 0: all");
    CLI11_PARSE(app, argc, argv);
    options.rest = app.remaining();
    return run(options);
} catch (const std::exception& error) {
    std::cerr << name << ": " << error.what() << '\n';
    return 1;
}

cuebm::Context context_of(const Options& options) {
    if (options.device == "cuda") return cuebm::Context::cuda(0);
    if (options.device == "cpu" || options.threads > 0) return cuebm::Context::cpu({.threads = options.threads});
    return cuebm::Context::best();
}

int run_rows(const std::string& name, std::vector<std::string> rest) {
    rest.insert(rest.begin(), name);
    std::vector<char*> arguments;
    for (auto& argument : rest) arguments.push_back(argument.data());
    int count = static_cast<int>(arguments.size());
    benchmark::Initialize(&count, arguments.data());
    if (benchmark::ReportUnrecognizedArguments(count, arguments.data())) return 2;
    if (benchmark::RunSpecifiedBenchmarks() == 0) throw std::runtime_error("no benchmark has that name");
    return 0;
}

int run_program(const std::string& name, int argc, char** argv, bool one_thread_too, const AddRows& add) {
    return with_options(name, argc, argv, [&](const Options& options) {
        std::vector<std::unique_ptr<Machine>> machines;
        const auto on = [&](cuebm::Context context) {
            const Limits limits = measure_limits(context);
            machines.push_back(std::make_unique<Machine>(Machine{std::move(context), limits, false, options.quick}));
        };
        on(context_of(options));
        const bool all_of_cpu = machines[0]->context.device() == cuebm::Device{} && options.threads == 0;
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
            add(*machine, count, options.quick);
        }
        std::cerr << machines[0]->context.description() << '\n';
        return run_rows(name, options.rest);
    });
}

}  // namespace bench
