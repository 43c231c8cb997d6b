// Energies of a product with data, X theta, [n x d] times the coordinates.
//
//   logistic: sum_i log(1 + exp(eta_i)) - t_i eta_i + 1/2 p |theta|^2        eta = X theta, t_i in {0, 1}
//   linear:   1/2 q sum_i (eta_i - t_i)^2           + 1/2 p |theta|^2
//   sparse:   sum_i (eta_i - t_i)^2                 + l |theta|_1            E(z | y): X is W, t is y, theta is z
//
//   logistic: dE/dtheta_j = sum_i X_ij (sigmoid(eta_i) - t_i) + p theta_j
//   linear:   dE/dtheta_j = q sum_i X_ij (eta_i - t_i)        + p theta_j
//   sparse:   dE/dtheta_j = 2 sum_i X_ij (eta_i - t_i)        + l sign(theta_j), 0 at 0
//
// Parameters: X [n x d], grouped (matrix.hpp); t [n]; (p, 1), (p, q) or (l, 2). Rows are added in order in blocks of
// 256, and the blocks in order. Scratch: [d]. A. Gelman and others, Bayesian Data Analysis, 2013, 14 and 16; B. A.
// Olshausen and D. J. Field, Nature 381, 1996.
#pragma once

#include "math/energies/matrix.hpp"
#include "math/energy_program.hpp"
#include "math/functions_exponential.hpp"
#include "math/functions_logarithm.hpp"

namespace cuebm::math {

inline constexpr int regression_block = 256;

enum class Likelihood { bernoulli, normal };

// What a row adds: to the energy, returned, and to the gradient by eta.
template <Likelihood likelihood, bool Value, bool Gradient, class R, class T>
CUEBM_MATH R regression_term(R eta, T target, T precision, R& slope) {
    if constexpr (likelihood == Likelihood::bernoulli) {
        if constexpr (Gradient) slope = sigmoid(eta) - target;
        if constexpr (!Value) return R{};
        return fused(eta, spread<R>(-target), log1p_exp(eta));
    } else {
        const R off = eta - target;
        if constexpr (Gradient) slope = off * precision;
        return off * off * (T(0.5) * precision);
    }
}

template <Likelihood likelihood, bool Value, bool Gradient, class R, class T>
CUEBM_MATH R regression_rows(const EnergyStep<T>& step, const T* parameters, const LaneArrays<R>& lane,
                             GradientCoordinates<R> gradient) {
    const int d = step.d, n = step.rows;
    const T* const targets = parameters + grouped_size(n, d);
    const T precision = targets[n + 1];
    const auto x = [&](int j) { return lane.x[j]; };
    R value{};
    for (int block = 0; block < n; block += regression_block) {
        const int end = n - block < regression_block ? n : block + regression_block;
        if constexpr (Gradient)
            for (int j = 0; j < d; ++j) lane.scratch.set(j, R{});
        R sum{};
        for (int first = block; first < end; first += rows_at_once) {
            const auto* const eight = eight_rows(parameters, first, d);
            R etas[rows_at_once] = {}, slopes[rows_at_once];
            add_products(eight, d, x, etas);
#pragma GCC unroll 8
            for (int r = 0; r < rows_at_once; ++r) {
                const bool there = first + r < end;
                const T target = there ? targets[first + r] : T(0);
                const R term =
                    regression_term<likelihood, Value, Gradient, R, T>(etas[r], target, precision, slopes[r]);
                if (there) sum = sum + term;
                if constexpr (Gradient)
                    if (!there) slopes[r] = R{};
            }
            if constexpr (Gradient) add_transposed(eight, d, slopes, lane.scratch);
        }
        value = value + sum;
        if constexpr (Gradient)
            for (int j = 0; j < d; ++j) gradient.add(j, step.scale * lane.scratch[j]);
    }
    return value;
}

template <Likelihood likelihood, bool Value, bool Gradient, class R, class T>
CUEBM_MATH R regression(const EnergyStep<T>& step, const T* parameters, const LaneArrays<R>& lane) {
    const T prior = parameters[grouped_size(step.rows, step.d) + step.rows];
    const auto gradient = Gradient ? lane.gradient.cleared(step.d) : lane.gradient;
    const R value = regression_rows<likelihood, Value, Gradient>(step, parameters, lane, gradient);
    if constexpr (Gradient)
        for (int j = 0; j < step.d; ++j) gradient.add(j, (step.scale * prior) * lane.x[j]);
    if constexpr (!Value) return R{};
    const R squares = sum_coordinates<R>(step.d, [&](int j, R sum) {
        const R theta = lane.x[j];
        return fused(theta, theta, sum);
    });
    return fused(squares, spread<R>(T(0.5) * prior), value);
}

template <bool Value, bool Gradient, class R, class T>
CUEBM_MATH R sparse(const EnergyStep<T>& step, const T* parameters, const LaneArrays<R>& lane) {
    const T lambda = parameters[grouped_size(step.rows, step.d) + step.rows];
    const auto gradient = Gradient ? lane.gradient.cleared(step.d) : lane.gradient;
    const R value = regression_rows<Likelihood::normal, Value, Gradient>(step, parameters, lane, gradient);
    if constexpr (Gradient)
        for (int j = 0; j < step.d; ++j) {
            const R z = lane.x[j], slope = spread<R>(step.scale * lambda);
            gradient.add(j, select(z > T(0), slope, select(z < T(0), -slope, R{})));
        }
    if constexpr (!Value) return R{};
    const R length = sum_coordinates<R>(step.d, [&](int j, R sum) {
        const R z = lane.x[j];
        return sum + select(z < T(0), -z, z);
    });
    return fused(length, spread<R>(lambda), value);
}

}  // namespace cuebm::math
