// How chains move, as plain data.
#pragma once

#include "math/crew.hpp"
#include "math/philox.hpp"

namespace cuebm::math {

inline constexpr int chains_a_tile = 64;
inline constexpr int most_tree_depth = 20;

enum class TrajectorySpread : std::int32_t { fixed, jittered, halton };

template <class T>
struct Transition {
    std::int32_t d, leapfrogs;
    std::int32_t max_depth;  // of a tree of NUTS; 0: a trajectory of `leapfrogs`
    TrajectorySpread spread;
    bool adjusted;  // false: no accept step, and the momentum is not carried to the end (ULA)
    PhiloxKey momentum_key, accept_key, length_key;
    const T *inverse_mass, *mass_root;  // [d]: of the kinetic energy 1/2 sum_j inverse_mass_j p_j^2; sqrt(1 / inverse)
    const T* factor;                    // [d x d], L of dense_mass.hpp, where those are 1; null: the mass is diagonal
    const T* centre;                    // [d], or null: what ChEES measures distances from, and is wanted
    T step_size;
};

// A crew has no dense mass.
template <class T>
CUEBM_MATH bool is_dense(const Transition<T>& t) {
    return crew_size == 1 && t.factor != nullptr;
}

// 2^32 times the sequence's element n, in base 2: its bits in reverse.
CUEBM_MATH std::uint32_t van_der_corput(std::uint32_t n) {
    std::uint32_t word = 0;
    for (int bit = 0; bit < 32; ++bit) word |= (n >> bit & 1u) << (31 - bit);
    return word;
}
// 1 to 2 leapfrogs - 1, the word's share of the way.
CUEBM_MATH int spread_leapfrogs(std::int32_t leapfrogs, std::uint32_t word) {
    const std::uint64_t most = 2 * static_cast<std::uint64_t>(leapfrogs) - 1;
    return 1 + static_cast<int>(word * most >> 32);
}

// Rows of d coordinates that a chain of NUTS remembers: see NutsColumn.
inline constexpr int nuts_arrays = 15;
CUEBM_MATH int nuts_rows(int max_depth) { return nuts_arrays + 2 * (max_depth > 2 ? max_depth - 1 : 1); }

}  // namespace cuebm::math
