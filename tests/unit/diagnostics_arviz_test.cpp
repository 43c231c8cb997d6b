// Every diagnostic against the values that ArviZ computed from the same draws (tests/fixtures/diagnostics/make.py), in
// double, in float, and in rows that lie apart.
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <cuebm/diagnostics.hpp>

namespace eb = cuebm;
namespace diagnostics = cuebm::diagnostics;

namespace {

struct Case {
    std::string name;
    std::int64_t chains, draws;
    double r_hat, ess_bulk, ess_tail, ess_mean, ess_quantile, mcse_mean, mcse_sd, mcse_quantile, mcse_high,
        nested_r_hat, batch_means_ess, e_bfmi, autocorrelation;
    std::vector<double> values;
    eb::MatrixView<const double> view() const { return eb::view(values, chains, draws); }
};

const std::vector<Case>& cases() {
    static const std::vector<Case> all{
#include "fixtures/diagnostics/arviz.inc"
    };
    return all;
}

// 1e-9 of the value: what sums in another order, and transforms instead of sums, may differ by.
void expect_near(double got, double wanted, const std::string& what) {
    if (std::isnan(wanted)) {
        EXPECT_TRUE(std::isnan(got)) << what << ": " << got;
    } else {
        EXPECT_NEAR(got, wanted, 1e-9 * std::fabs(wanted)) << what;
    }
}

template <class T>
void expect_as_arviz(const Case& c, eb::MatrixView<const T> draws) {
    const std::string name = c.name + ": ";
    expect_near(diagnostics::r_hat(draws), c.r_hat, name + "r_hat");
    expect_near(diagnostics::ess_bulk(draws), c.ess_bulk, name + "ess_bulk");
    expect_near(diagnostics::ess_tail(draws), c.ess_tail, name + "ess_tail");
    expect_near(diagnostics::ess_mean(draws), c.ess_mean, name + "ess_mean");
    expect_near(diagnostics::ess_quantile(draws, 0.3), c.ess_quantile, name + "ess_quantile");
    expect_near(diagnostics::mcse_mean(draws), c.mcse_mean, name + "mcse_mean");
    expect_near(diagnostics::mcse_sd(draws), c.mcse_sd, name + "mcse_sd");
    expect_near(diagnostics::mcse_quantile(draws, 0.3), c.mcse_quantile, name + "mcse_quantile");
    expect_near(diagnostics::mcse_quantile(draws, 0.99), c.mcse_high, name + "mcse_quantile(0.99)");
    if (draws.rows % 2 == 0) expect_near(diagnostics::nested_r_hat(draws, 2), c.nested_r_hat, name + "nested_r_hat");
    expect_near(diagnostics::batch_means_ess(draws), c.batch_means_ess, name + "batch_means_ess");
    const auto bfmi = diagnostics::e_bfmi(draws);
    ASSERT_EQ(bfmi.size(), static_cast<std::size_t>(c.chains));
    expect_near(bfmi[0], c.e_bfmi, name + "e_bfmi");
    const auto rho = diagnostics::autocorrelation(draws, std::min<std::int64_t>(70, c.draws - 1));
    ASSERT_EQ(rho.rows, c.chains);
    const double last = rho.values[static_cast<std::size_t>(rho.cols - 1)];
    EXPECT_NEAR(last, c.autocorrelation, 1e-10) << name;
}

}  // namespace

// A rank that is not the average of ties, a split that keeps the middle draw, a fold about another median, a variance
// with the wrong divisor, a sum over lags that ends one pair early or late, is not monotone or lacks the last even lag,
// quantiles of another type: each changes some of these.
TEST(DiagnosticsOfArviz, HaveItsValues) {
    for (const auto& c : cases()) expect_as_arviz(c, c.view());
}

// Rows read at the wrong stride: what lies between them is NaN.
TEST(DiagnosticsOfArviz, OfRowsThatLieApart) {
    for (const auto& c : cases()) {
        const std::int64_t stride = c.draws + 3;
        std::vector<double> apart(static_cast<std::size_t>(c.chains * stride), std::nan(""));
        for (std::int64_t i = 0; i < c.chains * c.draws; ++i)
            apart[static_cast<std::size_t>(i / c.draws * stride + i % c.draws)] = c.values[static_cast<std::size_t>(i)];
        expect_as_arviz(c, eb::MatrixView<const double>{apart.data(), c.chains, c.draws, stride, {}});
    }
}

// Sums in float, which a mean of 10^6 would show: of the same values in float and in double the results are the same
// bits.
TEST(DiagnosticsOfArviz, OfFloatAreComputedInDouble) {
    for (const auto& c : cases()) {
        const std::vector<float> narrow(c.values.begin(), c.values.end());
        const std::vector<double> wide(narrow.begin(), narrow.end());
        const auto a = eb::view(narrow, c.chains, c.draws);
        const auto b = eb::view(wide, c.chains, c.draws);
        EXPECT_EQ(diagnostics::r_hat(a), diagnostics::r_hat(b)) << c.name;
        EXPECT_EQ(diagnostics::ess_mean(a), diagnostics::ess_mean(b)) << c.name;
        EXPECT_EQ(diagnostics::ess_tail(a), diagnostics::ess_tail(b)) << c.name;
        EXPECT_EQ(diagnostics::mcse_sd(a), diagnostics::mcse_sd(b)) << c.name;
        EXPECT_EQ(diagnostics::batch_means_ess(a), diagnostics::batch_means_ess(b)) << c.name;
    }
}
