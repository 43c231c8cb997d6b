// Chains on a GPU: a thread has a chain, a block the 64 of a tile (or a warp has one: crew_chains.cuh). The state lies
// in global memory, coordinate by coordinate, so that a warp's loads are whole lines; a transition's scratch, a column
// each, in shared memory if it fits, and with it the state for as long as a launch takes, if that fits too.
#pragma once

#include "cuda/chains/room.hpp"
#include "cuda/device.cuh"
#include "cuda/energy/kernel_program.hpp"
#include "math/energies/evaluate.hpp"
#include "math/samplers/adaptation.hpp"
#include "math/samplers/hamiltonian.hpp"
#include "math/samplers/kept_draws.hpp"
#include "math/samplers/metropolis.hpp"
#include "math/samplers/nuts.hpp"

namespace cuebm::cuda {

inline constexpr int chain_threads = math::chains_a_tile;

// Blocks that are resident at once, for ptxas. 8 give a thread of floats 128 registers, and 132 SMs 67584 chains in one
// wave. Not measured.
constexpr int chain_blocks(std::size_t element) { return element == sizeof(double) ? 4 : 8; }

// RunChains and StartChains as plain data.
template <class T>
struct ChainsData {
    KernelProgram<T> program;
    math::ChainState<T> state;
    std::int64_t chains;
    T* columns;     // [tiles x rows x 64], or null: in shared memory
    bool resident;  // behind the rows of chain_rows() there are 2 d for the state
    math::Transition<T> transition;
    const math::Tuning* tuning;
    bool average, learnt_length;
    std::uint32_t first;
    std::int32_t count;
    std::int64_t done;
    math::KeptDraws<T> kept;
    Rows<const T> start;
    math::PhiloxKey key;
    std::uint32_t attempt;
    T spread;
};
static_assert(sizeof(ChainsData<double>) <= 4096, "kernels' parameters: see KernelProgram");

template <class T>
struct ThreadEnergy {
    const math::EnergyProgram<T>& of;
    math::Coordinates<T> scratch;

    CUEBM_MATH_MEMBER const math::EnergyProgram<T>& program() const { return of; }
    CUEBM_MATH_MEMBER void gradient(math::Coordinates<T> x, math::Coordinates<T> to) const {
        (void)math::evaluate_energy<false, true>(of, x, to, scratch);
    }
    CUEBM_MATH_MEMBER void value(math::Coordinates<T> x, T (&values)[1]) const {
        values[0] = math::evaluate_energy<true, false>(of, x, x, scratch);
    }
    CUEBM_MATH_MEMBER void both(math::Coordinates<T> x, math::Coordinates<T> to, T (&values)[1]) const {
        values[0] = math::evaluate_energy<true, true>(of, x, to, scratch);
    }
};

template <class T>
__device__ __forceinline__ math::ChainTile<T> chain_of(const ChainsData<T>& data, T* column) {
    const std::int64_t tile = blockIdx.x, thread = threadIdx.x, d = data.program.of.d;
    const auto point = [&](T* points) {
        return math::Coordinates<T>{points + tile * d * chain_threads + thread, chain_threads};
    };
    const auto number = [&](T* numbers) {
        return math::Coordinates<T>{numbers + tile * chain_threads + thread, chain_threads};
    };
    const math::Coordinates<T> scratch{column, chain_threads};
    return {point(data.state.x),
            point(data.state.gradient),
            data.state.numbers.map(number),
            scratch,
            scratch.from(data.program.of.d),
            scratch.from(2 * data.program.of.d)};
}

template <class T>
__device__ __forceinline__ void copy_coordinates(math::Coordinates<T> from, math::Coordinates<T> to, int d) {
    for (int j = 0; j < d; ++j) to.set(j, from[j]);
}

template <class T>
__device__ __forceinline__ T* column_of(const ChainsData<T>& data, T* shared) {
    T* const block =
        data.columns == nullptr
            ? shared
            : data.columns +
                  blockIdx.x * chain_rows(data.program.of.d, data.program.of.scratch_rows, data.transition.max_depth) *
                      chain_threads;
    return block + threadIdx.x;
}

template <class T>
__device__ __forceinline__ math::Transition<T> tuned(const ChainsData<T>& data) {
    auto t = data.transition;
    const math::Tuning& tuning = *data.tuning;
    t.step_size = static_cast<T>(data.average ? tuning.step.mean_step_size : tuning.step.step_size);
    if (data.learnt_length) t.leapfrogs = data.average ? tuning.length.mean_leapfrogs : tuning.length.leapfrogs;
    return t;
}

template <bool Hamiltonian, class T>
__device__ __forceinline__ void make_transitions(const ChainsData<T>& data, const math::EnergyProgram<T>& program,
                                                 const math::ChainTile<T>& tile, math::Coordinates<T> scratch,
                                                 std::int64_t chain) {
    const ThreadEnergy<T> energy{program, scratch};
    const math::LaneIndex<T> index[1] = {math::lane_index<T>(static_cast<std::uint64_t>(chain))};
    const auto transition = tuned(data);
    std::int64_t draw = data.done;
    for (int t = 0; t < data.count; ++t) {
        const std::uint32_t step = data.first + static_cast<std::uint32_t>(t);
        if constexpr (Hamiltonian)
            math::hamiltonian_transition(transition, tile, index, step, energy);
        else
            math::metropolis_transition(transition, tile, index, step, energy);
        math::keep_draw(data.kept, tile, program.d, data.kept.row(chain, ++draw));
    }
}

template <bool Hamiltonian, class T>
__global__ void __launch_bounds__(chain_threads, chain_blocks(sizeof(T)))
    run_transitions(const __grid_constant__ ChainsData<T> data) {
    CUEBM_DYNAMIC_SHARED(T, shared);
    const auto home = chain_of(data, column_of(data, shared));
    const std::int64_t chain = std::int64_t{blockIdx.x} * chain_threads + threadIdx.x;
    if (chain >= data.chains) return;
    const int d = data.program.of.d;
    const auto program = data.program.view();
    const auto scratch = home.momentum.from(d);
    auto tile = home;
    if (data.resident) {
        tile.x = scratch.from(program.scratch_rows);
        tile.gradient = tile.x.from(d);
        copy_coordinates(home.x, tile.x, d);
        copy_coordinates(home.gradient, tile.gradient, d);
    }
    make_transitions<Hamiltonian>(data, program, tile, scratch, chain);
    if (data.resident) {
        copy_coordinates(tile.x, home.x, d);
        copy_coordinates(tile.gradient, home.gradient, d);
    }
}

template <class T>
__global__ void __launch_bounds__(chain_threads, chain_blocks(sizeof(T)))
    start_states(const __grid_constant__ ChainsData<T> data) {
    CUEBM_DYNAMIC_SHARED(T, shared);
    const auto tile = chain_of(data, column_of(data, shared));
    const std::int64_t chain = std::int64_t{blockIdx.x} * chain_threads + threadIdx.x;
    const auto index = math::lane_index<T>(static_cast<std::uint64_t>(chain));
    const int d = data.program.of.d;
    const T value = data.attempt > 0 ? tile.numbers.value[0] : T(0);
    if (data.attempt == 0 || value - value != T(0))
        for (int j = 0; j < d; ++j) {
            const std::int64_t row = chain < data.chains ? chain : data.chains - 1;
            tile.x.set(j, data.start.data != nullptr
                              ? data.start.data[row * data.start.stride + j]
                              : math::start_coordinate<T>(data.key, index, data.attempt, j, data.spread));
        }
    const auto program = data.program.view();
    const ThreadEnergy<T> energy{program, tile.momentum.from(d)};
    T values[1];
    energy.both(tile.x, tile.gradient, values);
    tile.numbers.value.set(0, values[0]);
}

template <class T>
using ChainsKernel = void (*)(ChainsData<T>);
// Of nuts.cu, which is compiled apart.
template <class T>
ChainsKernel<T> nuts_kernel();

}  // namespace cuebm::cuda
