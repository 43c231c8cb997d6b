// Uniform and normal numbers: their definition, their ends, and their distribution at fixed seeds. Limits are 4
// standard errors, which a right generator passes at 15,000 of 16,000 seeds.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

#include <gtest/gtest.h>

#include "math/normal.hpp"

namespace math = cuebm::math;

namespace {

template <class T>
class Normals : public testing::Test {
protected:
    // Of chains 0, 1, ... at one step, the numbers of a block side by side.
    static std::vector<T> draw(std::size_t count, std::uint64_t seed) {
        const auto key = math::random_key(seed, math::RandomPurpose::kmeans_first);
        std::vector<T> normals;
        for (std::uint64_t chain = 0; normals.size() < count; ++chain)
            for (const T x :
                 math::normals_of_block<T>(math::random_block<T>(key, math::lane_index<T>(chain), 5, 2)).value)
                normals.push_back(x);
        return normals;
    }
};
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(Normals, Types);

}  // namespace

// A uniform number of 0, of which there is no logarithm, or of 1; a wrong shift or sign of the words.
TEST(Uniform, EndsAndOrder) {
    EXPECT_EQ(math::uniform_positive<float>(0), 0x1p-32f);
    EXPECT_EQ(math::uniform_positive<float>(~0u), 1.0f);
    EXPECT_EQ(math::uniform_open<float>(0), 0x1p-32f);
    EXPECT_EQ(math::uniform_open<float>(~0u), 1 - 0x1p-24f);
    EXPECT_EQ(math::uniform_open<double>(0), 0x1p-53);
    EXPECT_EQ(math::uniform_open<double>(~std::uint64_t{0}), 1 - 0x1p-53);
    for (std::uint32_t i = 0; i < 1000; ++i) {
        const std::uint32_t word = i * 4294967u;
        EXPECT_NEAR(static_cast<double>(math::uniform_open<float>(word)), word * 0x1p-32, 0x1p-24);
        EXPECT_NEAR(math::uniform_open<double>(std::uint64_t{word} << 32), word * 0x1p-32, 0x1p-52);
    }
}

// Another pair of words, a logarithm of another base, sine and cosine swapped, an angle that starts elsewhere.
TYPED_TEST(Normals, AreThoseOfBoxAndMuller) {
    using T = TypeParam;
    constexpr int count = math::NormalBlock<T>::count;
    const double eps = static_cast<double>(std::numeric_limits<T>::epsilon());
    for (std::uint32_t i = 0; i < 1000; ++i) {
        const auto block = math::philox({{i, 0, 0, 0}}, {{3, 4}});
        const auto got = math::normals_of_block<T>({{block.word[0], block.word[1], block.word[2], block.word[3]}});
        for (int pair = 0; pair < count / 2; ++pair) {
            long double u, turns;
            if constexpr (count == 4) {
                u = block.word[2 * pair] * 0x1p-32L;
                turns = block.word[2 * pair + 1] * 0x1p-32L;
            } else {
                u = block.word[0] * 0x1p-64L + block.word[1] * 0x1p-32L;
                turns = block.word[2] * 0x1p-64L + block.word[3] * 0x1p-32L;
            }
            // u is rounded by eps / 2 at most, and to its lattice: an error in u over u times the radius.
            const long double radius = std::sqrt(-2 * std::log(u)), lattice = count == 4 ? 0x1p-32L : 0x1p-53L;
            const double limit =
                4 * eps * static_cast<double>(radius + 1 / radius) + 2 * static_cast<double>(lattice / (u * radius));
            EXPECT_NEAR(static_cast<double>(got.value[2 * pair]),
                        static_cast<double>(radius * std::cos(2 * std::numbers::pi_v<long double> * turns)), limit);
            EXPECT_NEAR(static_cast<double>(got.value[2 * pair + 1]),
                        static_cast<double>(radius * std::sin(2 * std::numbers::pi_v<long double> * turns)), limit);
        }
    }
}

// Infinity or NaN from the words at the ends; a tail that is cut shorter than what the header states.
TYPED_TEST(Normals, AreFiniteAtTheEnds) {
    using T = TypeParam;
    using Word = typename math::LaneTraits<T>::Unsigned;
    constexpr Word ones = 0xffffffffu;
    const double largest = std::sqrt(2 * std::log(2.0) * (sizeof(T) == 4 ? 32 : 53));
    EXPECT_NEAR(static_cast<double>(math::normals_of_block<T>({{Word{0}, Word{0}, Word{0}, Word{0}}}).value[0]),
                largest, 1e-5);
    for (const T x : math::normals_of_block<T>({{ones, ones, ones, ones}}).value) EXPECT_LT(std::abs(x), T(1e-3));
}

// Uniforms that are correlated, too coarse or cut; a wrong factor. Of n numbers the standard error of the mean is
// 1 / sqrt n, of the second to fourth moment sqrt(2 / n), sqrt(15 / n) and sqrt(96 / n).
TYPED_TEST(Normals, HaveTheMoments) {
    const std::size_t n = 1 << 20;
    const auto x = TestFixture::draw(n, 11);
    double sums[5] = {}, neighbours = 0, blocks = 0, squares = 0;
    for (std::size_t i = 0; i < n; ++i) {
        const auto y = static_cast<double>(x[i]);
        double power = 1;
        for (double& sum : sums) sum += power, power *= y;
        const auto beside = static_cast<double>(x[i ^ 1]), next = static_cast<double>(x[(i + 4) % n]);
        neighbours += y * beside;
        squares += (y * y - 1) * (beside * beside - 1);  // of a pair: their radius is the same
        blocks += y * next;
    }
    const double count = static_cast<double>(n), error = 4 / std::sqrt(count);
    EXPECT_NEAR(sums[1] / count, 0, error);
    EXPECT_NEAR(sums[2] / count, 1, error * std::sqrt(2.0));
    EXPECT_NEAR(sums[3] / count, 0, error * std::sqrt(15.0));
    EXPECT_NEAR(sums[4] / count, 3, error * std::sqrt(96.0));
    EXPECT_NEAR(neighbours / count, 0, error * std::sqrt(2.0));  // each pair counts twice
    EXPECT_NEAR(squares / count, 0, error * 2 * std::sqrt(2.0));
    EXPECT_NEAR(blocks / count, 0, error);
}

// Any other distribution. Kolmogorov and Smirnov: sqrt n times the largest distance is above 1.95 for one seed in 1000.
TYPED_TEST(Normals, HaveTheDistribution) {
    const std::size_t n = 1 << 17;
    auto x = TestFixture::draw(n, 12);
    std::sort(x.begin(), x.end());
    double distance = 0;
    for (std::size_t i = 0; i < n; ++i) {
        const double wanted = 0.5 * std::erfc(-static_cast<double>(x[i]) / std::sqrt(2.0));
        distance = std::max({distance, wanted - static_cast<double>(i) / n, static_cast<double>(i + 1) / n - wanted});
    }
    EXPECT_LT(distance * std::sqrt(static_cast<double>(n)), 1.95);
}

// Tails that are too light, which moments hardly see: counts beyond 3 and 4, standard error sqrt(n p).
TYPED_TEST(Normals, HaveTheTails) {
    const std::size_t n = 1 << 21;
    const auto x = TestFixture::draw(n, 13);
    for (const double limit : {3.0, 4.0}) {
        const double expected = static_cast<double>(n) * std::erfc(limit / std::sqrt(2.0));
        const auto got = std::count_if(x.begin(), x.end(), [&](auto y) { return std::abs(double(y)) > limit; });
        EXPECT_NEAR(static_cast<double>(got), expected, 4 * std::sqrt(expected)) << "beyond " << limit;
    }
}
