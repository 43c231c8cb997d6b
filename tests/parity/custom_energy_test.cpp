// A user's own energies (tests/parity/custom/): their formulas, their derivatives, and the same bits as built-in ones.
#include <cmath>
#include <filesystem>
#include <iterator>

#include <unistd.h>

#include <cuebm/energy.hpp>
#include <cuebm/resume.hpp>
#include <cuebm/sample.hpp>

#include "support/backends.hpp"
#include "support/complaint.hpp"
#include "support/energy_check.hpp"
#include "support/samplers.hpp"

namespace eb = cuebm;
using namespace cuebm::test;

CUEBM_SUITE_ON(OwnEnergies, backends_of_one_path());

namespace {

// OwnMixture, by its formula.
eb::reference::Real mixture(const eb::reference::Point& x) {
    using eb::reference::Real, eb::reference::square;
    const Real a = x[0], b = x[1], c = x[2], d = x[3], e = x[4], pi = std::acos(Real(-1)), positive = 1 + square(a);
    Real sum = std::exp(-b) / positive + std::log(positive) - std::sqrt(positive + 2 * b * b) + std::log1p(square(c));
    sum += std::log1p(std::exp(c)) / (1 + std::exp(-a * b)) + std::sin(pi * d / 3) * std::cos(pi * (e - d));
    sum += std::abs(e) / 4 + a * b + c * d - 3 / (2 + std::cos(pi * c));
    sum += std::max(a, b) * std::min(c, Real(0.5)) - (1 - d) * (e - 2);
    return sum + (b < 0 ? b * b * b : 1 / (1 + b * b)) + (c >= d ? Real(0.5) : -a);
}

// On a GPU each case is compiled: two of them have all that can differ there.
std::vector<EnergyCase> own_cases(const Backend& backend) {
    namespace r = eb::reference;
    using r::Point, r::Real;
    // On a GPU so many that points lie in columns.
    const std::int64_t many = backend.kind == eb::Device::Kind::cuda ? 200 : 40;
    const auto p = positive(many, 2);
    const EnergyCase gaussian{
        "gaussian", eb::energy::custom({.name = "OwnGaussian", .dimension = many, .parameters = p}),
        [=](const Point& x) { return r::gaussian(x, std::vector<double>(static_cast<std::size_t>(many), 0.0), p); }};
    const auto real = eb::energy::Support::real(), above_0 = eb::energy::Support::positive();
    const EnergyCase two{
        "two",
        eb::energy::custom({.name = "OwnMixture"}) +
            0.5 * eb::energy::constrain(
                      eb::energy::clamp(
                          eb::energy::custom({.name = "OwnBanana", .dimension = 6, .parameters = {2, -0.3}}),
                          {.known = {0, 1, 0, 0, 0, 0}, .values = {0, 0.7, 0, 0, 0, 0}}),
                      {above_0, real, real, real, real}),
        [](const Point& x) {
            const Real clamped = r::banana({std::exp(x[0]), Real(0.7), x[1], x[2], x[3], x[4]}, 2, -0.3);
            return mixture(x) + (clamped - x[0]) / 2;
        },
        1, false};
    if (backend.kind == eb::Device::Kind::cuda) return {gaussian, two};
    const eb::Energy banana = eb::energy::custom({.name = "OwnBanana", .dimension = 3, .parameters = {2, -0.3}});
    const eb::Energy of_three = eb::energy::custom({.name = "OwnBananaOfThree", .parameters = {2, -0.3}});
    const auto by_formula = [](const Point& x) { return r::banana(x, 2, -0.3); };
    const auto scaled = [=](const Point& x) { return by_formula({2 * x[0] + 1, 0.5L * x[1], x[2] - 1}); };
    return {gaussian,
            two,
            {"banana", banana, by_formula, 2},
            {"mixture", eb::energy::custom({.name = "OwnMixture"}), mixture, 1, false},
            {"sum", 0.5 * banana + eb::energy::gaussian({.precision = {1, 1, 1}}),
             [=](const Point& x) { return by_formula(x) / 2 + r::squares(x) / 2; }, 2},
            {"gradient", of_three, by_formula, 2},
            {"sum_first", eb::energy::gaussian({.precision = {1, 1, 1}}) + 0.5 * of_three,
             [=](const Point& x) { return by_formula(x) / 2 + r::squares(x) / 2; }, 2},
            {"affine", eb::energy::affine(banana, {.scale = {2, 0.5, 1}, .shift = {1, 0, -1}}), scaled, 2},
            {"clamped", eb::energy::clamp(banana, {.known = {0, 1, 0}, .values = {0, 0.7, 0}}),
             [=](const Point& x) {
                 return by_formula({x[0], Real(0.7), x[1]});
             },
             2},
            {"positive", eb::energy::constrain(banana, {above_0, real, real}), [=](const Point& x) {
                 return by_formula({std::exp(x[0]), x[1], x[2]}) - x[0];
             }}};
}

}  // namespace

// A wrong derivative of any function, a chunk of coordinates left out or counted twice, a weight or a map that is lost.
CUEBM_TEST(OwnEnergies, FollowTheirFormulasAndDerivatives) {
    const auto context = backend.make();
    for (const auto& c : own_cases(backend)) expect_formula<T>(context, c, 19);
}

// A build for one instruction set, or for a GPU, that rounds otherwise; a tail of a pack.
CUEBM_TEST(OwnEnergies, HaveTheSameBitsEverywhere) {
    const auto context = backend.make(), plain = Backend{.name = "base", .isa = "base"}.make();
    for (const auto& c : own_cases(backend)) {
        SCOPED_TRACE(c.name);
        const auto points = points_of<T>(c, 131);
        const auto got = evaluated(context, c.energy, points), wanted = evaluated(plain, c.energy, points);
        EXPECT_TRUE(same_bits(got.values, wanted.values));
        EXPECT_TRUE(same_bits(got.gradients, wanted.gradients));
    }
}

// A sampler that treats an own energy otherwise than a built-in one: the same operations give the same draws.
CUEBM_TEST(OwnEnergies, AreSampledAsBuiltInOnes) {
    const auto context = backend.make();
    const auto p = positive(6, 2);
    const eb::Energy own = eb::energy::custom({.name = "OwnGaussian", .dimension = 6, .parameters = p});
    // One that HMC does not move about its mean: with a coordinate more, which is held and adds 0.
    auto with_held = p;
    with_held.push_back(1);
    const eb::Energy built_in = eb::energy::clamp(eb::energy::gaussian({.precision = with_held}),
                                                  {.known = {0, 0, 0, 0, 0, 0, 1}, .values = std::vector<double>(7)});
    for (const eb::Sampler& sampler :
         {eb::Sampler{eb::Nuts{.max_depth = 5}}, eb::Sampler{eb::Hmc{.leapfrogs = 3}}, eb::Sampler{eb::Metropolis{}}}) {
        const eb::SampleOptions<T> options{.chains = 70, .warmup = 60, .draws = 20, .seed = 3};
        const auto got = eb::sample(context, own, sampler, options);
        const auto wanted = eb::sample(context, built_in, sampler, options);
        EXPECT_TRUE(same_bits(to_host(context, got.draws), to_host(context, wanted.draws)));
        EXPECT_EQ(got.step_size, wanted.step_size);
        // A saved run knows its energy: not by its place in memory.
        expect_refused("state", [&] { (void)eb::resume<T>(context, built_in, sampler, eb::state_of(got), {}); });
    }
}

// A mistake that goes on silently.
TEST(CustomEnergies, AreRefusedIfTheyDoNotFit) {
    const auto custom = [](const eb::energy::Custom& parameters) {
        return [=] { (void)eb::energy::custom(parameters); };
    };
    expect_refused("name", custom({.name = "Nobody"}));
    expect_refused("name", custom({}));
    expect_refused("name", custom({.name = "Twice"}));
    expect_refused("dimension", custom({.name = "OwnMixture", .dimension = 4}));
    expect_refused("dimension", custom({.name = "OwnGaussian"}));
    expect_refused("dimension", custom({.name = "OwnGaussian", .dimension = -1}));
    expect_refused("dimension", custom({.name = "OwnBanana", .dimension = 33, .parameters = {1, 1}}));
    expect_refused("parameters", custom({.name = "OwnBanana", .dimension = 2}));
    expect_refused("parameters", custom({.name = "OwnBanana", .dimension = 2, .parameters = {1, std::nan("")}}));
    EXPECT_EQ(eb::energy::custom({.name = "OwnMixture"}).text(), "OwnMixture(d = 5)");
}

// Its bits would differ between instruction sets.
TEST_F(OnCpu, ACustomEnergyThatContractsIsRefused) {
#if defined(__x86_64__)
    if (!__builtin_cpu_supports("fma")) GTEST_SKIP();
#endif
    expect_refused("name", [] { (void)eb::energy::custom({.name = "Contracting"}); });
}

std::vector<Backend> gpus() {
    auto all = backends();
    std::erase_if(all, [](const Backend& backend) { return backend.kind != eb::Device::Kind::cuda; });
    return all;
}

// Of one row, at the origin.
void evaluate_on(const eb::Context& context, const eb::Energy& energy) {
    const std::int64_t d = energy.dimension();
    const Placed<float> y(context, std::vector<float>(static_cast<std::size_t>(d)), 1, d), values(context, 1, 1);
    eb::energy::evaluate(context, energy, {.points = y.view(), .values = values.vector()});
}

// A chain that steps to an energy of -infinity, and never leaves it. Such a step is a divergence; what is left is the
// normal density below 1, whose mean is -phi(1) / Phi(1).
TEST(CustomEnergies, OfMinusInfinityAreDivergences) {
    const auto context = eb::Context::cpu();
    const auto E = eb::energy::custom({.name = "Abyss"});
    const std::vector<float> start(64, 0.0f);
    for (const eb::Sampler& sampler :
         {eb::Sampler(eb::Metropolis{.step_size = 1}), eb::Sampler(eb::Langevin{.step_size = 1}),
          eb::Sampler(eb::Hmc{.leapfrogs = 3, .step_size = 0.5}), eb::Sampler(eb::Nuts{.step_size = 0.5})}) {
        const auto run = eb::sample<float>(
            context, E, sampler, {.chains = 64, .warmup = 0, .draws = 500, .seed = 3, .start = eb::view(start, 64, 1)});
        double sum = 0;
        for (const float x : eb::to_host(context, run.draws)) {
            ASSERT_LE(x, 1.0f);
            sum += x;
        }
        EXPECT_GT(run.divergences, 0);
        const double error = run.summary().quantities[0].mcse_mean;
        EXPECT_NEAR(sum / (64 * 500), -0.2875999, 5 * error);
    }
}

// A chain that enters where the energy is NaN or infinity, a warm-up that learns from there, such steps that are not
// counted as they should: all but Metropolis's into infinity are divergences. What is left is again the normal density
// below 1.
TEST(CustomEnergies, OfNanOrInfinityAreNotEntered) {
    const auto context = eb::Context::cpu();
    constexpr std::size_t chains = 64, draws = 500;
    const std::vector<NamedSampler> all{{"metropolis", eb::Metropolis{}},
                                        {"mala", eb::Langevin{}},
                                        {"ula", eb::Langevin{.adjusted = false, .step_size = 0.5}},
                                        {"hmc", eb::Hmc{.leapfrogs = 3}},
                                        {"learnt_length", eb::Hmc{.leapfrogs = 0}},
                                        {"nuts", eb::Nuts{}}};
    for (const auto& [name, sampler] : all) {
        const bool metropolis = name == "metropolis", ula = name == "ula", nuts = name == "nuts";
        const bool one_step = metropolis || ula || name == "mala";
        std::vector<float> of_edge;
        for (const char* const energy : {"Edge", "Cliff", "Wall"}) {
            SCOPED_TRACE(name + ", " + energy);
            // Also starts: a quarter of the first ones are beyond.
            const auto run = eb::sample<float>(context, eb::energy::custom({.name = energy}), sampler,
                                               {.chains = chains, .warmup = 100, .draws = draws, .seed = 3});
            const auto x = eb::to_host(context, run.draws), values = eb::to_host(context, run.values),
                       energies = eb::to_host(context, run.energies),
                       acceptances = eb::to_host(context, run.acceptances);
            const auto divergent = eb::to_host(context, run.divergent);
            const bool counted = !metropolis || std::string(energy) != "Wall";
            // One step is normal: as many end beyond 1 as its law has.
            const double scale = run.step_size * std::sqrt(run.inverse_mass[0]),
                         kept = metropolis ? 1 : 1 - scale * scale / 2;
            double sum = 0, wanted = 0, variance = 0;
            std::int64_t divergences = 0, after_first = 0;
            for (std::size_t i = 0; i < x.size(); ++i) {
                ASSERT_TRUE(std::isfinite(x[i]) && x[i] <= 1) << x[i];
                ASSERT_EQ(values[i], 0.5f * x[i] * x[i]);
                ASSERT_TRUE(std::isfinite(energies[i]));
                sum += x[i];
                divergences += divergent[i];
                ASSERT_TRUE(!ula || acceptances[i] == (divergent[i] == 0 ? 1 : 0));
                if (i % draws == 0) continue;
                if (divergent[i] != 0 && !nuts) {
                    ASSERT_EQ(acceptances[i], 0);
                    ASSERT_EQ(x[i], x[i - 1]);
                }
                after_first += divergent[i];
                const double p = 0.5 * std::erfc((1 - kept * x[i - 1]) / (scale * std::sqrt(2.0)));
                wanted += p;
                variance += p * (1 - p);
            }
            EXPECT_EQ(run.divergences, divergences);
            EXPECT_EQ(run.divergences > 0, counted);
            if (one_step && counted) {
                EXPECT_NEAR(static_cast<double>(after_first), wanted, 5 * std::sqrt(variance));
            }
            if (!ula) {
                const double error = run.summary().quantities[0].mcse_mean;
                EXPECT_NEAR(sum / (chains * draws), -0.2875999, 5 * error);
                EXPECT_LT(error, 0.1);
            }
            // What lies beyond says nothing, but to trajectories that come back.
            if (of_edge.empty()) of_edge = x;
            if (one_step || nuts) {
                EXPECT_TRUE(same_bits(x, of_edge));
            }
        }
    }
}

// A kernel that is taken for another, or compiled again and again: a file for each of them.
TEST(CustomEnergies, AreKeptOnDisk) {
    namespace fs = std::filesystem;
    for (const Backend& backend : gpus()) {
        const auto context = backend.make();
        const fs::path folder = fs::path(testing::TempDir()) / ("cuebm-kernels-" + std::to_string(getpid()));
        const ScopedVariable cache("CUEBM_CACHE", folder.c_str());
        // Of no other test: what a process has in memory it need not read.
        const eb::Energy energy = eb::energy::custom({.name = "OwnBanana", .dimension = 2, .parameters = {2, 1}}) +
                                  eb::energy::double_well({.dimension = 2});
        const Placed<float> y(context, std::vector<float>(2), 1, 2), values(context, 1, 1), gradients(context, 1, 2);
        for (int repeated = 0; repeated < 2; ++repeated) {
            eb::energy::evaluate(context, energy, {.points = y.view(), .values = values.vector()});
            eb::energy::evaluate(context, energy, {.points = y.view(), .gradients = gradients.view()});
        }
        EXPECT_EQ(std::distance(fs::directory_iterator(folder), fs::directory_iterator()), 2);
        fs::remove_all(folder);
    }
}

// A compiler's complaint that nobody sees, or of a line that nobody knows.
TEST(CustomEnergies, ThatDoNotCompileForAGpuShowTheirLine) {
    for (const Backend& backend : gpus()) {
        const auto context = backend.make();
        try {
            evaluate_on(context, eb::energy::custom({.name = "CpuOnly"}));
            ADD_FAILURE() << "CpuOnly compiled";
        } catch (const eb::InvalidArgument& error) {
            const std::string what = error.what();
            EXPECT_EQ(what.find("energy::evaluate: energy: got CpuOnly"), 0u) << what;
            EXPECT_NE(what.find("cpu_only.cpp(9): error"), std::string::npos) << what;
            EXPECT_NE(what.find("only the CPU has this"), std::string::npos) << what;
        }
        evaluate_on(context, eb::energy::ring({}));  // the context works afterwards
    }
}

// A call of what is not there.
TEST(CustomEnergies, OnAGpuNeedTheirFileAndACompiler) {
    for (const Backend& backend : gpus()) {
        const auto context = backend.make();
        const eb::Energy alone = eb::energy::custom({.name = "Alone"});
        expect_refused("energy", [&] { evaluate_on(context, alone); });
        expect_refused("energy",
                       [&] { (void)eb::sample<float>(context, alone, eb::Nuts{}, {.chains = 2, .draws = 2}); });
        const ScopedVariable nowhere("CUEBM_NVRTC", "/nowhere/libnvrtc.so");
        try {
            evaluate_on(context, eb::energy::custom({.name = "CpuOnly"}));
            ADD_FAILURE() << "there was a compiler";
        } catch (const eb::DeviceError& error) {
            EXPECT_NE(std::string(error.what()).find("/nowhere/libnvrtc.so"), std::string::npos) << error.what();
            EXPECT_NE(std::string(error.what()).find("CUEBM_NVRTC"), std::string::npos) << error.what();
        }
    }
}
