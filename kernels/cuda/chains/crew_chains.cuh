// Chains of many coordinates on a GPU: a warp has a chain. Files of their own include it: see cuda/crew.cuh.
#pragma once

#include "cuda/crew.cuh"

#include "cuda/chains/chains.cuh"

namespace cuebm::cuda {

inline constexpr int crew_threads = CrewLimits::most_crews * math::crew_size;
static_assert(CrewLimits::least_coordinates(0) > math::warp_lanes);  // what normals_leave_words() takes for granted
// Blocks that are resident at once, for ptxas: 96 registers a thread of floats, 128 of doubles, are what it takes not
// to spill. Shared memory would hold more: 2 KB a chain of 100 floats. Not measured.
constexpr int crew_blocks(std::size_t element) { return element == sizeof(double) ? 4 : 5; }

// -1: none.
template <class T>
__device__ __forceinline__ std::int64_t chain_of_crew(const ChainsData<T>& data) {
    const int crews = static_cast<int>(blockDim.x) / math::crew_size,
              crew = static_cast<int>(threadIdx.x) / math::crew_size;
    const std::int64_t chain = std::int64_t{blockIdx.x} * crews + crew;
    return chain < data.chains && data.count > 0 ? chain : -1;
}

// Coordinates of a chain in ChainState.
template <class T>
__device__ __forceinline__ math::Coordinates<T> home_of(T* points, std::int64_t chain, int d) {
    constexpr int tile = math::chains_a_tile;
    return {points + chain / tile * d * tile + chain % tile, tile};
}

// A chain's numbers, of which each member has a copy, so that none waits for what another has added.
template <class T>
class CrewNumbers {
public:
    CUEBM_MATH_MEMBER CrewNumbers(const math::ChainState<T>& state, std::int64_t chain)
        : homes_(state.numbers.map([chain](T* numbers) { return numbers + chain; })) {}
    CUEBM_MATH_MEMBER auto load() {
        int next = 0;
        return homes_.map([&](T* home) {
            own_[next] = *home;
            return math::Coordinates<T>{own_ + next++, 0};
        });
    }
    CUEBM_MATH_MEMBER void store() const {
        int next = 0;
        (void)homes_.map([&](T* home) {
            if (math::crew_member() == 0) *home = own_[next];
            return next++;
        });
    }

private:
    math::ChainNumbers<T*> homes_;
    T own_[math::ChainNumbers<T*>::count];
};

// The chain's arrays lie in shared memory for as long as a launch takes: its point, its gradient, a proposal with its
// own, the momentum; the energy's scratch.
template <bool Hamiltonian, class T>
__global__ void __launch_bounds__(crew_threads, crew_blocks(sizeof(T)))
    run_by_crews(const __grid_constant__ ChainsData<T> data) {
    CUEBM_DYNAMIC_SHARED(T, shared);
    const std::int64_t chain = chain_of_crew(data);
    if (chain < 0) return;
    const auto program = data.program.view();
    const int d = program.d, crew = static_cast<int>(threadIdx.x) / math::crew_size;
    const auto x = home_of(data.state.x, chain, d), gradient = home_of(data.state.gradient, chain, d);
    const math::Coordinates<T> own{shared + crew * crew_elements(d, program.scratch_rows), 1};
    CrewNumbers<T> numbers(data.state, chain);
    const math::ChainTile<T> tile{own, own.from(d), numbers.load(), own.from(2 * d), own.from(3 * d), own.from(4 * d)};
    math::for_coordinates(d, [&](int j) {
        tile.x.set(j, x[j]);
        tile.gradient.set(j, gradient[j]);
    });
    make_transitions<Hamiltonian>(data, program, tile, own.from(5 * d), chain);
    math::for_coordinates(d, [&](int j) {
        x.set(j, tile.x[j]);
        gradient.set(j, tile.gradient[j]);
    });
    numbers.store();
}

}  // namespace cuebm::cuda
