// The canonical energy, which decides labels: sum_j (y_j - w_j)^2 in the type of the data, with fused
// multiply-add, 16 interleaved accumulators (coordinate j goes to j mod 16) and one fixed tree.
// Sixteen is one AVX-512 register and half a warp, so every backend computes these very bits at full speed.
#pragma once

#include "math/lane.hpp"

namespace cuebm::math {

inline constexpr int canonical_lanes = 16;

// ((0+8)+(4+12)) + ..., the tree that halving a register or xor-shuffling half a warp gives.
template <class R>
CUEBM_MATH R tree_sum(const R (&a)[canonical_lanes]) {
    R s[8];
    for (int i = 0; i < 8; ++i) s[i] = a[i] + a[i + 8];
    for (int i = 0; i < 4; ++i) s[i] = s[i] + s[i + 4];
    for (int i = 0; i < 2; ++i) s[i] = s[i] + s[i + 2];
    return s[0] + s[1];
}

// One thread computes it alone: for tests, and CPUs without wide registers.
template <class T>
CUEBM_MATH T canonical_energy(const T* y, const T* w, std::int64_t d) {
    T a[canonical_lanes] = {};
    for (std::int64_t j = 0; j < d; ++j) {
        const T t = y[j] - w[j];
        a[j % canonical_lanes] = fused(t, t, a[j % canonical_lanes]);
    }
    return tree_sum(a);
}

// Sums of doubles over rows run in fixed blocks, added in a fixed order.
inline constexpr std::int64_t sum_block = 4096;  // rows; part of the contract, not a tuning constant

// From sums of n differences to one value, and of their squares.
CUEBM_MATH double variance(double sum, double squares, std::int64_t n) {
    const double count = static_cast<double>(n), mean = sum / count;
    const double value = fused(-mean, mean, squares / count);
    return value > 0 ? value : 0.0;
}

}  // namespace cuebm::math
