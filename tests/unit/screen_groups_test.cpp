// Which prototypes share a panel.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include <cuebm/cuebm.hpp>

#include "cpu/screen_groups.hpp"

namespace eb = cuebm;

namespace {

std::vector<std::int32_t> groups(const std::vector<float>& prototypes, std::int64_t d, std::int64_t panel) {
    const auto k = static_cast<std::int64_t>(prototypes.size()) / d;
    std::vector<std::int32_t> order(static_cast<std::size_t>(k), -1);
    std::vector<float> line(static_cast<std::size_t>(d)), places(static_cast<std::size_t>(k));
    eb::cpu::group_prototypes(eb::view(prototypes, k, d), panel, order.data(), line.data(), places.data());
    return order;
}

bool is_permutation(std::vector<std::int32_t> order) {
    std::vector<std::int32_t> all(order.size());
    std::iota(all.begin(), all.end(), 0);
    return std::is_permutation(order.begin(), order.end(), all.begin());
}

}  // namespace

// Halves that are no multiple of a panel, a line that does not follow the data, an index that is not through the order.
TEST(ScreenGroups, WhatLiesTogetherSharesAPanel) {
    std::mt19937 generator(1);
    std::normal_distribution<float> normal;
    for (const std::int64_t d : {1, 3, 8, 37}) {
        const std::int64_t panel = 16, panels = 5, k = panel * panels - 7;
        std::vector<std::int64_t> blob(static_cast<std::size_t>(k));  // all but the last fill a panel
        for (std::int64_t z = 0; z < k; ++z) blob[static_cast<std::size_t>(z)] = z / panel;
        std::shuffle(blob.begin(), blob.end(), generator);
        std::vector<float> prototypes;
        for (const auto b : blob)
            for (std::int64_t j = 0; j < d; ++j)
                prototypes.push_back((j == 0 ? 10 * static_cast<float>(b) : 0) + 0.1f * normal(generator));
        const auto order = groups(prototypes, d, panel);
        ASSERT_TRUE(is_permutation(order));
        for (std::size_t s = 0; s < order.size(); ++s)  // blobs of 16 on a line; the short one may be at either end
            if (s % 16 != 0) {
                const auto a = blob[static_cast<std::size_t>(order[s - 1])],
                           b = blob[static_cast<std::size_t>(order[s])];
                EXPECT_LE(std::abs(a - b), 1) << "d " << d << ", slot " << s;
            }
    }
}

// Comparing what has no order, and values that overflow.
TEST(ScreenGroups, AnythingHasAnOrder) {
    std::mt19937 generator(2);
    for (const float bad : {NAN, INFINITY, 3e38f, 0.0f}) {
        std::vector<float> prototypes(100 * 5);
        for (auto& x : prototypes) x = generator() % 3 == 0 ? bad : static_cast<float>(generator() % 7);
        EXPECT_TRUE(is_permutation(groups(prototypes, 5, 8)));
        EXPECT_TRUE(is_permutation(groups(std::vector<float>(300, bad), 3, 32)));
    }
    EXPECT_EQ(groups({4, 2, 3}, 1, 32), (std::vector<std::int32_t>{0, 1, 2}));  // one panel: nothing to choose
}
