// sample(): moments that are known.
#include <cmath>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <cuebm/diagnostics.hpp>
#include <cuebm/sample.hpp>

#include "support/backends.hpp"
#include "support/energy_cases.hpp"
#include "support/samplers.hpp"

namespace eb = cuebm;
using namespace cuebm::test;

namespace {

template <class T>
std::vector<double> coordinate(const std::vector<T>& draws, std::size_t d, std::size_t j) {
    std::vector<double> values;
    for (std::size_t row = 0; row * d < draws.size(); ++row) values.push_back(static_cast<double>(draws[row * d + j]));
    return values;
}

// The mean of values is `wanted` within 5 standard errors.
void expect_moment(const std::vector<double>& values, std::int64_t chains, double wanted, const std::string& what) {
    const auto draws = eb::view(values, chains, static_cast<std::int64_t>(values.size()) / chains);
    double mean = 0;
    for (const double value : values) mean += value / static_cast<double>(values.size());
    const double error = eb::diagnostics::mcse_mean(draws);
    EXPECT_LT(std::abs(mean - wanted), 5 * error)
        << what << ": mean " << mean << ", wanted " << wanted << ", error " << error;
    EXPECT_LT(error, 0.15 * (1 + std::abs(wanted))) << what;  // else the test would see nothing
}

}  // namespace

// J. Geweke's joint test ("Getting it right", JASA 99, 2004): x ~ N(0, 1) and y | x ~ N(x, 1) in turn, x by one
// transition given y. Then x is N(0, 1) whatever the transition's tuning. A transition that is not of its density moves
// x^2.
TEST(Chains, GewekesJointTest) {
    const auto context = eb::Context::cpu({.threads = 1});
    eb::Stream stream(context);
    const auto start = context.matrix<double>(1, 1);
    const eb::Energy joint = eb::energy::gaussian({.precision_matrix = table({2, -1, -1, 1}, 2)});  // of (x, y)
    const std::vector<NamedSampler> tuned{{"metropolis", eb::Metropolis{.step_size = 1.5}},
                                          {"mala", eb::Langevin{.step_size = 0.9}},
                                          {"hmc", eb::Hmc{.leapfrogs = 3, .step_size = 0.8}},
                                          {"nuts", eb::Nuts{.max_depth = 4, .step_size = 0.9}}};
    for (const auto& [name, sampler] : tuned) {
        const auto noise = normal<double>(1500, 77);
        std::vector<double> x{0.3}, squares;
        for (std::size_t i = 0; i < noise.size(); ++i) {
            const auto given = eb::energy::clamp(joint, {.known = {0, 1}, .values = {0, x.back() + noise[i]}});
            double here = x.back();
            eb::copy(stream, eb::view(&here, 1, 1), start);
            const auto run = eb::sample<double>(stream, given, sampler,
                                                {.chains = 1, .warmup = 0, .draws = 1, .seed = i, .start = start});
            eb::copy(stream, run.draws, eb::view(&here, 1, 1));
            stream.wait();
            x.push_back(here);
            squares.push_back(here * here);
        }
        x.erase(x.begin());
        expect_moment(x, 1, 0, name + " mean");
        expect_moment(squares, 1, 1, name + " variance");
    }
}

// A wrong sign, a lost half step, an accept step that is not one: moments would be another density's.
TEST(Chains, FindMomentsThatAreKnown) {
    const auto context = eb::Context::cpu();
    const eb::Energy gaussian = eb::energy::gaussian({.mean = {1, -2, 0}, .precision = {4, 1, 0.25}});
    constexpr std::int64_t chains = 64;
    for (const auto& [name, sampler] : samplers()) {
        const auto run = eb::sample<double>(context, gaussian, sampler,
                                            {.chains = chains, .warmup = 300, .draws = 1000, .seed = 11});
        const auto draws = to_host(context, run.draws);
        const double means[] = {1, -2, 0}, variances[] = {0.25, 1, 4};
        for (std::size_t j = 0; j < 3; ++j) {
            auto values = coordinate(draws, 3, j);
            expect_moment(values, chains, means[j], name + " mean");
            for (double& value : values) value = (value - means[j]) * (value - means[j]);
            expect_moment(values, chains, variances[j], name + " variance");
        }
        EXPECT_GT(run.acceptance, 0.1) << name;
        EXPECT_EQ(run.divergences, 0) << name;
    }
}

namespace {

// A coordinate whose mean and variance are known.
struct KnownMoments {
    std::string name;
    std::size_t coordinate;
    double mean, variance;
};

// Of avg_effect and log_stddev of eight schools: given log_stddev all else is normal, so that one integral is left.
std::vector<KnownMoments> eight_schools_moments() {
    const eb::energy::EightSchools schools;
    double mass = 0, effect = 0, effect_2 = 0, log_deviation = 0, log_deviation_2 = 0;
    for (double l = -8; l < 12; l += 1e-3) {
        double precision = 0.01, weighted = 0, log_weight = -0.5 * (l - 5) * (l - 5);
        for (std::size_t j = 0; j < schools.effects.size(); ++j) {
            const double variance = schools.errors[j] * schools.errors[j] + std::exp(2 * l), y = schools.effects[j];
            precision += 1 / variance;
            weighted += y / variance;
            log_weight -= 0.5 * (std::log(variance) + y * y / variance);
        }
        log_weight += 0.5 * (weighted * weighted / precision - std::log(precision));
        const double weight = std::exp(log_weight), mean = weighted / precision;
        mass += weight;
        effect += weight * mean;
        effect_2 += weight * (mean * mean + 1 / precision);
        log_deviation += weight * l;
        log_deviation_2 += weight * l * l;
    }
    effect /= mass;
    log_deviation /= mass;
    return {{"avg_effect", 0, effect, effect_2 / mass - effect * effect},
            {"log_stddev", 1, log_deviation, log_deviation_2 / mass - log_deviation * log_deviation}};
}

// So many effective draws of each that an error of a tenth of a deviation is seen.
void expect_moments(const std::vector<float>& draws, std::int64_t d, std::int64_t chains,
                    const std::vector<KnownMoments>& known) {
    for (const auto& [name, j, mean, variance] : known) {
        auto values = coordinate(draws, static_cast<std::size_t>(d), j);
        const auto enough = [&](const char* what) {
            const auto table =
                eb::view(std::as_const(values), chains, static_cast<std::int64_t>(values.size()) / chains);
            EXPECT_GT(eb::diagnostics::ess_mean(table), 2500) << name << what;
        };
        expect_moment(values, chains, mean, name + " mean");
        enough(" mean");
        for (double& value : values) value = (value - mean) * (value - mean);
        expect_moment(values, chains, variance, name + " variance");
        enough(" variance");
    }
}

// Draws of a sampler with a step that is short enough for the tails, as many transitions apart as it wants.
std::vector<float> draws_of(const eb::Energy& energy, eb::Sampler sampler, std::int64_t chains) {
    constexpr std::int64_t thins[] = {100, 60, 10, 2};  // Metropolis, Langevin, Hmc, Nuts
    const std::int64_t thin = thins[sampler.index()];
    // At the targets that are usual, chains stay in a tail for hundreds of transitions, and no error is known.
    std::visit([&](auto& kind) { kind.target = sampler.index() == 0 ? kind.target : 0.95; }, sampler);
    const auto context = eb::Context::cpu();
    const auto run = eb::sample<float>(
        context, energy, sampler, {.chains = chains, .warmup = 500 + 20 * thin, .draws = 500, .thin = thin, .seed = 7});
    return to_host(context, run.draws);
}

}  // namespace

// The same of each sampler where the energy is curved: a proposal, a length or a tree that is right of a Gaussian
// alone, whose force is the same everywhere but for a factor.
TEST(Chains, FindMomentsOfCurvedEnergies) {
    constexpr std::int64_t chains = 64;
    auto all = samplers();
    all.push_back({"nuts_deep", eb::Nuts{}});
    const eb::Energy banana = eb::energy::banana({.dimension = 3, .scale = 2, .curvature = 0.2});
    const std::vector<KnownMoments> of_banana{
        {"x[0]", 0, 0, 4}, {"x[1]", 1, 0, 1 + 2 * 0.2 * 0.2 * 16}, {"x[2]", 2, 0, 1}};
    const auto of_schools = eight_schools_moments();
    EXPECT_NEAR(std::sqrt(of_schools[0].variance), 5.4654, 0.05);  // inference-gym's long runs: 5.4654 and 0.5147
    EXPECT_NEAR(std::sqrt(of_schools[1].variance), 0.5147, 0.005);
    for (const auto& [name, sampler] : all) {
        SCOPED_TRACE(name);
        expect_moments(draws_of(banana, sampler, chains), 3, chains, of_banana);
        expect_moments(draws_of(eb::energy::eight_schools(), sampler, chains), 10, chains, of_schools);
    }
    // Deviations 10 and sqrt(19), whose tails hold chains that follow the gradient.
    expect_moments(draws_of(eb::energy::banana(), eb::Metropolis{}, chains), 2, chains,
                   {{"x[0]", 0, 0, 100}, {"x[1]", 1, 0, 19}});
}

// Steps that are too long in the neck, whose trees are given up: a draw of such a tree is another density's. The
// funnel's v ~ N(0, 3) is held by a Gaussian, 1/9 + 8/9 = 1, since nothing with one step size comes to its ends: then v
// and x[j] exp(-v / 2) are standard normal.
TEST(Chains, FindTheNeckOfAFunnel) {
    constexpr std::int64_t d = 10, chains = 64;
    std::vector<double> first(d);
    first[0] = 1;
    const eb::Energy energy =
        eb::energy::funnel({.dimension = d}) +
        eb::energy::affine(eb::energy::gaussian({.precision = {8.0 / 9}}), {.matrix = table(first, d)});
    auto draws = draws_of(energy, eb::Nuts{}, chains);
    for (std::size_t row = 0; row < draws.size(); row += d)
        for (std::size_t j = 1; j < d; ++j) draws[row + j] *= std::exp(-0.5f * draws[row]);
    expect_moments(draws, d, chains, {{"v", 0, 0, 1}, {"x[1]", 1, 0, 1}, {"x[9]", 9, 0, 1}});
}

// The same where the energy is curved, bounded, or of two modes, and a second opinion from published values.
TEST(Chains, FindMomentsOfHarderEnergies) {
    const auto context = eb::Context::cpu();
    constexpr std::int64_t chains = 256;
    const auto run = [&](const eb::Energy& e, int leapfrogs, std::int64_t draws) {
        const auto s = eb::sample<float>(context, e, eb::Hmc{.leapfrogs = leapfrogs, .lengths = eb::Lengths::jittered},
                                         {.chains = chains, .warmup = 500, .draws = draws, .seed = 3});
        return to_host(context, s.draws);
    };
    const auto banana = run(eb::energy::banana(), 20, 500);  // deviations 10 and sqrt(19)
    auto square = coordinate(banana, 2, 1);
    expect_moment(square, chains, 0, "banana mean");
    for (double& value : square) value *= value;
    expect_moment(square, chains, 19, "banana variance");
    const auto of_schools = eight_schools_moments();
    const double avg_effect = of_schools[0].mean, log_stddev = of_schools[1].mean;
    EXPECT_NEAR(avg_effect, 5.7598, 0.1);  // inference-gym's long runs: 5.7598 and 2.4533
    EXPECT_NEAR(log_stddev, 2.4533, 0.01);
    const auto schools = run(eb::energy::eight_schools(), 20, 500);
    expect_moment(coordinate(schools, 10, 0), chains, avg_effect, "avg_effect");
    expect_moment(coordinate(schools, 10, 1), chains, log_stddev, "log_stddev");
    // x > 0 with density exp(-x^2 / 2): E x = sqrt(2 / pi).
    const auto half =
        run(eb::energy::constrain(eb::energy::gaussian({.precision = {1}}), {eb::energy::Support::positive()}), 5, 500);
    auto positive = coordinate(half, 1, 0);
    for (double& value : positive) value = std::exp(value);
    expect_moment(positive, chains, std::sqrt(2 / M_PI), "half normal");
    // Weights of two modes, 0.3 at -1 and 0.7 at 1.
    const auto modes =
        run(eb::energy::mixture({.weights = {0.3, 0.7}, .means = table({-1, 1}, 1), .precisions = table({4, 4}, 1)}), 5,
            500);
    expect_moment(coordinate(modes, 1, 0), chains, 0.4, "mixture");
}

// ULA's bias is known for a Gaussian: its variance is 1 / (1 - e^2 / 4).
TEST(Chains, UnadjustedLangevinHasItsBias) {
    const auto context = eb::Context::cpu();
    constexpr double step = 0.8;
    const auto run = eb::sample<double>(context, eb::energy::gaussian({.precision = {1}}),
                                        eb::Langevin{.adjusted = false, .step_size = step},
                                        {.chains = 64, .warmup = 100, .draws = 1000, .seed = 5, .adapt_mass = false});
    auto squares = coordinate(to_host(context, run.draws), 1, 0);
    for (double& value : squares) value *= value;
    expect_moment(squares, 64, 1 / (1 - step * step / 4), "ULA");
    EXPECT_EQ(run.acceptance, 1);
    EXPECT_TRUE(same_bits(to_host(context, run.energies), to_host(context, run.values)));
}
