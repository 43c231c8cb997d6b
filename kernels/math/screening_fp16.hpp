// Screening by tensor cores. Points and prototypes, less their common shift and times a power of two, are rounded to
// fp16 (yq, wq) and multiplied exactly, summed in a float that may be cut off instead of rounded. A prototype's merit
// is m = y'.w' - |w'|^2 / 2: the more, the lower its energy. What the tensor cores give, with R >= |w'|,
//
//   v = yq.wq - |w'|^2 / 2 + square R^2 + slope R      satisfies      v + b >= m >= v - 2 slope R - 2 square R^2 - b
//
// where m stands for (|y'|^2 - canonical energy) / 2, times the square of the scale; slope and b are the point's own,
// `square` depends on d alone. So no prototype widens the bound of another. docs/design/screening-tensor-cores.md
// proves it and gives every constant.
#pragma once

#include "math/number.hpp"
#include "math/screening.hpp"

namespace cuebm::math {

struct Fp16Bound {
    float accumulation;  // of the sum of |yq_j wq_j|: what d additions may lose
    float square;        // of R^2
    float point;         // of N^2
    float floor;         // of 1 + N: underflow in the scaled coordinates
    float underflow;     // of the scale's square: underflow of canonical energies
    float widening;      // of slope: its own rounding. Below 1 in tests alone, which see labels go wrong
};

CUEBM_MATH Fp16Bound fp16_bound(std::int64_t d) {
    constexpr double u = 0x1p-24, padding = 1 + 0x1p-7;
    const double terms = static_cast<double>(d);
    const double sums = (terms + 32) * 0x1p-21;
    const double energy = 2.1 * u + 1.01 * rounding_bound(terms / 16 + 7);
    return {.accumulation = static_cast<float>(sums),
            .square = static_cast<float>((energy + 0.51 * sums + 8 * u) * padding),
            .point = static_cast<float>((energy + 4 * u) * padding),
            .floor = static_cast<float>(d + 32) * 0x1p-124f,
            .underflow = static_cast<float>(d + 32) * 0x1p-146f,
            .widening = 1 + 0x1p-18f};
}

// The power of two that takes the largest |w'_j| to [256, 512), where fp16 has its full precision from 2^-22 times that
// to 2^7 times that; a finite one for anything.
CUEBM_MATH float fp16_scale(float largest) {
    const auto exponent = static_cast<std::int32_t>(bits_of_float(largest) >> 23);  // with a bias of 127
    const std::int32_t wanted = largest > 0 && exponent < 255 ? 262 - exponent : 127;
    return float_of_bits(static_cast<std::uint32_t>(wanted < 253 ? wanted : 253) << 23);
}

// Of a point: from norms n >= |yq| and e >= |y' - yq|, and the largest |w' - wq| / R of all prototypes.
CUEBM_MATH float fp16_slope(const Fp16Bound& bound, float n, float e, float ratio) {
    const float of_norm = ratio + bound.accumulation * (1 + ratio) + 0x1p-23f;
    return fused(of_norm, n, e) * bound.widening;
}
// 2 b, of a point with N >= |y'|.
CUEBM_MATH float fp16_margin(const Fp16Bound& bound, float norm, float scale) {
    return 2 * (norm * norm * bound.point + (1 + norm) * bound.floor + bound.underflow * scale * scale);
}
// What the sum of a prototype begins at, from |w'|^2 in double and R.
CUEBM_MATH float fp16_start(const Fp16Bound& bound, double squares, float norm) {
    return static_cast<float>(static_cast<double>(norm) * norm * bound.square - 0.5 * squares);
}
// The least that a prototype's merit may be, less the margin, when v is the most.
CUEBM_MATH float fp16_least(const Fp16Bound& bound, float v, float slope, float norm) {
    return v - 2 * (slope * norm + norm * norm * bound.square);
}

}  // namespace cuebm::math
