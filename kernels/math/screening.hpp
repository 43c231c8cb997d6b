// The bound that makes screening exact.
//
// With y' = fl(y - m), w' = fl(w - m) for a common shift m, the score s = w'^2/2 - y'.w' orders the prototypes
// as E = |y'|^2 + 2 s does, but it is computed with rounding, and E is not yet the canonical energy either.
// With N >= |y'|, R >= |w'| for all prototypes, u the unit roundoff, gamma(m) = m u / (1 - m u):
//
//   score:      |2 fl(s) - 2 s|        <= gamma(2 d + 4) (R^2 + 2 N R)       (fma, or multiply and add)
//   shift:      | |y' - w'|^2 - E |    <= 3 u (N + R)^2                       (y', w' rounded once each)
//   canonical:  |canonical - E|        <= gamma(d / 16 + 7) (1 + u)^2 (N + R)^2
//
// so every canonical energy lies within B = screening_slack * (N + R)^2 + tiny of |y'|^2 + 2 fl(s), and a
// prototype whose fl(s) is above the least fl(s) by more than B cannot be the canonical argmin. The
// derivation and a test that shrinks B and sees labels go wrong: docs/design/canonical-energy.md.
#pragma once

#include "math/platform.hpp"

namespace cuebm::math {

// B / (N + R)^2, rounded up.
CUEBM_MATH float screening_slack(std::int64_t d) {
    const double u = 0x1p-24, steps = 2.0 * static_cast<double>(d) + 4.0;
    const double score = steps * u / (1.0 - steps * u);
    const double canonical = (static_cast<double>(d) / 16.0 + 8.0) * u;
    return static_cast<float>((score + canonical + 4.0 * u) * 1.01);
}

// B for one point. `point_norm` and `prototype_norm` are rounded values of N and R, each within
// gamma(d + 4); the factor covers that and the roundings below. Infinite norms give an infinite bound, which
// sends the point to the canonical scan: slow, never wrong. The last term covers underflow.
CUEBM_MATH float screening_bound(float slack, float point_norm, float prototype_norm, std::int64_t d) {
    const float reach = (point_norm + prototype_norm) * (1.0f + 4.0f * slack);
    return slack * reach * reach + static_cast<float>(d + 16) * 0x1p-147f;
}

}  // namespace cuebm::math
