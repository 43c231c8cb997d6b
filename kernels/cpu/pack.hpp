// A pack: one SIMD register of floats or doubles as a lane type of kernels/math/, as wide as the translation unit's
// flags allow. Include it before kernels/math/'s templates, which find these overloads by name. Used only by files that
// are built for one instruction set (docs/design/simd.md).
#pragma once

#include "math/lane.hpp"

#if defined(__AVX2__)
#if defined(__GNUC__) && !defined(__clang__)  // g++ 12 takes its own _mm512_undefined_*() for a mistake
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>
#pragma GCC diagnostic pop
#else
#include <immintrin.h>
#endif
#elif defined(__SSE2__)
#include <emmintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace cuebm::math {

#if defined(__AVX512F__)
#define CUEBM_PACK_BYTES 64
#elif defined(__AVX2__)
#define CUEBM_PACK_BYTES 32
#else
#define CUEBM_PACK_BYTES 16
#endif

#if defined(__AVX512F__) || defined(__aarch64__)
static constexpr int pack_registers = 32;
#else
static constexpr int pack_registers = 16;
#endif

#if defined(__FMA__) || defined(__aarch64__)
static constexpr bool pack_fma = true;
#else
static constexpr bool pack_fma = false;
#endif

typedef float FloatPack __attribute__((vector_size(CUEBM_PACK_BYTES)));
typedef double DoublePack __attribute__((vector_size(CUEBM_PACK_BYTES)));
typedef std::uint32_t FloatPackWords __attribute__((vector_size(CUEBM_PACK_BYTES)));
typedef std::uint64_t DoublePackWords __attribute__((vector_size(CUEBM_PACK_BYTES)));
// Of signed integers as wide; the compilers differ in the integer's name.
using FloatPackBits = decltype(FloatPack{} < FloatPack{});
using DoublePackBits = decltype(DoublePack{} < DoublePack{});

template <>
struct LaneTraits<FloatPack> {
    using Scalar = float;
    using Bits = FloatPackBits;
    using Unsigned = FloatPackWords;
};
template <>
struct LaneTraits<DoublePack> {
    using Scalar = double;
    using Bits = DoublePackBits;
    using Unsigned = DoublePackWords;
};

template <class T>
struct PackOf;
template <>
struct PackOf<float> {
    using Type = FloatPack;
};
template <>
struct PackOf<double> {
    using Type = DoublePack;
};

// fma where there is no instruction. The product of two floats is exact in double; the sum is rounded to odd there (its
// last bit says whether anything was lost), and such a double rounds to float as the exact value does. A call: inlined
// at each use it made energy_base.cpp take 163 s to compile, against 42 s with the instruction.
[[maybe_unused]] static __attribute__((noinline)) FloatPack fused_by_doubles(FloatPack a, FloatPack b, FloatPack c) {
    typedef double Wide __attribute__((vector_size(2 * CUEBM_PACK_BYTES)));
    typedef std::uint64_t WideBits __attribute__((vector_size(2 * CUEBM_PACK_BYTES)));
    const Wide product = __builtin_convertvector(a, Wide) * __builtin_convertvector(b, Wide);
    const Wide other = __builtin_convertvector(c, Wide);
    const Wide sum = product + other, part = sum - product;
    const Wide lost = (product - (sum - part)) + (other - part);  // exactly; NaN if the sum is not finite
    const WideBits bits = WideBits(sum), even = (bits & 1) - 1, opposite = (bits ^ WideBits(lost)) >> 63;
    const WideBits inexact = WideBits((lost < 0.0) | (lost > 0.0));
    return __builtin_convertvector(Wide(bits + (inexact & even & (1 - 2 * opposite))), FloatPack);
}

// Rounded once in every lane, with or without the instruction.
CUEBM_MATH FloatPack fused(FloatPack a, FloatPack b, FloatPack c) {
#if defined(__AVX512F__)
    return FloatPack(_mm512_fmadd_ps(__m512(a), __m512(b), __m512(c)));
#elif defined(__AVX2__) && defined(__FMA__)
    return FloatPack(_mm256_fmadd_ps(__m256(a), __m256(b), __m256(c)));
#elif defined(__aarch64__)
    return FloatPack(vfmaq_f32(float32x4_t(c), float32x4_t(a), float32x4_t(b)));
#else
    return fused_by_doubles(a, b, c);
#endif
}
CUEBM_MATH DoublePack fused(DoublePack a, DoublePack b, DoublePack c) {
#if defined(__AVX512F__)
    return DoublePack(_mm512_fmadd_pd(__m512d(a), __m512d(b), __m512d(c)));
#elif defined(__AVX2__) && defined(__FMA__)
    return DoublePack(_mm256_fmadd_pd(__m256d(a), __m256d(b), __m256d(c)));
#elif defined(__aarch64__)
    return DoublePack(vfmaq_f64(float64x2_t(c), float64x2_t(a), float64x2_t(b)));
#else
    DoublePack r{};
    for (int l = 0; l < CUEBM_PACK_BYTES / 8; ++l) r[l] = __builtin_fma(a[l], b[l], c[l]);
    return r;
#endif
}

// Where a bound covers either rounding: fma if the instruction is there, else a product and a sum.
CUEBM_MATH FloatPack product_sum(FloatPack a, FloatPack b, FloatPack c) {
    if constexpr (pack_fma)
        return fused(a, b, c);
    else
        return a * b + c;
}

CUEBM_MATH FloatPack select(FloatPackBits mask, FloatPack yes, FloatPack no) { return mask ? yes : no; }
CUEBM_MATH DoublePack select(DoublePackBits mask, DoublePack yes, DoublePack no) { return mask ? yes : no; }
CUEBM_MATH FloatPackBits select(FloatPackBits mask, FloatPackBits yes, FloatPackBits no) { return mask ? yes : no; }
CUEBM_MATH DoublePackBits select(DoublePackBits mask, DoublePackBits yes, DoublePackBits no) { return mask ? yes : no; }

CUEBM_MATH FloatPackBits to_bits(FloatPack x) { return FloatPackBits(x); }
CUEBM_MATH DoublePackBits to_bits(DoublePack x) { return DoublePackBits(x); }
CUEBM_MATH FloatPack from_bits(FloatPackBits bits) { return FloatPack(bits); }
CUEBM_MATH DoublePack from_bits(DoublePackBits bits) { return DoublePack(bits); }

CUEBM_MATH FloatPack from_integer(FloatPackBits i) { return __builtin_convertvector(i, FloatPack); }
CUEBM_MATH DoublePack from_integer(DoublePackBits i) {  // of |i| < 2^51
#if defined(__AVX512DQ__)
    return __builtin_convertvector(i, DoublePack);
#else
    constexpr double large = 6755399441055744.0;  // 1.5 * 2^52
    return DoublePack(i + to_bits(DoublePack{} + large)) - large;
#endif
}

// Correctly rounded.
CUEBM_MATH FloatPack square_root(FloatPack x) {
#if defined(__AVX512F__)
    return FloatPack(_mm512_sqrt_ps(__m512(x)));
#elif defined(__AVX2__)
    return FloatPack(_mm256_sqrt_ps(__m256(x)));
#elif defined(__SSE2__)
    return FloatPack(_mm_sqrt_ps(__m128(x)));
#elif defined(__aarch64__)
    return FloatPack(vsqrtq_f32(float32x4_t(x)));
#else
    for (int l = 0; l < CUEBM_PACK_BYTES / 4; ++l) x[l] = __builtin_sqrtf(x[l]);
    return x;
#endif
}
CUEBM_MATH DoublePack square_root(DoublePack x) {
#if defined(__AVX512F__)
    return DoublePack(_mm512_sqrt_pd(__m512d(x)));
#elif defined(__AVX2__)
    return DoublePack(_mm256_sqrt_pd(__m256d(x)));
#elif defined(__SSE2__)
    return DoublePack(_mm_sqrt_pd(__m128d(x)));
#elif defined(__aarch64__)
    return DoublePack(vsqrtq_f64(float64x2_t(x)));
#else
    for (int l = 0; l < CUEBM_PACK_BYTES / 8; ++l) x[l] = __builtin_sqrt(x[l]);
    return x;
#endif
}

// A comparison's result as one bit a lane.
CUEBM_MATH unsigned lane_bits(FloatPackBits mask) {
#if defined(__AVX512F__)
    return _mm512_movepi32_mask(__m512i(mask));
#elif defined(__AVX2__)
    return static_cast<unsigned>(_mm256_movemask_ps(__m256(mask)));
#elif defined(__SSE2__)
    return static_cast<unsigned>(_mm_movemask_ps(__m128(mask)));
#else
    unsigned bits = 0;
    for (int l = 0; l < CUEBM_PACK_BYTES / 4; ++l) bits |= static_cast<unsigned>(mask[l] & 1) << l;
    return bits;
#endif
}
CUEBM_MATH unsigned lane_bits(DoublePackBits mask) {
#if defined(__AVX512F__)
    return _mm512_movepi64_mask(__m512i(mask));
#elif defined(__AVX2__)
    return static_cast<unsigned>(_mm256_movemask_pd(__m256d(mask)));
#elif defined(__SSE2__)
    return static_cast<unsigned>(_mm_movemask_pd(__m128d(mask)));
#else
    unsigned bits = 0;
    for (int l = 0; l < CUEBM_PACK_BYTES / 8; ++l) bits |= static_cast<unsigned>(mask[l] & 1) << l;
    return bits;
#endif
}

CUEBM_MATH bool any(FloatPackBits mask) { return lane_bits(mask) != 0; }
CUEBM_MATH bool any(DoublePackBits mask) { return lane_bits(mask) != 0; }
CUEBM_MATH FloatPackBits opposite(FloatPackBits mask) { return ~mask; }
CUEBM_MATH DoublePackBits opposite(DoublePackBits mask) { return ~mask; }

CUEBM_MATH FloatPack broadcast(float x) {
#if defined(__AVX512F__)
    return FloatPack(_mm512_set1_ps(x));
#elif defined(__AVX2__)
    return FloatPack(_mm256_set1_ps(x));
#else
    return FloatPack{x, x, x, x};
#endif
}

// Each lane to the nearest integer, ties to even, for |x| < 2^62. Without an instruction: in two parts of 32 bits,
// which adding 1.5 * 2^52 rounds and leaves in the low bits.
CUEBM_MATH DoublePackBits nearest_integers(DoublePack x) {
#if defined(__AVX512DQ__)
    return DoublePackBits(_mm512_cvtpd_epi64(__m512d(x)));
#else
    constexpr double round = 6755399441055744.0;
    const DoublePack shifted = x * 0x1p-32 + round;
    const DoublePack rest = (x - (shifted - round) * 0x1p32) + round;
    const DoublePackBits zero = to_bits(DoublePack{} + round);
    return ((to_bits(shifted) - zero) << 32) + (to_bits(rest) - zero);
#endif
}

template <class T>
CUEBM_MATH typename PackOf<T>::Type load(const T* from) {  // any alignment
    typename PackOf<T>::Type x;
    __builtin_memcpy(&x, from, sizeof x);
    return x;
}
template <class T>
CUEBM_MATH void store(T* to, typename PackOf<T>::Type x) {
    __builtin_memcpy(to, &x, sizeof x);
}

}  // namespace cuebm::math

#include "cpu/pack_words.hpp"
