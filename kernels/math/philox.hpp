// Philox4x32-10: J. K. Salmon, M. A. Moraes, R. O. Dror and D. E. Shaw, "Parallel random numbers: as easy as
// 1, 2, 3", SC 2011. A counter-based generator: any number of any stream costs the same.
#pragma once

#include "math/lane.hpp"

namespace cuebm::math {

// Of one lane, or of each lane of a pack. A lane of double has 64 bits for a word of 32: it is the low half, and what
// the high half holds does not matter.
template <class U>
struct PhiloxWords {
    U word[4];
};
using PhiloxBlock = PhiloxWords<std::uint32_t>;
struct PhiloxKey {
    std::uint32_t word[2];
};

// One round, and the next one's key. The multipliers, and what the key grows by, the golden ratio and sqrt 3 - 1, as in
// the paper.
template <class U>
CUEBM_MATH PhiloxWords<U> philox_round(PhiloxWords<U> counter, PhiloxKey key) {
    U a_high, a_low, b_high, b_low;
    multiply_words(0xD2511F53u, counter.word[0], a_high, a_low);
    multiply_words(0xCD9E8D57u, counter.word[2], b_high, b_low);
    return {{exclusive_or(b_high, counter.word[1], key.word[0]), b_low,
             exclusive_or(a_high, counter.word[3], key.word[1]), a_low}};
}
CUEBM_MATH PhiloxKey philox_next_key(PhiloxKey key) { return {{key.word[0] + 0x9E3779B9u, key.word[1] + 0xBB67AE85u}}; }

template <class U>
CUEBM_MATH PhiloxWords<U> philox_rounds(PhiloxWords<U> counter, PhiloxKey key, int rounds) {
#pragma GCC unroll 10
    for (int round = 0; round < rounds; ++round) {
        counter = philox_round(counter, key);
        key = philox_next_key(key);
    }
    return counter;
}

CUEBM_MATH PhiloxBlock philox(PhiloxBlock counter, PhiloxKey key) { return philox_rounds(counter, key, 10); }

// The first round of lanes whose counters differ in the first two words, or in all. Where the others are scalars, the
// same in all lanes, so is their half of it, and the first half is the same for all steps and draws: the compiler moves
// it out of their loops.
template <class U, class Third, class Fourth>
CUEBM_MATH PhiloxWords<U> philox_first_round(U first, U second, Third third, Fourth fourth, PhiloxKey key) {
    constexpr bool scalars = sizeof(Third) == sizeof(std::uint32_t) && sizeof(Fourth) == sizeof(std::uint32_t);
    if constexpr (!scalars) {
        return philox_round(PhiloxWords<U>{{first, second, U{} + third, U{} + fourth}}, key);
    } else {
        U a_high, a_low;
        multiply_words(0xD2511F53u, first, a_high, a_low);
        const std::uint64_t b = std::uint64_t{0xCD9E8D57u} * third;
        return {{second ^ (static_cast<std::uint32_t>(b >> 32) ^ key.word[0]), U{} + static_cast<std::uint32_t>(b),
                 a_high ^ (fourth ^ key.word[1]), a_low}};
    }
}

template <class U, class Third, class Fourth>
CUEBM_MATH PhiloxWords<U> philox_of_lanes(U first, U second, Third third, Fourth fourth, PhiloxKey key) {
    return philox_rounds(philox_first_round(first, second, third, fourth, key), philox_next_key(key), 9);
}
// A lane of double alone: 32 bits suffice until the end.
CUEBM_MATH PhiloxWords<std::uint64_t> philox_of_lanes(std::uint64_t first, std::uint64_t second, std::uint32_t third,
                                                      std::uint32_t fourth, PhiloxKey key) {
    const PhiloxBlock block =
        philox_of_lanes(static_cast<std::uint32_t>(first), static_cast<std::uint32_t>(second), third, fourth, key);
    return {{block.word[0], block.word[1], block.word[2], block.word[3]}};
}

// Two blocks, of `fourth` and the next, round by round: a round's instructions wait for those of the round before, and
// the other block's fill the gaps.
template <class U>
struct TwoPhiloxWords {
    PhiloxWords<U> first, second;
};
template <class U, class Third>
CUEBM_MATH TwoPhiloxWords<U> philox_of_lanes_twice(U first, U second, Third third, std::uint32_t fourth,
                                                   PhiloxKey key) {
    TwoPhiloxWords<U> two = {philox_first_round(first, second, third, fourth, key),
                             philox_first_round(first, second, third, fourth + 1, key)};
#pragma GCC unroll 9
    for (int round = 1; round < 10; ++round) {
        key = philox_next_key(key);
        two = {philox_round(two.first, key), philox_round(two.second, key)};
    }
    return two;
}
CUEBM_MATH TwoPhiloxWords<std::uint64_t> philox_of_lanes_twice(std::uint64_t first, std::uint64_t second,
                                                               std::uint32_t third, std::uint32_t fourth,
                                                               PhiloxKey key) {
    return {philox_of_lanes(first, second, third, fourth, key), philox_of_lanes(first, second, third, fourth + 1, key)};
}

}  // namespace cuebm::math
