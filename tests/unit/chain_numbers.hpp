// The random numbers of a chain in T by their definition (docs/design/randomness.md), for samplers that tests write
// out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "math/normal.hpp"

namespace cuebm::test {

template <class T>
struct ChainNumbers {
    std::uint64_t seed;

    auto block(math::RandomPurpose purpose, int chain, int step, int draw) const {
        return math::random_block<T>(math::random_key(seed, purpose),
                                     math::lane_index<T>(static_cast<std::uint64_t>(chain)),
                                     static_cast<std::uint32_t>(step), static_cast<std::uint32_t>(draw));
    }
    // The `which`-th that a block gives.
    template <class Block>
    static double uniform(const Block& block, int which) {
        if constexpr (sizeof(T) == sizeof(float))
            return static_cast<double>(math::uniform_open<T>(block.word[which]));
        else
            return math::uniform_open<T>(math::join_words(block.word[2 * which], block.word[2 * which + 1]));
    }
    std::vector<double> normals(int chain, int step, int d) const {
        constexpr int count = math::NormalBlock<T>::count;
        std::vector<double> normals;
        for (int j = 0; j < d; ++j) {
            const auto of_block =
                math::normals_of_block<T>(block(math::RandomPurpose::chains_momentum, chain, step, j / count));
            normals.push_back(static_cast<double>(of_block.value[j % count]));
        }
        return normals;
    }
};

}  // namespace cuebm::test
