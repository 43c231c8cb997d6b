// NUTS of many coordinates on a GPU: a warp has a chain.
#pragma once

#include "cuda/chains/crew_chains.cuh"

#include "cuda/chains/nuts.cuh"

namespace cuebm::cuda {

// Blocks that are resident at once: 168 registers a thread of floats, 255 of doubles. Not measured.
constexpr int crew_tree_blocks(std::size_t element) { return element == sizeof(double) ? 2 : 3; }

// What a tree remembers, and the energy's scratch, in shared memory if data.columns is null.
template <class T>
__global__ void __launch_bounds__(crew_threads, crew_tree_blocks(sizeof(T)))
    run_nuts_by_crews(const __grid_constant__ ChainsData<T> data) {
    CUEBM_DYNAMIC_SHARED(T, shared);
    const std::int64_t chain = chain_of_crew(data);
    if (chain < 0) return;
    const int d = data.program.of.d, crew = static_cast<int>(threadIdx.x) / math::crew_size;
    const std::int64_t rows = chain_rows(d, data.program.of.scratch_rows, data.transition.max_depth);
    const math::Coordinates<T> column{data.columns != nullptr ? data.columns + chain * rows : shared + crew * rows, 1};
    const auto x = home_of(data.state.x, chain, d), gradient = home_of(data.state.gradient, chain, d);
    CrewNumbers<T> numbers(data.state, chain);
    make_trees(data, column, {x, gradient, numbers.load(), {}, {}, {}}, chain);
    numbers.store();
}

}  // namespace cuebm::cuda
