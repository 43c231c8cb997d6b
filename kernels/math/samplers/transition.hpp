// How chains move, as plain data.
#pragma once

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
    T step_size;
};

// Rows of d coordinates that a chain of NUTS remembers: see NutsColumn.
inline constexpr int nuts_arrays = 15;
CUEBM_MATH int nuts_rows(int max_depth) { return nuts_arrays + 2 * (max_depth > 2 ? max_depth - 1 : 1); }

}  // namespace cuebm::math
