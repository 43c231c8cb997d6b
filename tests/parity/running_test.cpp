// Draws that are added up and not kept.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <stdexcept>

#include <cuebm/resume.hpp>
#include <cuebm/running.hpp>

#include "support/backends.hpp"
#include "support/complaint.hpp"
#include "support/data.hpp"

namespace eb = cuebm;
namespace diagnostics = cuebm::diagnostics;
using namespace cuebm::test;

CUEBM_SUITE_ON(RunningOn, backends_of_one_path());

namespace {

// Draws [chains draws x 2] that hang together in a chain, and chains that differ; the second quantity has large numbers
// and heavy tails.
std::vector<double> correlated_draws(std::int64_t chains, std::int64_t draws) {
    const auto noise = normal<double>(2 * chains * draws, 5);
    std::vector<double> rows(noise.size());
    for (std::int64_t c = 0; c < chains; ++c)
        for (std::int64_t t = 0; t < draws; ++t) {
            const auto at = static_cast<std::size_t>(2 * (c * draws + t));
            rows[at] = (t > 0 ? 0.8 * rows[at - 2] : 0.0) + noise[at] + 0.05 * static_cast<double>(c % 5);
            rows[at + 1] = 1e6 + noise[at + 1] * noise[at + 1] * noise[at + 1];
        }
    return rows;
}
// Draws [first, first + count) of each chain, as a block.
std::vector<double> block_of(const std::vector<double>& rows, std::int64_t chains, std::int64_t draws,
                             std::int64_t first, std::int64_t count) {
    std::vector<double> block;
    for (std::int64_t c = 0; c < chains; ++c)
        block.insert(block.end(), rows.begin() + 2 * (c * draws + first),
                     rows.begin() + 2 * (c * draws + first + count));
    return block;
}
std::vector<double> column(const std::vector<double>& rows, std::size_t j) {
    std::vector<double> values;
    for (std::size_t i = j; i < rows.size(); i += 2) values.push_back(rows[i]);
    return values;
}
void add_in_blocks(diagnostics::Running& running, const std::vector<double>& rows, std::int64_t chains,
                   std::int64_t draws, const std::vector<std::int64_t>& counts) {
    std::int64_t first = 0;
    for (const std::int64_t count : counts) {
        const auto block = block_of(rows, chains, draws, first, count);
        running.add(eb::view(block, chains * count, 2));
        first += count;
    }
}

}  // namespace

// A draw that is lost or counted twice, a batch that begins elsewhere, chains of another superchain, sums that cancel.
TEST(Running, AgreesWithStoredDraws) {
    for (const auto& [chains, draws] : {std::pair{24, 50}, std::pair{130, 7}, std::pair{8, 1000}}) {
        const auto rows = correlated_draws(chains, draws);
        diagnostics::Running running({"a", "b"},
                                     {.chains = chains, .draws = draws, .superchains = 2, .covariance = true});
        const std::int64_t first = draws / 3, then = draws / 2;
        add_in_blocks(running, rows, chains, draws, {first, then, draws - first - then});
        const auto summary = running.summary();
        const auto stored = diagnostics::summarise({"a", "b"}, eb::view(rows, chains * draws, 2), chains, draws);
        const auto covariance = running.covariance();
        double product = 0;
        for (std::size_t i = 0; i < rows.size(); i += 2)
            product += (rows[i] - stored.quantities[0].mean) * (rows[i + 1] - stored.quantities[1].mean);
        const double n = static_cast<double>(chains) * draws;
        const double sd = stored.quantities[0].sd * stored.quantities[1].sd;
        EXPECT_NEAR(covariance[1], product / (n - 1), 1e-9 * sd);
        EXPECT_EQ(covariance[1], covariance[2]);
        for (std::size_t j = 0; j < 2; ++j) {
            const auto& got = summary.quantities[j];
            const auto& wanted = stored.quantities[j];
            const auto values = column(rows, j);
            const auto table = eb::view(values, chains, draws);
            EXPECT_NEAR(got.mean, wanted.mean, 1e-12 * std::abs(wanted.mean) + 1e-12);
            EXPECT_NEAR(got.sd, wanted.sd, 1e-9 * wanted.sd);
            EXPECT_NEAR(std::sqrt(covariance[3 * j]), wanted.sd, 1e-9 * wanted.sd);
            EXPECT_NEAR(got.r_hat, diagnostics::nested_r_hat(table, 2), 1e-9);
            const double ess = diagnostics::batch_means_ess(table);
            EXPECT_NEAR(got.ess_bulk, ess, 1e-8 * ess);
            EXPECT_EQ(got.mcse_mean, got.sd / std::sqrt(got.ess_bulk));
            auto sorted = values;
            std::sort(sorted.begin(), sorted.end());
            for (const double prob : {0.05, 0.3, 0.5, 0.95}) {
                // The draws beside the quantile, and a bin: the first block's deviation is not quite that of all.
                const auto place = static_cast<std::size_t>(prob * n);
                const double bin = wanted.sd / 128 * 2.5;
                EXPECT_GE(running.quantile(static_cast<std::int64_t>(j), prob), sorted[place - 1] - bin) << prob;
                EXPECT_LE(running.quantile(static_cast<std::int64_t>(j), prob), sorted[place] + bin) << prob;
            }
        }
        EXPECT_NE(to_string(summary).find("nested_r_hat"), std::string::npos);
    }
}

// Octaves that are not where their bins are.
TEST(Running, KnowsTheTails) {
    std::vector<double> rows;
    for (int i = 1; i <= 1000; ++i) {  // the first ones are near 0, and decide the bins
        const double x =
            i <= 100 ? 0.01 * (i % 2 == 0 ? i : -i) : std::ldexp(1.0, (i - 100) / 20) * (i % 2 == 0 ? 1 : -1);
        rows.push_back(x);
    }
    diagnostics::Running running({"x"}, {.chains = 1, .draws = 1000});
    running.add(eb::view(rows.data(), 100, 1));
    running.add(eb::view(rows.data() + 100, 900, 1));
    auto sorted = rows;
    std::sort(sorted.begin(), sorted.end());
    for (const double prob : {0.001, 0.01, 0.1, 0.3, 0.7, 0.9, 0.99, 0.999}) {
        const double wanted = sorted[static_cast<std::size_t>(std::ceil(prob * 1000)) - 1];
        EXPECT_NEAR(running.quantile(0, prob), wanted, std::abs(wanted) / 8 + 0.01) << prob;
    }
}

// Bins that are set by draws without a spread: nothing of the distribution would be left. Draw by draw, and after a
// long rest; 60 draws are too few for bins, and have the quantiles of stored ones.
TEST(Running, KnowsQuantilesWhateverComesFirst) {
    struct Case {
        std::int64_t chains, rest, draws;
        double centre;
    };
    for (const auto& [chains, rest, draws, centre] :
         {Case{2, 1, 2000, 0}, Case{1, 0, 4000, 1000}, Case{1, 300, 4000, -3}, Case{2, 5, 25, 7}}) {
        SCOPED_TRACE(std::to_string(chains) + " chains, " + std::to_string(rest) + " equal");
        const std::int64_t all = rest + draws;
        auto x = normal<double>(chains * all, 8);
        for (std::int64_t c = 0; c < chains; ++c)
            for (std::int64_t t = 0; t < all; ++t) {
                double& value = x[static_cast<std::size_t>(c * all + t)];
                value = t < rest ? centre : centre + 0.5 * value;
            }
        std::vector<std::vector<double>> got;
        for (const int threads : {1, 2}) {
            diagnostics::Running running({"x"}, {.chains = chains, .draws = all, .threads = threads});
            for (std::int64_t t = 0; t < all; ++t) {
                std::vector<double> block;
                for (std::int64_t c = 0; c < chains; ++c) block.push_back(x[static_cast<std::size_t>(c * all + t)]);
                running.add(eb::view(std::as_const(block), chains, 1));
                EXPECT_TRUE(t >= rest || running.quantile(0, 0.3) == centre) << t;
            }
            const auto q = running.summary().quantities[0];
            got.push_back({q.mean, q.sd, q.median, q.q5, q.q95});
        }
        EXPECT_EQ(got[0], got[1]);
        const auto q =
            diagnostics::summarise({"x"}, eb::view(std::as_const(x), chains * all, 1), chains, all).quantities[0];
        const std::vector<double> wanted{q.mean, q.sd, q.median, q.q5, q.q95};
        const double most = draws < 32 ? 1e-12 : 0.02;
        for (std::size_t i = 0; i < wanted.size(); ++i) EXPECT_NEAR(got[0][i], wanted[i], most) << i;
    }
}

// Sums that depend on who adds them, or on where blocks end.
TEST(Running, HasTheSameBitsForAnyThreadsAndBlocks) {
    constexpr std::int64_t chains = 200, draws = 30;
    const auto rows = correlated_draws(chains, draws);
    std::vector<std::vector<double>> all;
    for (const auto& [threads, counts] :
         {std::pair{1, std::vector<std::int64_t>{10, 20}}, std::pair{3, std::vector<std::int64_t>{10, 20}},
          std::pair{2, std::vector<std::int64_t>{10, 1, 9, 10}}}) {
        diagnostics::Running running({"a", "b"},
                                     {.chains = chains, .draws = draws, .covariance = true, .threads = threads});
        add_in_blocks(running, rows, chains, draws, counts);
        auto numbers = running.covariance();
        for (const auto& q : running.summary().quantities)
            numbers.insert(numbers.end(), {q.mean, q.sd, q.median, q.q5, q.q95, q.mcse_mean, q.ess_bulk, q.r_hat});
        if (counts.size() > 2)
            numbers.erase(numbers.begin(), numbers.begin() + 4);  // products go through a block by row
        all.push_back(numbers);
    }
    EXPECT_EQ(all[0], all[1]);
    EXPECT_EQ((std::vector<double>(all[0].begin() + 4, all[0].end())), all[2]);
}

// Rows that lie apart, and a float's block: the numbers between them are none.
TEST(Running, OfStridedBlocks) {
    const auto draws = normal<float>(24, 6);
    std::vector<float> apart(3 * 24, std::numeric_limits<float>::quiet_NaN());
    for (std::size_t row = 0; row < 12; ++row)
        for (std::size_t j = 0; j < 2; ++j) apart[6 * row + j] = draws[2 * row + j];
    diagnostics::Running dense({"a", "b"}, {.chains = 4, .draws = 3}), strided({"a", "b"}, {.chains = 4, .draws = 3});
    dense.add(eb::view(draws, 12, 2));
    strided.add({apart.data(), 12, 2, 6, {}});
    for (std::size_t j = 0; j < 2; ++j) {
        EXPECT_EQ(strided.summary().quantities[j].mean, dense.summary().quantities[j].mean);
        EXPECT_EQ(strided.summary().quantities[j].q95, dense.summary().quantities[j].q95);
    }
}

TEST(Running, OfOddDraws) {
    diagnostics::Running running({"constant", "bad", "good"}, {.chains = 4, .draws = 9});
    std::vector<double> rows;
    const auto noise = normal<double>(36, 2);
    for (std::size_t i = 0; i < 36; ++i) {
        const double values[] = {3.5, i == 20 ? std::numeric_limits<double>::infinity() : noise[i], noise[i]};
        rows.insert(rows.end(), values, values + 3);
    }
    running.add(eb::view(std::as_const(rows), 36, 3));
    const auto summary = running.summary();
    EXPECT_EQ(summary.quantities[0].mean, 3.5);
    EXPECT_EQ(summary.quantities[0].sd, 0);
    EXPECT_EQ(summary.quantities[0].median, 3.5);
    EXPECT_TRUE(std::isnan(summary.quantities[1].mean));
    EXPECT_NEAR(summary.quantities[2].mean, std::accumulate(noise.begin(), noise.end(), 0.0) / 36, 1e-12);
    EXPECT_FALSE(summary.problems().empty());
}

// A first value that is NaN, whose bin is nowhere; one draw a chain, of which none can be seen to have moved.
TEST(Running, BeginsWithNaN) {
    std::vector<double> block(64 * 4, 0.5);
    for (std::size_t i = 0; i < block.size(); ++i) block[i] = static_cast<double>(i % 7);
    block[0] = std::numeric_limits<double>::quiet_NaN();
    eb::diagnostics::Running running({"x"}, {.chains = 64, .draws = 4});
    running.add(eb::view(std::as_const(block), 64 * 4, 1));
    const auto summary = running.summary();
    EXPECT_TRUE(std::isnan(summary.quantities[0].mean));
    EXPECT_EQ(summary.stuck_chains, 0);

    eb::diagnostics::Running one({"x"}, {.chains = 64, .draws = 1});
    one.add(eb::view(std::as_const(block).data() + 64, 64, 1));
    EXPECT_EQ(one.summary().stuck_chains, 0);
}

TEST(Running, RefusesBadArguments) {
    const auto refuse = [](const char* argument, std::vector<std::string> names, const diagnostics::RunningOptions& o) {
        expect_refused(argument, [&] { diagnostics::Running running(std::move(names), o); });
    };
    refuse("names", {}, {.chains = 1, .draws = 1});
    refuse("chains", {"x"}, {.draws = 1});
    refuse("draws", {"x"}, {.chains = 1});
    refuse("superchains", {"x"}, {.chains = 3, .draws = 1, .superchains = 4});
    refuse("superchains", {"x"}, {.chains = 3, .draws = 1, .superchains = 1});
    refuse("threads", {"x"}, {.chains = 3, .draws = 1, .threads = -1});
    diagnostics::Running running({"x"}, {.chains = 3, .draws = 2});
    const std::vector<double> rows(9, 1.0);
    expect_refused("block", [&] { (void)running.summary(); });
    expect_refused("block", [&] { running.add(eb::view(rows, 9, 1)); });  // 3 draws of 2
    expect_refused("block", [&] { running.add(eb::view(rows.data(), 4, 1)); });
    expect_refused("block", [&] { running.add(eb::view(rows.data(), 3, 2)); });
    running.add(eb::view(rows.data(), 3, 1));
    expect_refused("quantity", [&] { (void)running.quantile(1, 0.5); });
    expect_refused("prob", [&] { (void)running.quantile(0, 1); });
    expect_refused("covariance", [&] { (void)running.covariance(); });
    const auto context = eb::Context::cpu();
    const auto e = eb::energy::gaussian({.precision = {1, 1}}), other = eb::energy::gaussian({.precision = {1}});
    const auto refuse_run = [&](const char* argument, const eb::SampleOptions<float>& o, const eb::Accumulate& wanted) {
        expect_refused(argument, [&] { (void)eb::sample_running(context, e, eb::Hmc{}, o, wanted); });
    };
    refuse_run("draws", {.draws = 0}, {});
    refuse_run("functions", {}, {.functions = {{"f", other}}});
    refuse_run("functions", {}, {.functions = {{"", e}}});
    refuse_run("superchains", {.chains = 4}, {.superchains = 5});
    refuse_run("receive", {.receive = [](const eb::DrawBlock<float>&) {}}, {});
}

// std::bad_alloc of a vector, which says nothing. More than 2^47 bytes, or a kernel that promises all would give them.
TEST(Running, SaysWhatDoesNotFitInMemory) {
    constexpr std::int64_t chains = std::int64_t{1} << 31;
    const std::vector<std::string> names(2000, "x");
    try {
        diagnostics::Running running(names, {.chains = chains, .draws = 1});
        FAIL() << "172 TB fit";
    } catch (const eb::OutOfMemory& error) {
        EXPECT_GE(error.asked_bytes(), 2000 * 40 * static_cast<std::size_t>(chains));
    }
}

// Draws of another block, of a chain that is not theirs, or without what bounds them.
CUEBM_TEST(RunningOn, DrawsAreThoseOfSample) {
    const auto context = backend.make();
    const auto gaussian = eb::energy::gaussian({.mean = {1, 2}, .precision = {1, 4}});
    const auto bounded =
        eb::energy::constrain(gaussian, {eb::energy::Support::real(), eb::energy::Support::positive()});
    const auto begin = normal<T>(10, 3);
    const auto start = context.copy(eb::view(begin, 5, 2));
    const eb::SampleOptions<T> options{.chains = 5, .warmup = 20, .draws = 12, .thin = 2, .seed = 4, .start = start};
    const auto stored = eb::sample<T>(context, bounded, eb::Hmc{.leapfrogs = 3}, options);
    const auto added =
        eb::sample_running<T>(context, bounded, eb::Hmc{.leapfrogs = 3}, options, {.functions = {{"E", bounded}}});
    const auto wanted = stored.summary();
    for (std::size_t j = 0; j < 2; ++j) {
        EXPECT_EQ(added.summary.quantities[j].name, wanted.quantities[j].name);
        EXPECT_NEAR(added.summary.quantities[j].mean, wanted.quantities[j].mean, 1e-12);
        EXPECT_NEAR(added.summary.quantities[j].sd, wanted.quantities[j].sd, 1e-12);
    }
    const auto values = to_host(context, stored.values);
    double mean = 0;
    for (const T value : values) mean += static_cast<double>(value) / static_cast<double>(values.size());
    EXPECT_EQ(added.summary.quantities[2].name, "E");
    EXPECT_NEAR(added.summary.quantities[2].mean, mean, 1e-6 * std::abs(mean));
    EXPECT_EQ(added.run.draws.rows(), 0);
    EXPECT_EQ(added.run.step_size, stored.step_size);
}

// Blocks that are cut elsewhere, or handed over twice.
TEST(Running, BlocksAreAllDrawsInOrder) {
    const auto context = eb::Context::cpu();
    const auto e = eb::energy::gaussian({.precision = std::vector<double>(2000, 1.0)});
    eb::SampleOptions<float> options{.chains = 300, .warmup = 0, .draws = 60, .thin = 2};  // 27 draws a block
    options.progress = [](const eb::SampleProgress&) {};                                   // of several launches
    const eb::Hmc hmc{.leapfrogs = 1, .step_size = 0.1};
    const auto stored = eb::sample(context, e, hmc, options);
    const auto wanted = to_host(context, stored.draws), energies = to_host(context, stored.values),
               wanted_hamiltonians = to_host(context, stored.energies);
    std::int64_t next = 0, wrong = 0, blocks = 0;
    options.receive = [&](const eb::DrawBlock<float>& block) {
        EXPECT_EQ(block.first, next);
        const auto draws = to_host(context, block.draws), values = to_host(context, block.values),
                   hamiltonians = to_host(context, block.energies);
        for (std::int64_t c = 0; c < 300; ++c)
            for (std::int64_t t = 0; t < block.count; ++t) {
                const auto from = draws.begin() + (c * block.count + t) * 2000;
                wrong += std::equal(from, from + 2000, wanted.begin() + (c * 60 + block.first + t) * 2000) ? 0 : 1;
                const auto at = static_cast<std::size_t>(c * block.count + t),
                           of_stored = static_cast<std::size_t>(c * 60 + block.first + t);
                wrong += values[at] == energies[of_stored] ? 0 : 1;
                wrong += hamiltonians[at] == wanted_hamiltonians[of_stored] ? 0 : 1;
            }
        next += block.count;
        ++blocks;
    };
    const auto handed = eb::sample(context, e, hmc, options);
    EXPECT_EQ(next, 60);
    EXPECT_GT(blocks, 1);
    EXPECT_EQ(wrong, 0);
    EXPECT_EQ(handed.draws_a_chain, 0);
}

// Superchains of other sizes: 2, 2 and 3 of 7 chains.
TEST(Running, HasSuperchainsOfAnySize) {
    const auto values = normal<double>(7 * 5, 12);
    diagnostics::Running running({"x"}, {.chains = 7, .draws = 5, .superchains = 3});
    running.add(eb::view(values, 35, 1));
    const auto mean_of = [](const std::vector<double>& x) {
        return std::accumulate(x.begin(), x.end(), 0.0) / static_cast<double>(x.size());
    };
    const auto variance_of = [&](const std::vector<double>& x) {
        double sum = 0;
        for (const double value : x) sum += (value - mean_of(x)) * (value - mean_of(x));
        return sum / static_cast<double>(x.size() - 1);
    };
    std::vector<double> means;
    double within = 0;
    for (const auto& chains : {std::vector{0, 1}, {2, 3}, {4, 5, 6}}) {
        std::vector<double> of_chains, variances;
        for (const int c : chains) {
            const std::vector<double> chain(values.begin() + 5 * c, values.begin() + 5 * c + 5);
            of_chains.push_back(mean_of(chain));
            variances.push_back(variance_of(chain));
        }
        means.push_back(mean_of(of_chains));
        within += (mean_of(variances) + variance_of(of_chains)) / 3;
    }
    EXPECT_NEAR(running.summary().quantities[0].r_hat, std::sqrt(1 + variance_of(means) / within), 1e-12);
}

// NaN that passes for good.
TEST(Running, SaysWhatItCannotTell) {
    const auto values = normal<double>(40, 1);
    diagnostics::Running early({"x"}, {.chains = 10, .draws = 100});
    early.add(eb::view(values, 40, 1));  // 4 of 100 draws: no batch is full
    EXPECT_FALSE(early.summary().problems().empty());
    diagnostics::Running one({"x"}, {.chains = 1, .draws = 40});
    one.add(eb::view(values, 40, 1));
    EXPECT_FALSE(one.summary().problems().empty());
}

// Energies of another draw, or of a sampler that has none.
TEST(Running, HasTheEBfmiOfStoredDraws) {
    const auto context = eb::Context::cpu();
    const auto e = eb::energy::gaussian({.precision = {1, 4}});
    const auto start = context.copy(eb::view(normal<float>(10, 4), 5, 2));
    eb::SampleOptions<float> options{.chains = 5, .warmup = 30, .draws = 115, .start = start};
    const auto of = [&](const eb::Sampler& sampler) {
        return eb::sample_running(context, e, sampler, options).summary.sampler.e_bfmi;
    };
    for (const eb::Sampler& sampler : {eb::Sampler{eb::Hmc{}}, eb::Sampler{eb::Nuts{}}}) {
        const auto stored = eb::sample(context, e, sampler, options).summary().sampler.e_bfmi, added = of(sampler);
        ASSERT_EQ(added.size(), 5u);
        for (std::size_t c = 0; c < 5; ++c) EXPECT_NEAR(added[c], stored[c], 1e-10);
    }
    EXPECT_TRUE(of(eb::Metropolis{}).empty());
    options.thin = 2;
    EXPECT_TRUE(of(eb::Hmc{}).empty());
    options.thin = 1;
    options.draws = 99;
    EXPECT_TRUE(of(eb::Hmc{}).empty());
}

// Steps far too long, of stored draws and of sums: to be run for longer would be the wrong advice.
TEST(Running, SeesChainsThatNeverMove) {
    const auto context = eb::Context::cpu();
    const auto e = eb::energy::gaussian({.precision = {1, 4, 0.25}});
    const eb::SampleOptions<float> options{.chains = 8, .warmup = 0, .draws = 200};
    const eb::Metropolis sampler{.step_size = 1e6};
    for (const auto& summary : {eb::sample(context, e, sampler, options).summary(),
                                eb::sample_running(context, e, sampler, options).summary}) {
        EXPECT_EQ(summary.stuck_chains, 8);
        EXPECT_EQ(summary.sampler.acceptance, 0);
        const auto verdict = summary.verdict();
        EXPECT_NE(verdict.find("smaller steps"), std::string::npos) << verdict;
        EXPECT_EQ(verdict.find("longer"), std::string::npos) << verdict;
        EXPECT_EQ(verdict.find("Draw more"), std::string::npos) << verdict;
    }
    const auto moving = eb::sample_running(context, e, eb::Metropolis{.step_size = 1}, options).summary;
    EXPECT_EQ(moving.stuck_chains, 0);
    EXPECT_GT(moving.sampler.acceptance.value_or(0), 0.1);
}

// A run that is stopped while blocks are handed over, and a receiver that throws.
TEST(Running, StopsAndThrows) {
    const auto context = eb::Context::cpu();
    const auto e = eb::energy::gaussian({.precision = {1, 1}});
    std::stop_source stop;
    int blocks = 0;
    eb::SampleOptions<float> options{.chains = 1 << 20, .warmup = 0, .draws = 1000, .cancel = stop.get_token()};
    options.receive = [&](const eb::DrawBlock<float>&) {
        if (++blocks == 2) stop.request_stop();
    };
    EXPECT_EQ(eb::sample(context, e, eb::Hmc{.leapfrogs = 1, .step_size = 0.1}, options).status, eb::Status::cancelled);
    EXPECT_EQ(blocks, 2);
    options = {.chains = 512, .warmup = 0, .draws = 20000};
    std::stop_source again;
    options.cancel = again.get_token();
    options.progress = [&](const eb::SampleProgress& p) {
        if (p.transition > 14000) again.request_stop();
    };
    eb::Stream stream(context);
    const auto sums = eb::sample_running(stream, e, eb::Hmc{.leapfrogs = 1, .step_size = 0.5}, options);
    EXPECT_EQ(sums.run.status, eb::Status::cancelled);
    ASSERT_EQ(sums.summary.quantities.size(), 2u);
    EXPECT_NEAR(sums.summary.quantities[0].sd, 1, 0.05);
    EXPECT_EQ(sums.summary.draws_a_chain, 14400);  // it is told every 400, in the middle of a block
    EXPECT_NEAR(sums.sums->quantile(1, 0.975), 1.96, 0.05);
    // A block is a draw, and the stop comes after one transition of the second.
    options = {.chains = 1 << 22, .warmup = 0, .draws = 3, .thin = 2};
    std::stop_source early;
    options.cancel = early.get_token();
    options.progress = [&](const eb::SampleProgress& p) {
        if (p.transition == 3) early.request_stop();
    };
    blocks = 0;
    std::vector<float> last;
    options.receive = [&](const eb::DrawBlock<float>& block) {
        ++blocks;
        last = to_host(context, block.draws);
    };
    const auto line = eb::energy::gaussian({.precision = {1}});
    const auto one = eb::sample(context, line, eb::Metropolis{.step_size = 1}, options);
    EXPECT_EQ(blocks, 1);
    EXPECT_EQ(one.transitions, 2);
    EXPECT_EQ(eb::state_of(one).points, last);
    options = {.chains = 1 << 20, .warmup = 0, .draws = 1000};
    options.receive = [](const eb::DrawBlock<float>&) { throw std::runtime_error("full"); };
    EXPECT_THROW((void)eb::sample(context, e, eb::Hmc{.leapfrogs = 1, .step_size = 0.1}, options), std::runtime_error);
}

// Superchains whose chains do not begin together would each be a mean over both modes, and agree.
TEST(Running, SeesChainsThatStayWhereTheyBegan) {
    const auto context = eb::Context::cpu();
    const std::vector<double> means{-30, 0, 30, 0};
    const auto modes = eb::energy::mixture({.means = eb::view(means, 2, 2)});
    const auto run = eb::sample_running(context, modes, eb::Hmc{.leapfrogs = 5},
                                        {.chains = 256, .warmup = 100, .draws = 50, .seed = 1, .start_spread = 30});
    EXPECT_GT(run.summary.quantities[0].r_hat, 1.05);
    EXPECT_LT(run.summary.quantities[1].r_hat, 1.05);
    EXPECT_FALSE(run.summary.problems().empty());
}

// Finite draws whose squares overflow: nothing is known of their spread, and that is said.
TEST(Running, SaysThatASpreadIsNotKnown) {
    std::vector<double> rows;
    for (int i = 0; i < 4000; ++i) rows.push_back(std::sin(i * 12.9898));
    for (const double size : {1.0, 1e170}) {
        auto scaled = rows;
        for (double& value : scaled) value *= size;
        diagnostics::Running running({"x"}, {.chains = 4, .draws = 1000});
        running.add(eb::view(std::as_const(scaled), 4000, 1));
        const auto verdict = running.summary().verdict();
        EXPECT_EQ(verdict.find("spread is not known") != std::string::npos, size > 1) << verdict;
    }
}
