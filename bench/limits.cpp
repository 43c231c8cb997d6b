// Peaks by chains of independent multiply-adds that stay in registers; bandwidth by copying and by reading arrays that
// are larger than caches.
#include "limits.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <functional>
#include <thread>
#include <vector>

#include <cuebm/context.hpp>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace bench {

double seconds_of(const std::function<void()>& work) {
    const auto begin = std::chrono::steady_clock::now();
    work();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

namespace {

double best_seconds(int runs, const std::function<void()>& work) {
    double best = seconds_of(work);
    for (int again = 1; again < runs; ++again) best = std::min(best, seconds_of(work));
    return best;
}

void on_threads(int threads, const std::function<void(int)>& work) {
    std::vector<std::jthread> pool;
    for (int t = 0; t < threads; ++t) pool.emplace_back(work, t);
}

// Twelve accumulators hide a latency of up to six cycles at two instructions a cycle. They are variables with names: an
// array of them g++ 12 keeps in memory, which cost int8 two thirds of its speed. The empty asm keeps the compiler from
// folding or dropping the chains; `operations` is what one instruction does.
constexpr int chains = 12;
constexpr std::int64_t steps = 3'000'000, tile_steps = steps / 32;  // some 7 ms: a tile takes 16 cycles

struct Kernel {
    const char* isa;  // of the library, as CUEBM_ISA names it
    bool supported;
    int operations;
    void (*run)();
    std::int64_t steps = bench::steps;
};

#define CUEBM_BENCH_STEP(sum, constraint, multiply_add) \
    sum = multiply_add(sum, a, a);                      \
    asm volatile("" : constraint(sum));
#define CUEBM_BENCH_CHAINS(Register, zero, constraint, f)                        \
    Register s0 = zero, s1 = zero, s2 = zero, s3 = zero, s4 = zero, s5 = zero;   \
    Register s6 = zero, s7 = zero, s8 = zero, s9 = zero, s10 = zero, s11 = zero; \
    for (std::int64_t i = 0; i < steps; ++i) {                                   \
        CUEBM_BENCH_STEP(s0, constraint, f)                                      \
        CUEBM_BENCH_STEP(s1, constraint, f)                                      \
        CUEBM_BENCH_STEP(s2, constraint, f)                                      \
        CUEBM_BENCH_STEP(s3, constraint, f)                                      \
        CUEBM_BENCH_STEP(s4, constraint, f)                                      \
        CUEBM_BENCH_STEP(s5, constraint, f)                                      \
        CUEBM_BENCH_STEP(s6, constraint, f)                                      \
        CUEBM_BENCH_STEP(s7, constraint, f)                                      \
        CUEBM_BENCH_STEP(s8, constraint, f)                                      \
        CUEBM_BENCH_STEP(s9, constraint, f)                                      \
        CUEBM_BENCH_STEP(s10, constraint, f)                                     \
        CUEBM_BENCH_STEP(s11, constraint, f)                                     \
    }

#if defined(__x86_64__)
__m128 multiply_add_base(__m128 sum, __m128 x, __m128 y) { return _mm_add_ps(_mm_mul_ps(sum, x), y); }
void fp32_base() {
    const __m128 a = _mm_set1_ps(0.5f);
    CUEBM_BENCH_CHAINS(__m128, _mm_setzero_ps(), "+x", multiply_add_base)
}
__attribute__((target("avx2,fma"))) void fp32_avx2() {
    const __m256 a = _mm256_set1_ps(0.5f);
    CUEBM_BENCH_CHAINS(__m256, _mm256_setzero_ps(), "+v", _mm256_fmadd_ps)
}
__attribute__((target("avx512f"))) void fp32_avx512() {
    const __m512 a = _mm512_set1_ps(0.5f);
    CUEBM_BENCH_CHAINS(__m512, _mm512_setzero_ps(), "+v", _mm512_fmadd_ps)
}
__attribute__((target("avx512f,avx512bf16"))) void bf16_avx512() {
    const auto a = reinterpret_cast<__m512bh>(_mm512_set1_epi32(0x3f003f00));  // 0.5, twice
    CUEBM_BENCH_CHAINS(__m512, _mm512_setzero_ps(), "+v", _mm512_dpbf16_ps)
}
__attribute__((target("avx512f,avx512vnni"))) void int8_avx512() {
    const __m512i a = _mm512_set1_epi8(1);
    CUEBM_BENCH_CHAINS(__m512i, _mm512_setzero_si512(), "+v", _mm512_dpbusd_epi32)
}

// AMX: six tiles of sums, twice a step, and two of factors, all of 16 rows of 64 bytes.
struct TileShapes {
    std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
    std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
    std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
static_assert(sizeof(TileShapes) == 64);

#define CUEBM_BENCH_TILES(multiply_add) \
    multiply_add(0, 6, 7);              \
    multiply_add(1, 6, 7);              \
    multiply_add(2, 6, 7);              \
    multiply_add(3, 6, 7);              \
    multiply_add(4, 6, 7);              \
    multiply_add(5, 6, 7);
#define CUEBM_BENCH_TILE_CHAINS(multiply_add)                                               \
    const TileShapes shapes;                                                                \
    asm volatile("" : : "r"(&shapes) : "memory"); /* g++ 12 thinks that 8 bytes are read */ \
    _tile_loadconfig(&shapes);                                                              \
    for (std::int64_t i = 0; i < tile_steps; ++i) {                                         \
        CUEBM_BENCH_TILES(multiply_add)                                                     \
        CUEBM_BENCH_TILES(multiply_add)                                                     \
    }                                                                                       \
    _tile_release();
__attribute__((target("amx-tile,amx-bf16"))) void bf16_amx() { CUEBM_BENCH_TILE_CHAINS(_tile_dpbf16ps) }
__attribute__((target("amx-tile,amx-int8"))) void int8_amx() { CUEBM_BENCH_TILE_CHAINS(_tile_dpbusd) }

// The processor has it (a bit of leaf 7's edx), and the system lets this process use it.
bool has_amx(unsigned bit) {
    constexpr unsigned tiles = 1u << 24;
    constexpr int ask_permission = 0x1023, tile_data = 18;  // arch_prctl's ARCH_REQ_XCOMP_PERM
    unsigned a = 0, b = 0, c = 0, d = 0;
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0 || (d & tiles) == 0 || (d >> bit & 1) == 0) return false;
#if defined(__linux__)
    return syscall(SYS_arch_prctl, ask_permission, tile_data) == 0;
#else
    return false;
#endif
}

std::vector<Kernel> fp32_kernels() {
    return {{"avx512", __builtin_cpu_supports("avx512f") != 0, 32, fp32_avx512},
            {"avx2", __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"), 16, fp32_avx2},
            {"base", true, 8, fp32_base}};
}
std::vector<Kernel> bf16_kernels() { return {{"avx512", __builtin_cpu_supports("avx512bf16") != 0, 64, bf16_avx512}}; }
std::vector<Kernel> int8_kernels() { return {{"avx512", __builtin_cpu_supports("avx512vnni") != 0, 128, int8_avx512}}; }
std::vector<Kernel> amx_bf16_kernels() { return {{"avx512", has_amx(22), 2 * 16 * 16 * 32, bf16_amx, tile_steps}}; }
std::vector<Kernel> amx_int8_kernels() { return {{"avx512", has_amx(25), 2 * 16 * 16 * 64, int8_amx, tile_steps}}; }
#else
#if defined(__aarch64__)
void fp32_neon() {
    const float32x4_t a = vdupq_n_f32(0.5f);
    CUEBM_BENCH_CHAINS(float32x4_t, vdupq_n_f32(0), "+w", vfmaq_f32)
}
std::vector<Kernel> fp32_kernels() { return {{"base", true, 8, fp32_neon}}; }
#else
std::vector<Kernel> fp32_kernels() { return {}; }
#endif
std::vector<Kernel> bf16_kernels() { return {}; }
std::vector<Kernel> int8_kernels() { return {}; }
std::vector<Kernel> amx_bf16_kernels() { return {}; }
std::vector<Kernel> amx_int8_kernels() { return {}; }
#endif

// The fastest of the supported kernels of this instruction set.
double peak(const std::vector<Kernel>& kernels, int threads, const std::string& isa, int runs) {
    double best = 0;
    for (const auto& kernel : kernels) {
        if (!kernel.supported || kernel.isa != isa) continue;
        const double seconds = best_seconds(runs, [&] { on_threads(threads, [&](int) { kernel.run(); }); });
        const double rate =
            static_cast<double>(threads) * chains * static_cast<double>(kernel.steps) * kernel.operations / seconds;
        best = std::max(best, rate);
    }
    return best;
}

// 256 MiB, kept: their pages would take longer to come than they take to be read.
constexpr std::size_t words = std::size_t{1} << 25;
const std::vector<std::uint64_t>& large_array() {
    static const std::vector<std::uint64_t> array(words, 1);
    return array;
}

// 256 MiB to another 256 MiB, a share a thread.
double copy_on_cpu(int threads, int runs) {
    const auto& from = large_array();
    static std::vector<std::uint64_t> to(words);
    const auto share = words / static_cast<std::size_t>(threads);
    const double seconds = best_seconds(runs, [&] {
        on_threads(threads, [&](int t) {
            const auto first = static_cast<std::size_t>(t) * share;
            std::memcpy(&to[first], &from[first], share * sizeof(std::uint64_t));
        });
    });
    return 2.0 * static_cast<double>(share) * sizeof(std::uint64_t) * threads / seconds;
}

// 256 MiB summed, a share a thread. The prefetch made it 1.6 times as fast on a virtual Xeon, 1 thread.
double read_on_cpu(int threads, int runs) {
    const auto& from = large_array();
    const auto share = words / static_cast<std::size_t>(threads) / 8 * 8;
    const double seconds = best_seconds(runs, [&] {
        on_threads(threads, [&](int t) {
            const std::uint64_t* word = &from[static_cast<std::size_t>(t) * share];
            std::uint64_t sums[8] = {};
            for (std::size_t i = 0; i < share; i += 8) {
                __builtin_prefetch(word + i + 512);
                for (std::size_t l = 0; l < 8; ++l) sums[l] += word[i + l];
            }
            for (auto& sum : sums) asm volatile("" : "+r"(sum));
        });
    });
    return static_cast<double>(share) * sizeof(std::uint64_t) * threads / seconds;
}

// "avx2" of "CPU (avx2, 2 threads)"; "base" may be followed by a remark.
std::string isa_of(const std::string& device) {
    const auto first = std::min(device.size(), device.find('(') + 1);
    return device.substr(first, device.find_first_of(", ", first) - first);
}

std::string processor_name() {
    std::ifstream file("/proc/cpuinfo");
    std::string line, name = "unknown", family, model;
    const auto value = [&] { return line.substr(std::min(line.size(), line.find(':') + 2)); };
    while (std::getline(file, line) && !line.empty()) {
        if (line.starts_with("model name"))
            name = value();
        else if (line.starts_with("cpu family"))
            family = value();
        else if (line.starts_with("model"))
            model = value();
    }
    return family.empty() ? name : name + ", family " + family + ", model " + model;
}

}  // namespace

Limits measure_limits(cuebm::Context& context, int runs, bool short_formats) {
    const auto& properties = context.properties();
    if (context.device() != cuebm::Device{}) {
        Limits limits{.processor = properties.name, .isa = ""};
#if defined(CUEBM_BENCH_GPU)
        measure_gpu(context.device().index, limits);
#endif
        return limits;
    }
    Limits limits{.processor = processor_name(), .isa = isa_of(properties.name)};
    const int threads = properties.processors;
    limits.fp32_flops = peak(fp32_kernels(), threads, limits.isa, runs);
    if (short_formats) {
        limits.bf16_flops = peak(bf16_kernels(), threads, limits.isa, runs);
        limits.int8_ops = peak(int8_kernels(), threads, limits.isa, runs);
        limits.amx_bf16_flops = peak(amx_bf16_kernels(), threads, limits.isa, runs);
        limits.amx_int8_ops = peak(amx_int8_kernels(), threads, limits.isa, runs);
    }
    limits.copy_bytes = copy_on_cpu(threads, runs);
    limits.read_bytes = read_on_cpu(threads, runs);
    return limits;
}

Limits median_of(const std::vector<Limits>& limits) {
    Limits median = limits.at(0);
    for (double Limits::*figure : {&Limits::fp32_flops, &Limits::bf16_flops, &Limits::int8_ops, &Limits::amx_bf16_flops,
                                   &Limits::amx_int8_ops, &Limits::copy_bytes, &Limits::read_bytes}) {
        std::vector<double> values;
        for (const auto& each : limits) values.push_back(each.*figure);
        std::sort(values.begin(), values.end());
        median.*figure = (values[(values.size() - 1) / 2] + values[values.size() / 2]) / 2;
    }
    return median;
}

}  // namespace bench
