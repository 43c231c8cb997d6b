// Gaussians, up to their constant.
//
//   E(x) = 1/2 sum_j p_j (x_j - m_j)^2          dE/dx_j = p_j (x_j - m_j)
//   E(x) = 1/2 (x - m)' P (x - m)               dE/dx_j = sum_k P_jk (x_k - m_k)        P symmetric
//
// Parameters: m [d], p [d]; or P [d x d], grouped (matrix.hpp), m [d]. C. M. Bishop, Pattern Recognition and Machine
// Learning, 2006, 2.3.
#pragma once

#include "math/energies/matrix.hpp"
#include "math/energy_program.hpp"

namespace cuebm::math {

template <bool Value, bool Gradient, class R, class T>
CUEBM_MATH R gaussian_diagonal(const EnergyStep<T>& step, const T* parameters, const LaneArrays<R>& lane) {
    const T *mean = parameters, *precision = parameters + step.d;
    if constexpr (Gradient)
        for_coordinates(step.d,
                        [&](int j) { lane.gradient.add(j, (lane.x[j] - mean[j]) * (step.scale * precision[j])); });
    if constexpr (!Value) return R{};
    return T(0.5) * sum_coordinates<R>(step.d, [&](int j, R sum) {
               const R off = lane.x[j] - mean[j];
               return fused(off * precision[j], off, sum);
           });
}

// Scratch: [d].
template <bool Value, bool Gradient, class R, class T>
CUEBM_MATH R gaussian_dense(const EnergyStep<T>& step, const T* parameters, const LaneArrays<R>& lane) {
    const int d = step.d;
    const T *precision = parameters, *mean = parameters + grouped_size(d, d);
    const auto off = [&](int j) { return lane.x[j] - mean[j]; };
    for (int first = 0; first < d; first += rows_at_once) {
        R sums[rows_at_once] = {};
        add_products(eight_rows(precision, first, d), d, off, sums);
#pragma GCC unroll 8
        for (int r = 0; r < rows_at_once; ++r) {
            if (first + r >= d) break;
            lane.scratch.set(first + r, sums[r]);
            if constexpr (Gradient) lane.gradient.add(first + r, step.scale * sums[r]);
        }
    }
    if constexpr (!Value) return R{};
    return T(0.5) * sum_coordinates<R>(d, [&](int j, R sum) { return fused(off(j), lane.scratch[j], sum); });
}

}  // namespace cuebm::math
