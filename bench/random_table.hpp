// See random.hpp. Nothing here may leave a shared inline function in the objects (docs/design/simd.md).
#include "cpu/pack.hpp"
#include "math/normal.hpp"
#include "random.hpp"

namespace {

namespace math = cuebm::math;
using bench::Function;

template <class R>
struct Loops {
    using T = typename math::LaneTraits<R>::Scalar;
    using Bits = typename math::LaneTraits<R>::Bits;
    static constexpr int lanes = sizeof(R) / sizeof(T);

    static math::PhiloxKey key(std::uint64_t seed) { return math::random_key(seed, math::RandomPurpose::kmeans_first); }
    static void store(T* to, R x) { __builtin_memcpy(to, &x, sizeof x); }

    CUEBM_MATH void one(R& s, R a) {
        s = math::fused(s, a, a);
#if defined(__aarch64__)
        asm volatile("" : "+w"(s));
#else
        asm volatile("" : "+v"(s));
#endif
    }
    // Twelve hide a latency of up to six cycles at two instructions a cycle; named, as g++ 12 keeps an array in memory.
    // The empty asm keeps the chains from being folded.
    static void multiply_adds(std::int64_t steps, T* sum) {
        const R a = R{} + T(0.5);
        R s0{}, s1{}, s2{}, s3{}, s4{}, s5{}, s6{}, s7{}, s8{}, s9{}, s10{}, s11{};
        const auto step = [&](auto&... s) __attribute__((always_inline)) { (one(s, a), ...); };
        for (std::int64_t i = 0; i < steps; ++i) step(s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11);
        store(sum, ((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7)) + ((s8 + s9) + (s10 + s11)));
    }

    // All words are used, by exclusive or, so that nothing can be left out.
    static void words(std::uint64_t seed, std::int64_t blocks, T* sum) {
        const auto k = key(seed);
        const auto index = math::lane_index<R>(0);
        typename math::LaneTraits<R>::Unsigned all{};
        for (std::int64_t i = 0; i < blocks; ++i) {
            const auto block = math::random_block<R>(k, index, 0, static_cast<std::uint32_t>(i));
            all ^= block.word[0] ^ block.word[1] ^ block.word[2] ^ block.word[3];
        }
        store(sum, math::from_bits(Bits(all)));
    }
    static R sum_of(const math::NormalBlock<R>& block) {
        const R part = block.value[0] + block.value[1];
        if constexpr (math::NormalBlock<R>::count == 4)
            return part + (block.value[2] + block.value[3]);
        else
            return part;
    }
    static void normals(std::uint64_t seed, std::int64_t blocks, T* sum) {
        const auto k = key(seed);
        const auto index = math::lane_index<R>(0);
        R all{};
        for (std::int64_t i = 0; i < blocks; i += 2) {
            const auto two = math::random_normals_twice<R>(k, index, 0, static_cast<std::uint32_t>(i));
            all = all + sum_of(two.first);
            all = all + sum_of(two.second);
        }
        store(sum, all);
    }

    static R apply(Function function, R x) {
        R sine, cosine;
        switch (function) {
            case Function::exponential: return math::exponential(x);
            case Function::logarithm: return math::logarithm(x);
            case Function::log1p_exp: return math::log1p_exp(x);
            case Function::sigmoid: return math::sigmoid(x);
            case Function::sincos_two_pi: math::sincos_two_pi(x, sine, cosine); return sine + cosine;
            case Function::square_root: return math::square_root(x);
        }
        return x;
    }
    template <Function function>
    static void loop(const T* in, T* out, int n) {
        for (int i = 0; i < n; i += lanes) {
            R x;
            __builtin_memcpy(&x, in + i, sizeof x);
            store(out + i, apply(function, x));
        }
    }
    static void evaluate(Function function, const T* in, T* out, int n) {
        switch (function) {
            case Function::exponential: return loop<Function::exponential>(in, out, n);
            case Function::logarithm: return loop<Function::logarithm>(in, out, n);
            case Function::log1p_exp: return loop<Function::log1p_exp>(in, out, n);
            case Function::sigmoid: return loop<Function::sigmoid>(in, out, n);
            case Function::sincos_two_pi: return loop<Function::sincos_two_pi>(in, out, n);
            case Function::square_root: return loop<Function::square_root>(in, out, n);
        }
    }
    static constexpr bench::RandomLoops<T> table() { return {lanes, multiply_adds, words, normals, evaluate}; }
};

}  // namespace
