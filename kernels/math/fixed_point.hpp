// Sums that must not depend on order are integers: value * 2^shift rounded to int64. Integer addition is
// associative, so any order, thread count or device gives the same bits.
#pragma once

#include "math/platform.hpp"

#if !defined(__CUDA_ARCH__)
#include <cmath>
#endif

namespace cuebm::math {

// The power of two to scale by, so that n values of at most `largest` sum to less than 2^62.
CUEBM_MATH double fixed_point_scale(double largest, std::int64_t n) {
    if (!(largest > 0) || largest > 1.7976931348623157e308) return 1.0;
    int exponent = 0, bits = 0;
    for (std::int64_t m = n - 1; m > 0; m >>= 1) ++bits;  // ceil log2 n
#if defined(__CUDA_ARCH__)
    (void)frexp(largest, &exponent);
#else
    (void)std::frexp(largest, &exponent);
#endif
    int shift = 62 - bits - exponent;
    if (shift > 1000) shift = 1000;  // keep 1 / scale finite for tiny data
#if defined(__CUDA_ARCH__)
    return ldexp(1.0, shift);
#else
    return std::ldexp(1.0, shift);
#endif
}

// Whether the scaled values of n are at most 2^51, so that adding 1.5 * 2^52 rounds them to integers.
CUEBM_MATH bool fixed_point_is_narrow(std::int64_t n) { return n > 1024; }

CUEBM_MATH std::int64_t to_fixed(double value, double scale) {
#if defined(__CUDA_ARCH__)
    return __double2ll_rn(value * scale);
#else
    return std::llrint(value * scale);
#endif
}

}  // namespace cuebm::math
