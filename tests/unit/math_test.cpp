// The shared mathematics against known answers and wider types.
#include <cmath>

#include <gtest/gtest.h>

#include "math/free_energy.hpp"
#include "math/random_streams.hpp"

namespace math = cuebm::math;

// A wrong round constant, key schedule or word order: published answers of Philox4x32-10.
TEST(Philox, KnownAnswers) {
    const auto zero = math::philox({{0, 0, 0, 0}}, {{0, 0}});
    const std::uint32_t of_zero[] = {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8};
    const std::uint32_t all = 0xffffffff;
    const auto ones = math::philox({{all, all, all, all}}, {{all, all}});
    const std::uint32_t of_ones[] = {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd};
    for (int i = 0; i < 4; ++i) {
        EXPECT_EQ(zero.word[i], of_zero[i]);
        EXPECT_EQ(ones.word[i], of_ones[i]);
    }
}

// A wrong coefficient or a lost bit in the reduction.
TEST(Functions, ExpAndLogWithinTwoUlp) {
    double worst_exp = 0, worst_log = 0, worst_exp64 = 0, worst_log64 = 0;
    const auto error = [](auto got, long double want) {
        const auto near = static_cast<decltype(got)>(want);
        const auto ulp = std::nextafter(std::abs(near), static_cast<decltype(got)>(INFINITY)) - std::abs(near);
        return static_cast<double>(std::abs(static_cast<long double>(got) - want) / static_cast<long double>(ulp));
    };
    for (int i = 0; i < 200000; ++i) {
        const float x = -86.9f * static_cast<float>(i) / 200000.0f,
                    y = std::exp2(static_cast<float>(i) / 1600.0f - 60.0f);
        const double x64 = -707.0 * i / 200000.0, y64 = std::exp2(i / 160.0 - 600.0);
        worst_exp = std::max(worst_exp, error(math::exp_nonpositive(x), std::exp(static_cast<long double>(x))));
        worst_exp64 = std::max(worst_exp64, error(math::exp_nonpositive(x64), std::exp(static_cast<long double>(x64))));
        worst_log = std::max(worst_log, error(math::log_positive(y), std::log(static_cast<long double>(y))));
        worst_log64 = std::max(worst_log64, error(math::log_positive(y64), std::log(static_cast<long double>(y64))));
    }
    EXPECT_LE(worst_exp, 2.0);
    EXPECT_LE(worst_exp64, 2.0);
    EXPECT_LE(worst_log, 2.0);
    EXPECT_LE(worst_log64, 2.0);
    EXPECT_EQ(math::exp_nonpositive(-INFINITY), 0.0f);
    EXPECT_EQ(math::exp_nonpositive(0.0f), 1.0f);
    EXPECT_EQ(math::log_positive(1.0), 0.0);
}
