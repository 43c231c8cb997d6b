// Quantiles against closed forms.
#include "distributions.hpp"

#include <cmath>

#include <gtest/gtest.h>

using namespace cuebm::detail;

// A coefficient with a wrong digit, or a branch for the wrong tail.
TEST(Distributions, NormalQuantileInvertsTheErrorFunction) {
    for (double p = 1e-300; p < 0.5; p *= 1.7) {
        const double z = normal_quantile(p);
        EXPECT_NEAR(0.5 * std::erfc(-z / std::sqrt(2.0)) / p, 1, 1e-15 * (4 + 2 * z * z)) << p;
        if (p > 1e-10) {
            EXPECT_NEAR(normal_quantile(1 - p), -z, 1e-15 / p) << p;
        }
    }
    EXPECT_EQ(normal_quantile(0.5), 0);
}

// A fraction that is cut off, a tail taken for the other, digits lost in log Gamma of large parameters.
TEST(Distributions, BetaProbabilityHasItsClosedForms) {
    for (const double x : {1e-8, 0.01, 0.3, 0.5, 0.9, 0.999}) {
        for (const double b : {1.0, 2.5, 7.0, 300.0, 1e6}) {
            EXPECT_NEAR(beta_probability(x, 1, b), -std::expm1(b * std::log1p(-x)), 1e-14) << x << " " << b;
            EXPECT_NEAR(beta_probability(x, b, 1), std::pow(x, b), 1e-13) << x << " " << b;
        }
        EXPECT_NEAR(beta_probability(x, 2, 3), x * x * (6 - 8 * x + 3 * x * x), 1e-14);
    }
    for (const double a : {3.0, 17.5, 1e4, 1e8}) EXPECT_NEAR(beta_probability(0.5, a, a), 0.5, 1e-13 + 1e-19 * a) << a;
    EXPECT_EQ(beta_probability(0, 2, 3), 0);
    EXPECT_EQ(beta_probability(1, 2, 3), 1);
}

// Newton's steps that leave the bracket or stop early. Near 1 a rounding of x alone moves p by a times as much.
TEST(Distributions, BetaQuantileInvertsTheProbability) {
    for (const double p : {1e-6, 0.1586553, 0.5, 0.8413447, 0.999999})
        for (const double a : {1.0, 1.3, 20.0, 4e3, 1e7})
            for (const double b : {1.0, 2.7, 500.0, 2e6})
                EXPECT_NEAR(beta_probability(beta_quantile(p, a, b), a, b), p, 1e-13 + 1e-15 * (a + b))
                    << p << " " << a << " " << b;
    EXPECT_NEAR(beta_quantile(0.3, 1, 4), 1 - std::pow(0.7, 0.25), 1e-15);
}
