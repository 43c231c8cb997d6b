// An exact test of samplers (A. Gandy and J. Scott, "Unit testing for MCMC and other Monte Carlo methods", 2020): a
// state is drawn from the density itself and put at a random place of a chain of 9, of which the later ones are
// transitions from it, and the earlier ones too, since the samplers are reversible. Then its rank among the 9 is
// uniform, whatever the tuning and however slowly they mix. Sequentially: where the ranks leave it open, more are
// drawn. A right sampler fails with probability 1e-5 at most. Power, tested below: every sampler of an energy that is
// 1.1 times as high, and ULA with a step of half a deviation, are rejected in at least 9 of 10 seeds.
#include <algorithm>
#include <array>
#include <cmath>
#include <random>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <cuebm/sample.hpp>

#include "support/backends.hpp"
#include "support/data.hpp"

namespace eb = cuebm;
using namespace cuebm::test;

namespace {

constexpr std::size_t states = 9;
constexpr int functions = 5;

// x_1, x_2, what a scale and a curvature change most, and the distance from the ridge: a step or two forget it, so that
// a wrong height shows there first. Without it Metropolis of 1.1 times the energy passed with 10 of 10 seeds (in a
// simulation apart from the library, of half as many chains).
template <class T>
std::array<double, functions> functions_of(const T* x) {
    const auto first = static_cast<double>(x[0]), second = static_cast<double>(x[1]);
    return {first, second, std::abs(first), first * first * second, std::abs(second - 0.03 * (first * first - 100))};
}

// P(X > x) of chi-squared with 8 degrees of freedom.
double chi_squared_8(double x) {
    const double h = x / 2;
    return std::exp(-h) * (1 + h * (1 + h / 2 * (1 + h / 3)));
}

// A sampler, and what its chains are draws of.
struct Tested {
    std::string name;
    eb::Energy energy;
    eb::Sampler sampler;
    std::vector<double> inverse_mass{};
};

// Chains [chains x states x 2] through `start`, which is state places[c] of chain c.
template <class T>
std::vector<T> chains_through(const eb::Context& context, const Tested& tested, const std::vector<T>& start,
                              const std::vector<std::size_t>& places, std::uint64_t seed) {
    const auto count = static_cast<std::int64_t>(places.size());
    std::vector<T> all(start.size() * states);
    const auto put = [&](std::size_t c, std::size_t state, const T* x) {
        std::copy(x, x + 2, &all[2 * (states * c + state)]);
    };
    const auto transitions_from = [&](const std::vector<T>& from, std::uint64_t of_run, std::int64_t first,
                                      std::size_t draws) {
        return to_host(context, eb::sample<T>(context, tested.energy, tested.sampler,
                                              {.chains = count,
                                               .warmup = 0,
                                               .draws = static_cast<std::int64_t>(draws),
                                               .seed = of_run,
                                               .first_transition = first,
                                               .start = eb::view(from, count, 2),
                                               .inverse_mass = tested.inverse_mass})
                                    .draws);
    };
    for (std::size_t c = 0; c < places.size(); ++c) put(c, places[c], &start[2 * c]);
    const auto* hmc = std::get_if<eb::Hmc>(&tested.sampler);
    if (hmc == nullptr || hmc->lengths == eb::Lengths::fixed) {
        const auto later = transitions_from(start, 2 * seed, 0, states - 1),
                   earlier = transitions_from(start, 2 * seed + 1, 0, states - 1);
        for (std::size_t c = 0; c < places.size(); ++c) {
            const auto step = [&](const std::vector<T>& run, std::size_t t) {
                return &run[2 * ((states - 1) * c + t)];
            };
            for (std::size_t t = 0; t < places[c]; ++t) put(c, places[c] - 1 - t, step(earlier, t));
            for (std::size_t t = places[c] + 1; t < states; ++t) put(c, t, step(later, t - places[c] - 1));
        }
        return all;
    }
    // Lengths that belong to a transition: that from state t to the next must have the same length in every chain,
    // either way. (Chains that ran away from their start on both sides were not uniform: each would have the first
    // length beside it.)
    auto at = start;
    const auto move = [&](std::size_t transition, std::size_t to, auto takes_part) {
        const auto next = transitions_from(at, seed, static_cast<std::int64_t>(transition), 1);
        for (std::size_t c = 0; c < places.size(); ++c) {
            if (!takes_part(places[c])) continue;
            std::copy(&next[2 * c], &next[2 * c] + 2, &at[2 * c]);
            put(c, to, &next[2 * c]);
        }
    };
    for (std::size_t t = 0; t + 1 < states; ++t) move(t, t + 1, [t](std::size_t place) { return place <= t; });
    at = start;
    for (std::size_t t = states - 1; t-- > 0;) move(t, t, [t](std::size_t place) { return place > t; });
    return all;
}

// The least p-value of the functions' ranks, times their number.
template <class T>
double p_value(const eb::Context& context, const Tested& tested, std::size_t chains, std::uint64_t seed) {
    const auto normals = normal<double>(2 * static_cast<std::int64_t>(chains), static_cast<unsigned>(seed));
    std::vector<T> start(normals.size());
    std::vector<std::size_t> places(chains);
    std::mt19937 random(static_cast<unsigned>(seed) + 1'000'000);
    for (std::size_t c = 0; c < chains; ++c) {  // the banana's own draws: see energy::banana
        const double first = 10 * normals[2 * c];
        start[2 * c] = static_cast<T>(first);
        start[2 * c + 1] = static_cast<T>(normals[2 * c + 1] + 0.03 * (first * first - 100));
        places[c] = random() % states;
    }
    const auto all = chains_through(context, tested, start, places, seed);
    std::array<std::array<double, states>, functions> counts{};
    for (std::size_t c = 0; c < chains; ++c) {
        const auto own = functions_of(&start[2 * c]);
        std::array<std::size_t, functions> ranks{}, ties{};  // ties: of proposals that were rejected
        for (std::size_t t = 0; t < states; ++t) {
            if (t == places[c]) continue;
            const auto other = functions_of(&all[2 * (states * c + t)]);
            for (std::size_t f = 0; f < functions; ++f) {
                ranks[f] += other[f] < own[f] ? 1 : 0;
                ties[f] += other[f] == own[f] ? 1 : 0;
            }
        }
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

// seed: of the first of up to 7 rounds.
template <class T>
bool is_right(const Tested& tested, std::uint64_t seed) {
    const auto context = eb::Context::cpu();
    constexpr int rounds = 7;
    double beta = 1e-5 / rounds;
    const double gamma = std::pow(beta, 1.0 / rounds);
    std::size_t chains = 1 << 15;
    for (int round = 0; round < rounds; ++round) {
        const double p = p_value<T>(context, tested, chains, seed + static_cast<std::uint64_t>(round));
        if (p <= beta) return false;
        if (p > gamma + beta) return true;
        beta /= gamma;
        if (round == 0) chains *= 4;
    }
    return true;
}

// Every kind of transition. The dense mass is of neither coordinate alone.
std::vector<Tested> tested_samplers(const eb::Energy& energy) {
    using eb::Hmc, eb::Lengths;
    return {{"metropolis", energy, eb::Metropolis{.step_size = 1.5}},
            {"mala", energy, eb::Langevin{.step_size = 1}},
            {"hmc", energy, Hmc{.leapfrogs = 5, .step_size = 0.8}},
            {"jittered", energy, Hmc{.leapfrogs = 4, .lengths = Lengths::jittered, .step_size = 0.8}},
            {"halton", energy, Hmc{.leapfrogs = 4, .lengths = Lengths::halton, .step_size = 0.8}},
            {"nuts", energy, eb::Nuts{.max_depth = 4, .step_size = 0.8}},
            {"dense", energy, Hmc{.leapfrogs = 5, .step_size = 0.6}, {2, 0.5, 0.5, 1}}};
}

}  // namespace

// A sampler that is nearly right.
TEST(ExactChains, HaveUniformRanks) {
    for (const auto& tested : tested_samplers(eb::energy::banana())) {
        EXPECT_TRUE(is_right<double>(tested, 100)) << tested.name;
        EXPECT_TRUE(is_right<float>(tested, 200)) << tested.name << ", float";
    }
}

// What the test sees: an energy that is 1.1 times as high, and a step that is not accepted or rejected. A test that has
// lost its power, as by ranks that are mixed up, passes all else.
TEST(ExactChains, OfAnotherDensityHaveNot) {
    auto wrong = tested_samplers(1.1 * eb::energy::banana());
    wrong.push_back({"ula", eb::energy::banana(), eb::Langevin{.adjusted = false, .step_size = 0.5}});
    for (const auto& tested : wrong) {
        int rejected = 0;
        for (std::uint64_t seed = 1000; seed < 1100; seed += 10) rejected += is_right<double>(tested, seed) ? 0 : 1;
        EXPECT_GE(rejected, 9) << tested.name;
    }
}
