// Philox4x32-10: J. K. Salmon, M. A. Moraes, R. O. Dror and D. E. Shaw, "Parallel random numbers: as easy as
// 1, 2, 3", SC 2011. A counter-based generator: any number of any stream costs the same.
#pragma once

#include "math/platform.hpp"

namespace cuebm::math {

struct PhiloxBlock {
    std::uint32_t word[4];
};
struct PhiloxKey {
    std::uint32_t word[2];
};

CUEBM_MATH PhiloxBlock philox(PhiloxBlock counter, PhiloxKey key) {
    for (int round = 0; round < 10; ++round) {
        const std::uint64_t a = std::uint64_t{0xD2511F53u} * counter.word[0];
        const std::uint64_t b = std::uint64_t{0xCD9E8D57u} * counter.word[2];
        counter = {{static_cast<std::uint32_t>(b >> 32) ^ counter.word[1] ^ key.word[0], static_cast<std::uint32_t>(b),
                    static_cast<std::uint32_t>(a >> 32) ^ counter.word[3] ^ key.word[1],
                    static_cast<std::uint32_t>(a)}};
        key.word[0] += 0x9E3779B9u;  // the golden ratio and sqrt 3 - 1, as in the paper
        key.word[1] += 0xBB67AE85u;
    }
    return counter;
}

}  // namespace cuebm::math
