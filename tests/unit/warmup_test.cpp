// Warm-up: its windows, against those that Stan prints or its manual gives, and what each sampler aims at.
#include <vector>

#include <gtest/gtest.h>

#include "sample_arguments.hpp"

namespace detail = cuebm::detail;

// A window that is lost, overlaps the end, or is half: masses from too few transitions.
TEST(Warmup, WindowsAreStansOrLonger) {
    const auto ends = [](std::int64_t warmup) { return detail::windows_of(warmup).ends; };
    using Ends = std::vector<std::int64_t>;
    EXPECT_EQ(ends(1000), (Ends{100, 150, 250, 450, 950}));
    EXPECT_EQ(ends(500), (Ends{100, 150, 250, 450}));
    EXPECT_EQ(ends(175), (Ends{100, 125}));
    EXPECT_EQ(ends(174), (Ends{124}));  // Stan: 100, and 24 transitions after it
    EXPECT_EQ(ends(151), (Ends{101}));  // Stan: 100, and one
    EXPECT_EQ(ends(150), (Ends{100}));
    EXPECT_EQ(ends(100), (Ends{90}));  // 15, 75, 10
    EXPECT_EQ(ends(19), Ends{});
    EXPECT_EQ(detail::windows_of(1000).first, 75);
    EXPECT_EQ(detail::windows_of(1000).last, 950);
}

// A sampler that aims at another mean than its docstring says.
TEST(Warmup, TrajectoriesAloneAimAtTheHarmonicMean) {
    EXPECT_FALSE(detail::kind_of(cuebm::Metropolis{}).harmonic);
    EXPECT_FALSE(detail::kind_of(cuebm::Langevin{}).harmonic);
    EXPECT_TRUE(detail::kind_of(cuebm::Hmc{}).harmonic);
    EXPECT_TRUE(detail::kind_of(cuebm::Hmc{.leapfrogs = 0}).harmonic);
    EXPECT_TRUE(detail::kind_of(cuebm::Nuts{}).harmonic);
}
