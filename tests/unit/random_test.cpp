// Philox4x32-10 against its published answers, and the streams made of it.
#include <cmath>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include "math/random_streams.hpp"

#if defined(CUEBM_TEST_CURAND)
#include <curand.h>
#endif

namespace math = cuebm::math;

// A wrong constant, key schedule, number of rounds or order of words: the three answers that Random123 publishes in
// kat_vectors for philox4x32 with 10 rounds: zeros, ones, and the digits of pi.
TEST(Philox, KnownAnswers) {
    struct Answer {
        math::PhiloxBlock counter;
        math::PhiloxKey key;
        std::uint32_t words[4];
    };
    constexpr std::uint32_t ones = 0xffffffff;
    const Answer answers[] = {
        {{{0, 0, 0, 0}}, {{0, 0}}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{{ones, ones, ones, ones}}, {{ones, ones}}, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}},
         {{0xa4093822, 0x299f31d0}},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (const auto& answer : answers) {
        const auto got = math::philox(answer.counter, answer.key);
        for (int i = 0; i < 4; ++i) EXPECT_EQ(got.word[i], answer.words[i]);
    }
}

#if defined(CUEBM_TEST_CURAND)
// A second opinion on many counters: cuRAND's generator on the host. Its key is the seed's two words; in the legacy
// order block b of its output is number b / 65536 (the counter's first words) of subsequence b mod 65536 (its last
// words).
TEST(Philox, AgreesWithCurand) {
    for (const std::uint64_t seed : {std::uint64_t{0}, std::uint64_t{0x123456789abcdef}}) {
        curandGenerator_t generator{};
        ASSERT_EQ(curandCreateGeneratorHost(&generator, CURAND_RNG_PSEUDO_PHILOX4_32_10), CURAND_STATUS_SUCCESS);
        ASSERT_EQ(curandSetPseudoRandomGeneratorSeed(generator, seed), CURAND_STATUS_SUCCESS);
        ASSERT_EQ(curandSetGeneratorOrdering(generator, CURAND_ORDERING_PSEUDO_LEGACY), CURAND_STATUS_SUCCESS);
        const std::uint32_t blocks = 2 * 65536;
        std::vector<unsigned> words(4 * blocks);
        ASSERT_EQ(curandGenerate(generator, words.data(), words.size()), CURAND_STATUS_SUCCESS);
        curandDestroyGenerator(generator);
        const math::PhiloxKey key{{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)}};
        for (std::uint32_t b = 0; b < blocks; ++b) {
            const auto block = math::philox({{b / 65536, 0, b % 65536, 0}}, key);
            for (std::uint32_t w = 0; w < 4; ++w) ASSERT_EQ(words[4 * b + w], block.word[w]) << "block " << b;
        }
    }
}
#endif

// Two purposes, seeds, indices, steps or draws that share a stream: a word of the layout that is dropped or overlaps.
TEST(RandomStreams, AreDistinct) {
    using math::RandomPurpose;
    std::set<std::uint64_t> seen;
    std::size_t count = 0;
    for (const auto purpose : {RandomPurpose::kmeans_subsample, RandomPurpose::kmeans_first,
                               RandomPurpose::kmeans_candidates, RandomPurpose::kmeans_random})
        for (const std::uint64_t seed :
             {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{1} << 32, ~std::uint64_t{0}}) {
            const auto key = math::random_key(seed, purpose);
            for (const std::uint64_t index : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{1} << 32})
                for (const std::uint32_t step : {0u, 1u})
                    for (const std::uint32_t draw : {0u, 1u}) {
                        seen.insert(math::random_u64(key, index, step, draw));
                        ++count;
                    }
        }
    EXPECT_EQ(seen.size(), count);
}

// The layout that is part of the contract: results depend on (seed, purpose, index, step, draw) in these very words.
TEST(RandomStreams, LayoutIsAsWritten) {
    const std::uint64_t seed = 0x1122334455667788, index = 0x99aabbccddeeff00;
    const auto key = math::random_key(seed, math::RandomPurpose::kmeans_candidates);
    const auto from_seed = math::philox({{0x55667788, 0x11223344, 3, 0}}, {{0, 0}});
    EXPECT_EQ(key.word[0], from_seed.word[0]);
    EXPECT_EQ(key.word[1], from_seed.word[1]);
    const auto block = math::philox({{0xddeeff00, 0x99aabbcc, 5, 6}}, key);
    EXPECT_EQ(math::random_u64(key, index, 5, 6), block.word[0] | std::uint64_t{block.word[1]} << 32);
}

// A scaling that is biased, by modulo or by rounding, or that reaches its bound. For bound b each value has between
// floor and ceil of 2^64 / b words; here the words at the edges of each value, and counts of a stream: mean n / b and
// standard error sqrt(n (b - 1)) / b, within 5 of them.
TEST(RandomStreams, ScaleDownIsUnbiased) {
    for (const std::uint64_t bound : {std::uint64_t{1}, std::uint64_t{2}, std::uint64_t{3}, std::uint64_t{10},
                                      (std::uint64_t{1} << 62) + 12345, ~std::uint64_t{0}}) {
        EXPECT_EQ(math::scale_down(0, bound), 0u);
        EXPECT_EQ(math::scale_down(~std::uint64_t{0}, bound), bound - 1);
        for (const std::uint64_t value : {std::uint64_t{1}, bound / 2, bound - 1}) {
            if (value == 0 || value >= bound) continue;
            // The lowest word that gives `value` is ceil(value 2^64 / bound).
            const auto shifted = static_cast<unsigned __int128>(value) << 64;
            const auto lowest = static_cast<std::uint64_t>((shifted + bound - 1) / bound);
            EXPECT_EQ(math::scale_down(lowest, bound), value);
            EXPECT_EQ(math::scale_down(lowest - 1, bound), value - 1);
        }
    }
    const auto key = math::random_key(3, math::RandomPurpose::kmeans_random);
    const int draws = 70000, bound = 7;
    int counts[bound] = {};
    for (int i = 0; i < draws; ++i)
        ++counts[math::scale_down(math::random_u64(key, static_cast<std::uint64_t>(i), 0, 0), bound)];
    for (const int count : counts)
        EXPECT_NEAR(count, draws / double(bound), 5 * std::sqrt(draws * double(bound - 1)) / bound);
}
