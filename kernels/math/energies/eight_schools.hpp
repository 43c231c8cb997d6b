// Eight schools, for any number m of them: effects y_j with known errors s_j, normal around theta_j, these around mu
// with deviation exp(l). D. B. Rubin, Journal of Educational Statistics 6, 1981; A. Gelman and others, Bayesian Data
// Analysis, 2013, 5.5; priors of inference-gym: mu ~ N(0, 10), l ~ N(5, 1).
//
//   centred:     E = prior + m l + 1/2 sum_j (((theta_j - mu) exp(-l))^2 + ((y_j - theta_j) / s_j)^2)
//     dE/dmu      = mu / 100 - exp(-2 l) sum_j (theta_j - mu)
//     dE/dl       = l - 5 + m - exp(-2 l) sum_j (theta_j - mu)^2
//     dE/dtheta_j = exp(-2 l) (theta_j - mu) + r_j
//
//   not centred: E = prior + 1/2 sum_j (eta_j^2 + ((y_j - theta_j) / s_j)^2), theta_j = mu + exp(l) eta_j
//     dE/dmu      = mu / 100 + sum_j r_j
//     dE/dl       = l - 5 + exp(l) sum_j r_j eta_j
//     dE/deta_j   = eta_j + exp(l) r_j
//
//   prior = 1/2 (mu / 10)^2 + 1/2 (l - 5)^2        r_j = (theta_j - y_j) / s_j^2
//
// Coordinates: mu, l, and theta or eta [m]. Parameters: y [m], 1 / s^2 [m].
#pragma once

#include "math/energy_program.hpp"
#include "math/functions_exponential.hpp"
#include "math/functions_logarithm.hpp"

namespace cuebm::math {

template <class R, class T>
CUEBM_MATH R eight_schools_prior(R mu, R log_deviation, T) {
    const R off = log_deviation - T(5);
    return fused(mu * T(0.005), mu, off * off * T(0.5));
}

template <bool Value, bool Gradient, class R, class T>
CUEBM_MATH R eight_schools_centred(const EnergyStep<T>& step, const T* parameters, const LaneArrays<R>& lane) {
    const int m = step.d - 2;
    const T *effects = parameters, *precisions = parameters + m;
    const R mu = lane.x[0], l = lane.x[1], inverse = exponential(-l), precision = inverse * inverse;
    const auto theta = lane.x.from(2);
    // Of theta_j - mu and of its square.
    const auto offs = sum_coordinates<TwoSums<R>>(m, [&](int j, TwoSums<R> sum) {
        const R off = theta[j] - mu;
        if constexpr (Gradient)
            lane.gradient.add(2 + j,
                              step.scale * fused(theta[j] - effects[j], spread<R>(precisions[j]), off * precision));
        return TwoSums<R>{sum.first + off, fused(off, off, sum.second)};
    });
    const R spreads = offs.second * precision;
    if constexpr (Gradient) {
        lane.gradient.add(0, step.scale * fused(offs.first, -precision, mu * T(0.01)));
        lane.gradient.add(1, step.scale * ((l - T(5) + static_cast<T>(m)) - spreads));
    }
    if constexpr (!Value) return R{};
    const R errors = sum_coordinates<R>(m, [&](int j, R sum) {
        const R off = theta[j] - effects[j];
        return fused(off * precisions[j], off, sum);
    });
    return fused(l, spread<R>(static_cast<T>(m)), eight_schools_prior(mu, l, T(0))) + T(0.5) * (spreads + errors);
}

template <bool Value, bool Gradient, class R, class T>
CUEBM_MATH R eight_schools(const EnergyStep<T>& step, const T* parameters, const LaneArrays<R>& lane) {
    const int m = step.d - 2;
    const T *effects = parameters, *precisions = parameters + m;
    const R mu = lane.x[0], l = lane.x[1], deviation = exponential(l);
    const auto eta = lane.x.from(2);
    if constexpr (Gradient) {
        // The error's slopes by mu and by the deviation, of those by theta_j.
        const auto by = sum_coordinates<TwoSums<R>>(m, [&](int j, TwoSums<R> sum) {
            const R slope = (fused(deviation, eta[j], mu) - effects[j]) * precisions[j];
            lane.gradient.add(2 + j, step.scale * fused(slope, deviation, eta[j]));
            return TwoSums<R>{sum.first + slope, fused(slope, eta[j], sum.second)};
        });
        lane.gradient.add(0, step.scale * fused(mu, spread<R>(T(0.01)), by.first));
        lane.gradient.add(1, step.scale * fused(by.second, deviation, l - T(5)));
    }
    if constexpr (!Value) return R{};
    const R squares = sum_coordinates<R>(m, [&](int j, R sum) {
        const R off = fused(deviation, eta[j], mu) - effects[j];
        return fused(off * precisions[j], off, fused(eta[j], eta[j], sum));
    });
    return fused(squares, spread<R>(T(0.5)), eight_schools_prior(mu, l, T(0)));
}

}  // namespace cuebm::math
