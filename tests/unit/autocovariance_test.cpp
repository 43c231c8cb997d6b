// Autocovariances against the sums that define them.
#include "autocovariance.hpp"

#include <cmath>

#include <gtest/gtest.h>

#include "support/data.hpp"

using namespace cuebm::detail;

// A last chain of an odd number that is left out or counted twice, a transform too short (which wraps around), a lag of
// the direct sums that misses the values behind the last four.
TEST(Autocovariances, AreTheirSumsByBothWays) {
    for (const std::int64_t chains : {1, 2, 3, 6})
        for (const std::int64_t draws : {65, 66, 128, 300}) {
            const auto x = cuebm::test::normal<double>(chains * draws, 3, 0.1);
            Autocovariances direct(x.data(), chains, draws), transformed(x.data(), chains, draws);
            (void)transformed.at(Autocovariances::direct_lags);
            for (std::int64_t lag = 0; lag < draws; ++lag) {
                long double sum = 0;
                for (std::int64_t c = 0; c < chains; ++c)
                    for (std::int64_t i = 0; i + lag < draws; ++i)
                        sum += static_cast<long double>(x[static_cast<std::size_t>(c * draws + i)]) *
                               x[static_cast<std::size_t>(c * draws + i + lag)];
                const auto wanted = static_cast<double>(sum / static_cast<long double>(chains * draws));
                EXPECT_NEAR(direct.at(lag), wanted, 1e-14) << chains << " x " << draws << " lag " << lag;
                EXPECT_NEAR(transformed.at(lag), wanted, 1e-14) << chains << " x " << draws << " lag " << lag;
            }
        }
}
