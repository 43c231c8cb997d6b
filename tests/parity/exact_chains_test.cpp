// An exact test of samplers (A. Gandy and J. Scott, "Unit testing for MCMC and other Monte Carlo methods", 2020): a
// state is drawn from the density itself and put at a random place of a chain of 9, of which the later ones are
// transitions from it, and the earlier ones too, since the samplers are reversible. Then its rank among the 9 is
// uniform, whatever the tuning and however slowly they mix. Sequentially: where the ranks leave it open, more are
// drawn. A right sampler fails with probability 1e-5 at most; what a wrong one must differ by is tested too.
#include <algorithm>
#include <array>
#include <cmath>
#include <random>

#include <cuebm/sample.hpp>

#include "support/backends.hpp"
#include "support/data.hpp"

namespace eb = cuebm;
using namespace cuebm::test;

namespace {

constexpr std::size_t states = 9;
constexpr int functions = 4;

// x_1, x_2, and what a scale and a curvature change most.
std::array<double, functions> functions_of(const double* x) { return {x[0], x[1], std::abs(x[0]), x[0] * x[0] * x[1]}; }

// P(X > x) of chi-squared with 8 degrees of freedom.
double chi_squared_8(double x) {
    const double h = x / 2;
    return std::exp(-h) * (1 + h * (1 + h / 2 * (1 + h / 3)));
}

// The least p-value of the four functions' ranks, times four.
double p_value(const eb::Context& context, const eb::Energy& energy, const eb::Sampler& sampler, std::size_t chains,
               std::uint64_t seed) {
    const auto count = static_cast<std::int64_t>(chains);
    auto start = normal<double>(2 * count, static_cast<unsigned>(seed));
    for (std::size_t c = 0; c < chains; ++c) {  // the banana's own draws: see energy::banana
        start[2 * c] *= 10;
        start[2 * c + 1] += 0.03 * (start[2 * c] * start[2 * c] - 100);
    }
    const auto transitions_from = [&](std::uint64_t of_run) {
        return to_host(
            context,
            eb::sample<double>(
                context, energy, sampler,
                {.chains = count, .warmup = 0, .draws = states - 1, .seed = of_run, .start = eb::view(start, count, 2)})
                .draws);
    };
    const auto later = transitions_from(2 * seed), earlier = transitions_from(2 * seed + 1);
    std::array<std::array<double, states>, functions> counts{};
    std::mt19937 random(static_cast<unsigned>(seed));
    for (std::size_t c = 0; c < chains; ++c) {
        const std::size_t place = random() % states;
        const auto own = functions_of(&start[2 * c]);
        std::array<std::size_t, functions> ranks{}, ties{};  // ties: of proposals that were rejected
        const auto compare = [&](const std::vector<double>& run, std::size_t steps) {
            for (std::size_t t = 0; t < steps; ++t) {
                const auto other = functions_of(&run[2 * ((states - 1) * c + t)]);
                for (std::size_t f = 0; f < functions; ++f) {
                    ranks[f] += other[f] < own[f] ? 1 : 0;
                    ties[f] += other[f] == own[f] ? 1 : 0;
                }
            }
        };
        compare(earlier, place);
        compare(later, states - 1 - place);
        for (std::size_t f = 0; f < functions; ++f) ++counts[f][ranks[f] + random() % (ties[f] + 1)];
    }
    double least = 1;
    for (const auto& of_function : counts) {
        double sum = 0;
        const double wanted = static_cast<double>(chains) / states;
        for (const double n : of_function) sum += (n - wanted) * (n - wanted) / wanted;
        least = std::min(least, chi_squared_8(sum));
    }
    return std::min(1.0, functions * least);
}

bool is_right(const eb::Energy& energy, const eb::Sampler& sampler) {
    const auto context = eb::Context::cpu();
    constexpr int rounds = 7;
    double beta = 1e-5 / rounds;
    const double gamma = std::pow(beta, 1.0 / rounds);
    std::size_t chains = 1 << 14;
    for (int round = 0; round < rounds; ++round) {
        const double p = p_value(context, energy, sampler, chains, 100 + static_cast<std::uint64_t>(round));
        if (p <= beta) return false;
        if (p > gamma + beta) return true;
        beta /= gamma;
        if (round == 0) chains *= 4;
    }
    return true;
}

}  // namespace

// A sampler that is nearly right.
TEST(ExactChains, HaveUniformRanks) {
    const auto banana = eb::energy::banana();
    EXPECT_TRUE(is_right(banana, eb::Metropolis{.step_size = 2}));
    EXPECT_TRUE(is_right(banana, eb::Langevin{.step_size = 1}));
    EXPECT_TRUE(is_right(banana, eb::Hmc{.leapfrogs = 5, .step_size = 0.8}));
    EXPECT_TRUE(is_right(banana, eb::Nuts{.max_depth = 4, .step_size = 0.8}));
}

// What the test sees: an energy that is 1.1 times as high, and a step that is not accepted or rejected.
TEST(ExactChains, OfAnotherDensityHaveNot) {
    const auto banana = eb::energy::banana();
    EXPECT_FALSE(is_right(1.1 * banana, eb::Hmc{.leapfrogs = 5, .step_size = 0.8}));
    EXPECT_FALSE(is_right(1.1 * banana, eb::Nuts{.max_depth = 4, .step_size = 0.8}));
    EXPECT_FALSE(is_right(banana, eb::Langevin{.adjusted = false, .step_size = 1}));
}
