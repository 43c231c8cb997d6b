// Packs of every instruction set that this CPU has against one number at a time: equal bits. And Philox's published
// answers in every lane.
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "math/random_streams.hpp"
#include "unit/lanes.hpp"

namespace {

std::vector<const Lanes*> all_lanes() {
    std::vector<const Lanes*> all;
    const std::vector<const Lanes*> known = {
        &lanes_scalar,
        &lanes_base,
#if defined(__x86_64__)
        &lanes_avx2,
        &lanes_avx512
#endif
    };
    for (const Lanes* lanes : known)
        if (lanes->runs_here()) all.push_back(lanes);
    return all;
}
const LanesOf<float>& of(const Lanes& lanes, float) { return lanes.floats; }
const LanesOf<double>& of(const Lanes& lanes, double) { return lanes.doubles; }

// Special values, numbers beside them, the ranges that matter, and any bits at all.
template <class T>
std::vector<T> inputs() {
    using Limits = std::numeric_limits<T>;
    std::vector<T> x = {0,
                        1,
                        2,
                        0.5,
                        T(1) / 3,
                        88,
                        709,
                        Limits::min(),
                        Limits::max(),
                        Limits::denorm_min(),
                        Limits::infinity(),
                        Limits::quiet_NaN(),
                        T(87.33654),
                        T(708.3964185322641)};
    for (std::size_t i = 0, n = x.size(); i < n; ++i) {
        x.push_back(std::nextafter(x[i], Limits::infinity()));
        x.push_back(std::nextafter(x[i], -Limits::infinity()));
    }
    for (std::size_t i = 0, n = x.size(); i < n; ++i) x.push_back(-x[i]);
    for (std::uint32_t i = 0; i < 20000; ++i) {
        const auto block = cuebm::math::philox({{i, 1, 2, 3}}, {{4, 5}});
        T any;
        std::memcpy(&any, block.word, sizeof any);
        const double u = block.word[2] * 0x1p-32;
        for (const double y : {u, 200 * u - 100, 1500 * u - 750, std::exp(80 * u - 60)}) x.push_back(static_cast<T>(y));
        x.push_back(any);
    }
    x.resize((x.size() + multiple - 1) / multiple * multiple);
    return x;
}

// Equal, or NaN both: which NaN an operation gives is the processor's choice.
template <class T>
bool same(T a, T b) {
    return std::memcmp(&a, &b, sizeof a) == 0 || (std::isnan(a) && std::isnan(b));
}

template <class T>
class LanesTest : public testing::Test {};
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(LanesTest, Types);

}  // namespace

// A pack whose fma, conversion, comparison or selection is not the scalar's, or a compiler that contracts: one bit is
// enough for a chain on another machine to take another way.
TYPED_TEST(LanesTest, FunctionsHaveTheBitsOfOneNumber) {
    using T = TypeParam;
    const auto x = inputs<T>();
    const int n = static_cast<int>(x.size());
    std::vector<T> wanted(x.size()), got(x.size());
    for (const Lanes* lanes : all_lanes())
        for (int f = 0; f < static_cast<int>(LaneFunction::count); ++f) {
            of(lanes_scalar, T{}).evaluate(static_cast<LaneFunction>(f), x.data(), wanted.data(), n);
            of(*lanes, T{}).evaluate(static_cast<LaneFunction>(f), x.data(), got.data(), n);
            for (std::size_t i = 0; i < x.size(); ++i)
                ASSERT_TRUE(same(got[i], wanted[i])) << lanes->name << ", function " << f << " of " << x[i] << ": "
                                                     << got[i] << ", one number " << wanted[i];
        }
}

// Products of even and odd words that are swapped, or high halves that leak into the next round.
TYPED_TEST(LanesTest, PhiloxKnownAnswersInEveryLane) {
    constexpr std::uint32_t ones = 0xffffffff;
    const struct {
        std::uint32_t counter[4], key[2], words[4];
    } answers[] = {
        // of Random123's kat_vectors, as in random_test.cpp
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{ones, ones, ones, ones}, {ones, ones}, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (const Lanes* lanes : all_lanes()) {
        const auto& table = of(*lanes, TypeParam{});
        for (const auto& answer : answers) {
            std::uint32_t out[4 * multiple];
            table.known_answer(answer.counter, answer.key, out);
            for (int i = 0; i < 4 * table.lanes; ++i) EXPECT_EQ(out[i], answer.words[i % 4]) << lanes->name << i;
        }
    }
}

// A lane that does not draw for index + lane: lanes in another order, a carry into the index's high word that is lost,
// a step or draw that is forgotten or
// swapped, two blocks at once that are not those of one at a time.
TYPED_TEST(LanesTest, EveryLaneDrawsForItsOwnIndex) {
    using T = TypeParam;
    constexpr int count = 16 / sizeof(T);
    const std::uint64_t seed = 0x123456789abcdef;
    const auto key = cuebm::math::random_key(seed, cuebm::math::RandomPurpose::kmeans_first);
    for (const Lanes* lanes : all_lanes())
        for (const std::uint64_t index :
             {std::uint64_t{0}, std::uint64_t{0xfffffff7}, (std::uint64_t{7} << 32) - 1, ~std::uint64_t{0} - 40})
            for (const std::uint32_t step : {0u, 3u, 0xffffffffu})
                for (const std::uint32_t draw : {0u, 9u}) {
                    std::uint32_t words[4 * 2 * multiple];
                    T normals[count * 2 * multiple], wanted[count * 2 * multiple];
                    T first[count * 2 * multiple], second[count * 2 * multiple];
                    of(*lanes, T{}).blocks(seed, index, step, draw, words, 2 * multiple);
                    of(*lanes, T{}).normals(seed, index, step, draw, normals, 2 * multiple);
                    of(*lanes, T{}).normals_twice(seed, index, step, draw, first, second, 2 * multiple);
                    of(lanes_scalar, T{}).normals(seed, index, step, draw, wanted, 2 * multiple);
                    for (unsigned i = 0; i < 2 * multiple; ++i) {
                        const auto block = cuebm::math::random_block(key, index + i, step, draw);
                        for (unsigned w = 0; w < 4; ++w)
                            ASSERT_EQ(words[4 * i + w], block.word[w]) << lanes->name << " " << index << "+" << i;
                    }
                    for (int i = 0; i < count * 2 * multiple; ++i)
                        for (const T got : {normals[i], first[i], second[i]})
                            ASSERT_TRUE(same(got, wanted[i])) << lanes->name << " " << index << ", number " << i;
                }
}
