// Small energies that are hard to sample, each for one difficulty.
//
//   banana: curved. With u = x_1 - b (x_0^2 - s^2):
//     E = 1/2 (x_0 / s)^2 + 1/2 u^2 + 1/2 sum_{j>1} x_j^2
//     dE/dx_0 = x_0 / s^2 - 2 b x_0 u        dE/dx_1 = u        dE/dx_j = x_j, j > 1
//     H. Haario, E. Saksman and J. Tamminen, Computational Statistics 14, 1999, whose b has the other sign: the same
//     mirrored in x_1; s = 10, b = 0.03
//
//   Rosenbrock: curved and narrow. With u_j = x_{j+1} - x_j^2:
//     E = sum_{j<d-1} a u_j^2 + (1 - x_j)^2
//     dE/dx_j = (2 (x_j - 1) - 4 a x_j u_j, if j < d - 1) + (2 a u_{j-1}, if j > 0)
//     H. H. Rosenbrock, The Computer Journal 3, 1960, of two coordinates with a = 100; here a chain of d
//
//   funnel: of many scales
//     E = 1/2 (x_0 / s)^2 + (d - 1) / 2 x_0 + 1/2 exp(-x_0) sum_{j>0} x_j^2
//     dE/dx_0 = x_0 / s^2 + (d - 1) / 2 - 1/2 exp(-x_0) sum_{j>0} x_j^2        dE/dx_j = exp(-x_0) x_j, j > 0
//     R. M. Neal, Annals of Statistics 31, 2003; s = 3
//
//   ring: no coordinate is alone. A textbook potential, of no one paper
//     E = 1/2 ((|x| - r) / w)^2
//     dE/dx_j = (|x| - r) / w^2 x_j / |x|, 0 at the origin
//
//   double well: two modes, h between them. A textbook potential, of no one paper
//     E = h ((x_0 / a)^2 - 1)^2 + 1/2 sum_{j>0} x_j^2
//     dE/dx_0 = 4 h / a^2 x_0 ((x_0 / a)^2 - 1)        dE/dx_j = x_j, j > 0
//
// Parameters: (s^2, b, 1 / s^2), (a), (1 / s^2), (r, 1 / w^2), (h, 1 / a^2).
#pragma once

#include "math/energy_program.hpp"
#include "math/functions_exponential.hpp"
#include "math/functions_logarithm.hpp"

namespace cuebm::math {

template <bool Value, bool Gradient, class R, class T>
CUEBM_MATH R banana(const EnergyStep<T>& step, const T* parameters, const LaneArrays<R>& lane) {
    const T square = parameters[0], b = parameters[1], over = parameters[2];
    const R x0 = lane.x[0], off = fused(x0 * x0 - square, spread<R>(-b), lane.x[1]);
    if constexpr (Gradient) {
        by_one_member([&] {
            lane.gradient.add(0, step.scale * fused(off * x0, spread<R>(T(-2) * b), x0 * over));
            lane.gradient.add(1, step.scale * off);
        });
        for_coordinates(step.d - 2, [&](int j) { lane.gradient.add(j + 2, step.scale * lane.x[j + 2]); });
    }
    if constexpr (!Value) return R{};
    return T(0.5) * sum_coordinates<R>(step.d, [&](int j, R sum) {
               const R x = j == 1 ? off : lane.x[j];
               return fused(j == 0 ? x * over : x, x, sum);
           });
}

template <bool Value, bool Gradient, class R, class T>
CUEBM_MATH R rosenbrock(const EnergyStep<T>& step, const T* parameters, const LaneArrays<R>& lane) {
    const T a = parameters[0];
    const int d = step.d;
    const auto off = [&](int j) { return lane.x[j + 1] - lane.x[j] * lane.x[j]; };
    if constexpr (Gradient)
        for_coordinates(d, [&](int j) {
            R slope{};
            if (j + 1 < d) {
                slope = T(2) * (lane.x[j] - T(1));
                slope = fused(off(j) * lane.x[j], spread<R>(T(-4) * a), slope);
            }
            if (j > 0) slope = fused(off(j - 1), spread<R>(T(2) * a), slope);
            lane.gradient.add(j, step.scale * slope);
        });
    if constexpr (!Value) return R{};
    return sum_coordinates<R>(d - 1, [&](int j, R sum) {
        const R wide = lane.x[j] - T(1), narrow = off(j);
        return fused(wide, wide, fused(narrow * a, narrow, sum));
    });
}

template <bool Value, bool Gradient, class R, class T>
CUEBM_MATH R funnel(const EnergyStep<T>& step, const T* parameters, const LaneArrays<R>& lane) {
    const T over = parameters[0], half = T(0.5) * static_cast<T>(step.d - 1);
    const R x0 = lane.x[0], precision = exponential(-x0);
    const R squares = sum_coordinates<R>(step.d - 1, [&](int j, R sum) {
        const R x = lane.x[j + 1];
        return fused(x, x, sum);
    });
    const R inner = T(0.5) * (precision * squares);
    if constexpr (Gradient) {
        by_one_member(
            [&] { lane.gradient.add(0, step.scale * (fused(x0, spread<R>(over), spread<R>(half)) - inner)); });
        for_coordinates(step.d - 1, [&](int j) { lane.gradient.add(j + 1, step.scale * (precision * lane.x[j + 1])); });
    }
    if constexpr (!Value) return R{};
    return fused(x0 * (T(0.5) * over), x0, fused(x0, spread<R>(half), inner));
}

template <bool Value, bool Gradient, class R, class T>
CUEBM_MATH R ring(const EnergyStep<T>& step, const T* parameters, const LaneArrays<R>& lane) {
    const T radius = parameters[0], over = parameters[1];
    const R length = square_root(sum_coordinates<R>(step.d, [&](int j, R sum) {
        const R x = lane.x[j];
        return fused(x, x, sum);
    }));
    const R off = length - radius;
    if constexpr (Gradient) {
        const R factor = select(length > T(0), off * over / length, R{});  // the origin is a maximum
        for_coordinates(step.d, [&](int j) { lane.gradient.add(j, step.scale * (factor * lane.x[j])); });
    }
    return off * off * (T(0.5) * over);
}

template <bool Value, bool Gradient, class R, class T>
CUEBM_MATH R double_well(const EnergyStep<T>& step, const T* parameters, const LaneArrays<R>& lane) {
    const T height = parameters[0], over = parameters[1];
    const R x0 = lane.x[0], off = fused(x0 * over, x0, spread<R>(T(-1)));
    if constexpr (Gradient) {
        by_one_member([&] { lane.gradient.add(0, (T(4) * height * over * step.scale) * (off * x0)); });
        for_coordinates(step.d - 1, [&](int j) { lane.gradient.add(j + 1, step.scale * lane.x[j + 1]); });
    }
    if constexpr (!Value) return R{};
    const R squares = sum_coordinates<R>(step.d - 1, [&](int j, R sum) {
        const R x = lane.x[j + 1];
        return fused(x, x, sum);
    });
    return fused(off * off, spread<R>(height), T(0.5) * squares);
}

}  // namespace cuebm::math
