// Where the arrays of chains lie on a GPU, and whether a thread or a warp has a chain: pure and without CUDA, so that
// it is tested anywhere. No constant here is measured yet.
#pragma once

#include <cstddef>
#include <cstdint>

#include "math/energy_program.hpp"
#include "math/samplers/transition.hpp"

namespace cuebm::cuda {

// Of a block, else columns lie in scratch. Two blocks on an SM of 227 KiB: a trajectory goes over its scratch some 15
// times, which a cache does not hold for all chains. NUTS goes over few of its many rows.
constexpr std::size_t chain_shared_bytes(int max_depth) { return std::size_t{max_depth > 0 ? 64u : 113u} << 10; }

// Rows of a chain's column: the proposal, its gradient and the momentum, or what a tree of NUTS remembers; the energy's
// scratch.
CUEBM_MATH std::int64_t chain_rows(std::int64_t d, std::int64_t scratch_rows, int max_depth) {
    return (max_depth > 0 ? math::nuts_rows(max_depth) : 3) * d + scratch_rows;
}

// What a warp that has a chain keeps of it without trees: also its point and its gradient.
CUEBM_MATH std::int64_t crew_elements(std::int64_t d, std::int64_t scratch_rows) {
    return chain_rows(d, scratch_rows, 0) + 2 * d;
}

struct CrewLimits {
    static constexpr int most_crews = 4;                    // of a block
    static constexpr std::size_t block_bytes = 113u << 10;  // two blocks on an SM of 227 KiB
    // Up to 32 coordinates are summed in order, by each member; up to 64 a member has one or two, and the state of 64
    // chains fits in shared memory, but for their trees.
    static constexpr int least_coordinates(int max_depth) { return max_depth > 0 ? 33 : 65; }
};

struct CrewConfig {
    int crews = 0;                 // of a block; 0: a thread has a chain
    std::size_t shared_bytes = 0;  // 0: the columns of trees are in scratch
};

// For energies of crew_ops alone and a diagonal mass. `shared_bytes`: what a block may have.
template <class T>
CrewConfig plan_crews(const math::EnergyProgram<T>& program, const math::Transition<T>& t, std::size_t shared_bytes) {
    const int d = program.d;
    if (d < CrewLimits::least_coordinates(t.max_depth) || math::is_dense(t)) return {};
    for (int s = 0; s < program.length; ++s)
        if ((math::crew_ops >> static_cast<int>(program.steps[s].op) & 1) == 0) return {};
    const std::size_t room = shared_bytes < CrewLimits::block_bytes ? shared_bytes : CrewLimits::block_bytes;
    const bool trees = t.max_depth > 0;
    const std::size_t crew =
        sizeof(T) * static_cast<std::size_t>(trees ? chain_rows(d, program.scratch_rows, t.max_depth)
                                                   : crew_elements(d, program.scratch_rows));
    if (trees)
        return {CrewLimits::most_crews, CrewLimits::most_crews * crew <= room ? CrewLimits::most_crews * crew : 0};
    const std::size_t fit = room / crew;
    const int crews = fit < CrewLimits::most_crews ? static_cast<int>(fit) : CrewLimits::most_crews;
    return {crews, static_cast<std::size_t>(crews) * crew};
}

}  // namespace cuebm::cuda
