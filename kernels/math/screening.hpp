// The bound that makes screening exact. With y' = fl(y - m), w' = fl(w - m) for a common shift m, the score
// s = |w'|^2/2 - y'.w' orders the prototypes as the energy does, but for rounding. With N >= |y'|, R >= |w'|:
//
//   | canonical energy - |y'|^2 - 2 fl(s) |  <=  kappa (N + R)^2 + underflow                                     (*)
//
// so the canonical argmin is among the k with fl(s_k) - B_k <= min_j (fl(s_j) + B_j), where 2 B_k is the right side.
// docs/design/screening.md proves (*); tests/unit/screening_test.cpp shrinks B and sees wrong labels.
#pragma once

#include "math/platform.hpp"

namespace cuebm::math {

// Beyond it the proof's second-order terms are not covered: no screening.
static constexpr std::int64_t screening_max_depth = std::int64_t{1} << 20;

// Points with N + R beyond it (or NaN) might overflow somewhere: they get the canonical energy of every prototype.
static constexpr float screening_reach_limit = 0x1p62f;

// gamma(n) = n u / (1 - n u): the relative error of n roundings.
CUEBM_MATH double rounding_bound(double n) {
    constexpr double u = 0x1p-24;
    return n * u / (1 - n * u);
}

// B = screening_spread (N + R)^2 + screening_floor.
CUEBM_MATH float screening_spread(std::int64_t d) {
    constexpr double u = 0x1p-24;
    const double terms = static_cast<double>(d);
    const double score = rounding_bound(terms + 2), shift = 2.1 * u, canonical = 1.01 * rounding_bound(terms / 16 + 7);
    // 1/128 and 4 u: B and fl(s) +- B are themselves rounded.
    return static_cast<float>(0.5 * (score + shift + canonical) * (1 + 0x1p-7) + 4 * u);
}
CUEBM_MATH float screening_floor(std::int64_t d) { return static_cast<float>(d + 8) * 0x1p-149f; }

// R >= |w'|, from the sum of squares in double.
CUEBM_MATH float screening_norm(double squares) {
#if defined(__CUDA_ARCH__)
    const double norm = __dsqrt_rn(squares);
#else
    const double norm = __builtin_sqrt(squares);
#endif
    return static_cast<float>(norm) * (1 + 0x1p-22f) + 0x1p-149f;
}

// N = sqrt(sum + floor) * growth >= |y'|, where `sum` is the sum of squares in fp32, in any order.
CUEBM_MATH float screening_norm_floor(std::int64_t d) { return static_cast<float>(d) * 0x1p-149f; }
CUEBM_MATH float screening_norm_growth(std::int64_t d) {
    return static_cast<float>(1 + static_cast<double>(d + 10) * 0x1p-24);
}

}  // namespace cuebm::math
