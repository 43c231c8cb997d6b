// The exact parts of the shared mathematics: the canonical energy, fixed point, the screening bound, the variance.
#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "math/canonical.hpp"
#include "math/fixed_point.hpp"
#include "math/screening.hpp"
#include "math/soft.hpp"
#include "reference/assign.hpp"
#include "support/data.hpp"

namespace math = cuebm::math;
using namespace cuebm::test;

namespace {

template <class T>
class ExactSums : public testing::Test {};
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(ExactSums, Types);

}  // namespace

// Another tree, another lane for a coordinate, a product that is rounded: bits that differ from the definition.
TYPED_TEST(ExactSums, CanonicalEnergyIsAsDefined) {
    using T = TypeParam;
    for (const std::int64_t d : {1, 2, 15, 16, 17, 31, 33, 100, 1000}) {
        const auto y = normal<T>(d, 1), w = normal<T>(d, 2);
        EXPECT_EQ(math::canonical_energy(y.data(), w.data(), d),
                  cuebm::reference::canonical_energy(y.data(), w.data(), d));
    }
    T lanes[16];
    for (int l = 0; l < 16; ++l) lanes[l] = static_cast<T>(std::exp2(3 * l));
    EXPECT_EQ(
        math::tree_sum(lanes),
        ((lanes[0] + lanes[8]) + (lanes[4] + lanes[12])) + ((lanes[2] + lanes[10]) + (lanes[6] + lanes[14])) +
            (((lanes[1] + lanes[9]) + (lanes[5] + lanes[13])) + ((lanes[3] + lanes[11]) + (lanes[7] + lanes[15]))));
}

// Two prototypes whose energies differ in the last bit only if fma is one rounding.
TYPED_TEST(ExactSums, ProductsAreNotRounded) {
    using T = TypeParam;
    const T eps = std::numeric_limits<T>::epsilon();
    std::vector<T> y(17, T(0)), w(17, T(0));
    y[0] = T(1);
    y[16] = T(1) + eps;  // its square needs twice the bits; the sum in lane 0 is 2 + 2 eps + eps^2
    EXPECT_EQ(math::canonical_energy(y.data(), w.data(), 17), std::fma(y[16], y[16], T(1)));
}

// A scale at which n values overflow, or that wastes bits; the largest is at least 2^61 / n after scaling.
TEST(FixedPoint, ScaleUsesAllBitsAndNeverOverflows) {
    for (const std::int64_t n : {std::int64_t{1}, std::int64_t{2}, std::int64_t{3}, std::int64_t{1024},
                                 std::int64_t{1025}, std::int64_t{1} << 31})
        for (const double largest : {1.0, 1.5, 2.0, 1e-30, 1e30, 1e300, 0.1, std::nextafter(2.0, 0.0)}) {
            const double scale = math::fixed_point_scale(largest, n);
            int exponent = 0;
            EXPECT_EQ(std::frexp(scale, &exponent), 0.5) << "no power of two";
            const double total = largest * scale * static_cast<double>(n);
            EXPECT_LE(total, 0x1p62);
            EXPECT_GE(largest * scale, 0x1p59 / static_cast<double>(n));
            EXPECT_EQ(math::to_fixed(-largest, scale), -math::to_fixed(largest, scale));
        }
    for (const double nothing : {0.0, static_cast<double>(NAN), static_cast<double>(INFINITY)})
        EXPECT_EQ(math::fixed_point_scale(nothing, 10), 1.0);
    EXPECT_TRUE(std::isfinite(1 / math::fixed_point_scale(5e-324, 1)));
}

// A variance that cancels below 0, or divides by n - 1.
TEST(Variance, OfDifferences) {
    EXPECT_EQ(math::variance(0, 0, 5), 0);
    EXPECT_EQ(math::variance(6, 14, 3), 14.0 / 3 - 4);
    EXPECT_EQ(math::variance(3e8, 3e16 * (1 - 1e-16), 3), 0);
}

// A bound that a score breaks. Scores in float with fma, as screening.hpp says; every canonical energy must lie within
// 2 B of |y'|^2 + 2 s, also when the data are far from their shift, tiny, or nearly equal.
TEST(Screening, BoundHoldsForScoresInFloat) {
    double worst = 0;
    for (const std::int64_t d : {1, 3, 16, 64, 300})
        for (const double offset : {0.0, 3.0, 1000.0})
            for (const double sd : {1.0, 1e-3}) {
                const auto y = normal<float>(20 * d, 1, offset, sd), w = normal<float>(20 * d, 2, offset, sd);
                const auto m = normal<float>(d, 3, offset, sd);
                for (std::int64_t i = 0; i < 20; ++i)
                    for (std::int64_t z = 0; z < 20; ++z) {
                        float product = 0;
                        double y_square = 0, w_square = 0;
                        for (std::int64_t j = 0; j < d; ++j) {
                            const float a = y[static_cast<std::size_t>(i * d + j)] - m[static_cast<std::size_t>(j)];
                            const float b = w[static_cast<std::size_t>(z * d + j)] - m[static_cast<std::size_t>(j)];
                            product = std::fma(a, b, product);
                            y_square += static_cast<double>(a) * static_cast<double>(a);
                            w_square += static_cast<double>(b) * static_cast<double>(b);
                        }
                        const float score = static_cast<float>(w_square / 2) - product;
                        const double reach = std::sqrt(y_square) + std::sqrt(w_square);
                        const double bound = 2 * (static_cast<double>(math::screening_spread(d)) * reach * reach +
                                                  static_cast<double>(math::screening_floor(d)));
                        const double canonical = static_cast<double>(cuebm::reference::canonical_energy(
                            &y[static_cast<std::size_t>(i * d)], &w[static_cast<std::size_t>(z * d)], d));
                        const double off = std::abs(canonical - (y_square + 2 * static_cast<double>(score)));
                        EXPECT_LE(off, bound) << "d " << d << ", offset " << offset;
                        worst = std::max(worst, off / bound);
                    }
            }
    EXPECT_GT(worst, 0.01) << "a bound so wide screens nothing";
}

// The gradient of one coordinate.
TEST(Soft, EnergyGradient) { EXPECT_EQ(math::energy_gradient(5.0, 2.0, 0.5), 3.0); }
