// Changes of variables: E(map(x)), whose gradient is the map's derivative, transposed, times that of E.
//
//   scale:     to_j = a_j x_j + b_j                     parameters a [d], b [d]
//   matrix:    to = A x + b                             parameters A [m x d], grouped (matrix.hpp), b [m]
//   clamp:     to_j = x(index_j), or b_j for index -1   parameters b [m]; indices [m], then of each x its j [d]
//   constrain: of each coordinate by its kind; E gets - log |d to / d x|, so that exp(-E) stays the same density
//              (Stan Reference Manual 2.35, "Constraint transforms")
//
//   kind       to_j                               log |d to_j / d x_j|
//   none       x_j                                0
//   lower      b_j + exp(x_j)                     x_j
//   upper      b_j - exp(x_j)                     x_j
//   interval   b_j + w_j sigmoid(x_j)             log w_j - softplus(x_j) - softplus(-x_j)
//   above      to_{j-1} + exp(x_j)                x_j
//
// Parameters: b [d], w [d]; indices: the kinds [d].
//
// Gradients by x_j, with g_i = dE/dto_i:
//   scale:     a_j g_j
//   matrix:    sum_i A_ij g_i
//   clamp:     g_i of the i where to_i = x_j
//   constrain: none G_j; lower and above G_j exp(x_j) - 1; upper -G_j exp(x_j) - 1; interval G_j w_j s t + s - t with
//              s = sigmoid(x_j), t = sigmoid(-x_j). G_j = g_j, + G_{j+1} if coordinate j + 1 is of the kind above
#pragma once

#include "math/energies/matrix.hpp"
#include "math/energy_program.hpp"
#include "math/functions_exponential.hpp"
#include "math/functions_logarithm.hpp"

namespace cuebm::math {

// The coordinates that a map makes, and the gradient by them.
template <class R>
struct MapArrays {
    Coordinates<R> x;
    GradientCoordinates<R> gradient;
    Coordinates<R> to, to_gradient;
};

template <class R, class T>
CUEBM_MATH void scale_forward(const EnergyStep<T>& step, const T* parameters, const MapArrays<R>& lane) {
    for_coordinates(step.d, [&](int j) {
        lane.to.set(j, fused(lane.x[j], spread<R>(parameters[j]), spread<R>(parameters[step.d + j])));
    });
}
template <bool Gradient, class R, class T>
CUEBM_MATH void scale_backward(const EnergyStep<T>& step, const T* parameters, const MapArrays<R>& lane) {
    if constexpr (Gradient)
        for_coordinates(step.d, [&](int j) { lane.gradient.add(j, lane.to_gradient[j] * parameters[j]); });
}

template <class R, class T>
CUEBM_MATH void matrix_forward(const EnergyStep<T>& step, const T* parameters, const MapArrays<R>& lane) {
    const T* const shift = parameters + grouped_size(step.rows, step.d);
    for (int first = 0; first < step.rows; first += rows_at_once) {
        R sums[rows_at_once] = {};
        add_products(
            eight_rows(parameters, first, step.d), step.d, [&](int j) { return lane.x[j]; }, sums);
#pragma GCC unroll 8
        for (int r = 0; r < rows_at_once; ++r)
            if (first + r < step.rows) lane.to.set(first + r, sums[r] + shift[first + r]);
    }
}
template <bool Gradient, class R, class T>
CUEBM_MATH void matrix_backward(const EnergyStep<T>& step, const T* parameters, const MapArrays<R>& lane) {
    if constexpr (!Gradient) return;
    const auto gradient = lane.gradient.cleared(step.d);
    for (int first = 0; first < step.rows; first += rows_at_once) {
        R factors[rows_at_once];
#pragma GCC unroll 8
        for (int r = 0; r < rows_at_once; ++r) factors[r] = first + r < step.rows ? lane.to_gradient[first + r] : R{};
        add_transposed(eight_rows(parameters, first, step.d), step.d, factors, gradient.at);
    }
}

template <class R, class T>
CUEBM_MATH void clamp_forward(const EnergyStep<T>& step, const T* parameters, const std::int32_t* indices,
                              const MapArrays<R>& lane) {
    for_coordinates(step.rows,
                    [&](int j) { lane.to.set(j, indices[j] < 0 ? spread<R>(parameters[j]) : lane.x[indices[j]]); });
}
template <bool Gradient, class R, class T>
CUEBM_MATH void clamp_backward(const EnergyStep<T>& step, const std::int32_t* indices, const MapArrays<R>& lane) {
    if constexpr (Gradient)
        for_coordinates(step.d, [&](int j) { lane.gradient.add(j, lane.to_gradient[indices[step.rows + j]]); });
}

// Returns -log |d to / d x|.
template <bool Value, class R, class T>
CUEBM_MATH R constrain_forward(const EnergyStep<T>& step, const T* parameters, const std::int32_t* kinds,
                               const MapArrays<R>& lane) {
    const T *bounds = parameters, *widths = parameters + step.d;
    for (int j = 0; j < step.d; ++j) {
        const R x = lane.x[j];
        switch (static_cast<Constraint>(kinds[j])) {
            case Constraint::none: lane.to.set(j, x); break;
            case Constraint::lower: lane.to.set(j, exponential(x) + bounds[j]); break;
            case Constraint::upper: lane.to.set(j, bounds[j] - exponential(x)); break;
            case Constraint::interval:
                lane.to.set(j, fused(sigmoid(x), spread<R>(widths[j]), spread<R>(bounds[j])));
                break;
            case Constraint::above: lane.to.set(j, lane.to[j - 1] + exponential(x)); break;
        }
    }
    if constexpr (!Value) return R{};
    return sum_coordinates<R>(step.d, [&](int j, R sum) {
        const R x = lane.x[j];
        switch (static_cast<Constraint>(kinds[j])) {
            case Constraint::none: return sum;
            case Constraint::interval: return sum + ((log1p_exp(x) + log1p_exp(-x)) - logarithm(spread<R>(widths[j])));
            default: return sum - x;
        }
    });
}
template <bool Gradient, class R, class T>
CUEBM_MATH void constrain_backward(const EnergyStep<T>& step, const T* parameters, const std::int32_t* kinds,
                                   const MapArrays<R>& lane) {
    if constexpr (!Gradient) return;
    const T* widths = parameters + step.d;
    R above{};  // the gradient by to_j that comes from the coordinates above it
    for (int j = step.d - 1; j >= 0; --j) {
        const R x = lane.x[j], slope = lane.to_gradient[j] + above;
        above = R{};
        switch (static_cast<Constraint>(kinds[j])) {
            case Constraint::none: lane.gradient.add(j, slope); break;
            case Constraint::above: above = slope; [[fallthrough]];
            case Constraint::lower: lane.gradient.add(j, fused(slope, exponential(x), spread<R>(-step.scale))); break;
            case Constraint::upper: lane.gradient.add(j, fused(-slope, exponential(x), spread<R>(-step.scale))); break;
            case Constraint::interval: {
                const R s = sigmoid(x), t = sigmoid(-x);
                lane.gradient.add(j, fused(slope * widths[j], s * t, step.scale * (s - t)));
                break;
            }
        }
    }
}

}  // namespace cuebm::math
