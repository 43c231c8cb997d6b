// What k-means++ leaves out by the triangle inequality, against every canonical energy.
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include <cuebm/context.hpp>

#include "assign_operations.hpp"
#include "context_state.hpp"
#include "reference/assign.hpp"

namespace eb = cuebm;

template <class T>
class PlusPlusBound : public testing::Test {};
using PlusPlusTypes = testing::Types<float, double>;
TYPED_TEST_SUITE(PlusPlusBound, PlusPlusTypes);

// A candidate that is nearer than the prototype so far, but is left out: by a factor that is too small, or that leaves
// no room for rounding. Points lie on the way to candidates, up to a few roundings nearer to them than to the
// prototype.
TYPED_TEST(PlusPlusBound, NearerOnesAreNotLeftOut) {
    using T = TypeParam;
    const auto context = eb::Context::cpu({.threads = 1});
    eb::Stream stream(context);
    std::mt19937_64 random(1);
    std::normal_distribution<double> normal;
    std::int64_t nearer = 0;
    for (const std::int64_t d : {1, 7, 33})
        for (const double scale : {1e-6, 1.0, 1e6})
            for (int exponent = 1; exponent < std::numeric_limits<T>::digits; exponent += 2) {
                const std::int64_t n = 64, stride = (d + 15) / 16 * 16;
                std::vector<T> points(static_cast<std::size_t>(n * d)), chosen(static_cast<std::size_t>(stride)),
                    candidates(static_cast<std::size_t>(stride));
                std::vector<double> u(static_cast<std::size_t>(d));
                for (std::int64_t j = 0; j < d; ++j) {
                    const auto at = static_cast<std::size_t>(j);
                    u[at] = normal(random) * scale;
                    chosen[at] = static_cast<T>(normal(random) * scale);
                    candidates[at] = static_cast<T>(static_cast<double>(chosen[at]) + 2 * u[at]);
                }
                for (std::int64_t i = 0; i < n; ++i) {  // from the middle, where both are as near
                    const double way = 1 + std::ldexp(static_cast<double>(i) / n, -exponent);
                    for (std::int64_t j = 0; j < d; ++j)
                        points[static_cast<std::size_t>(i * d + j)] =
                            static_cast<T>(static_cast<double>(chosen[static_cast<std::size_t>(j)]) +
                                           way * u[static_cast<std::size_t>(j)]);
                }
                const auto unpadded = [&](const std::vector<T>& row) {
                    return std::vector<T>(row.begin(), row.begin() + d);
                };
                auto closest = eb::reference::canonical_energies(points, unpadded(chosen), n, 1, d);
                const auto wanted = eb::reference::canonical_energies(points, unpadded(candidates), n, 1, d);
                std::vector<std::int32_t> owners(static_cast<std::size_t>(n));
                std::vector<T> energies(static_cast<std::size_t>(n)), apart(1);
                eb::detail::assign_operations<T>(*context.state().backend)
                    .candidates(*stream.state().queue, {.of = {.closest = {closest.data(), n, 1, {}},
                                                               .weights = {},
                                                               .owners = owners.data(),
                                                               .blocks = nullptr,
                                                               .total = nullptr},
                                                        .points = eb::MatrixView<const T>{points.data(), n, d, d, {}},
                                                        .prototypes = {candidates.data(), 1, d, stride, {}},
                                                        .chosen = {chosen.data(), 1, d, stride, {}},
                                                        .apart = {apart.data(), 1, 1, 1, {}},
                                                        .energies = {energies.data(), n, 1, 1, {}}});
                stream.wait();
                for (std::size_t i = 0; i < energies.size(); ++i) {
                    if (!(wanted[i] < closest[i])) continue;
                    ++nearer;
                    ASSERT_EQ(energies[i], wanted[i]) << "d " << d << ", scale " << scale << ", 2^-" << exponent;
                }
            }
    EXPECT_GT(nearer, 1000);
}
