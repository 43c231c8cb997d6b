// Chains of many coordinates on a GPU: a warp has a chain, whose arrays lie in shared memory for as long as a launch
// takes. A file of its own includes it: see cuda/crew.cuh.
#pragma once

#include "cuda/crew.cuh"

#include "cuda/chains/chains.cuh"

namespace cuebm::cuda {

inline constexpr int crew_threads = 128;
// Blocks that are resident at once, for ptxas: 96 registers a thread of floats, 128 of doubles, are what it takes not
// to spill. Shared memory would hold more: 2 KB a chain of 100 floats. Not measured.
constexpr int crew_blocks(std::size_t element) { return element == sizeof(double) ? 4 : 5; }

// Of a chain: its point, its gradient, a proposal with its own, the momentum; the energy's scratch.
CUEBM_MATH std::int64_t crew_elements(std::int64_t d, std::int64_t scratch_rows) { return 5 * d + scratch_rows; }

template <bool Hamiltonian, class T>
__global__ void __launch_bounds__(crew_threads, crew_blocks(sizeof(T)))
    run_by_crews(const __grid_constant__ ChainsData<T> data) {
    CUEBM_DYNAMIC_SHARED(T, shared);
    const int crews = static_cast<int>(blockDim.x) / math::crew_size,
              crew = static_cast<int>(threadIdx.x) / math::crew_size;
    const std::int64_t chain = std::int64_t{blockIdx.x} * crews + crew;
    if (chain >= data.chains) return;
    const auto program = data.program.view();
    const int d = program.d;
    const std::int64_t at = chain / math::chains_a_tile, lane = chain % math::chains_a_tile;
    const auto point = [&](T* points) {
        return math::Coordinates<T>{points + at * d * math::chains_a_tile + lane, math::chains_a_tile};
    };
    const math::Coordinates<T> x = point(data.state.x), gradient = point(data.state.gradient),
                               own{shared + crew * crew_elements(d, program.scratch_rows), 1};
    // Numbers, which each member has.
    T numbers[math::ChainNumbers<T*>::count];
    int next = 0;
    const auto homes = data.state.numbers.map([&](T* of) { return of + chain; });
    const auto copies = homes.map([&](T* home) {
        numbers[next] = *home;
        return math::Coordinates<T>{numbers + next++, 0};
    });
    const math::ChainTile<T> tile{own, own.from(d), copies, own.from(2 * d), own.from(3 * d), own.from(4 * d)};
    const ThreadEnergy<T> energy{program, own.from(5 * d)};
    math::for_coordinates(d, [&](int j) {
        tile.x.set(j, x[j]);
        tile.gradient.set(j, gradient[j]);
    });
    const math::LaneIndex<T> index[1] = {math::lane_index<T>(static_cast<std::uint64_t>(chain))};
    const auto transition = tuned(data);
    std::int64_t draw = data.done;
    for (int t = 0; t < data.count; ++t) {
        const std::uint32_t step = data.first + static_cast<std::uint32_t>(t);
        if constexpr (Hamiltonian)
            math::hamiltonian_transition(transition, tile, index, step, energy);
        else
            math::metropolis_transition(transition, tile, index, step, energy);
        math::keep_draw(data.kept, tile, d, data.kept.row(chain, ++draw));
    }
    math::for_coordinates(d, [&](int j) {
        x.set(j, tile.x[j]);
        gradient.set(j, tile.gradient[j]);
    });
    next = 0;
    (void)homes.map([&](T* home) {
        if (math::crew_member() == 0) *home = numbers[next];
        return next++;
    });
}

}  // namespace cuebm::cuda
