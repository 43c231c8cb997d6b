// What a sampler notes of each draw, and the file that it goes to.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <numeric>
#include <sstream>

#include <cuebm/running.hpp>
#include <cuebm/sample.hpp>

#include "support/backends.hpp"
#include "support/temporary_file.hpp"

namespace eb = cuebm;
using namespace cuebm::test;

CUEBM_SUITE_ON(ChainRecords, backends_of_one_path());

namespace {

template <class T>
std::int64_t total(const std::vector<T>& values) {
    return std::accumulate(values.begin(), values.end(), std::int64_t{0});
}

// An energy with a neck that these steps do not fit.
const eb::Energy& steep() {
    static const eb::Energy energy = eb::energy::funnel({.dimension = 4});
    return energy;
}

}  // namespace

// A number that is of another transition, or the sum so far. A proposal whose H rose by over 1000 is never taken, so
// the chain stands still there.
CUEBM_TEST(ChainRecords, OfHamiltonianTransitions) {
    const auto context = backend.make();
    const auto run = eb::sample<T>(context, steep(), eb::Hmc{.leapfrogs = 5, .step_size = 0.9},
                                   {.chains = 70, .warmup = 0, .draws = 50, .seed = 2});
    const auto acceptances = to_host(context, run.acceptances), draws = to_host(context, run.draws);
    const auto divergent = to_host(context, run.divergent);
    EXPECT_GT(run.divergences, 10);
    EXPECT_EQ(total(divergent), run.divergences);
    double sum = 0;
    for (std::size_t i = 0; i < acceptances.size(); ++i) {
        const double probability = static_cast<double>(acceptances[i]);
        sum += probability;
        EXPECT_TRUE(probability >= 0 && probability <= 1) << probability;
        if (i % 50 == 0) continue;
        const T* const point = draws.data() + 4 * i;
        const bool still = std::equal(point, point + 4, point - 4);
        EXPECT_TRUE(divergent[i] == 0 || probability == 0) << i;
        EXPECT_TRUE(probability > 0 || still) << i;
        EXPECT_TRUE(probability < 1 || !still) << i;
    }
    EXPECT_NEAR(sum / 3500, run.acceptance, 1e-5);
    EXPECT_EQ(run.tree_depths.rows(), 0);
}

// A tree that was doubled k times has 2^k - 1 leaves, and those of a subtree that was given up.
CUEBM_TEST(ChainRecords, OfTrees) {
    const auto context = backend.make();
    const auto run = eb::sample<T>(context, steep(), eb::Nuts{.max_depth = 3, .step_size = 0.4},
                                   {.chains = 70, .warmup = 0, .draws = 50, .seed = 2});
    const auto leaves = to_host(context, run.tree_leapfrogs);
    const auto depths = to_host(context, run.tree_depths), divergent = to_host(context, run.divergent);
    EXPECT_EQ(total(leaves), run.leapfrogs);
    EXPECT_EQ(total(divergent), run.divergences);
    EXPECT_EQ(std::count(depths.begin(), depths.end(), 3), run.deepest);
    EXPECT_GT(run.deepest, 0);
    for (std::size_t i = 0; i < leaves.size(); ++i) {
        const int whole = (1 << depths[i]) - 1;
        EXPECT_GE(leaves[i], std::max(whole, 1));
        EXPECT_LE(leaves[i], depths[i] == 3 ? whole : 2 * whole + 1);
    }
}

// Of several transitions a draw, the last one is noted.
CUEBM_TEST(ChainRecords, OfThinnedDraws) {
    const auto context = backend.make();
    for (const eb::Sampler& sampler :
         {eb::Sampler{eb::Hmc{.leapfrogs = 3, .step_size = 0.7}}, eb::Sampler{eb::Nuts{.step_size = 0.7}}}) {
        const auto all = eb::sample<T>(context, steep(), sampler, {.chains = 3, .warmup = 0, .draws = 12});
        const auto few = eb::sample<T>(context, steep(), sampler, {.chains = 3, .warmup = 0, .draws = 4, .thin = 3});
        const auto of_all = to_host(context, all.acceptances), of_few = to_host(context, few.acceptances);
        const auto diverged = to_host(context, all.divergent), diverged_few = to_host(context, few.divergent);
        for (std::size_t c = 0; c < 3; ++c)
            for (std::size_t t = 0; t < 4; ++t) {
                EXPECT_EQ(of_few[4 * c + t], of_all[12 * c + 3 * t + 2]);
                EXPECT_EQ(diverged_few[4 * c + t], diverged[12 * c + 3 * t + 2]);
            }
    }
}

// A file of another chain, of unbounded coordinates, or with its columns in another order.
TEST(ChainRecordsFile, AreSavedForOthers) {
    const auto context = eb::Context::cpu();
    const auto e = eb::energy::constrain(eb::energy::gaussian({.precision = {1, 1}}),
                                         {eb::energy::Support::positive(), eb::energy::Support::real()});
    const auto run = eb::sample<double>(context, e, eb::Nuts{}, {.chains = 3, .warmup = 100, .draws = 7, .seed = 6});
    const auto path = temporary_file("chain_records_test.csv");
    run.save_cmdstan_csv(path, 2);
    std::ifstream file(path);
    std::string line, header, last, head;
    while (std::getline(file, line)) {
        if (line.rfind("lp__", 0) == 0) header = line;
        if (!line.empty() && line[0] != '#') last = line;
        if (line.rfind('#', 0) == 0) head += line;
    }
    std::remove(path.c_str());
    EXPECT_EQ(header, "lp__,accept_stat__,stepsize__,treedepth__,n_leapfrog__,divergent__,energy__,x.1,x.2");
    EXPECT_NE(head.find("seed = 6"), std::string::npos) << head;
    std::vector<double> numbers;
    std::istringstream fields(last);
    for (std::string field; std::getline(fields, field, ',');) numbers.push_back(std::stod(field));
    const auto of = [&](const auto& matrix) { return static_cast<double>(to_host(context, matrix)[20]); };
    const auto draws = to_host(context, run.draws);
    EXPECT_EQ(numbers, (std::vector<double>{-of(run.values), of(run.acceptances), run.step_size, of(run.tree_depths),
                                            of(run.tree_leapfrogs), of(run.divergent), of(run.energies),
                                            std::exp(draws[40]), draws[41]}));
}

// A held coordinate that is left out: readers take it for 0.
TEST(ChainRecordsFile, HoldsWhatAClampHolds) {
    const auto context = eb::Context::cpu();
    const auto e =
        eb::energy::clamp(eb::energy::gaussian({.precision = {1, 1, 1}}), {.known = {0, 1, 0}, .values = {0, 5, 0}});
    const auto run = eb::sample<double>(context, e, eb::Hmc{.step_size = 0.1}, {.chains = 1, .warmup = 0, .draws = 4});
    const auto path = temporary_file("chain_records_held.csv");
    run.save_cmdstan_csv(path, 0);
    std::ifstream file(path);
    std::string line, header, last;
    while (std::getline(file, line)) (line.rfind("lp__", 0) == 0 ? header : last) = line;
    std::remove(path.c_str());
    EXPECT_TRUE(header.ends_with(",energy__,x.1,x.2,x.3")) << header;
    const auto before = last.substr(0, last.rfind(','));
    EXPECT_EQ(before.substr(before.rfind(',')), ",5") << last;
    EXPECT_EQ(run.summary().quantities.size(), 2u);
}

// Divergences of all transitions, said to be of the draws: 7997 of 400.
TEST(ChainRecordsCounts, AreOfAllTransitions) {
    const auto context = eb::Context::cpu();
    const eb::SampleOptions<float> options{.chains = 4, .warmup = 0, .draws = 100, .thin = 20};
    const eb::Hmc sampler{.leapfrogs = 10, .step_size = 1.5};
    const auto wanted = " of 8000 transitions diverged";
    const auto stored = eb::sample(context, steep(), sampler, options).summary().verdict();
    EXPECT_NE(stored.find(wanted), std::string::npos) << stored;
    const auto added = eb::sample_running(context, steep(), sampler, options).summary.verdict();
    EXPECT_NE(added.find(wanted), std::string::npos) << added;
}
