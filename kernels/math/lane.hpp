// The lane: what the mathematics is written over. In a CUDA thread a lane is a float or a double; on the CPU
// kernels/cpu/pack.hpp adds packs of them with the same names. Nothing here contracts, reorders or calls libm.
#pragma once

#include "math/platform.hpp"

namespace cuebm::math {

template <class R>
struct LaneTraits;
template <>
struct LaneTraits<float> {
    using Scalar = float;
    using Bits = std::int32_t;
    using Unsigned = std::uint32_t;
};
template <>
struct LaneTraits<double> {
    using Scalar = double;
    using Bits = std::int64_t;
    using Unsigned = std::uint64_t;
};
// The scalar integer as wide as a lane's element, for constants made of bits.
template <class R>
using WordOf = typename LaneTraits<typename LaneTraits<R>::Scalar>::Unsigned;

CUEBM_MATH float fused(float a, float b, float c) {  // a * b + c, rounded once
#if defined(__CUDA_ARCH__)
    return __fmaf_rn(a, b, c);
#else
    return __builtin_fmaf(a, b, c);
#endif
}
CUEBM_MATH double fused(double a, double b, double c) {
#if defined(__CUDA_ARCH__)
    return __fma_rn(a, b, c);
#else
    return __builtin_fma(a, b, c);
#endif
}

// What a comparison of lanes gives: bool, or a pack of them, each -1 or 0 as wide as the lane.
template <class R>
using MaskOf = decltype(R{} < R{});
CUEBM_MATH bool any(bool mask) { return mask; }
CUEBM_MATH bool opposite(bool mask) { return !mask; }  // of a bool, ~ is always true

CUEBM_MATH float select(bool mask, float yes, float no) { return mask ? yes : no; }
CUEBM_MATH double select(bool mask, double yes, double no) { return mask ? yes : no; }
CUEBM_MATH std::int32_t select(bool mask, std::int32_t yes, std::int32_t no) { return mask ? yes : no; }
CUEBM_MATH std::int64_t select(bool mask, std::int64_t yes, std::int64_t no) { return mask ? yes : no; }

CUEBM_MATH std::int32_t to_bits(float x) {
    std::int32_t bits;
    __builtin_memcpy(&bits, &x, sizeof bits);
    return bits;
}
CUEBM_MATH std::int64_t to_bits(double x) {
    std::int64_t bits;
    __builtin_memcpy(&bits, &x, sizeof bits);
    return bits;
}
CUEBM_MATH float from_bits(std::int32_t bits) {
    float x;
    __builtin_memcpy(&x, &bits, sizeof x);
    return x;
}
CUEBM_MATH double from_bits(std::int64_t bits) {
    double x;
    __builtin_memcpy(&x, &bits, sizeof x);
    return x;
}
CUEBM_MATH float from_integer(std::int32_t i) { return static_cast<float>(i); }
CUEBM_MATH double from_integer(std::int64_t i) { return static_cast<double>(i); }

// Correctly rounded.
CUEBM_MATH float square_root(float x) {
#if defined(__CUDA_ARCH__)
    return __fsqrt_rn(x);
#else
    return __builtin_sqrtf(x);
#endif
}
CUEBM_MATH double square_root(double x) {
#if defined(__CUDA_ARCH__)
    return __dsqrt_rn(x);
#else
    return __builtin_sqrt(x);
#endif
}

// Of the words of a lane: is the bit set; the number with the other sign where the word's highest bit is set.
CUEBM_MATH bool has_bit(std::uint32_t word, std::uint32_t bit) { return (word & bit) != 0; }
CUEBM_MATH bool has_bit(std::uint64_t word, std::uint64_t bit) { return (word & bit) != 0; }
CUEBM_MATH float flip_sign(float x, std::uint32_t word) {
    return from_bits(static_cast<std::int32_t>(static_cast<std::uint32_t>(to_bits(x)) ^ (word & 0x80000000u)));
}
CUEBM_MATH double flip_sign(double x, std::uint64_t word) {
    return from_bits(static_cast<std::int64_t>(static_cast<std::uint64_t>(to_bits(x)) ^ (word & 0x8000000000000000u)));
}

// The product of two words of 32 bits.
CUEBM_MATH void multiply_words(std::uint32_t a, std::uint32_t word, std::uint32_t& high, std::uint32_t& low) {
    const std::uint64_t product = std::uint64_t{a} * word;
    high = static_cast<std::uint32_t>(product >> 32);
    low = static_cast<std::uint32_t>(product);
}
CUEBM_MATH std::uint32_t exclusive_or(std::uint32_t a, std::uint32_t b, std::uint32_t c) { return a ^ b ^ c; }
// 64 bits of two words of 32, each in the low half of its 64, with anything in the high half.
CUEBM_MATH std::uint64_t join_words(std::uint64_t low, std::uint64_t high) {
    return (low & 0xffffffffu) | (high << 32);
}

// 0, 1, 2 ... in the lanes of a word's type.
CUEBM_MATH std::uint32_t lane_numbers(std::uint32_t) { return 0; }
CUEBM_MATH std::uint64_t lane_numbers(std::uint64_t) { return 0; }

}  // namespace cuebm::math
