// Lengths of trajectories that are learnt in warm-up.
#include <cmath>
#include <cstdio>

#include <cuebm/diagnostics.hpp>
#include <cuebm/resume.hpp>
#include <cuebm/sample.hpp>

#include "support/backends.hpp"
#include "support/complaint.hpp"
#include "support/data.hpp"
#include "support/energy_cases.hpp"
#include "support/temporary_file.hpp"

namespace eb = cuebm;
using namespace cuebm::test;

CUEBM_SUITE_ON(TrajectoryLength, backends_of_one_path());

namespace {

eb::Energy standard(int d) {
    return eb::energy::gaussian({.precision = std::vector<double>(static_cast<std::size_t>(d), 1.0)});
}

}  // namespace

// A slope of another sign, of unweighted lengths or around another centre. Of a standard Gaussian the slope of ChEES
// after a time t is d sin(2 t); over lengths spread evenly up to T, each counted with t, it is zero where tan(2 T) =
// 2 T, T = 2.2467.
TEST(LearntLength, OfAStandardGaussian) {
    const auto context = eb::Context::cpu();
    for (const bool dense : {false, true}) {
        constexpr double step = 0.05;
        const auto run = eb::sample<double>(context, standard(10), eb::Hmc{.leapfrogs = 0, .step_size = step},
                                            {.chains = 512,
                                             .warmup = 600,
                                             .draws = 1,
                                             .seed = 3,
                                             .inverse_mass = dense ? [] {
                                                 std::vector<double> one(100);
                                                 for (std::size_t j = 0; j < 10; ++j) one[11 * j] = 1;
                                                 return one;
                                             }() : std::vector<double>(10, 1.0)});
        // Adam's steps of 0.05 leave the average within some per cent.
        EXPECT_NEAR(step * (2 * run.trajectory - 1), 2.2467, 0.15) << run.trajectory;
    }
}

// Learnt with all else: the draws are the density's, and better for it than with lengths that fit no coordinate.
TEST(LearntLength, WithStepSizeAndMass) {
    const auto context = eb::Context::cpu();
    const auto energy = eb::energy::gaussian({.mean = {1, -2, 0, 5}, .precision = {4, 1, 0.25, 100}});
    const eb::SampleOptions<double> options{.chains = 64, .warmup = 500, .draws = 500, .seed = 8};
    const auto run = eb::sample<double>(context, energy, eb::Hmc{.leapfrogs = 0}, options);
    const auto summary = run.summary();
    EXPECT_TRUE(summary.problems().empty()) << summary.verdict();
    const double means[] = {1, -2, 0, 5}, deviations[] = {0.5, 1, 2, 0.1};
    for (std::size_t j = 0; j < 4; ++j) {
        const auto& q = summary.quantities[j];
        EXPECT_NEAR(q.mean, means[j], 5 * q.mcse_mean);
        EXPECT_NEAR(q.sd, deviations[j], 5 * deviations[j] / std::sqrt(q.ess_tail));
        EXPECT_GT(q.ess_bulk, 10000);
    }
    EXPECT_GT(run.trajectory, 1);
    EXPECT_LT(run.trajectory, 10);
}

CUEBM_TEST(TrajectoryLength, HasTheSameBits) {
    const auto context = backend.make(), plain = eb::Context::cpu({.threads = 1});
    for (const auto& [energy, chains] : {std::pair{eb::energy::eight_schools(), 70},
                                         std::pair{eb::energy::gaussian({.precision = positive(35, 1)}), 19}})
        for (const bool dense : {false, true}) {
            const eb::SampleOptions<T> options{
                .chains = chains, .warmup = chains == 19 ? 175 : 30, .draws = 4, .seed = 9, .dense_mass = dense};
            const auto got = eb::sample<T>(context, energy, eb::Hmc{.leapfrogs = 0}, options),
                       wanted = eb::sample<T>(plain, energy, eb::Hmc{.leapfrogs = 0}, options);
            EXPECT_EQ(got.trajectory, wanted.trajectory);
            EXPECT_EQ(got.step_size, wanted.step_size);
            EXPECT_TRUE(same_bits(to_host(context, got.draws), to_host(plain, wanted.draws)));
        }
}

TEST(LearntLength, OfARunThatGoesOn) {
    const auto context = eb::Context::cpu();
    const eb::Hmc learnt{.leapfrogs = 0};
    eb::SampleOptions<float> options{.chains = 6, .warmup = 60, .draws = 30, .seed = 1};
    const auto whole = eb::sample(context, standard(3), learnt, options);
    options.draws = 10;
    const auto path = temporary_file("trajectory_length_test.bin");
    eb::save(path, eb::state_of(eb::sample(context, standard(3), learnt, options)));
    const auto rest = eb::resume(context, standard(3), learnt, eb::load_chains<float>(path), {.draws = 20});
    std::remove(path.c_str());
    EXPECT_EQ(rest.trajectory, whole.trajectory);
    const auto all = to_host(context, whole.draws), last = to_host(context, rest.draws);
    for (std::size_t c = 0; c < 6; ++c)
        EXPECT_TRUE(std::equal(last.data() + c * 60, last.data() + c * 60 + 60, all.data() + c * 90 + 30));
}

// A chain that flies away while the step size is too large must not decide the length for all.
TEST(LearntLength, OfChainsThatDiverge) {
    const auto context = eb::Context::cpu();
    const auto run = eb::sample<float>(context, eb::energy::funnel({.dimension = 8}), eb::Hmc{.leapfrogs = 0},
                                       {.chains = 32, .warmup = 200, .draws = 50, .seed = 4});
    EXPECT_GE(run.trajectory, 1);
    EXPECT_LE(run.trajectory, 512);
    EXPECT_GT(run.acceptance, 0.3);
}

TEST(LearntLength, WantsAWarmUp) {
    const auto context = eb::Context::cpu();
    expect_refused("leapfrogs", [&] {
        (void)eb::sample(context, standard(2), eb::Hmc{.leapfrogs = 0, .step_size = 0.1}, {.warmup = 0});
    });
}
