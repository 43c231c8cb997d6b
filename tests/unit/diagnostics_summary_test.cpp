// A run's summary: each number is that of the function of its name; the table and the words that it prints.
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <cuebm/diagnostics.hpp>

#include "support/complaint.hpp"
#include "support/data.hpp"

namespace eb = cuebm;
namespace diagnostics = cuebm::diagnostics;
using cuebm::test::normal;
using cuebm::test::refused_argument;

namespace {

std::vector<std::string> names(std::int64_t count) {
    std::vector<std::string> result;
    for (std::int64_t j = 0; j < count; ++j) result.push_back("x[" + std::to_string(j) + "]");
    return result;
}

// Draws of three quantities, of which `change` may spoil one: it gets the chain, and the values of that draw.
template <class Change>
diagnostics::Summary changed(Change change, std::int64_t chains = 4, const diagnostics::SamplerReport& sampler = {}) {
    constexpr std::int64_t draws = 500;
    auto x = normal<double>(chains * draws * 3, 3);
    for (std::int64_t i = 0; i < chains * draws; ++i) change(i / draws, x.data() + i * 3);
    return diagnostics::summarise({"mu", "tau", "theta"}, eb::view(std::as_const(x), chains * draws, 3), chains, draws,
                                  sampler);
}
const auto nothing = [](std::int64_t, double*) {};

// That one problem alone is found, and speaks of each of these.
void expect_problem(const diagnostics::Summary& summary, const std::vector<std::string>& words, std::size_t count = 1) {
    const auto problems = summary.problems();
    ASSERT_EQ(problems.size(), count) << summary.verdict();
    for (const auto& word : words) EXPECT_NE(problems[0].find(word), std::string::npos) << word << ": " << problems[0];
    EXPECT_NE(to_string(summary).find(problems[0]), std::string::npos);
}

}  // namespace

// A column taken for another, or rows of chains that are mixed up: more quantities than are looked at together, of
// several numbers, in rows that lie apart.
TEST(Summary, HasTheNumbersOfEachQuantity) {
    constexpr std::int64_t chains = 3, draws = 41, quantities = 19, stride = 23;
    auto x = normal<float>(chains * draws * stride, 9);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] += static_cast<float>(i % stride);
    const eb::MatrixView<const float> all{x.data(), chains * draws, quantities, stride, {}};
    const auto summary = diagnostics::summarise(names(quantities), all, chains, draws);
    ASSERT_EQ(summary.quantities.size(), static_cast<std::size_t>(quantities));
    for (std::int64_t j = 0; j < quantities; ++j) {
        std::vector<double> one;
        for (std::int64_t i = 0; i < chains * draws; ++i) one.push_back(x[static_cast<std::size_t>(i * stride + j)]);
        const eb::MatrixView<const double> view{one.data(), chains, draws, draws, {}};
        const auto& row = summary.quantities[static_cast<std::size_t>(j)];
        EXPECT_EQ(row.name, "x[" + std::to_string(j) + "]");
        EXPECT_EQ(row.r_hat, diagnostics::r_hat(view));
        EXPECT_EQ(row.ess_bulk, diagnostics::ess_bulk(view));
        EXPECT_EQ(row.ess_tail, diagnostics::ess_tail(view));
        EXPECT_EQ(row.mcse_mean, diagnostics::mcse_mean(view));
        EXPECT_NEAR(row.mean, static_cast<double>(j), 0.4);
    }
}

// Another divisor of the variance, another type of quantile.
TEST(Summary, HasMomentsAndQuantilesOfAllDraws) {
    std::vector<double> x;
    for (int i = 20; i >= 0; --i) x.push_back(i);
    const auto summary = diagnostics::summarise({"x"}, eb::view(std::as_const(x), 21, 1), 3, 7);
    const auto& row = summary.quantities[0];
    EXPECT_EQ(row.mean, 10);
    EXPECT_NEAR(row.sd, std::sqrt(38.5), 1e-14);
    EXPECT_EQ(row.median, 10);
    EXPECT_EQ(row.q5, 1);
    EXPECT_EQ(row.q95, 19);
}

// Something found where nothing is wrong.
TEST(Summary, OfGoodChainsSaysThatNothingWasFound) {
    const auto summary = changed(nothing, 4, {.divergences = 0, .max_treedepth_hits = 0, .e_bfmi = {1, 0.9, 1.1, 0.3}});
    EXPECT_TRUE(summary.problems().empty()) << summary.verdict();
    EXPECT_TRUE(summary.verdict().starts_with("Nothing wrong was found: R-hat is at most 1.0")) << summary.verdict();
}

// A rule that is never applied, or names the wrong quantity; each alone.
TEST(Summary, SaysWhatIsWrong) {
    expect_problem(changed([](std::int64_t chain, double* x) { x[1] += chain == 2 ? 0.5 : 0; }),
                   {"R-hat is over 1.01 for 1 of 3 quantities", "tau (1.0", "Warm up"}, 2);
    const auto two = changed([](std::int64_t chain, double* x) {
        x[1] += chain == 2 ? 0.5 : 0;
        x[2] += chain == 3 ? 5 : 0;
    });
    EXPECT_NE(two.verdict().find("for 2 of 3 quantities, most for theta ("), std::string::npos) << two.verdict();
    double previous = 0;
    const auto slow = changed([&](std::int64_t, double* x) { x[2] = previous = 0.9 * previous + x[2]; });
    EXPECT_NE(slow.verdict().find("effective sample size is under 400 for 1 of 3 quantities, least for theta (bulk "),
              std::string::npos)
        << slow.verdict();
    expect_problem(changed([](std::int64_t, double* x) { x[0] = 3; }), {"All draws are equal of 1 of 3", "mu"});
    int at = 0;
    expect_problem(changed([&](std::int64_t, double* x) { x[2] = at++ == 700 ? NAN : x[2]; }),
                   {"NaN or infinite", "theta"});
    expect_problem(changed(nothing, 4, {.divergences = 7}), {"7 of 2000 transitions diverged", "smaller steps"});
    expect_problem(changed(nothing, 4, {.acceptance = 0.031}), {"Only 3.1% of what was proposed", "smaller steps"});
    EXPECT_TRUE(changed(nothing, 4, {.acceptance = 0.06}).problems().empty());
    expect_problem(changed(nothing, 4, {.max_treedepth_hits = 5}), {"5 of 2000 transitions", "tree depth"});
    expect_problem(changed(nothing, 4, {.e_bfmi = {1, 0.25, 1, 0.1}}), {"2 of 4 chains: 1 (0.25), 3 (0.10)."});
    const auto undefined = changed(nothing, 4, {.e_bfmi = {1, NAN, 1, 1}});
    expect_problem(undefined, {"E-BFMI is not defined in 1 of 4 chains"});
    EXPECT_EQ(undefined.verdict().find("0.3"), std::string::npos) << undefined.verdict();
    EXPECT_TRUE(changed(nothing, 1).problems().back().starts_with("One chain: "));
    const std::vector<double> few{1, 2, 3, 4, 5, 6};
    const auto summary = diagnostics::summarise({"x"}, eb::view(few, 6, 1), 2, 3);
    expect_problem(summary, {"Fewer than 4 draws"});
    EXPECT_EQ(summary.quantities[0].median, 3.5);
    EXPECT_TRUE(std::isnan(summary.quantities[0].r_hat));
}

// Chains that stay where they began are told to be run for longer.
TEST(Summary, SeesChainsThatNeverMoved) {
    const auto stay = [](std::int64_t chains) {
        return [chains](std::int64_t chain, double* x) {
            for (int j = 0; chain < chains && j < 3; ++j) x[j] = static_cast<double>(chain + j);
        };
    };
    expect_problem(changed(stay(4)), {"No chain ever moved", "smaller steps"});
    auto short_steps = changed(stay(4));
    short_steps.sampler.acceptance = 1;
    expect_problem(short_steps, {"No chain ever moved", "longer steps"});
    const auto two = changed(stay(2));
    EXPECT_EQ(two.stuck_chains, 2);
    EXPECT_TRUE(two.problems()[0].starts_with("2 of 4 chains never moved")) << two.verdict();
    const auto one_column = changed([](std::int64_t, double* x) { x[0] = 1; });
    EXPECT_EQ(one_column.stuck_chains, 0);
}

// Columns that are not aligned, also under a name in UTF-8; "-nan".
TEST(Summary, PrintsATable) {
    std::vector<double> x(2 * 4 * 2, -1.5);
    x[1] = -NAN;
    const auto text = to_string(diagnostics::summarise({"θ", "a long name"}, eb::view(std::as_const(x), 8, 2), 2, 4));
    const std::string wanted =
        "2 chains of 4 draws\n"
        "             mean   sd  median    5%   95%  mcse_mean  ess_bulk  ess_tail  r_hat\n"
        "θ            -1.5    0    -1.5  -1.5  -1.5          0         8         8    nan\n"
        "a long name   nan  nan     nan   nan   nan        nan       nan       nan    nan\n"
        "Draws of 1 of 2 quantities are NaN or infinite, the first of them a long name: ";
    EXPECT_EQ(text.substr(0, wanted.size()), wanted);
    EXPECT_TRUE(to_string(changed(nothing, 4, {.divergences = 0, .e_bfmi = {1.2, 0.914, 1, 1}, .acceptance = 0.806}))
                    .starts_with("4 chains of 500 draws, mean acceptance 0.81, 0 divergences, least E-BFMI 0.91\n"));
    for (const auto& e_bfmi : {std::vector<double>{NAN, 0.9, 0.914, 1}, {0.914, NAN, 0.9, NAN}, {NAN, NAN, NAN, NAN}}) {
        const auto known = std::isnan(e_bfmi[2]) ? "" : ", least E-BFMI 0.90";
        EXPECT_TRUE(to_string(changed(nothing, 4, {.divergences = 1, .e_bfmi = e_bfmi}))
                        .starts_with("4 chains of 500 draws, 1 divergence" + std::string(known) + "\n"));
    }
    const auto one = to_string(diagnostics::summarise({"x"}, eb::view(std::as_const(x), 1, 1), 1, 1));
    EXPECT_EQ(one.find("-nan"), std::string::npos) << one;
}

// An argument that is not looked at, or another one that is named.
TEST(Summary, NamesTheArgumentThatIsWrong) {
    const auto x = normal<double>(24, 1);
    const auto good = eb::view(x, 12, 2);
    const auto call = [&](std::size_t count, eb::MatrixView<const double> draws, std::int64_t chains, std::int64_t each,
                          const diagnostics::SamplerReport& sampler = {}) {
        return refused_argument([&] {
            (void)diagnostics::summarise(names(static_cast<std::int64_t>(count)), draws, chains, each, sampler);
        });
    };
    EXPECT_EQ(call(2, good, 3, 4), "nothing");
    EXPECT_EQ(call(2, good, 0, 4), "chains");
    EXPECT_EQ(call(2, good, 3, 0), "draws_a_chain");
    EXPECT_EQ(call(2, good, std::int64_t{1} << 40, std::int64_t{1} << 40), "draws_a_chain");
    EXPECT_EQ(call(2, good, 3, 5), "draws");
    EXPECT_EQ(call(0, eb::view(x, 12, 0), 3, 4), "draws");
    EXPECT_EQ(call(2, {x.data(), 12, 2, 1, {}}, 3, 4), "draws");
    EXPECT_EQ(call(2, {x.data(), 12, 2, 2, {eb::Device::Kind::cuda, 0}}, 3, 4), "draws");
    EXPECT_EQ(call(2, {nullptr, 12, 2, 2, {}}, 3, 4), "draws");
    EXPECT_EQ(call(3, good, 3, 4), "names");
    EXPECT_EQ(call(2, good, 3, 4, {.divergences = -1}), "sampler.divergences");
    EXPECT_EQ(call(2, good, 3, 4, {.max_treedepth_hits = -1}), "sampler.max_treedepth_hits");
    EXPECT_EQ(call(2, good, 3, 4, {.e_bfmi = {1, 1}}), "sampler.e_bfmi");
    EXPECT_EQ(call(2, good, 3, 4, {.acceptance = 1.1}), "sampler.acceptance");
}
