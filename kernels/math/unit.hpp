// Rows divided by their length. The length is the root of a sum of squares in double, 16 interleaved accumulators and
// the fixed tree of canonical.hpp, of values scaled by a power of two so that none overflows; without fma, which double
// does not need here. Quotients are rounded to the type of the data once.
#pragma once

#include "math/canonical.hpp"

#if !defined(__CUDA_ARCH__)
#include <cmath>
#endif

namespace cuebm::math {

// A power of two, and its inverse.
struct UnitScale {
    double by, back;
};

// The one that brings `largest`, finite and > 0, under 1, or near it where that or its inverse would overflow.
CUEBM_MATH UnitScale unit_scale(double largest) {
    int exponent = 0;
#if defined(__CUDA_ARCH__)
    (void)frexp(largest, &exponent);
#else
    (void)std::frexp(largest, &exponent);
#endif
    exponent = exponent < -1000 ? -1000 : exponent > 1000 ? 1000 : exponent;
#if defined(__CUDA_ARCH__)
    return {ldexp(1.0, -exponent), ldexp(1.0, exponent)};
#else
    return {std::ldexp(1.0, -exponent), std::ldexp(1.0, exponent)};
#endif
}

CUEBM_MATH double unit_root(double x) {
#if defined(__CUDA_ARCH__)
    return __dsqrt_rn(x);
#else
    return std::sqrt(x);
#endif
}

CUEBM_MATH double add_square(double x, double sum) { return sum + x * x; }

// Whether a row of unit length, rounded to T, could have this sum of squares: it is kept as it is, so that to normalise
// twice is to normalise once. Squares are off by 2 eps of T, their sum by d / 16 + 4 roundings.
template <class T>
CUEBM_MATH bool is_unit(double scaled_sum, double back, std::int64_t d) {
    const double eps = sizeof(T) == sizeof(float) ? 0x1p-23 : 0x1p-52;
    const double off = scaled_sum * back * back - 1;
    const double allowed = 2 * eps + (static_cast<double>(d) / 8 + 8) * 0x1p-52;
    return off <= allowed && -off <= allowed;
}

// What stands in the place of y.
template <class T>
CUEBM_MATH T unit_value(T y, double scale, double length) {
    return static_cast<T>(static_cast<double>(y) * scale / length);
}

}  // namespace cuebm::math
