// Sorting by digits against sorting by comparisons.
#include "ranked.hpp"

#include <algorithm>
#include <limits>

#include <gtest/gtest.h>

#include "support/data.hpp"

using namespace cuebm::detail;

// Negative values in the wrong order, a digit that is skipped, a value that loses its place: every sign and magnitude.
TEST(Ranked, AreInOrderWithTheirPlaces) {
    for (const std::int64_t size : {0, 1, 100, 1023, 1024, 5000}) {
        auto values = cuebm::test::normal<double>(size, 4);
        for (std::size_t i = 0; i < values.size(); ++i) {
            if (i % 3 == 0) values[i] = std::ldexp(values[i], static_cast<int>(i % 1500) - 750);
            if (i % 7 == 0) values[i] = static_cast<double>(i % 5) - 2;  // ties
        }
        if (size > 100) {
            values[20] = std::numeric_limits<double>::max();
            values[30] = std::numeric_limits<double>::lowest();
            values[40] = std::numeric_limits<double>::denorm_min();
            values[50] = -0.0;
        }
        std::vector<Ranked> ranked, scratch;
        for (std::size_t i = 0; i < values.size(); ++i) ranked.push_back({values[i], static_cast<std::int64_t>(i)});
        sort_by_value(ranked, scratch);
        std::vector<bool> seen(values.size());
        for (std::size_t i = 0; i < ranked.size(); ++i) {
            const auto place = static_cast<std::size_t>(ranked[i].place);
            ASSERT_EQ(ranked[i].value, values[place]);
            ASSERT_FALSE(seen[place]);
            seen[place] = true;
            if (i > 0) {
                ASSERT_LE(ranked[i - 1].value, ranked[i].value) << i << " of " << size;
            }
        }
        EXPECT_EQ(ranked.size(), values.size());
    }
}

// A digit that is the same in all values, so that its pass is left out.
TEST(Ranked, OfValuesThatShareDigits) {
    std::vector<Ranked> ranked, scratch;
    for (std::int64_t i = 0; i < 4000; ++i) ranked.push_back({static_cast<double>((i * 2654435761) % 3), i});
    sort_by_value(ranked, scratch);
    EXPECT_TRUE(std::is_sorted(ranked.begin(), ranked.end(), [](auto& a, auto& b) { return a.value < b.value; }));
    EXPECT_EQ(ranked.size(), 4000u);
}
