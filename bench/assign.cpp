// Speed of the assign family: inference, free energy, update, start, fit. Every row gives GFLOP/s, GB/s and the
// percentage of what this machine could do at best, which limits.cpp measures in the same process.
//
// Counted: 2 n k d operations a pass over all pairs, n d an update, whatever the kernels really do; each input and
// output once. The limit of a row is the later of operations at the fp32 peak and bytes at the copy bandwidth, so a
// percentage above 100 means fewer or cheaper operations than that. On a GPU no fp32 peak is measured: there, only rows
// that copies bound for certain have a percentage.
#include <benchmark/benchmark.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <functional>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include <cuebm/cuebm.hpp>

#include "data.hpp"
#include "limits.hpp"

namespace eb = cuebm;

namespace {

struct Case {
    std::int64_t n, d, k;
    bool fashion = false;  // the images, where they are installed; else blobs
};

const std::vector<Case> full = {
    {60'000, 784, 256, true}, {1'000'000, 128, 1024}, {1'000'000, 64, 64}, {2'000'000, 32, 16}, {4'000'000, 2, 64}};
const std::vector<Case> quick = {
    {6'000, 784, 64, true}, {50'000, 128, 128}, {100'000, 64, 64}, {200'000, 32, 16}, {400'000, 2, 64}};

// k blobs of standard deviation 0.3 around centres in the unit cube. Noise: the sum of four uniform 16-bit numbers.
std::vector<float> blobs(const Case& c) {
    std::uint64_t state = 1;
    const auto random = [&] {  // splitmix64 (G. L. Steele, D. Lea and C. H. Flood, OOPSLA 2014)
        std::uint64_t z = state += 0x9e3779b97f4a7c15;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
        z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
        return z ^ (z >> 31);
    };
    std::vector<float> centres(static_cast<std::size_t>(c.k * c.d)), points(static_cast<std::size_t>(c.n * c.d));
    for (auto& value : centres) value = static_cast<float>(random() >> 40) * 0x1p-24f;
    for (std::int64_t i = 0; i < c.n; ++i) {
        const auto* centre = &centres[(random() % static_cast<std::uint64_t>(c.k)) * static_cast<std::size_t>(c.d)];
        for (std::int64_t j = 0; j < c.d; ++j) {
            const std::uint64_t r = random();
            const auto sum = (r & 0xffff) + (r >> 16 & 0xffff) + (r >> 32 & 0xffff) + (r >> 48);
            const float normal = (static_cast<float>(sum) * 0x1p-16f - 2) * std::sqrt(3.0f);
            points[static_cast<std::size_t>(i * c.d + j)] = centre[j] + 0.3f * normal;
        }
    }
    return points;
}

const std::string images_file = examples::fashion_folder + "train-images-idx3-ubyte.gz";

std::vector<float> host_points(const Case& c) {
    if (!c.fashion || !std::filesystem::exists(images_file)) return blobs(c);
    auto images = examples::read_images(images_file).values;
    images.resize(static_cast<std::size_t>(c.n * c.d));
    return images;
}

// A case on the device, with k of its rows as prototypes and what assign() gives for them.
struct Loaded {
    Loaded(eb::Context& context, const Case& c) {
        const auto host = host_points(c);
        points = context.copy(eb::view(host, c.n, c.d));
        start = context.copy(eb::MatrixView<const float>{host.data(), c.k, c.d, c.n / c.k * c.d});
        labels = context.vector<std::int32_t>(c.n);
        energies = context.vector<float>(c.n);
        free_energies = context.vector<float>(c.n);
        eb::assign(context, assign());
        double total = 0;
        for (const float energy : eb::to_host(context, energies)) total += static_cast<double>(energy);
        beta = static_cast<double>(c.n * c.d) / (2 * total);  // of the Gaussian mixture with this mean energy
    }
    eb::Assign<float> assign() const {
        return {.points = points, .prototypes = start, .labels = labels, .energies = energies};
    }
    eb::Matrix<float> points, start;
    eb::Vector<std::int32_t> labels;
    eb::Vector<float> energies, free_energies;
    double beta = 1;
};

struct Bench {
    eb::Context context;
    bench::Limits limits;
    std::unique_ptr<Loaded> loaded{};  // one case at a time: they are large
    const Case* current = nullptr;
    const Case* fitted = nullptr;
    int iterations = 0;  // of fit() on `fitted`

    const Loaded& load(const Case& c) {
        if (current != &c) {
            loaded.reset();
            loaded = std::make_unique<Loaded>(context, c);
            current = &c;
        }
        return *loaded;
    }

    // Times `work`, which does so many operations and moves so many bytes.
    void run(benchmark::State& state, double operations, double bytes, const std::function<void()>& work,
             const std::string& how = "") const {
        const auto begin = std::chrono::steady_clock::now();
        for (auto _ : state) work();
        const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - begin;
        const double seconds = elapsed.count() / static_cast<double>(state.iterations());
        state.counters["GFLOP/s"] = operations / seconds * 1e-9;
        state.counters["GB/s"] = bytes / seconds * 1e-9;
        std::string limit = "unknown";
        if (limits.fp32_flops > 0 || operations <= bytes) {  // any processor can do an operation a byte
            const double arithmetic = limits.fp32_flops > 0 ? operations / limits.fp32_flops : 0,
                         memory = bytes / limits.copy_bytes;
            state.counters["%limit"] = 100 * std::max(arithmetic, memory) / seconds;
            limit = arithmetic > memory ? "fp32 peak" : "copy";
        }
        state.SetLabel("limit: " + limit + (how.empty() ? "" : "; " + how));
    }
};

double pass_operations(const Case& c) { return 2.0 * static_cast<double>(c.n) * static_cast<double>(c.k * c.d); }
double pass_bytes(const Case& c) { return 4.0 * static_cast<double>(c.n * c.d + c.k * c.d + 2 * c.n); }
double update_operations(const Case& c) { return static_cast<double>(c.n * c.d); }
double update_bytes(const Case& c) { return 4.0 * static_cast<double>(c.n * c.d + 2 * c.k * c.d + c.n); }

void assign(benchmark::State& state, Bench& b, const Case& c) {
    const auto arguments = b.load(c).assign();
    b.run(
        state, pass_operations(c), pass_bytes(c), [&] { eb::assign(b.context, arguments); },
        eb::explain(b.context, arguments));
}

void free_energy(benchmark::State& state, Bench& b, const Case& c) {
    const auto& data = b.load(c);
    auto arguments = data.assign();
    arguments.free_energies = data.free_energies;
    arguments.beta = data.beta;
    b.run(
        state, pass_operations(c), pass_bytes(c) + 4.0 * static_cast<double>(c.n),
        [&] { eb::assign(b.context, arguments); }, eb::explain(b.context, arguments));
}

void update(benchmark::State& state, Bench& b, const Case& c) {
    const auto& data = b.load(c);
    const auto prototypes = b.context.matrix<float>(c.k, c.d);
    eb::assign(b.context, data.assign());
    b.run(state, update_operations(c), update_bytes(c), [&] {
        eb::update(b.context,
                   eb::Update<float>{.points = data.points, .labels = data.labels, .prototypes = prototypes});
    });
}

// Labels and new prototypes, from scratch: nothing is known of an iteration before.
void lloyd(benchmark::State& state, Bench& b, const Case& c) {
    const auto& data = b.load(c);
    const auto prototypes = b.context.matrix<float>(c.k, c.d);
    b.run(state, pass_operations(c) + update_operations(c), pass_bytes(c) + update_bytes(c), [&] {
        eb::assign(b.context,
                   eb::Assign<float>{.points = data.points, .prototypes = data.start, .labels = data.labels});
        eb::update(b.context,
                   eb::Update<float>{.points = data.points, .labels = data.labels, .prototypes = prototypes});
    });
}

// Greedy k-means++, and the least that fit() does after it: one iteration, and the labels of what it found.
void start(benchmark::State& state, Bench& b, const Case& c) {
    const auto& data = b.load(c);
    const auto sample = static_cast<double>(std::min(c.n, std::max<std::int64_t>(65'536, 256 * c.k)));
    const double candidates = 2 + std::floor(std::log(static_cast<double>(c.k)));
    const double chosen = static_cast<double>(c.k) * static_cast<double>(c.d) * sample;
    b.run(state, 2 * candidates * chosen + 2 * pass_operations(c) + update_operations(c),
          4 * chosen + 2 * pass_bytes(c) + update_bytes(c), [&] {
              benchmark::DoNotOptimize(
                  eb::kmeans::fit(b.context, data.points, {.k = c.k, .seed = 1, .max_iterations = 1, .tolerance = 0}));
          });
}

// As many iterations as the data need, at most 25.
void fit(benchmark::State& state, Bench& b, const Case& c) {
    const auto& data = b.load(c);
    const auto work = [&] {
        return eb::kmeans::fit(b.context, data.points,
                               {.k = c.k,
                                .start = eb::kmeans::Start::given,
                                .prototypes = data.start,
                                .max_iterations = 25,
                                .tolerance = 0})
            .iterations;
    };
    if (b.fitted != &c) b.iterations = work(), b.fitted = &c;  // their number is needed beforehand
    const int iterations = b.iterations;
    b.run(state, (iterations + 1) * pass_operations(c) + iterations * update_operations(c),
          (iterations + 1) * pass_bytes(c) + iterations * update_bytes(c), [&] { benchmark::DoNotOptimize(work()); });
    state.counters["lloyd_iterations"] = iterations;
}

std::string text(double per_second) { return per_second > 0 ? std::to_string(per_second * 1e-9) : "unknown"; }

}  // namespace

int main(int argc, char** argv) try {
    CLI::App app(
        "Benchmarks the assign family. Google Benchmark's options work too: --benchmark_filter=assign/, "
        "--benchmark_out=FILE, ...");
    bool small = false;
    std::string device = "best";
    int threads = 0;
    app.allow_extras();
    app.add_flag("--quick", small, "smaller cases, seconds in all");
    app.add_option("--device", device, "best, cpu or cuda")->check(CLI::IsMember({"best", "cpu", "cuda"}));
    app.add_option("--threads", threads, "of the CPU (which this then chooses); 0: all");
    CLI11_PARSE(app, argc, argv);

    auto context = device == "cuda"                 ? eb::Context::cuda(0)
                   : device == "cpu" || threads > 0 ? eb::Context::cpu({.threads = threads})
                                                    : eb::Context::best();
    Bench b{.context = context, .limits = bench::measure_limits(context)};
    const std::pair<const char*, std::string> about[] = {
        {"processor", b.limits.processor},
        {"device", context.properties().name},
        {"isa", b.limits.isa},
        {"threads", std::to_string(context.properties().processors)},
        {"cuebm", eb::version()},
        {"d_784", std::filesystem::exists(images_file) ? "Fashion-MNIST" : "blobs (dataset-fashion-mnist is missing)"},
        {"peak_fp32_gflops", text(b.limits.fp32_flops)},
        {"peak_bf16_gflops", text(b.limits.bf16_flops)},
        {"peak_int8_gops", text(b.limits.int8_ops)},
        {"copy_gbytes", text(b.limits.copy_bytes)}};
    std::cerr << context.description() << '\n';
    for (const auto& [key, value] : about) benchmark::AddCustomContext(key, value);

    const std::pair<const char*, void (*)(benchmark::State&, Bench&, const Case&)> operations[] = {
        {"assign", assign}, {"free_energy", free_energy},     {"update", update},
        {"lloyd", lloyd},   {"start_and_1_iteration", start}, {"fit_25_iterations", fit}};
    for (const auto& c : small ? quick : full)
        for (const auto& [name, operation] : operations)
            benchmark::RegisterBenchmark(
                (std::string(name) + "/n:" + std::to_string(c.n) + "/d:" + std::to_string(c.d) +
                 "/k:" + std::to_string(c.k))
                    .c_str(),
                [&b, &c, operation = operation](benchmark::State& state) { operation(state, b, c); })
                ->Unit(benchmark::kMillisecond)
                ->UseRealTime();

    std::vector<std::string> rest = app.remaining();
    std::vector<char*> arguments{argv[0]};
    for (auto& argument : rest) arguments.push_back(argument.data());
    int count = static_cast<int>(arguments.size());
    benchmark::Initialize(&count, arguments.data());
    if (benchmark::ReportUnrecognizedArguments(count, arguments.data())) return 2;
    if (benchmark::RunSpecifiedBenchmarks() == 0) throw std::runtime_error("no benchmark has that name");
} catch (const std::exception& error) {
    std::cerr << "bench_assign: " << error.what() << '\n';
    return 1;
}
