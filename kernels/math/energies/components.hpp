// Energies whose latent variable names a component, and is summed over: F_beta, with weights p_k of the components.
//
//   mixture: E(x) = -log sum_k exp(-e_k)           e_k = c_k + 1/2 sum_j q_kj (x_j - m_kj)^2
//   K-means: E(x) = -1/beta log sum_k exp(-beta e_k)     e_k = sum_j (x_j - w_kj)^2
//
//   p_k = exp(-beta (e_k - E))       dE/dx_j = sum_k p_k q_kj (x_j - m_kj),  or  2 sum_k p_k (x_j - w_kj)
//
// Of a mixture beta is 1, and c_k = d / 2 log(2 pi) - log weight_k - 1/2 sum_j log q_kj.
//
// Parameters: of a mixture c [k], m [k x d], q [k x d]; of K-means W [k x d], grouped (matrix.hpp), and beta. C. M.
// Bishop, Pattern Recognition and Machine Learning, 2006, 9.2; K. Rose, Proc. IEEE 86(11), 1998. Scratch: [k + d].
#pragma once

#include "math/energies/matrix.hpp"
#include "math/energy_program.hpp"
#include "math/functions_exponential.hpp"
#include "math/functions_logarithm.hpp"

namespace cuebm::math {

// Rows first to first + Count - 1 of a matrix of `rows` rows of d; behind its end, the last one again.
template <class T, int Count>
struct MatrixRows {
    const T* row[Count];
};
template <int Count, class T>
CUEBM_MATH MatrixRows<T, Count> rows_from(const T* matrix, int first, int rows, int d) {
    MatrixRows<T, Count> some;
#pragma GCC unroll 8
    for (int r = 0; r < Count; ++r)
        some.row[r] = matrix + static_cast<std::int64_t>(first + r < rows ? first + r : rows - 1) * d;
    return some;
}

// E of the energies e_k in scratch, which become the weights p_k.
template <bool Gradient, class R, class T>
CUEBM_MATH R sum_components(int components, T beta, Coordinates<R> energies) {
    R least = energies[0];
    for (int k = 1; k < components; ++k) least = select(energies[k] < least, energies[k], least);
    R sum{};
    for (int k = 0; k < components; ++k) {
        const R weight = exponential_of_nonpositive((least - energies[k]) * beta);
        sum = sum + weight;
        if constexpr (Gradient) energies.set(k, weight);
    }
    if constexpr (Gradient)
        for (int k = 0; k < components; ++k) energies.set(k, energies[k] / sum);
    return least - logarithm(sum) / beta;
}

// The weights of components from `first` on, 0 behind the last.
template <int Count, class R>
CUEBM_MATH void weights_from(Coordinates<R> weights, int first, int components, R (&some)[Count]) {
#pragma GCC unroll 8
    for (int r = 0; r < Count; ++r) some[r] = first + r < components ? weights[first + r] : R{};
}

template <bool Gradient, class R, class T>
CUEBM_MATH R mixture(const EnergyStep<T>& step, const T* parameters, const LaneArrays<R>& lane) {
    constexpr int at_once = 4;  // rows of two matrices
    const int d = step.d, components = step.rows;
    const T *constants = parameters, *means = constants + components,
            *precisions = means + static_cast<std::int64_t>(components) * d;
    const auto weights = lane.scratch, slopes = lane.scratch.from(components);
    for (int first = 0; first < components; first += at_once) {
        const auto mean = rows_from<at_once>(means, first, components, d),
                   precision = rows_from<at_once>(precisions, first, components, d);
        R squares[at_once] = {};
        for (int j = 0; j < d; ++j) {
            const R x = lane.x[j];
#pragma GCC unroll 4
            for (int r = 0; r < at_once; ++r) {
                const R off = x - mean.row[r][j];
                squares[r] = fused(off * precision.row[r][j], off, squares[r]);
            }
        }
#pragma GCC unroll 4
        for (int r = 0; r < at_once; ++r)
            if (first + r < components)
                weights.set(first + r, fused(spread<R>(T(0.5)), squares[r], spread<R>(constants[first + r])));
    }
    const R value = sum_components<Gradient>(components, T(1), weights);
    if constexpr (Gradient) {
        for (int j = 0; j < d; ++j) slopes.set(j, R{});
        for (int first = 0; first < components; first += at_once) {
            const auto mean = rows_from<at_once>(means, first, components, d),
                       precision = rows_from<at_once>(precisions, first, components, d);
            R some[at_once];
            weights_from(weights, first, components, some);
            for (int j = 0; j < d; ++j) {
                const R x = lane.x[j];
                R slope = slopes[j];
#pragma GCC unroll 4
                for (int r = 0; r < at_once; ++r)
                    slope = fused(some[r] * precision.row[r][j], x - mean.row[r][j], slope);
                slopes.set(j, slope);
            }
        }
        for (int j = 0; j < d; ++j) lane.gradient.add(j, step.scale * slopes[j]);
    }
    return value;
}

template <bool Gradient, class R, class T>
CUEBM_MATH R kmeans(const EnergyStep<T>& step, const T* parameters, const LaneArrays<R>& lane) {
    const int d = step.d, components = step.rows;
    const T beta = parameters[grouped_size(components, d)];
    const auto weights = lane.scratch, mean = lane.scratch.from(components);
    for (int first = 0; first < components; first += rows_at_once) {
        const auto* const prototype = eight_rows(parameters, first, d);
        R squares[rows_at_once] = {};
        for (int j = 0; j < d; ++j) {
            const R x = lane.x[j];
#pragma GCC unroll 8
            for (int r = 0; r < rows_at_once; ++r) {
                const R off = x - prototype[j].row[r];
                squares[r] = fused(off, off, squares[r]);
            }
        }
#pragma GCC unroll 8
        for (int r = 0; r < rows_at_once; ++r)
            if (first + r < components) weights.set(first + r, squares[r]);
    }
    const R value = sum_components<Gradient>(components, beta, weights);
    if constexpr (Gradient) {
        for (int j = 0; j < d; ++j) mean.set(j, R{});
        for (int first = 0; first < components; first += rows_at_once) {
            R eight[rows_at_once];
            weights_from(weights, first, components, eight);
            add_transposed(eight_rows(parameters, first, d), d, eight, mean);
        }
        for (int j = 0; j < d; ++j) lane.gradient.add(j, (T(2) * step.scale) * (lane.x[j] - mean[j]));
    }
    return value;
}

}  // namespace cuebm::math
