// Random-walk Metropolis against the definition, number by number.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include <gtest/gtest.h>

#include <cuebm/sample.hpp>

#include "unit/chain_numbers.hpp"

namespace eb = cuebm;
using cuebm::math::RandomPurpose;

namespace {
template <class T>
struct MetropolisSteps : testing::Test {};
using MetropolisTypes = testing::Types<float, double>;
TYPED_TEST_SUITE(MetropolisSteps, MetropolisTypes);
}  // namespace

// Would notice: an accept step whose uniform number is another's, or one that a normal number was made of; a normal
// number of another coordinate. No decision is so close that float takes another.
TYPED_TEST(MetropolisSteps, AreThoseOfTheDefinition) {
    using T = TypeParam;
    constexpr int chains = 19, draws = 30;
    constexpr double step = 0.9;
    const cuebm::test::ChainNumbers<T> numbers{.seed = 5};
    const auto context = eb::Context::cpu({.threads = 1});
    for (const int d : {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 30, 32, 33, 34}) {
        SCOPED_TRACE(d);
        const auto width = static_cast<std::size_t>(d);
        const std::vector<T> start(chains * width, T(0.5));
        const auto run = eb::sample<T>(
            context, eb::energy::gaussian({.precision = std::vector<double>(width, 1)}),
            eb::Metropolis{.step_size = step / std::sqrt(d)},
            {.chains = chains, .warmup = 0, .draws = draws, .seed = 5, .start = eb::view(start, chains, d)});
        const auto drawn = to_host(context, run.draws);
        const bool word_left = sizeof(T) == sizeof(float) && d <= 32 && (d % 4 == 1 || d % 4 == 2);
        int accepted = 0;
        for (int chain = 0; chain < chains; ++chain) {
            std::vector<double> x(width, 0.5);
            for (int t = 0; t < draws; ++t) {
                const auto normals = numbers.normals(chain, t, d);
                auto to = x;
                double change = 0;  // E before less E after
                for (std::size_t j = 0; j < width; ++j) {
                    to[j] += step / std::sqrt(d) * normals[j];
                    change += 0.5 * (x[j] * x[j] - to[j] * to[j]);
                }
                // What two normal numbers leave of their block of four is its second pair of words.
                const double uniform =
                    word_left ? numbers.uniform(numbers.block(RandomPurpose::chains_momentum, chain, t, (d - 1) / 4), 2)
                              : numbers.uniform(numbers.block(RandomPurpose::chains_accept, chain, t, 0), 0);
                if (uniform < std::exp(std::min(0.0, change))) x = to, ++accepted;
                const auto row = static_cast<std::size_t>(chain * draws + t) * width;
                for (std::size_t j = 0; j < width; ++j)
                    ASSERT_NEAR(static_cast<double>(drawn[row + j]), x[j], 1e-4) << chain << ' ' << t;
            }
        }
        EXPECT_TRUE(accepted > chains * draws / 4 && accepted < chains * draws * 19 / 20) << accepted;
    }
}
