// The leapfrog and what warm-up learns, on plain numbers.
#include <algorithm>
#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "math/samplers/adaptation.hpp"
#include "math/samplers/hamiltonian.hpp"

namespace math = cuebm::math;
using math::Coordinates;

namespace {

// x^4 / 4 + x y / 2 + y^2 / 2
struct Quartic {
    void gradient(Coordinates<double> x, Coordinates<double> to) const {
        to.set(0, x[0] * x[0] * x[0] + 0.5 * x[1]);
        to.set(1, 0.5 * x[0] + x[1]);
    }
    static double value(double x, double y) { return x * x * x * x / 4 + x * y / 2 + y * y / 2; }
};

const double inverse_mass[] = {1.5, 0.5}, mass_root[] = {0.8, 1.4};

math::Transition<double> transition(double step_size) {
    math::Transition<double> t{};
    t.d = 2;
    t.leapfrogs = 1;
    t.inverse_mass = inverse_mass;
    t.mass_root = mass_root;
    t.step_size = step_size;
    return t;
}

struct Phase {
    double x[2], p[2];
};

// L steps, each of the kicks and drifts that transitions are made of.
Phase leapfrog(Phase s, double step_size, int steps) {
    const auto t = transition(step_size);
    double gradient[2];
    const Coordinates<double> x{s.x, 1}, p{s.p, 1}, g{gradient, 1};
    const Quartic energy;
    energy.gradient(x, g);
    math::kick_and_drift<1>(t, 0.5 * step_size, g, p, x, x);
    for (int l = 1; l < steps; ++l) {
        energy.gradient(x, g);
        math::kick_and_drift<1>(t, step_size, g, p, x, x);
    }
    energy.gradient(x, g);
    for (int j = 0; j < 2; ++j) s.p[j] -= 0.5 * step_size * gradient[j];
    return s;
}

double hamiltonian(const Phase& s) {
    return Quartic::value(s.x[0], s.x[1]) +
           0.5 * (inverse_mass[0] * s.p[0] * s.p[0] + inverse_mass[1] * s.p[1] * s.p[1]);
}

constexpr Phase begin{{0.7, -0.4}, {0.3, 0.9}};

}  // namespace

// A kick or a drift of the wrong size or at the wrong end: the way back would not be the way there.
TEST(Leapfrog, IsReversible) {
    Phase end = leapfrog(begin, 0.1, 20);
    for (double& p : end.p) p = -p;
    const Phase back = leapfrog(end, 0.1, 20);
    for (int j = 0; j < 2; ++j) {
        EXPECT_NEAR(back.x[j], begin.x[j], 1e-14);
        EXPECT_NEAR(back.p[j], -begin.p[j], 1e-14);
    }
}

// A step that squeezes: the accept step would be wrong. The determinant of its derivative, by differences.
TEST(Leapfrog, PreservesVolume) {
    double derivative[4][4];
    constexpr double h = 1e-6;
    for (int i = 0; i < 4; ++i) {
        Phase low = begin, high = begin;
        (i < 2 ? low.x[i] : low.p[i - 2]) -= h;
        (i < 2 ? high.x[i] : high.p[i - 2]) += h;
        const Phase a = leapfrog(low, 0.2, 5), b = leapfrog(high, 0.2, 5);
        for (int j = 0; j < 2; ++j) {
            derivative[j][i] = (b.x[j] - a.x[j]) / (2 * h);
            derivative[j + 2][i] = (b.p[j] - a.p[j]) / (2 * h);
        }
    }
    double determinant = 1;
    for (int c = 0; c < 4; ++c) {
        int pivot = c;
        for (int r = c + 1; r < 4; ++r)
            if (std::abs(derivative[r][c]) > std::abs(derivative[pivot][c])) pivot = r;
        if (pivot != c) determinant = -determinant;
        for (int i = 0; i < 4; ++i) std::swap(derivative[c][i], derivative[pivot][i]);
        determinant *= derivative[c][c];
        for (int r = c + 1; r < 4; ++r) {
            const double factor = derivative[r][c] / derivative[c][c];
            for (int i = c; i < 4; ++i) derivative[r][i] -= factor * derivative[c][i];
        }
    }
    EXPECT_NEAR(determinant, 1, 1e-8);
}

// An integrator of the first order, from a half step that is whole: the error would only halve with the step.
TEST(Leapfrog, ErrorFallsWithTheSquareOfTheStep) {
    const double before = hamiltonian(begin);
    const auto error = [&](double step, int steps) {
        return std::abs(hamiltonian(leapfrog(begin, step, steps)) - before);
    };
    for (const double step : {0.1, 0.05, 0.025}) {
        const int steps = static_cast<int>(std::lround(1 / step));
        EXPECT_NEAR(error(step, steps) / error(step / 2, 2 * steps), 4, 0.2) << step;
    }
}

// A weight, a mean or a step that the way of diagonal Gaussians forgets; 11 elements: eight at once, and three.
TEST(Leapfrog, OfADiagonalGaussianIsThatOfAllEnergies) {
    constexpr int d = 11, leapfrogs = 7;
    constexpr double step_size = 0.3, scale = 2;
    std::vector<double> mean_and_precision(2 * d), masses(d), x(d), momentum(d), gradient(d), to(3 * d);
    std::vector<long double> wanted_x(d), wanted_p(d);
    for (std::size_t j = 0; j < d; ++j) {
        const double u = static_cast<double>(j);
        mean_and_precision[j] = 100 * std::cos(u);
        const double precision = mean_and_precision[d + j] = 0.5 + 0.1 * u;
        masses[j] = 1 + 0.2 * std::sin(u);
        x[j] = mean_and_precision[j] + std::sin(3 * u);
        momentum[j] = std::cos(2 * u);
        gradient[j] = scale * precision * (x[j] - mean_and_precision[j]);
        long double at = x[j], p = momentum[j];
        const auto slope = [&] { return scale * precision * (at - mean_and_precision[j]); };
        p -= step_size / 2 * slope();
        for (int l = 0; l < leapfrogs; ++l) {
            at += step_size * masses[j] * p;
            if (l + 1 < leapfrogs) p -= step_size * slope();
        }
        wanted_x[j] = at;
        wanted_p[j] = p;
    }
    auto t = transition(step_size);
    t.d = d;
    t.inverse_mass = masses.data();
    math::EnergyStep<double> step{};
    step.d = d;
    step.scale = scale;
    const auto at = [](double* row) { return Coordinates<double>{row, 1}; };
    std::copy(momentum.begin(), momentum.end(), to.begin() + 2 * d);
    const math::ChainTile<double> tile{at(x.data()),  at(gradient.data()), {},
                                       at(to.data()), at(to.data() + d),   at(to.data() + 2 * d)};
    math::separable_trajectory<1>(t, step, mean_and_precision.data(), tile, leapfrogs);
    for (std::size_t j = 0; j < d; ++j) {
        EXPECT_NEAR(to[j], static_cast<double>(wanted_x[j]), 1e-12) << j;
        EXPECT_EQ(to[d + j], (to[j] - mean_and_precision[j]) * (scale * mean_and_precision[d + j])) << j;
        EXPECT_NEAR(to[2 * d + j], static_cast<double>(wanted_p[j]), 1e-12) << j;
    }
}

// Lengths that leave 1 to 2 L - 1, or whose mean is not L.
TEST(Trajectories, AreSpreadAroundTheirMean) {
    math::Transition<double> t{};
    t.leapfrogs = 8;
    t.length_key = {{1, 2}};
    EXPECT_EQ(math::leapfrogs_of(t, 3), 8);
    for (const auto spread : {math::TrajectorySpread::jittered, math::TrajectorySpread::halton}) {
        t.spread = spread;
        double sum = 0;
        std::vector<int> seen(16);
        for (std::uint32_t step = 0; step < 1500; ++step) {
            const int length = math::leapfrogs_of(t, step);
            ASSERT_GE(length, 1);
            ASSERT_LE(length, 15);
            ++seen[static_cast<std::size_t>(length)];
            sum += length;
        }
        EXPECT_NEAR(sum / 1500, 8, spread == math::TrajectorySpread::halton ? 0.02 : 0.5);  // 4.5 standard errors
        for (int length = 1; length <= 15; ++length) EXPECT_GT(seen[static_cast<std::size_t>(length)], 50) << length;
    }
}

// A target that is missed: with acceptance exp(-step) the step that gives 0.8 is -log 0.8.
TEST(DualAveraging, FindsTheStepOfItsTarget) {
    auto a = math::start_dual_averaging(1.0);
    for (int i = 0; i < 2000; ++i) math::average(a, std::exp(-a.step_size), 0.8);
    EXPECT_NEAR(a.mean_step_size, -std::log(0.8), 0.01);
}

// A variance that loses its mean, or is not shrunk: 4 deviations -1, 1, 3, 5 from the origin.
TEST(Adaptation, InverseMassIsTheShrunkVariance) {
    const double variance = 20.0 / 3;
    EXPECT_NEAR(math::inverse_mass_of(4, 8, 36), 4.0 / 9 * variance + 1e-3 * 5 / 9, 1e-12);
}

// The step after one transition of chains with these acceptances.
double step_after(const std::vector<double>& acceptances, double target, bool harmonic) {
    double sum = 0, inverse = 0;
    for (const double acceptance : acceptances) sum += acceptance, inverse += math::inverse_acceptance(acceptance);
    math::Tuning tuning{math::start_dual_averaging(0.3), math::start_length()};
    math::learn(tuning, {.acceptance = sum,
                         .inverse_acceptance = inverse,
                         .slope = 0,
                         .chains = static_cast<double>(acceptances.size()),
                         .target = target,
                         .harmonic = harmonic,
                         .step = 0,
                         .learn_step = true,
                         .learn_length = false,
                         .end_window = false,
                         .restart_length = false});
    return tuning.step.step_size;
}

// A mean of the wrong kind, a chain that is stuck and counts without bound (of 1, 1, 0.5 and 0: 1 + 1 + 2 + 10 = 14),
// or a floor that makes steps longer.
TEST(Adaptation, TrajectoriesAimAtTheHarmonicMean) {
    const auto wanted = [](double acceptance, double target) {
        auto step = math::start_dual_averaging(0.3);
        math::average(step, acceptance, target);
        return step.step_size;
    };
    EXPECT_EQ(step_after({1, 1, 0.5, 0}, 0.8, false), wanted(2.5 / 4, 0.8));
    EXPECT_EQ(step_after({1, 1, 0.5, 0}, 0.8, true), wanted(4.0 / 14, 0.8));
    EXPECT_EQ(step_after({0}, 0.05, true), wanted(0, 0.05));
}
