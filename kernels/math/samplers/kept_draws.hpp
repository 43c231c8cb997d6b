// What is kept of the transitions that are draws.
#pragma once

#include "math/samplers/chain_tile.hpp"

namespace cuebm::math {

// Each of them optional: the points [chains x draws x d], the rest [chains x draws].
template <class T>
struct KeptDraws {
    std::int64_t draws_a_chain = 0;
    std::int32_t thin = 1;  // each thin-th transition is a draw
    T *points = nullptr, *values = nullptr, *energies = nullptr, *acceptances = nullptr;
    std::uint8_t *divergent = nullptr, *depths = nullptr;
    std::int32_t* leapfrogs = nullptr;

    // Where the state after so many transitions goes, -1: nowhere.
    CUEBM_MATH_MEMBER std::int64_t row(std::int64_t chain, std::int64_t transitions) const {
        return transitions % thin == 0 ? chain * draws_a_chain + transitions / thin - 1 : -1;
    }
};

template <class T>
CUEBM_MATH void keep_numbers(const KeptDraws<T>& kept, const ChainNumbers<Coordinates<T>>& numbers, std::int64_t row) {
    if (kept.values != nullptr) kept.values[row] = numbers.value[0];
    if (kept.energies != nullptr) kept.energies[row] = numbers.energy[0];
    if (kept.acceptances != nullptr) kept.acceptances[row] = numbers.acceptance[0];
    if (kept.divergent != nullptr) kept.divergent[row] = static_cast<std::uint8_t>(numbers.diverged[0]);
    if (kept.leapfrogs != nullptr) kept.leapfrogs[row] = static_cast<std::int32_t>(numbers.leaves[0]);
    if (kept.depths != nullptr) kept.depths[row] = static_cast<std::uint8_t>(numbers.depth[0]);
}

template <class T>
CUEBM_MATH void keep_draw(const KeptDraws<T>& kept, const ChainTile<T>& state, int d, std::int64_t row) {
    if (row < 0) return;
    if (kept.points != nullptr) for_coordinates(d, [&](int j) { kept.points[row * d + j] = state.x[j]; });
    if (crew_member() == 0) keep_numbers(kept, state.numbers, row);
}

}  // namespace cuebm::math
