// Speed of the assign family: inference, free energy, update, start, fit. Every row gives GFLOP/s, GB/s and the
// percentage of what this machine could do at best meanwhile, on the instruction set that runs (harness.hpp's
// measure()).
//
// Counted: 2 n k d operations a pass over all pairs, n d an update, whatever the kernels really do; each input and
// output once, as it is stored. The limit of a row is the latest of: the operations of the kernel that ran (explain()
// names it) at the peak of its format; the bytes read at the bandwidth of reading; all bytes at that of copying. A
// percentage above 100 means fewer or cheaper operations than that. `%fp32` is GFLOP/s over the fp32 peak, whatever
// ran. A GPU's peaks are measured by gpu_limits.cu, in a build with CUDA; where one is unknown, only rows that copies
// bound for certain have a percentage.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <iostream>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <cuebm/cuebm.hpp>

#include "data.hpp"
#include "harness.hpp"

namespace eb = cuebm;

namespace {

struct Case {
    std::int64_t n, d, k;
    bool fashion = false;      // the images, where they are installed; else blobs
    bool fewer_bytes = false;  // also from points that are stored as uint8, fp16 and bf16
};

// The last has 12.8 MB of prototypes in float: packed as bf16 or int8, too, more than 2 MiB of second-level cache hold.
const std::vector<Case> full = {{60'000, 784, 256, true, true},
                                {1'000'000, 128, 1024, false, true},
                                {1'000'000, 64, 64},
                                {2'000'000, 32, 16},
                                {4'000'000, 2, 64},
                                {1'000'000, 3, 8},
                                {60'000, 784, 4096, true}};
const std::vector<Case> quick = {{6'000, 784, 64, true, true},
                                 {50'000, 128, 128},
                                 {100'000, 64, 64},
                                 {200'000, 32, 16},
                                 {400'000, 2, 64},
                                 {100'000, 3, 8}};
constexpr Case few = {1'000, 2, 3};                     // what a call and an iteration cost
constexpr std::int64_t least_parallel_prototypes = 64;  // from which k-means|| has a row

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

// The points of a case as Element, and prototypes from the same rows. Bytes span the least value to the largest, which
// makes images what their file holds.
template <class Element>
struct Stored {
    Stored(eb::Context& context, const Loaded& data) {
        const std::int64_t n = data.points.rows(), d = data.points.cols(), k = data.start.rows();
        const auto floats = eb::to_host(context, data.points);
        const auto [least, most] = std::minmax_element(floats.begin(), floats.end());
        const float low = *least, scale = 255 / (*most - low);
        std::vector<Element> values;
        values.reserve(floats.size());
        for (const float value : floats) {
            if constexpr (std::is_same_v<Element, std::uint8_t>)
                values.push_back(static_cast<std::uint8_t>(std::lround((value - low) * scale)));
            else
                values.push_back(Element(value));
        }
        std::vector<float> rows;
        for (std::int64_t z = 0; z < k; ++z)
            for (std::int64_t j = 0; j < d; ++j)
                rows.push_back(static_cast<float>(values[static_cast<std::size_t>(z * (n / k) * d + j)]));
        points = context.copy(eb::view(std::as_const(values), n, d));
        prototypes = context.copy(eb::view(std::as_const(rows), k, d));
    }
    eb::Matrix<Element> points;
    eb::Matrix<float> prototypes;
};

// What a row does; operations as counted, bytes that have to be read and written.
struct Work {
    double operations, read, written;
    Work operator+(const Work& other) const {
        return {operations + other.operations, read + other.read, written + other.written};
    }
    friend Work operator*(double times, const Work& w) {
        return {times * w.operations, times * w.read, times * w.written};
    }
};

// The peak of what explain() names, and what its kernel does for each operation counted.
struct Arithmetic {
    double peak, factor;
    std::string name;
};
Arithmetic arithmetic_of(const std::string& how, std::int64_t d, const bench::Limits& limits) {
    const auto has = [&](const char* word) { return how.find(word) != std::string::npos; };
    const auto width = static_cast<double>(d);
    if (has("tensor cores")) return {limits.bf16_flops, 1, "tensor cores"};
    if (has("bf16"))
        return {has("amx") ? limits.amx_bf16_flops : limits.bf16_flops, 1, has("amx") ? "AMX bf16" : "bf16"};
    if (has("int8")) return {has("amx") ? limits.amx_int8_ops : limits.int8_ops, 1, has("amx") ? "AMX int8" : "int8"};
    // Instructions that do half of what a multiply-add does: a pair's d differences, d squares, less one sums (above
    // 16, squares and sums are one), and 3 for the least; direct adds across lanes, too, which is not counted.
    if (has("small"))
        return {limits.fp32_flops, ((d <= 16 ? 3 * width - 1 : 2 * width + 15) + 3) / width, "fp32, canonical"};
    if (has("direct")) return {limits.fp32_flops, 2, "fp32, canonical"};
    return {limits.fp32_flops, 1, "fp32"};
}

// One case at a time is on one device: they are large.
struct Store {
    std::unique_ptr<Loaded> loaded{};
    std::variant<std::monostate, Stored<std::uint8_t>, Stored<eb::Half>, Stored<eb::BFloat16>> stored{};  // of `loaded`
    const Case* current = nullptr;
    const void* owner = nullptr;
};

struct Bench {
    bench::Machine machine;
    Store& store;
    std::string path{};  // forced; empty: chosen
    const Case* fitted = nullptr;
    int iterations = 0;  // of fit() on `fitted`

    const Loaded& load(const Case& c) {
        if (store.current != &c || store.owner != this) {
            store.stored.emplace<std::monostate>();
            store.loaded.reset();
            store.loaded = std::make_unique<Loaded>(machine.context, c);
            store.current = &c;
            store.owner = this;
        }
        return *store.loaded;
    }
    template <class Element>
    const Stored<Element>& load_stored(const Case& c) {
        const auto& data = load(c);
        if (const auto* there = std::get_if<Stored<Element>>(&store.stored)) return *there;
        return store.stored.emplace<Stored<Element>>(machine.context, data);
    }

    // A forced path that does not apply to a case would measure another.
    bool applies(benchmark::State& state, const std::string& how) const {
        if (how.find(path) != std::string::npos) return true;
        state.SkipWithError(("here runs " + how).c_str());
        return false;
    }

    // Times `work`; `how` names the kernel of most of it.
    void run(benchmark::State& state, const Work& counted, std::int64_t d, const std::function<void()>& work,
             const std::string& how = "") {
        report(state, counted, d, bench::time(state, machine, work), how);
    }

    static void report(benchmark::State& state, const Work& counted, std::int64_t d, const bench::Measured& measured,
                       const std::string& how) {
        const auto& [seconds, limits] = measured;
        const double bytes = counted.read + counted.written;
        state.counters["GFLOP/s"] = counted.operations / seconds * 1e-9;
        state.counters["GB/s"] = bytes / seconds * 1e-9;
        if (limits.fp32_flops > 0) state.counters["%fp32"] = 100 * counted.operations / seconds / limits.fp32_flops;
        const Arithmetic a = arithmetic_of(how, d, limits);
        std::string limit = "unknown";
        const double fastest = std::max(limits.copy_bytes, limits.read_bytes);
        if (fastest > 0 && (a.peak > 0 || counted.operations <= bytes)) {  // any processor can do an operation a byte
            const double arithmetic = a.peak > 0 ? a.factor * counted.operations / a.peak : 0;
            const double copying = bytes / fastest;
            const double reading = limits.read_bytes > 0 ? counted.read / limits.read_bytes : 0;
            state.counters["%limit"] = 100 * std::max({arithmetic, copying, reading}) / seconds;
            limit = arithmetic > std::max(copying, reading) ? a.name : copying > reading ? "copy" : "read";
        }
        state.SetLabel("limit: " + limit + (how.empty() ? "" : "; " + how));
    }
};

double floats(std::int64_t count) { return 4.0 * static_cast<double>(count); }
Work pass_without_energies(const Case& c, std::size_t element = sizeof(float)) {
    return {2.0 * static_cast<double>(c.n) * static_cast<double>(c.k * c.d),
            static_cast<double>(element) * static_cast<double>(c.n * c.d) + floats(c.k * c.d), floats(c.n)};
}
Work pass(const Case& c) { return pass_without_energies(c) + Work{0, 0, floats(c.n)}; }
Work update_work(const Case& c) {
    return {static_cast<double>(c.n * c.d), floats(c.n * c.d + c.k * c.d + c.n), floats(c.k * c.d)};
}

void assign(benchmark::State& state, Bench& b, const Case& c) {
    const auto arguments = b.load(c).assign();
    const auto how = eb::explain(b.machine.context, arguments);
    if (b.applies(state, how))
        b.run(
            state, pass(c), c.d, [&] { eb::assign(b.machine.context, arguments); }, how);
}

void assign_labels(benchmark::State& state, Bench& b, const Case& c) {
    auto arguments = b.load(c).assign();
    arguments.energies = {};
    const auto how = eb::explain(b.machine.context, arguments);
    if (b.applies(state, how))
        b.run(
            state, pass_without_energies(c), c.d, [&] { eb::assign(b.machine.context, arguments); }, how);
}

template <class Element>
void assign_labels_of(benchmark::State& state, Bench& b, const Case& c) {
    const auto& data = b.load(c);
    const auto& stored = b.load_stored<Element>(c);
    const eb::Assign<float> arguments{.points = stored.points, .prototypes = stored.prototypes, .labels = data.labels};
    b.run(
        state, pass_without_energies(c, sizeof(Element)), c.d, [&] { eb::assign(b.machine.context, arguments); },
        eb::explain(b.machine.context, arguments));
}

void free_energy(benchmark::State& state, Bench& b, const Case& c) {
    const auto& data = b.load(c);
    auto arguments = data.assign();
    arguments.free_energies = data.free_energies;
    arguments.beta = data.beta;
    b.run(
        state, pass(c) + Work{0, 0, floats(c.n)}, c.d, [&] { eb::assign(b.machine.context, arguments); },
        eb::explain(b.machine.context, arguments));
}

void update(benchmark::State& state, Bench& b, const Case& c) {
    const auto& data = b.load(c);
    const auto prototypes = b.machine.context.matrix<float>(c.k, c.d);
    eb::assign(b.machine.context, data.assign());
    b.run(state, update_work(c), c.d, [&] {
        eb::update(b.machine.context,
                   eb::Update<float>{.points = data.points, .labels = data.labels, .prototypes = prototypes});
    });
}

// Labels and new prototypes, from scratch: nothing is known of an iteration before.
void lloyd(benchmark::State& state, Bench& b, const Case& c) {
    const auto& data = b.load(c);
    const auto prototypes = b.machine.context.matrix<float>(c.k, c.d);
    const eb::Assign<float> arguments{.points = data.points, .prototypes = data.start, .labels = data.labels};
    b.run(
        state, pass_without_energies(c) + update_work(c), c.d,
        [&] {
            eb::assign(b.machine.context, arguments);
            eb::update(b.machine.context,
                       eb::Update<float>{.points = data.points, .labels = data.labels, .prototypes = prototypes});
        },
        eb::explain(b.machine.context, arguments));
}

std::string explain_labels(const Bench& b, const Loaded& data) {
    auto arguments = data.assign();
    arguments.energies = {};
    return eb::explain(b.machine.context, arguments);
}

// A start alone: a fit of one iteration with it, less one that is given its start.
void time_start(benchmark::State& state, Bench& b, const Case& c, eb::kmeans::Start timed, const Work& counted,
                const std::string& how = "") {
    const auto& data = b.load(c);
    const auto fit = [&](eb::kmeans::Start from) {
        return bench::seconds_of([&] {
            benchmark::DoNotOptimize(eb::kmeans::fit(
                b.machine.context, data.points,
                {.k = c.k,
                 .seed = 1,
                 .start = from,
                 .prototypes = from == eb::kmeans::Start::given ? eb::MatrixView<const float>(data.start)
                                                                : eb::MatrixView<const float>{},
                 .max_iterations = 1,
                 .tolerance = 0}));
        });
    };
    const auto measured =
        bench::measure(state, b.machine, [&] { return std::max(1e-9, fit(timed) - fit(eb::kmeans::Start::given)); });
    Bench::report(state, counted, c.d, measured, how);
}

std::int64_t sample_rows(const Case& c) { return std::min(c.n, std::max<std::int64_t>(65'536, 256 * c.k)); }
// Greedy k-means++ of k among so many rows.
double greedy_operations(const Case& c, double rows) {
    const double candidates = 2 + std::floor(std::log(static_cast<double>(c.k)));
    return 2 * candidates * rows * static_cast<double>(c.k * c.d);
}

// Greedy k-means++. The sample is read once at least, and may then stay in caches.
void start(benchmark::State& state, Bench& b, const Case& c) {
    const std::int64_t sample = sample_rows(c);
    time_start(state, b, c, eb::kmeans::Start::plus_plus,
               {greedy_operations(c, static_cast<double>(sample)), floats(sample * c.d), 0});
}

// k-means||, as if its 5 rounds selected max(k / 2, 32) rows each: the sample meets them all, and k-means++ chooses
// among them. What is explained is a round.
void start_parallel(benchmark::State& state, Bench& b, const Case& c) {
    const auto& data = b.load(c);
    const std::int64_t sample = sample_rows(c), selected = std::max<std::int64_t>(c.k / 2, 32);
    const auto points = data.points.view();
    const eb::Device here = b.machine.context.device();
    const eb::Assign<float> round{.points = points.slice(0, sample),
                                  .prototypes = points.slice(0, std::min(c.n, selected)),
                                  .labels = {data.labels.data(), sample, 1, here},
                                  .energies = {data.energies.data(), sample, 1, here}};
    const double all = 5 * static_cast<double>(selected);
    const double meeting = 2 * static_cast<double>(sample) * all * static_cast<double>(c.d);
    time_start(state, b, c, eb::kmeans::Start::parallel, {meeting + greedy_operations(c, all), floats(sample * c.d), 0},
               eb::explain(b.machine.context, round));
}

// As many iterations as the data need, at most 25.
void fit(benchmark::State& state, Bench& b, const Case& c) {
    const auto& data = b.load(c);
    const auto work = [&] {
        return eb::kmeans::fit(b.machine.context, data.points,
                               {.k = c.k,
                                .start = eb::kmeans::Start::given,
                                .prototypes = data.start,
                                .max_iterations = 25,
                                .tolerance = 0})
            .iterations;
    };
    if (b.fitted != &c) b.iterations = work(), b.fitted = &c;  // their number is needed beforehand
    const int iterations = b.iterations;
    b.run(
        state, iterations * (pass_without_energies(c) + update_work(c)) + pass(c), c.d,
        [&] { benchmark::DoNotOptimize(work()); }, explain_labels(b, data));
    state.counters["lloyd_iterations"] = iterations;
}

// A peak in 10^9 a second, for the context of the rows.
std::string text(double per_second) { return per_second > 0 ? std::to_string(per_second * 1e-9) : "unknown"; }

int run(const bench::Options& options) {
    auto context = bench::context_of(options);
    const bench::Limits limits = bench::measure_limits(context);
    Store store;
    Bench chosen{.machine = {context, limits, true, options.quick}, .store = store};
    std::vector<std::unique_ptr<Bench>> forced;
    for (const auto& path : options.paths) try {
            setenv("CUEBM_ASSIGN", path.c_str(), 1);
            auto on = eb::Context::cpu({.threads = options.threads});
            forced.push_back(std::make_unique<Bench>(
                Bench{.machine = {on, limits, true, options.quick}, .store = store, .path = path}));
        } catch (const eb::InvalidArgument& error) {
            std::cerr << "--paths " << path << " is left out: " << error.what() << '\n';
        }
    unsetenv("CUEBM_ASSIGN");
    const std::pair<const char*, std::string> about[] = {
        {"processor", limits.processor},
        {"device", context.properties().name},
        {"isa", limits.isa},
        {"threads", std::to_string(context.properties().processors)},
        {"cuebm", eb::version()},
        {"commit", bench::commit()},
        {"d_784", std::filesystem::exists(images_file) ? "Fashion-MNIST" : "blobs (dataset-fashion-mnist is missing)"},
        {"peak_fp32_gflops", text(limits.fp32_flops)},
        {"peak_bf16_gflops", text(limits.bf16_flops)},
        {"peak_int8_gops", text(limits.int8_ops)},
        {"peak_amx_bf16_gflops", text(limits.amx_bf16_flops)},
        {"peak_amx_int8_gops", text(limits.amx_int8_ops)},
        {"copy_gbytes", text(limits.copy_bytes)},
        {"read_gbytes", text(limits.read_bytes)}};
    std::cerr << context.description() << '\n';
    for (const auto& [key, value] : about) benchmark::AddCustomContext(key, value);

    using Operation = void (*)(benchmark::State&, Bench&, const Case&);
    const auto add = [](const std::string& name, Operation operation, Bench& b, const Case& c) {
        benchmark::RegisterBenchmark(
            (name + "/n:" + std::to_string(c.n) + "/d:" + std::to_string(c.d) + "/k:" + std::to_string(c.k)).c_str(),
            [&b, &c, operation](benchmark::State& state) { operation(state, b, c); })
            ->Unit(c.n > few.n ? benchmark::kMillisecond : benchmark::kMicrosecond)
            ->UseManualTime();
    };
    const std::pair<const char*, Operation> operations[] = {{"assign", assign},
                                                            {"assign_labels", assign_labels},
                                                            {"free_energy", free_energy},
                                                            {"update", update},
                                                            {"lloyd", lloyd},
                                                            {"start", start},
                                                            {"start_parallel", start_parallel},
                                                            {"fit_25_iterations", fit}};
    const std::pair<const char*, Operation> fewer_bytes[] = {
        {"assign_labels/type:uint8", assign_labels_of<std::uint8_t>},
        {"assign_labels/type:fp16", assign_labels_of<eb::Half>},
        {"assign_labels/type:bf16", assign_labels_of<eb::BFloat16>}};
    add("assign_labels", assign_labels, chosen, few);
    add("fit_25_iterations", fit, chosen, few);
    for (const auto& c : options.quick ? quick : full) {
        for (const auto& [name, operation] : operations)
            if (operation != start_parallel || c.k >= least_parallel_prototypes) add(name, operation, chosen, c);
        if (c.fewer_bytes)
            for (const auto& [name, operation] : fewer_bytes) add(name, operation, chosen, c);
        for (const auto& b : forced)
            for (const auto& [name, operation] : {operations[0], operations[1]})
                add(std::string(name) + "/path:" + b->path, operation, *b, c);
    }

    return bench::run_rows("bench_assign", options.rest);
}

}  // namespace

int main(int argc, char** argv) { return bench::with_options("bench_assign", argc, argv, run); }
