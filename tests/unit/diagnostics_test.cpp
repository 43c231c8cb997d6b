// Diagnostics: closed forms, invariants, and what is defined where nothing can be estimated.
#include <cuebm/diagnostics.hpp>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <sys/mman.h>

#include "energy_sums.hpp"
#include "support/complaint.hpp"
#include "support/data.hpp"

namespace eb = cuebm;
namespace diagnostics = cuebm::diagnostics;
using cuebm::test::normal;
using cuebm::test::refused_argument;

namespace {

using Draws = eb::MatrixView<const double>;
const double infinite = std::numeric_limits<double>::infinity(), not_a_number = std::nan("");

// x_t = rho x_(t-1) + noise, stationary with variance 1.
std::vector<double> ar1(std::int64_t chains, std::int64_t draws, double rho, unsigned seed) {
    auto x = normal<double>(chains * draws, seed);
    for (std::int64_t i = 0; i < chains * draws; ++i)
        if (i % draws > 0)
            x[static_cast<std::size_t>(i)] =
                rho * x[static_cast<std::size_t>(i - 1)] + std::sqrt(1 - rho * rho) * x[static_cast<std::size_t>(i)];
    return x;
}

const std::vector<std::pair<std::string, std::function<double(Draws)>>> of_one_quantity{
    {"r_hat", [](Draws x) { return diagnostics::r_hat(x); }},
    {"ess_bulk", [](Draws x) { return diagnostics::ess_bulk(x); }},
    {"ess_tail", [](Draws x) { return diagnostics::ess_tail(x); }},
    {"ess_mean", [](Draws x) { return diagnostics::ess_mean(x); }},
    {"ess_quantile", [](Draws x) { return diagnostics::ess_quantile(x, 0.5); }},
    {"batch_means_ess", [](Draws x) { return diagnostics::batch_means_ess(x); }},
    {"mcse_mean", [](Draws x) { return diagnostics::mcse_mean(x); }},
    {"mcse_sd", [](Draws x) { return diagnostics::mcse_sd(x); }},
    {"mcse_quantile", [](Draws x) { return diagnostics::mcse_quantile(x, 0.5); }},
};
bool has_a_unit(const std::string& name) { return name.starts_with("mcse"); }

template <class Call>
std::string refused(Call call) {
    return refused_argument(call, "diagnostics::");
}

}  // namespace

// A factor of two in tau, a sum that does not stop or stops too soon. The mean over 200 runs, whose standard error
// comes from their spread; Geyer's sum is biased by some percent at this length.
TEST(Diagnostics, IndependentDrawsAreWorthTheirNumber) {
    constexpr int runs = 200;
    for (const auto& [name, ess] : of_one_quantity) {
        if (!name.starts_with("ess") && name != "batch_means_ess") continue;
        double sum = 0, squares = 0;
        for (int run = 0; run < runs; ++run) {
            const double ratio =
                ess(eb::view(normal<double>(4 * 500, 100 + static_cast<unsigned>(run)), 4, 500)) / 2000;
            sum += ratio;
            squares += ratio * ratio;
        }
        const double mean = sum / runs, error = std::sqrt((squares / runs - mean * mean) / runs);
        EXPECT_NEAR(mean, 1, 0.04 + 4 * error) << name;
        EXPECT_LT(error, 0.02) << name;
    }
}

// The same for dependent draws: n (1 - rho) / (1 + rho), also where that is more than n.
TEST(Diagnostics, DrawsOfAnAutoregressionAreWorthTheClosedForm) {
    for (const double rho : {0.9, 0.5, -0.5}) {
        const double wanted = 4 * 20000 * (1 - rho) / (1 + rho);
        double mean = 0, batches = 0;
        for (unsigned run = 0; run < 8; ++run) {
            const auto x = ar1(4, 20000, rho, 7 + run);
            mean += diagnostics::ess_mean(eb::view(x, 4, 20000)) / 8;
            batches += diagnostics::batch_means_ess(eb::view(x, 4, 20000)) / 8;
        }
        EXPECT_NEAR(mean / wanted, 1, 0.05) << rho;
        EXPECT_NEAR(batches / wanted, 1, 0.1) << rho;
        const auto one = diagnostics::autocorrelation(eb::view(ar1(1, 50000, rho, 3), 1, 50000), 2);
        EXPECT_EQ(one.values[0], 1);
        EXPECT_NEAR(one.values[2], rho * rho, 0.03);
    }
}

// Ranks that are taken of something else than the draws; a threshold that is not relative to them.
TEST(Diagnostics, DoNotDependOnTheScale) {
    auto x = ar1(4, 101, 0.7, 5);
    for (std::int64_t i = 0; i < 101; ++i) x[static_cast<std::size_t>(i)] += 1;  // chain 0 lies elsewhere
    std::vector<double> monotone(x.size());
    std::transform(x.begin(), x.end(), monotone.begin(), [](double v) { return std::exp(3 * v); });
    const Draws a = eb::view(x, 4, 101), b = eb::view(monotone, 4, 101);
    EXPECT_GT(diagnostics::r_hat(a), 1.05);
    EXPECT_EQ(diagnostics::r_hat(a), diagnostics::r_hat(b));
    EXPECT_EQ(diagnostics::ess_bulk(a), diagnostics::ess_bulk(b));
    EXPECT_EQ(diagnostics::ess_tail(a), diagnostics::ess_tail(b));

    for (const double scale : {0x1p-1010, 0x1p-60, -0x1p20, 0x1p1015}) {
        std::vector<double> scaled(x.size());
        std::transform(x.begin(), x.end(), scaled.begin(), [&](double v) { return v * scale; });
        for (const auto& [name, of] : of_one_quantity) {
            const double wanted = of(a) * (has_a_unit(name) ? std::fabs(scale) : 1);
            const bool mirrored = scale < 0 && name != "r_hat";  // other ties of <=, another order of sums
            EXPECT_NEAR(of(eb::view(scaled, 4, 101)) / wanted, 1, mirrored ? 0.1 : 1e-12) << name << " " << scale;
        }
    }
}

// Ties that fall under their own quantile, which is a mean of equal numbers and may be rounded down: what a tie's value
// is must not matter. A mean that is rounded where draws differ in their last digits alone.
TEST(Diagnostics, DoNotDependOnWhereDrawsLie) {
    std::vector<double> pattern, moved(400);
    for (const double z : normal<double>(400, 3)) pattern.push_back(z > 0.5 ? 1 : 0);
    const double wanted = diagnostics::ess_quantile(eb::view(pattern, 4, 100), 0.3);
    for (int k = 1; k < 100; ++k) {
        std::transform(pattern.begin(), pattern.end(), moved.begin(), [&](double v) { return v + 0.1 * k; });
        ASSERT_EQ(diagnostics::ess_quantile(eb::view(moved, 4, 100), 0.3), wanted) << k;
    }
    std::transform(pattern.begin(), pattern.end(), moved.begin(), [](double v) { return 1 + 0x1p-52 * v; });
    EXPECT_NEAR(diagnostics::ess_mean(eb::view(moved, 4, 100)), diagnostics::ess_mean(eb::view(pattern, 4, 100)), 1e-9);
    EXPECT_NEAR(diagnostics::mcse_mean(eb::view(moved, 4, 100)),
                0x1p-52 * diagnostics::mcse_mean(eb::view(pattern, 4, 100)), 1e-25);
}

// A chain that counts more than another; time that is taken to go one way.
TEST(Diagnostics, DoNotDependOnTheOrderOfChainsNorOnTheDirectionOfTime) {
    const auto x = ar1(3, 60, 0.6, 11);
    std::vector<double> turned(x.rbegin(), x.rend());
    for (const auto& [name, of] : of_one_quantity)
        EXPECT_NEAR(of(eb::view(turned, 3, 60)) / of(eb::view(x, 3, 60)), 1, name == "batch_means_ess" ? 0.2 : 1e-12)
            << name;
}

// A chain far from the others, one of another scale (which only the folded R-hat sees), one that drifts (which only
// split chains show).
TEST(Diagnostics, RHatSeesWhatIsWrong) {
    auto shifted = normal<double>(4 * 500, 1), scaled = shifted, drifting = shifted;
    EXPECT_LT(diagnostics::r_hat(eb::view(shifted, 4, 500)), 1.01);
    for (std::size_t i = 0; i < 500; ++i) {
        shifted[i] += 1;
        scaled[i] *= 3;
    }
    for (std::size_t i = 0; i < drifting.size(); ++i) drifting[i] += static_cast<double>(i % 500) / 250;
    EXPECT_GT(diagnostics::r_hat(eb::view(shifted, 4, 500)), 1.05);
    EXPECT_GT(diagnostics::r_hat(eb::view(scaled, 4, 500)), 1.05);
    EXPECT_GT(diagnostics::r_hat(eb::view(drifting, 4, 500)), 1.05);
    EXPECT_GT(diagnostics::r_hat(eb::view(drifting, 1, 500)), 1.05) << "one chain is compared with itself";
    EXPECT_GT(diagnostics::nested_r_hat(eb::view(shifted, 4, 500), 2), 1.02);
    EXPECT_LT(diagnostics::nested_r_hat(eb::view(drifting, 4, 500), 2), 1.02);
}

// A division of zero by zero that becomes 1, or a crash: all draws equal.
TEST(Diagnostics, EqualDraws) {
    for (const double value : {0.0, 0.1, -1e300}) {
        const std::vector<double> x(4 * 7, value);
        const Draws draws = eb::view(x, 4, 7);
        EXPECT_TRUE(std::isnan(diagnostics::r_hat(draws)));
        EXPECT_TRUE(std::isnan(diagnostics::nested_r_hat(draws, 2)));
        for (const double ess :
             {diagnostics::ess_bulk(draws), diagnostics::ess_tail(draws), diagnostics::ess_mean(draws)})
            EXPECT_EQ(ess, 4 * 6) << "the middle draws are left out";
        EXPECT_EQ(diagnostics::batch_means_ess(draws), 4 * 7);
        EXPECT_EQ(diagnostics::mcse_mean(draws), 0);
        EXPECT_EQ(diagnostics::mcse_sd(draws), 0);
        EXPECT_EQ(diagnostics::mcse_quantile(draws, 0.2), 0);
        EXPECT_TRUE(std::isnan(diagnostics::e_bfmi(draws)[3]));
        EXPECT_TRUE(std::isnan(diagnostics::autocorrelation(draws, 2).values[4]));
    }
}

// Variances within of 1e-34 instead of 0, and an R-hat of 1e16.
TEST(Diagnostics, ChainsStuckAtDifferentValues) {
    std::vector<double> x;
    for (const double value : {0.1, 0.3, 0.7, 0.7}) x.insert(x.end(), 200, value);
    const Draws draws = eb::view(x, 4, 200);
    EXPECT_EQ(diagnostics::r_hat(draws), infinite);
    EXPECT_EQ(diagnostics::nested_r_hat(draws, 4), infinite);
    for (const double ess :
         {diagnostics::ess_bulk(draws), diagnostics::ess_tail(draws), diagnostics::ess_mean(draws)}) {
        EXPECT_GT(ess, 1);
        EXPECT_LT(ess, 8) << "no more than a draw or two for each chain";
    }
}

// A bad draw that is ranked, or skipped, or spoils the other chains' energies.
TEST(Diagnostics, OfDrawsThatAreNotFinite) {
    for (const double bad : {not_a_number, infinite, -infinite})
        for (const std::size_t at : {0u, 57u, 399u}) {
            auto x = normal<double>(400, 2);
            x[at] = bad;
            for (const auto& [name, of] : of_one_quantity) EXPECT_TRUE(std::isnan(of(eb::view(x, 4, 100)))) << name;
            EXPECT_TRUE(std::isnan(diagnostics::nested_r_hat(eb::view(x, 4, 100), 2)));
            const auto bfmi = diagnostics::e_bfmi(eb::view(std::as_const(x), 4, 100));
            const auto rho = diagnostics::autocorrelation(eb::view(std::as_const(x), 4, 100), 99);
            for (std::size_t c = 0; c < 4; ++c) {
                EXPECT_EQ(std::isnan(bfmi[c]), c == at / 100);
                EXPECT_EQ(std::isnan(rho.values[c * 100 + 99]), c == at / 100);
            }
        }
}

// Halves of one draw, or of none.
TEST(Diagnostics, OfFewerThanFourDraws) {
    const auto x = normal<double>(12, 2);
    for (const std::int64_t draws : {1, 2, 3}) {
        for (const auto& [name, of] : of_one_quantity) EXPECT_TRUE(std::isnan(of(eb::view(x, 4, draws)))) << name;
        EXPECT_TRUE(std::isnan(diagnostics::e_bfmi(eb::view(x, 4, draws))[0]));
        EXPECT_EQ(diagnostics::autocorrelation(eb::view(x, 4, draws), draws - 1).values[0] == 1, draws > 1);
        EXPECT_EQ(std::isfinite(diagnostics::nested_r_hat(eb::view(x, 4, draws), 2)), true);
    }
    // One draw a chain: the variance of the means, 4, over that of the chains within, 1/2.
    const std::vector<double> four{0, 1, 2, 3};
    EXPECT_NEAR(diagnostics::nested_r_hat(eb::view(four, 4, 1), 2), std::sqrt(1 + 2 / 0.5), 1e-15);
}

// Places in 32 bits: rows 2^31 elements apart, in memory of which a few pages are touched.
TEST(Diagnostics, RowsThatLieBeyondTwoToTheThirtyOne) {
    constexpr std::int64_t stride = std::int64_t{1} << 31, draws = 50;
    constexpr std::size_t bytes = (3 * stride + draws) * sizeof(float);
    void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) GTEST_SKIP() << "no such address space";
    const auto x = normal<float>(4 * draws, 2);
    for (std::int64_t c = 0; c < 4; ++c)
        std::copy_n(x.data() + c * draws, draws, static_cast<float*>(memory) + c * stride);
    const eb::MatrixView<const float> apart{static_cast<const float*>(memory), 4, draws, stride, {}};
    EXPECT_EQ(diagnostics::r_hat(apart), diagnostics::r_hat(eb::view(x, 4, draws)));
    EXPECT_EQ(diagnostics::e_bfmi(apart), diagnostics::e_bfmi(eb::view(x, 4, draws)));
    ::munmap(memory, bytes);
}

// An argument that is not looked at, or another one that is named.
TEST(Diagnostics, NameTheArgumentThatIsWrong) {
    const auto x = normal<double>(40, 2);
    const Draws good = eb::view(x, 4, 10);
    for (const auto& bad :
         {Draws{nullptr, 4, 10, 10, {}}, Draws{x.data(), 4, 10, 9, {}}, Draws{x.data(), 0, 10, 10, {}},
          Draws{x.data(), 4, 0, 10, {}}, Draws{x.data(), 4, 10, 10, {eb::Device::Kind::cuda, 0}}}) {
        for (const auto& one : of_one_quantity) EXPECT_EQ(refused([&] { one.second(bad); }), "draws") << one.first;
        EXPECT_EQ(refused([&] { (void)diagnostics::nested_r_hat(bad, 2); }), "draws");
        EXPECT_EQ(refused([&] { (void)diagnostics::e_bfmi(bad); }), "energies");
        EXPECT_EQ(refused([&] { (void)diagnostics::autocorrelation(bad, 1); }), "draws");
    }
    for (const double prob : {0.0, 1.0, -0.5, not_a_number}) {
        EXPECT_EQ(refused([&] { (void)diagnostics::ess_quantile(good, prob); }), "prob");
        EXPECT_EQ(refused([&] { (void)diagnostics::mcse_quantile(good, prob); }), "prob");
    }
    for (const std::int64_t superchains : {-2, 0, 1, 3, 8})
        EXPECT_EQ(refused([&] { (void)diagnostics::nested_r_hat(good, superchains); }), "superchains");
    for (const std::int64_t lag : {-1, 10})
        EXPECT_EQ(refused([&] { (void)diagnostics::autocorrelation(good, lag); }), "most_lag");
}

// Sums that begin anew with each block, or lose their digits to large energies.
TEST(Diagnostics, EBfmiOfBlocks) {
    constexpr std::int64_t chains = 3, draws = 50;
    auto energies = normal<double>(chains * draws, 4);
    for (auto& energy : energies) energy += 1e6;
    for (std::int64_t t = 0; t < draws; ++t) energies[static_cast<std::size_t>(2 * draws + t)] = 7;  // the last rests
    cuebm::detail::EnergySums sums(chains);
    std::int64_t first = 0;
    for (const std::int64_t count : {1, 20, 29}) {
        std::vector<double> block;
        for (std::int64_t c = 0; c < chains; ++c)
            for (std::int64_t t = 0; t < count; ++t)
                block.push_back(energies[static_cast<std::size_t>(c * draws + first + t)]);
        sums.add(block, first);
        first += count;
    }
    const auto got = sums.e_bfmi(draws), wanted = diagnostics::e_bfmi(eb::view(std::as_const(energies), chains, draws));
    EXPECT_NEAR(got[0], wanted[0], 1e-9);
    EXPECT_NEAR(got[1], wanted[1], 1e-9);
    EXPECT_TRUE(std::isnan(got[2]) && std::isnan(wanted[2]));
}
