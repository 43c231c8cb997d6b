// Speed of random numbers and of the functions that samplers need, on one core, for each instruction set that it has.
//
// With AVX-512, words and normals have a percentage of what their instructions allow at the rate of fused
// multiply-adds, measured in the same process: two vector instructions a cycle. Counted by hand for 16 floats or 8
// doubles: a round of Philox is 12 (float: two times 2 multiplications, 1 shift, 2 shuffles, 1 exclusive or) or 6
// (double: no shuffles, a shift); nine rounds and 2 of the first, whose rest does not change from draw to draw. A pair
// of normals is 40 (3 uniform, 15 logarithm, 2 root, 18 sine and cosine, 2 products), in double 65 (5, 31, 2, 25, 2).
// All times are the CPU's: it is one thread, which others may interrupt. Of the options Google Benchmark's alone count.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <ctime>
#include <iostream>
#include <string>
#include <vector>

#include <cuebm/cuebm.hpp>

#include "harness.hpp"
#include "random.hpp"

namespace {

constexpr std::int64_t blocks = 1 << 16;

struct Counted {
    double words, normals;  // instructions a block
};
template <class T>
constexpr Counted counted_avx512 = sizeof(T) == 4 ? Counted{9 * 12 + 2, 9 * 12 + 2 + 2 * 40}
                                                  : Counted{9 * 6 + 2, 9 * 6 + 2 + 65};

// Times `work`, which makes `numbers`; `instructions`: a block's, 0 if not counted; `rate`: how many the core does a
// second.
template <class Work>
void run(benchmark::State& state, double numbers, double instructions, double rate, const Work& work) {
    const std::clock_t begin = std::clock();
    for (auto _ : state) work();
    const double seconds = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
    const double per_second = numbers * static_cast<double>(state.iterations()) / seconds;
    state.counters["G/s"] = per_second * 1e-9;
    if (instructions > 0 && rate > 0) {
        const double limit = numbers * rate / (static_cast<double>(blocks) * instructions);
        state.counters["limit_G/s"] = limit * 1e-9;
        state.counters["%limit"] = 100 * per_second / limit;
    }
}

template <class T>
void add_rows(const std::string& name, const bench::RandomLoops<T>& loops, Counted counted, double rate) {
    const auto add = [&](const std::string& row, auto work) {
        benchmark::RegisterBenchmark((row + "/" + name).c_str(), work)->Unit(benchmark::kMicrosecond);
    };
    const auto of_block = static_cast<double>(blocks * loops.lanes);
    add("words", [=](benchmark::State& state) {
        T sum[16];
        run(state, 4 * of_block, counted.words, rate, [&] {
            loops.words(7, blocks, sum);
            benchmark::DoNotOptimize(sum);
        });
    });
    add("normals", [=](benchmark::State& state) {
        T sum[16];
        run(state, 16 / sizeof(T) * of_block, counted.normals, rate, [&] {
            loops.normals(7, blocks, sum);
            benchmark::DoNotOptimize(sum);
        });
    });
    const std::pair<const char*, bench::Function> functions[] = {
        {"exponential", bench::Function::exponential},     {"logarithm", bench::Function::logarithm},
        {"log1p_exp", bench::Function::log1p_exp},         {"sigmoid", bench::Function::sigmoid},
        {"sincos_two_pi", bench::Function::sincos_two_pi}, {"square_root", bench::Function::square_root}};
    for (const auto& [row, function] : functions)
        add(row, [loops, function = function](benchmark::State& state) {
            constexpr int n = 1024;  // stays in the first cache
            std::vector<T> in(n), out(n);
            for (int i = 0; i < n; ++i) in[static_cast<std::size_t>(i)] = static_cast<T>((i + 0.5) / n);
            run(state, n, 0, 0, [&] {
                loops.evaluate(function, in.data(), out.data(), n);
                benchmark::DoNotOptimize(out.data());
                benchmark::ClobberMemory();
            });
        });
}

double multiply_adds_a_second(const bench::RandomLoops<float>& loops) {
    constexpr std::int64_t steps = 3'000'000;
    double best = 0;
    for (int again = 0; again < 5; ++again) {
        float sum[16];
        const std::clock_t begin = std::clock();
        loops.multiply_adds(steps, sum);
        benchmark::DoNotOptimize(sum);
        best = std::max(best, 12.0 * steps * CLOCKS_PER_SEC / static_cast<double>(std::clock() - begin));
    }
    return best;
}

void add_rows(const bench::RandomTable& table) {
    const std::string isa = table.isa;
    const bool counted = isa == "avx512";
    const double rate = counted ? multiply_adds_a_second(table.floats) : 0;
    if (counted) benchmark::AddCustomContext("avx512_multiply_adds_a_second", std::to_string(rate));
    add_rows<float>(isa + "/float", table.floats, counted ? counted_avx512<float> : Counted{}, rate);
    add_rows<double>(isa + "/double", table.doubles, counted ? counted_avx512<double> : Counted{}, rate);
}

int run_all(const bench::Options& options) {
    benchmark::AddCustomContext("processor", cuebm::Context::cpu().properties().name);
    add_rows(bench::random_base);
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) add_rows(bench::random_avx2);
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl"))
        add_rows(bench::random_avx512);
#endif
    return bench::run_rows("bench_random", options.rest);
}

}  // namespace

int main(int argc, char** argv) { return bench::with_options("bench_random", argc, argv, run_all); }
