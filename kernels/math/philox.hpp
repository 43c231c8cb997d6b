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

// Rounds of the generator. The multipliers, and what the key grows by, the golden ratio and sqrt 3 - 1, as in the
// paper.
template <class U>
CUEBM_MATH PhiloxWords<U> philox_rounds(PhiloxWords<U> counter, PhiloxKey key, int rounds) {
#pragma GCC unroll 10
    for (int round = 0; round < rounds; ++round) {
        U a_high, a_low, b_high, b_low;
        multiply_words(0xD2511F53u, counter.word[0], a_high, a_low);
        multiply_words(0xCD9E8D57u, counter.word[2], b_high, b_low);
        counter = {{exclusive_or(b_high, counter.word[1], key.word[0]), b_low,
                    exclusive_or(a_high, counter.word[3], key.word[1]), a_low}};
        key.word[0] += 0x9E3779B9u;
        key.word[1] += 0xBB67AE85u;
    }
    return counter;
}

CUEBM_MATH PhiloxBlock philox(PhiloxBlock counter, PhiloxKey key) { return philox_rounds(counter, key, 10); }

// Of lanes whose counters differ in the first two words: the first round's work is a word's, or is the same for all
// steps and draws, which the compiler moves out of their loops.
template <class U>
CUEBM_MATH PhiloxWords<U> philox_of_lanes(U first, U second, std::uint32_t third, std::uint32_t fourth, PhiloxKey key) {
    U a_high, a_low;
    multiply_words(0xD2511F53u, first, a_high, a_low);
    const std::uint64_t b = std::uint64_t{0xCD9E8D57u} * third;
    const PhiloxWords<U> counter = {{second ^ (static_cast<std::uint32_t>(b >> 32) ^ key.word[0]),
                                     U{} + static_cast<std::uint32_t>(b), a_high ^ (fourth ^ key.word[1]), a_low}};
    return philox_rounds(counter, {{key.word[0] + 0x9E3779B9u, key.word[1] + 0xBB67AE85u}}, 9);
}
// A lane of double alone: 32 bits suffice until the end.
CUEBM_MATH PhiloxWords<std::uint64_t> philox_of_lanes(std::uint64_t first, std::uint64_t second, std::uint32_t third,
                                                      std::uint32_t fourth, PhiloxKey key) {
    const PhiloxBlock block =
        philox_of_lanes(static_cast<std::uint32_t>(first), static_cast<std::uint32_t>(second), third, fourth, key);
    return {{block.word[0], block.word[1], block.word[2], block.word[3]}};
}

}  // namespace cuebm::math
