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

// The same with coordinates rounded to a low precision, y' to yq and w' to wq: then |y'.w' - yq.wq| <= |y' - yq| |w'| +
// |yq| |w' - wq|. B = spread N^2 + floor + (per_norm N + per_rest |y' - yq| + constant) R is linear in R, so that it
// costs one fma a score.
struct LowPrecision {
    std::int64_t coordinates = 1;  // d
    bool fp32 = false;             // nothing is rounded: the score's own roundings alone
    double roundings = 0;          // of the sum of products, in units of 2^-24
    double smallest = 0;           // what a product or a sum loses by underflow
    double scale = 1;              // y' and w' are multiplied by this power of two
    double largest_norm = 0;       // max R
    double rest_ratio = 0;         // max |w' - wq| / R
    double rounded_ratio = 0;      // max |wq| / R
    int id_bits = 0;               // low bits of a score that hold something else
};
struct ScreeningLine {
    float spread, floor, per_norm, per_rest, constant;
    float reach_limit;  // of N
};
CUEBM_MATH ScreeningLine screening_line(const LowPrecision& p) {
    constexpr double u = 0x1p-24, slack = 1 + 0x1p-10;  // slack: the constants and B itself are rounded
    const double d = static_cast<double>(p.coordinates);
    const double score = rounding_bound(p.fp32 ? d + 2 : 8), shift = 2.1 * u,
                 canonical = 1.01 * rounding_bound(d / 16 + 7);
    const double spread = 0.5 * (score + shift + canonical) * (1 + 0x1p-7) + 6 * u;
    const double ratio = p.rounded_ratio > 1 ? p.rounded_ratio : 1;
    const double rest = p.fp32 ? 0 : p.rest_ratio + rounding_bound(p.roundings) * ratio;
    double id = p.id_bits > 0 ? 0x1p-23 : 0;
    for (int b = 0; b < p.id_bits; ++b) id *= 2;
    const double underflow =
        (d + 8) * 0x1p-149 * p.scale * p.scale + (4 * d + 16) * p.smallest + (p.id_bits > 0 ? 0x1p-140 : 0);
    ScreeningLine line;
    line.spread = static_cast<float>(spread * slack);
    line.floor = static_cast<float>(underflow * slack);
    line.per_norm = static_cast<float>((2 * spread + rest + 2 * ratio * id) * slack);
    line.per_rest = static_cast<float>((1 + rest + 2 * ratio * id) * slack);
    line.constant = static_cast<float>((spread + 0.51 * id) * p.largest_norm * slack);
    // Neither scaled nor unscaled may a norm exceed 2^62; where that, or the floor, says nothing, no point is screened.
    const double limit = static_cast<double>(screening_reach_limit) * (p.scale < 1 ? p.scale : 1) - p.largest_norm;
    line.reach_limit = line.floor < 1e30f && limit > 0 ? static_cast<float>(limit * (1 - 0x1p-10)) : -1.0f;
    return line;
}

// Once a prototype's canonical energy is known: one of no higher energy has fl(s_k) - B_k + margin at most this, where
// margin = spread N^2 + floor is the part of B_k that is the point's own. The energy is that of the points as they are,
// `norm` is N of the scaled ones; infinity where the energy is (docs/design/screening.md, "Candidates").
CUEBM_MATH float screening_highest(float energy, float scale, float norm, float norm_shrink, float margin,
                                   float floor) {
    const double scaled = static_cast<double>(energy) * static_cast<double>(scale) * static_cast<double>(scale);
    const double square = static_cast<double>(norm) * static_cast<double>(norm) * static_cast<double>(norm_shrink);
    const double half = 0.5 * (scaled - square);
    return static_cast<float>(half + (half < 0 ? -half : half) * 0x1p-20 + static_cast<double>(margin) +
                              static_cast<double>(floor));
}

// For bounds of distances D = |y' - w'| that are kept between calls: N^2 shrink <= |y'|^2; and if L <= D_j, U >= D_l
// and L > U growth + slack S then the canonical energy of j exceeds that of l.
struct ScreeningDistances {
    float shrink, growth, slack;
};
CUEBM_MATH ScreeningDistances screening_distances(std::int64_t d) {
    constexpr double u = 0x1p-24;
    const double terms = static_cast<double>(d), canonical = rounding_bound(terms / 16 + 7);
    return {static_cast<float>(1 - 4 * (terms + 20) * u), static_cast<float>(1 + 4 * canonical + 32 * u),
            static_cast<float>(16 * u)};
}

}  // namespace cuebm::math
