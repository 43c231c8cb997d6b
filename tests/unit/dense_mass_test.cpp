// A mass matrix from sums of products, and its Cholesky factor, against values by hand.
#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "math/samplers/dense_mass_learning.hpp"

namespace math = cuebm::math;

namespace {

struct Learnt {
    bool positive;
    std::vector<double> inverse;
    std::vector<float> factor;
};
// `sums` is [d x (1 + d)], as AddProducts leaves them; what lies above its diagonal must not matter.
Learnt learn(int d, double points, std::vector<double> sums) {
    const auto size = static_cast<std::size_t>(d);
    sums.resize(size * (2 + size), NAN);
    Learnt result{false, std::vector<double>(size * size, -1), std::vector<float>(size * size, -1)};
    result.positive = math::learn_dense_mass<float>({.d = d,
                                                     .points = points,
                                                     .sums = sums.data(),
                                                     .inverse = result.inverse.data(),
                                                     .factor = result.factor.data()},
                                                    math::OneThread{});
    return result;
}

}  // namespace

// An update by the wrong column, a root that is not taken, a triangle that is not mirrored or not cleared.
TEST(DenseMassLearning, FactorisesAMatrix) {
    // L = [2; 1 3; -2 0 4] by rows.
    const auto got = learn(3, 0, {NAN, 4, NAN, NAN, NAN, 2, 10, NAN, NAN, -4, -2, 20});
    ASSERT_TRUE(got.positive);
    EXPECT_EQ(got.inverse, (std::vector<double>{4, 2, -4, 2, 10, -2, -4, -2, 20}));
    EXPECT_EQ(got.factor, (std::vector<float>{2, 0, 0, 1, 3, 0, -2, 0, 4}));
}

// n in place of n - 1, a mean that is not taken off, a prior off the diagonal, no shrinking.
TEST(DenseMassLearning, IsTheShrunkCovariance) {
    // Of (1, 2), (3, 0), (5, 7): variances 4 and 13, covariance 5.
    const auto got = learn(2, 3, {9, 35, NAN, 9, 37, 53});
    ASSERT_TRUE(got.positive);
    const double share = 3.0 / 8, prior = 1e-3 * 5 / 8;
    EXPECT_DOUBLE_EQ(got.inverse[0], share * 4 + prior);
    EXPECT_DOUBLE_EQ(got.inverse[1], share * 5);
    EXPECT_DOUBLE_EQ(got.inverse[2], share * 5);
    EXPECT_DOUBLE_EQ(got.inverse[3], share * 13 + prior);
}

// A mass that is half written, or NaN taken for positive.
TEST(DenseMassLearning, LeavesWhatWasThereWhereItIsNotPositiveDefinite) {
    for (const auto& lower : {std::vector<double>{0, 1, NAN, 0, 1, 1},
                              {0, 1, NAN, 0, 2, 1},
                              {0, 0, NAN, 0, 0, 1},
                              {0, -1, NAN, 0, 0, 1},
                              {0, NAN, NAN, 0, 0, 1},
                              {0, 1, NAN, 0, 1, 1 + 0x1p-52}}) {
        const auto got = learn(2, 0, lower);
        EXPECT_FALSE(got.positive);
        EXPECT_EQ(got.inverse, std::vector<double>(4, -1));
        EXPECT_EQ(got.factor, std::vector<float>(4, -1));
    }
}
