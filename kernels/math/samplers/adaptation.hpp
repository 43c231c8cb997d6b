// What warm-up learns from all chains together: the step size by dual averaging of the mean acceptance probability (M.
// D. Hoffman and A. Gelman, JMLR 15, 2014, 3.2), and a diagonal mass from the variances over chains and transitions,
// shrunk as Stan does (Reference Manual, "HMC algorithm parameters").
#pragma once

#include "math/functions_exponential.hpp"
#include "math/functions_logarithm.hpp"
#include "math/samplers/transition.hpp"

namespace cuebm::math {

struct DualAveraging {
    double step_size, mean_step_size;  // to try next; the average, for sampling
    double error, log_mean, anchor;    // H-bar, log of the mean step size, mu
    double count;
};

CUEBM_MATH DualAveraging start_dual_averaging(double step_size) {
    return {step_size, step_size, 0, 0, logarithm(10 * step_size), 0};
}

CUEBM_MATH void average(DualAveraging& a, double acceptance, double target) {
    constexpr double gamma = 0.05, offset = 10, decay = 0.75;
    a.count += 1;
    const double weight = 1 / (a.count + offset);
    a.error = (1 - weight) * a.error + weight * (target - acceptance);
    const double log_step = a.anchor - square_root(a.count) / gamma * a.error;
    const double share = exponential(-decay * logarithm(a.count));
    a.log_mean = share * log_step + (1 - share) * a.log_mean;
    a.step_size = exponential(log_step);
    a.mean_step_size = exponential(a.log_mean);
}

// The inverse mass of n deviations from an origin, with their sum and that of their squares.
CUEBM_MATH double inverse_mass_of(double n, double sum, double squares) {
    const double variance = (squares - sum * sum / n) / (n - 1);
    return n / (n + 5) * variance + 1e-3 * (5 / (n + 5));
}

// A sum over the 64 chains of a tile: those 32 apart are added first, then 16, and so on.
CUEBM_MATH double add_chains(double (&terms)[chains_a_tile]) {
    for (int half = chains_a_tile / 2; half >= 1; half /= 2)
        for (int l = 0; l < half; ++l) terms[l] += terms[l + half];
    return terms[0];
}

}  // namespace cuebm::math
