// Chains on a GPU: a thread has a chain, a block the 64 of a tile. The state lies in global memory, coordinate by
// coordinate, so that a warp's loads are whole lines; a transition's scratch, a column each, in shared memory if it
// fits, and with it the state for as long as a launch takes, if that fits too.
#pragma once

#include "chains_operations.hpp"
#include "cuda/device.cuh"
#include "cuda/energy/config.hpp"
#include "cuda/energy/upload.hpp"
#include "math/energies/evaluate.hpp"
#include "math/samplers/adaptation.hpp"
#include "math/samplers/dense_mass.hpp"
#include "math/samplers/hamiltonian.hpp"
#include "math/samplers/metropolis.hpp"
#include "math/samplers/nuts.hpp"

namespace cuebm::cuda {

inline constexpr int chain_threads = math::chains_a_tile;

// Of a block, else columns lie in scratch. Two blocks on an SM of 227 KiB: a trajectory goes over its scratch some 15
// times, which a cache does not hold for all chains. NUTS goes over few of its many rows. Not measured.
constexpr std::size_t chain_shared_bytes(int max_depth) { return std::size_t{max_depth > 0 ? 64u : 113u} << 10; }

// Blocks that are resident at once, for ptxas. 8 give a thread of floats 128 registers, and 132 SMs 67584 chains in one
// wave. Not measured.
constexpr int chain_blocks(std::size_t element) { return element == sizeof(double) ? 4 : 8; }

// RunChains and StartChains as plain data.
template <class T>
struct ChainsData {
    KernelProgram<T> program;
    detail::ChainState<T> state;
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
    MatrixView<const T> start;
    math::PhiloxKey key;
    std::uint32_t attempt;
    T spread;
};
static_assert(sizeof(ChainsData<double>) <= 4096, "kernels' parameters: see KernelProgram");

// Rows of a chain's column: the proposal, its gradient and the momentum, or what a tree of NUTS remembers; the energy's
// scratch.
CUEBM_MATH std::int64_t chain_rows(std::int64_t d, std::int64_t scratch_rows, int max_depth) {
    return (max_depth > 0 ? math::nuts_rows(max_depth) : 3) * d + scratch_rows;
}

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
__global__ void __launch_bounds__(chain_threads, chain_blocks(sizeof(T)))
    run_transitions(const __grid_constant__ ChainsData<T> data) {
    CUEBM_DYNAMIC_SHARED(T, shared);
    const auto home = chain_of(data, column_of(data, shared));
    const std::int64_t chain = std::int64_t{blockIdx.x} * chain_threads + threadIdx.x;
    if (chain >= data.chains) return;
    const int d = data.program.of.d;
    const auto program = data.program.view();
    const ThreadEnergy<T> energy{program, home.momentum.from(d)};
    auto tile = home;
    if (data.resident) {
        tile.x = energy.scratch.from(program.scratch_rows);
        tile.gradient = tile.x.from(d);
        copy_coordinates(home.x, tile.x, d);
        copy_coordinates(home.gradient, tile.gradient, d);
    }
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

// sums of one tile: of acceptance probabilities and slopes, and of deviations from the origin with their squares.
template <class T>
__global__ void __launch_bounds__(chain_threads)
    add_tiles(detail::ChainState<T> state, std::int64_t chains, int d, const T* origin, double* sums) {
    CUEBM_SHARED(double, terms, [chain_threads]);
    const std::int64_t tile = blockIdx.x;
    const int lane = static_cast<int>(threadIdx.x);
    const bool there = tile * chain_threads + lane < chains;
    const int width = 2 + 2 * d;
    for (int s = 0; s < (origin != nullptr ? width : 2); ++s) {
        double term = 0;
        if (there && s < 2) {
            const T* const numbers = s == 0 ? state.numbers.acceptance : state.numbers.slope;
            term = static_cast<double>(numbers[tile * chain_threads + lane]);
        }
        if (there && s >= 2) {
            const int j = (s - 2) / 2;
            const double off =
                static_cast<double>(state.x[(tile * d + j) * chain_threads + lane]) - static_cast<double>(origin[j]);
            term = s % 2 == 0 ? off : off * off;
        }
        terms[lane] = term;
        __syncthreads();
        for (int half = chain_threads / 2; half >= 1; half /= 2) {
            if (lane < half) terms[lane] += terms[lane + half];
            __syncthreads();
        }
        if (lane == 0) sums[tile * width + s] = terms[0];
        __syncthreads();
    }
}

// Of nuts.cuh, which is compiled apart.
template <class T>
void launch_nuts(const Launch& how, const ChainsData<T>& data);

inline constexpr int adapt_threads = 256;

// The first two sums of all tiles in order, which the whole block loads and thread 0 adds.
__device__ __forceinline__ void add_in_order(const double* sums, std::int64_t tiles, std::int64_t width,
                                             double (&totals)[2]) {
    CUEBM_SHARED(double, loaded, [2][adapt_threads]);
    const auto thread = static_cast<int>(threadIdx.x);
    for (std::int64_t first = 0; first < tiles; first += adapt_threads) {
        if (first + thread < tiles)
            for (int s = 0; s < 2; ++s) loaded[s][thread] = sums[(first + thread) * width + s];
        __syncthreads();
        for (int tile = 0; thread == 0 && tile < adapt_threads && first + tile < tiles; ++tile)
            for (int s = 0; s < 2; ++s) totals[s] += loaded[s][tile];
        __syncthreads();
    }
}

// One block: thread by thread a sum over tiles, in order.
template <class T>
__global__ void __launch_bounds__(adapt_threads) adapt_tuning(detail::AdaptChains<T> task) {
    const std::int64_t tiles = (task.chains + chain_threads - 1) / chain_threads, width = 2 + 2 * task.d;
    const auto total = [&](std::int64_t s) {
        double sum = 0;
        for (std::int64_t tile = 0; tile < tiles; ++tile) sum += task.sums[tile * width + s];
        return sum;
    };
    const auto chains = static_cast<double>(task.chains);
    const bool begin = task.first_step_size > 0;
    if (begin || task.begin_window) {
        for (std::int64_t j = threadIdx.x; j < task.d; j += blockDim.x) task.origin[j] = task.x[j * chain_threads];
        for (std::int64_t s = threadIdx.x; s <= 2 * task.d; s += blockDim.x) task.moments[s] = 0;
        if (!begin) return;
        for (std::int64_t j = threadIdx.x; j < task.d; j += blockDim.x) {
            task.inverse_mass[j] = task.mass_root[j] = T(1);
            task.centre[j] = task.origin[j];
        }
        if (threadIdx.x == 0) *task.tuning = {math::start_dual_averaging(task.first_step_size), math::start_length()};
        return;
    }
    double totals[2] = {};
    add_in_order(task.sums, tiles, width, totals);
    if (threadIdx.x == 0)
        math::learn(*task.tuning, {totals[0], totals[1], chains, task.target, task.step, task.learn_step,
                                   task.learn_length, task.end_window, task.restart_length});
    for (std::int64_t j = threadIdx.x; task.learn_length && j < task.d; j += blockDim.x)
        task.centre[j] = static_cast<T>(static_cast<double>(task.origin[j]) + total(2 + 2 * j) / chains);
    if (task.collect)
        for (std::int64_t s = threadIdx.x; s <= 2 * task.d; s += blockDim.x)
            task.moments[s] += s == 0 ? chains : total(s + 1);
    __syncthreads();
    if (!task.end_window) return;
    const double n = task.moments[0];
    __syncthreads();
    for (std::int64_t j = threadIdx.x; j < task.d; j += blockDim.x) {
        if (task.learn_mass) {
            const double inverse = math::inverse_mass_of(n, task.moments[1 + 2 * j], task.moments[2 + 2 * j]);
            task.inverse_mass[j] = static_cast<T>(inverse);
            task.mass_root[j] = static_cast<T>(1 / math::square_root(static_cast<double>(task.inverse_mass[j])));
        }
        task.origin[j] = task.x[j * chain_threads];
        task.moments[1 + 2 * j] = task.moments[2 + 2 * j] = 0;
    }
    if (threadIdx.x == 0) task.moments[0] = 0;
}

// A thread has an element of the sums: chains in order.
template <class T>
__global__ void __launch_bounds__(adapt_threads) add_deviations(detail::AddProducts<T> task) {
    const std::int64_t d = task.d, element = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
    const std::int64_t i = element / (1 + d), column = element % (1 + d);
    if (i >= d || column > 1 + i) return;
    const auto off = [&](std::int64_t chain, std::int64_t j) {
        const T x = task.x[(chain / chain_threads * d + j) * chain_threads + chain % chain_threads];
        return static_cast<double>(x) - static_cast<double>(task.origin[j]);
    };
    double sum = task.sums[element];
    for (std::int64_t chain = 0; chain < task.chains; ++chain)
        sum += column == 0 ? off(chain, i) : off(chain, i) * off(chain, column - 1);
    task.sums[element] = sum;
}

}  // namespace cuebm::cuda
