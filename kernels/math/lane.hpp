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
};
template <>
struct LaneTraits<double> {
    using Scalar = double;
    using Bits = std::int64_t;
};

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

CUEBM_MATH float select(bool mask, float yes, float no) { return mask ? yes : no; }
CUEBM_MATH double select(bool mask, double yes, double no) { return mask ? yes : no; }

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

}  // namespace cuebm::math
