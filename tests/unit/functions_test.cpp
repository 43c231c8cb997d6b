// exp and log of the shared mathematics against a wider type, and F_beta made of them.
#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "math/free_energy.hpp"
#include "unit/ulps.hpp"

namespace math = cuebm::math;
using cuebm::test::ulps;

namespace {

template <class T>
class Functions : public testing::Test {};
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(Functions, Types);

}  // namespace

// A wrong coefficient or a lost bit in the reduction; a result beyond a limit that is not 0 or not finite.
TYPED_TEST(Functions, ExpWithinItsError) {
    using T = TypeParam;
    const T least = math::FunctionConstants<T>::least;
    double worst = 0;
    for (int i = 0; i <= 100000; ++i) {
        const T x = least * static_cast<T>(i) / static_cast<T>(100000);
        worst = std::max(worst, ulps(math::exp_nonpositive(x), std::exp(static_cast<long double>(x))));
    }
    EXPECT_LE(worst, 1.2);
    EXPECT_EQ(math::exp_nonpositive(T(0)), T(1));
    EXPECT_EQ(math::exp_nonpositive(std::nextafter(least, static_cast<T>(-INFINITY))), T(0));
    EXPECT_EQ(math::exp_nonpositive(static_cast<T>(-INFINITY)), T(0));
    EXPECT_TRUE(std::isnan(math::exp_nonpositive(static_cast<T>(NAN))));
}

// The same of log, near 1 where it is small, and at the ends of the normal range.
TYPED_TEST(Functions, LogWithinTwoUlp) {
    using T = TypeParam;
    const double largest = std::numeric_limits<T>::max_exponent - 1;
    double worst = 0;
    const auto check = [&](T x) {
        if (x != T(1)) worst = std::max(worst, ulps(math::log_positive(x), std::log(static_cast<long double>(x))));
    };
    for (int i = -50000; i <= 50000; ++i) {
        check(static_cast<T>(std::exp2(largest * 0.99 * i / 50000.0)));
        check(T(1) + static_cast<T>(i) * std::numeric_limits<T>::epsilon());
        check(static_cast<T>(1 + i / 100001.0));
    }
    check(std::numeric_limits<T>::min());
    check(std::numeric_limits<T>::max());
    EXPECT_LE(worst, 2.0);
    EXPECT_EQ(math::log_positive(T(1)), T(0));
}

// A join that is not that of the sums, or breaks where one side or both are empty.
TYPED_TEST(Functions, FreeEnergyOfOneByOneAndOfClasses) {
    using T = TypeParam;
    const T beta = static_cast<T>(0.7);
    for (const int count : {1, 2, 16, 17, 100}) {
        math::FreeEnergy<T> all = math::free_energy_start<T>();
        T least[16], sum[16];
        for (int l = 0; l < 16; ++l) least[l] = static_cast<T>(INFINITY), sum[l] = 0;
        double exact = 0;
        for (int z = 0; z < count; ++z) {
            const T energy = static_cast<T>((z * 37) % 101) / 10;
            all = math::free_energy_add(all, energy, beta);
            const auto one = math::free_energy_add(math::FreeEnergy<T>{least[z % 16], sum[z % 16]}, energy, beta);
            least[z % 16] = one.least;
            sum[z % 16] = one.sum;
            exact += std::exp(-static_cast<double>(beta) * static_cast<double>(energy));
        }
        const double wanted = -std::log(exact) / static_cast<double>(beta);
        const double allowed = 40 * static_cast<double>(std::numeric_limits<T>::epsilon()) * (1 + std::abs(wanted));
        for (const auto& f : {all, math::free_energy_of_classes(least, sum, beta)})
            EXPECT_NEAR(static_cast<double>(f.least + math::free_energy_gap(f, beta)), wanted, allowed);
    }
    const auto absent = math::free_energy_add(math::free_energy_start<T>(), static_cast<T>(INFINITY), beta);
    EXPECT_EQ(absent.sum, T(0));
    EXPECT_EQ(math::free_energy_add(absent, T(3), beta).least, T(3));
    EXPECT_EQ(math::free_energy_add(absent, T(3), beta).sum, T(1));
}

// A probability above 1, where rounding puts F_beta above the energy; one that rounds off with the size of the energy.
TYPED_TEST(Functions, ProbabilityIsAtMostOne) {
    using T = TypeParam;
    EXPECT_EQ(math::probability(T(1), T(1) + std::numeric_limits<T>::epsilon(), T(0), T(1000)), T(1));
    EXPECT_NEAR(static_cast<double>(math::probability(T(3), T(1), T(0), T(2))), std::exp(-4.0), 1e-7);
    EXPECT_NEAR(static_cast<double>(math::probability(T(1e7), T(1e7), T(-0.5), T(1))), std::exp(-0.5), 1e-7);
}
