// What warm-up learns from all chains together: the step size by dual averaging of their acceptance probabilities (M.
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

// How many leapfrog steps: Adam on its logarithm (D. P. Kingma and J. Ba, 2015; with the first moment left out, as M.
// Hoffman, A. Radul and P. Sountsov do, AISTATS 2021).
struct TrajectoryLength {
    std::int32_t leapfrogs, mean_leapfrogs;  // Transition::leapfrogs, to try next; of the average, for sampling
    double log_most, log_mean;               // of 2 leapfrogs - 1, the most that a trajectory has
    double square, square_count;             // of slopes
    double count;                            // of the average
};
inline constexpr int most_learnt_leapfrogs = 512;

// Both are learnt by one block of a GPU, or one thread.
struct Tuning {
    DualAveraging step;
    TrajectoryLength length;
};

CUEBM_MATH std::int32_t leapfrogs_of_most(double log_most) {
    return static_cast<std::int32_t>((exponential(log_most) + 2) / 2);  // (most + 1) / 2, to the nearest
}

// From below: beyond half a period of a coordinate there are other lengths whose slope is zero.
CUEBM_MATH TrajectoryLength start_length() { return {1, 1, 0, 0, 0, 0, 0}; }

// slope: of the criterion by the logarithm of the length.
CUEBM_MATH void learn_length(TrajectoryLength& a, double slope) {
    // Twice the authors' rate, since a window may have as few as 25 transitions; not measured.
    constexpr double rate = 0.05, decay = 0.95, average_decay = 0.75;
    if (!(slope > -1e150 && slope < 1e150)) return;  // its square would be the last that is learnt from
    const double largest = logarithm(2.0 * most_learnt_leapfrogs - 1);
    a.square = decay * a.square + (1 - decay) * slope * slope;
    a.square_count = decay * a.square_count + (1 - decay);
    const double root = square_root(a.square / a.square_count);
    if (root > 0) a.log_most += rate * slope / root;
    a.log_most = a.log_most < 0 ? 0 : a.log_most > largest ? largest : a.log_most;
    a.count += 1;
    const double share = exponential(-average_decay * logarithm(a.count));
    a.log_mean = share * a.log_most + (1 - share) * a.log_mean;
    a.leapfrogs = leapfrogs_of_most(a.log_most);
    a.mean_leapfrogs = leapfrogs_of_most(a.log_mean);
}

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

// Where most chains are well and some are stuck the mean says little of those: so trajectories learn from the harmonic
// mean (as M. Hoffman, A. Radul and P. Sountsov do), in which a chain that never moves counts as ten. By 64 chains at a
// target of 0.8, with the mean, then floors of 0.001 0.01 0.1 0.2 0.3, ESS a gradient of HMC's banana was 0.0020 0.0027
// 0.0047 0.0080 0.0051 0.0054, of NUTS's eight schools 0.042 0.029 0.029 0.048 0.054 0.053 (docs/design/chains.md,
// bench/ results/pooled-acceptance-20261128.txt).
CUEBM_MATH double inverse_acceptance(double acceptance) {
    constexpr double least = 0.1;
    return 1 / (acceptance > least ? acceptance : least);
}

// What a tile adds up over its chains: acceptance probabilities, their inverses, slopes; then of each coordinate the
// deviations from the origin and their squares.
inline constexpr int sums_of_numbers = 3;
CUEBM_MATH std::int64_t sums_of_tile(std::int64_t d) { return sums_of_numbers + 2 * d; }

// What a transition of warm-up tells: sums over chains.
struct Lesson {
    double acceptance, inverse_acceptance, slope, chains;
    double target;
    bool harmonic;       // the target is of the harmonic mean
    std::uint32_t step;  // the transition's, of the seed's
    bool learn_step, learn_length, end_window, restart_length;
};
CUEBM_MATH void learn(Tuning& tuning, const Lesson& lesson) {
    if (lesson.learn_length && lesson.acceptance > 0) {
        const int leapfrogs = spread_leapfrogs(tuning.length.leapfrogs, van_der_corput(lesson.step + 1));
        learn_length(tuning.length, lesson.slope / lesson.acceptance * (leapfrogs * tuning.step.step_size));
    }
    const double mean = lesson.acceptance / lesson.chains, harmonic = lesson.chains / lesson.inverse_acceptance;
    if (lesson.learn_step)  // the floor must not raise it: of few chains, or of targets below it
        average(tuning.step, lesson.harmonic && harmonic < mean ? harmonic : mean, lesson.target);
    if (!lesson.end_window) return;
    if (lesson.learn_step) tuning.step = start_dual_averaging(tuning.step.step_size);
    tuning.length.count = 0;
    if (lesson.restart_length) tuning.length = start_length();
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
