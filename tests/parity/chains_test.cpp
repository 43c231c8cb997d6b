// sample(): where chains start, what is kept and counted, progress, and what is refused.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <limits>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include <cuebm/diagnostics.hpp>
#include <cuebm/resume.hpp>
#include <cuebm/sample.hpp>

#include "support/backends.hpp"
#include "support/complaint.hpp"
#include "support/data.hpp"
#include "support/samplers.hpp"
#include "support/temporary_file.hpp"

namespace eb = cuebm;
using namespace cuebm::test;

CUEBM_SUITE_ON(ChainDraws, backends_of_one_path());

// Draws whose value is another point's; a thinned run that keeps the wrong transitions.
CUEBM_TEST(ChainDraws, KeepTheirValues) {
    const auto context = backend.make();
    const eb::Energy energy = eb::energy::rosenbrock({.dimension = 3, .steepness = 2});
    auto all_samplers = samplers();
    all_samplers.push_back({"ula", eb::Langevin{.adjusted = false}});
    for (auto& [name, sampler] : all_samplers) {
        SCOPED_TRACE(name);
        std::visit([](auto& kind) { kind.step_size = 0.1; }, sampler);
        const auto run = [&, &sampler = sampler](std::int64_t draws, std::int64_t thin) {
            return eb::sample<T>(context, energy, sampler,
                                 {.chains = 5, .warmup = 0, .draws = draws, .thin = thin, .seed = 4});
        };
        const auto all = run(6, 1), thinned = run(2, 3);
        const auto values = context.template vector<T>(30);
        eb::energy::evaluate(context, energy, eb::energy::Evaluate<T>{.points = all.draws, .values = values});
        EXPECT_TRUE(same_bits(to_host(context, values), to_host(context, all.values)));
        const auto a = to_host(context, all.draws), t = to_host(context, thinned.draws);
        for (std::size_t chain = 0; chain < 5; ++chain)
            for (std::size_t draw = 0; draw < 2; ++draw)
                for (std::size_t j = 0; j < 3; ++j)
                    EXPECT_EQ(t[(chain * 2 + draw) * 3 + j], a[(chain * 6 + draw * 3 + 2) * 3 + j]);
    }
}

// A start that is not where the user said; one without a finite energy that is sampled from all the same.
CUEBM_TEST(ChainDraws, StartWhereTheyAreTold) {
    const auto context = backend.make();
    const eb::Energy energy = eb::energy::gaussian({.precision = {1, 1}});
    auto points = normal<T>(200, 3);
    const Placed<T> start(context, points, 100, 2, {.pad = 1, .offset = 1});
    eb::SampleOptions<T> options{.chains = 100, .warmup = 0, .draws = 1, .start = start.view()};
    const auto still = eb::sample<T>(context, energy, eb::Metropolis{.step_size = 1e-30}, options);
    EXPECT_TRUE(same_bits(to_host(context, still.draws), points));
    points[2 * 71] = std::numeric_limits<T>::quiet_NaN();
    const Placed<T> bad(context, points, 100, 2);
    options.start = bad.view();
    EXPECT_EQ(complaint([&] { (void)eb::sample<T>(context, energy, eb::Hmc{.step_size = 1}, options); }),
              (Complaint{"start", 71}));
}

// A step that is far too large: every trajectory diverges, is counted, and the chain stays where it was.
CUEBM_TEST(ChainDraws, CountDivergences) {
    const auto context = backend.make();
    const eb::Energy energy = eb::energy::rosenbrock();
    const auto run = eb::sample<T>(context, energy, eb::Hmc{.leapfrogs = 5, .step_size = 50},
                                   {.chains = 70, .warmup = 0, .draws = 3, .seed = 1});
    EXPECT_EQ(run.divergences, 70 * 3);
    EXPECT_EQ(run.acceptance, 0);
    for (const T value : to_host(context, run.draws)) EXPECT_TRUE(std::isfinite(value));
    EXPECT_NE(eb::diagnostics::to_string(run.summary()).find("diverge"), std::string::npos);
    const auto walk = eb::sample<T>(context, energy, eb::Metropolis{.step_size = 50},
                                    {.chains = 70, .warmup = 0, .draws = 3, .seed = 1});
    EXPECT_EQ(walk.divergences, 0);  // a step too far is a random walk's everyday
}

// A last report without the transitions of the last launch, which is shorter than the others.
TEST(Chains, TheLastReportIsOfAll) {
    const auto context = eb::Context::cpu();
    double acceptance = 0;
    eb::SampleOptions<float> options{.chains = 8, .warmup = 0, .draws = 153};
    options.progress = [&](const eb::SampleProgress& p) { acceptance = p.acceptance; };
    const auto run = eb::sample(context, eb::energy::gaussian({.precision = {1}}), eb::Hmc{.step_size = 0.5}, options);
    EXPECT_EQ(acceptance, run.acceptance);
}

// A sum in float that loses what is added: the mean acceptance of so many was 0.9964 instead of 0.9959.
TEST(Chains, MeanAcceptanceOfManyTransitions) {
    const auto context = eb::Context::cpu();
    const auto run =
        eb::sample<float>(context, eb::energy::gaussian({.precision = {1, 1}}),
                          eb::Hmc{.leapfrogs = 1, .step_size = 0.32}, {.chains = 4, .warmup = 0, .draws = 300'000});
    double sum = 0;
    for (const float acceptance : eb::to_host(context, run.acceptances)) sum += static_cast<double>(acceptance);
    EXPECT_NEAR(run.acceptance, sum / 1.2e6, 1e-6);
}

// Reports that come more often where warm-up is long.
TEST(Chains, ReportAboutAHundredTimes) {
    int calls = 0;
    (void)eb::sample<float>(
        eb::Context::cpu(), eb::energy::gaussian({.precision = {1}}), eb::Hmc{.leapfrogs = 1},
        {.chains = 1, .warmup = 10'000, .draws = 1000, .progress = [&](const eb::SampleProgress&) { ++calls; }});
    EXPECT_GE(calls, 50);
    EXPECT_LE(calls, 110);
}

// Launches that double until their number overflows: 4 leapfrog trees at most, so that there are many.
TEST(Chains, HaveAnyNumberOfLaunches) {
    const auto context = eb::Context::cpu();
    std::int64_t last = 0;
    const auto run =
        eb::sample(context, eb::energy::gaussian({.precision = {1}}), eb::Nuts{.max_depth = 20, .step_size = 0.5},
                   {.chains = 1, .warmup = 0, .draws = 600, .progress = [&](const eb::SampleProgress& p) {
                        last = p.transition;
                    }});
    EXPECT_EQ(last, 600);
    EXPECT_EQ(run.draws_a_chain, 600);
}

// A token that nobody looks at, where nobody wants to be told.
TEST(Chains, StopWithoutBeingAsked) {
    const auto context = eb::Context::cpu();
    const eb::Energy energy = eb::energy::funnel();
    std::stop_source stop;
    std::jthread later([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        stop.request_stop();
    });
    const auto run = eb::sample(context, energy, eb::Hmc{.step_size = 0.01},
                                {.chains = 64, .warmup = 0, .draws = 1000, .thin = 3000, .cancel = stop.get_token()});
    EXPECT_EQ(run.status, eb::Status::cancelled);
}

// A cancelled run that loses its draws, mixes up its chains, keeps part of a draw, or cannot go on from the last; one
// that hands over less, or draws that are not complete.
TEST(Chains, KeepWhatThereWasWhenCancelled) {
    const auto context = eb::Context::cpu();
    const eb::Energy energy = eb::energy::gaussian({.precision = {1, 1, 4}});
    for (const std::int64_t warmup : {0, 30}) {
        const eb::Nuts nuts{.step_size = warmup == 0 ? 0.5 : 0};
        eb::SampleOptions<float> options{.chains = 5, .warmup = warmup, .draws = 30, .thin = 7, .seed = 2};
        const auto whole = eb::sample(context, energy, nuts, options);
        std::stop_source stop;
        options.cancel = stop.get_token();
        options.progress = [&](const eb::SampleProgress& p) {
            if (p.transition > warmup + 36) stop.request_stop();  // it is told every 5
        };
        const auto part = eb::sample(context, energy, nuts, options);
        ASSERT_EQ(part.status, eb::Status::cancelled);
        const std::int64_t n = part.draws_a_chain;
        ASSERT_EQ(n, 5);
        EXPECT_EQ(part.transitions, warmup + 7 * n);
        const auto same_begin = [&](const auto& got, const auto& wanted, std::int64_t width) {
            const auto some = to_host(context, got), all = to_host(context, wanted);
            ASSERT_EQ(static_cast<std::int64_t>(some.size()), 5 * n * width);
            for (std::int64_t chain = 0; chain < 5; ++chain)
                EXPECT_TRUE(std::equal(some.begin() + chain * n * width, some.begin() + (chain + 1) * n * width,
                                       all.begin() + chain * 30 * width));
        };
        same_begin(part.draws, whole.draws, 3);
        same_begin(part.values, whole.values, 1);
        same_begin(part.energies, whole.energies, 1);
        same_begin(part.acceptances, whole.acceptances, 1);
        same_begin(part.divergent, whole.divergent, 1);
        same_begin(part.tree_leapfrogs, whole.tree_leapfrogs, 1);
        same_begin(part.tree_depths, whole.tree_depths, 1);
        EXPECT_EQ(part.summary().draws_a_chain, n);
        const auto rest = eb::resume(context, energy, nuts, eb::state_of(part), {.draws = 30 - n, .thin = 7});
        EXPECT_EQ(eb::state_of(rest).points, eb::state_of(whole).points);

        stop = std::stop_source();
        options.cancel = stop.get_token();
        std::vector<float> received, values;
        options.receive = [&](const eb::DrawBlock<float>& block) {
            EXPECT_EQ(block.first, 0);
            EXPECT_EQ(block.count, n);
            received = to_host(context, block.draws);
            values = to_host(context, block.values);
            EXPECT_EQ(to_host(context, block.energies), to_host(context, part.energies));
        };
        const auto handed = eb::sample(context, energy, nuts, options);
        EXPECT_EQ(handed.status, eb::Status::cancelled);
        EXPECT_EQ(received, to_host(context, part.draws));
        EXPECT_EQ(values, to_host(context, part.values));
        EXPECT_EQ(eb::state_of(handed).points, eb::state_of(part).points);
        EXPECT_EQ(handed.transitions, part.transitions);
    }
    // One coordinate: draws are not numbers of draws. Counts are of whole chains, though a draw was not complete.
    std::stop_source stop;
    eb::SampleOptions<float> options{
        .chains = 5, .warmup = 0, .draws = 30, .thin = 7, .seed = 2, .cancel = stop.get_token()};
    options.progress = [&](const eb::SampleProgress& p) {
        if (p.transition > 36) stop.request_stop();
    };
    const auto line = eb::sample(context, eb::energy::gaussian({.precision = {1}}), eb::Hmc{.step_size = 100}, options);
    ASSERT_EQ(line.draws_a_chain, 5);
    EXPECT_EQ(line.draws.rows(), 25);
    EXPECT_EQ(line.draws.cols(), 1);
    EXPECT_EQ(line.counted, 40);
    EXPECT_EQ(line.divergences, 200);
    const auto summary = line.summary();
    EXPECT_EQ(summary.sampler.transitions, 200);
    EXPECT_EQ(summary.sampler.divergences, 200);
    const auto path = temporary_file("chains_test.csv");
    line.save_cmdstan_csv(path, 4);
    std::remove(path.c_str());
    std::stop_source stopped;
    stopped.request_stop();
    const auto none =
        eb::sample(context, energy, eb::Nuts{}, {.chains = 5, .warmup = 30, .draws = 4, .cancel = stopped.get_token()});
    EXPECT_EQ(none.status, eb::Status::cancelled);
    EXPECT_EQ(none.draws_a_chain, 0);
    EXPECT_EQ(none.draws.rows(), 0);
    EXPECT_EQ(none.transitions, 1);
    EXPECT_THROW((void)none.summary(), eb::InvalidArgument);
}

// A density that lies elsewhere than any start: an endless search, or chains that sample from nowhere.
TEST(Chains, GiveUpWhereThereIsNoStart) {
    const auto context = eb::Context::cpu();
    const eb::Energy far = eb::energy::affine(eb::energy::gaussian({.precision = {1}}), {.scale = {1e30}});
    EXPECT_EQ(complaint([&] { (void)eb::sample(context, far, eb::Hmc{}, {.chains = 3}); }), (Complaint{"start", 0}));
}

// A row of NaN for what a clamp holds, and a verdict that is about it.
TEST(Chains, SummaryLeavesOutWhatIsHeld) {
    const auto context = eb::Context::cpu();
    const auto e = eb::energy::named(eb::energy::gaussian({.precision = {1, 1, 1}}), {"a", "b", "c"});
    const auto run = eb::sample(context, eb::energy::clamp(e, {.known = {0, 1, 0}, .values = {0, 2, 0}}),
                                eb::Hmc{.leapfrogs = 3, .lengths = eb::Lengths::halton},
                                {.chains = 16, .warmup = 200, .draws = 500});
    const auto summary = run.summary();
    ASSERT_EQ(summary.quantities.size(), 2u);
    EXPECT_EQ(summary.quantities[0].name, "a");
    EXPECT_EQ(summary.quantities[1].name, "c");
    EXPECT_TRUE(summary.problems().empty()) << summary.verdict();
}

// An argument that nobody looks at: a division by zero, an endless run, memory that is not there.
TEST(Chains, RefuseBadArguments) {
    const auto context = eb::Context::cpu();
    const eb::Energy energy = eb::energy::gaussian({.precision = {1, 1}});
    const auto refuse = [&](const char* argument, const eb::Sampler& sampler, const eb::SampleOptions<float>& options) {
        expect_refused(argument, [&] { (void)eb::sample(context, energy, sampler, options); });
    };
    expect_refused("energy", [&] { (void)eb::sample(context, {}, eb::Hmc{}, {}); });
    refuse("chains", eb::Hmc{}, {.chains = 0});
    refuse("warmup", eb::Hmc{}, {.warmup = -1});
    refuse("draws", eb::Hmc{}, {.draws = -1});
    refuse("thin", eb::Hmc{}, {.thin = 0});
    refuse("draws", eb::Hmc{}, {.draws = 1 << 30, .thin = 1 << 30});
    refuse("leapfrogs", eb::Hmc{.leapfrogs = -1}, {});
    refuse("step_size", eb::Hmc{.step_size = -1}, {});
    refuse("step_size", eb::Hmc{.step_size = std::nan("")}, {});
    refuse("step_size", eb::Hmc{}, {.warmup = 0});
    refuse("step_size", eb::Langevin{.adjusted = false}, {});
    refuse("max_depth", eb::Nuts{.max_depth = 0}, {});
    refuse("max_depth", eb::Nuts{.max_depth = 21}, {});
    refuse("target", eb::Metropolis{.target = 1}, {});
    refuse("start_spread", eb::Hmc{}, {.start_spread = 0});
    refuse("inverse_mass", eb::Hmc{}, {.inverse_mass = {1}});
    refuse("inverse_mass", eb::Hmc{}, {.inverse_mass = {1, 0}});
    refuse("inverse_mass", eb::Hmc{}, {.inverse_mass = {1, 1e-50}});
    refuse("step_size", eb::Hmc{.step_size = 1e-50}, {});
    refuse("start_spread", eb::Hmc{}, {.start_spread = 1e-50});
    refuse("first_transition", eb::Hmc{}, {.first_transition = -1});
    const auto start = context.matrix<float>(3, 2);
    refuse("start", eb::Hmc{}, {.chains = 4, .start = start});
}

// A run that goes on after it was told to stop, or reports what is not so.
TEST(Chains, TellAndStop) {
    const auto context = eb::Context::cpu();
    const eb::Energy energy = eb::energy::gaussian({.precision = {1, 1}});
    std::stop_source stop;
    std::vector<eb::SampleProgress> seen;
    eb::SampleOptions<float> options{.chains = 8, .warmup = 100, .draws = 100, .cancel = stop.get_token()};
    options.progress = [&](const eb::SampleProgress& p) {
        seen.push_back(p);
        if (p.transition >= 150) stop.request_stop();
    };
    const auto run = eb::sample(context, energy, eb::Hmc{}, options);
    EXPECT_EQ(run.status, eb::Status::cancelled);
    EXPECT_EQ(run.draws_a_chain, 50);
    EXPECT_EQ(run.transitions, 150);
    ASSERT_GT(seen.size(), 20u);
    EXPECT_TRUE(seen.front().warmup);
    EXPECT_FALSE(seen.back().warmup);
    EXPECT_EQ(seen.back().transition, 150);
    EXPECT_EQ(seen.back().transitions, 200);
    EXPECT_GT(seen.back().acceptance, 0.3);
    EXPECT_GT(seen.back().step_size, 0);
}
