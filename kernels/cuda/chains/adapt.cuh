// What adaptation needs of all chains: sums over tiles, and the block that learns from them.
#pragma once

#include "chains_operations.hpp"
#include "cuda/device.cuh"

namespace cuebm::cuda {

// The sums of one tile, as sums_of_tile says.
template <class T>
__global__ void __launch_bounds__(math::chains_a_tile)
    add_tiles(math::ChainState<T> state, std::int64_t chains, int d, const T* origin, double* sums) {
    CUEBM_SHARED(double, terms, [math::chains_a_tile]);
    const std::int64_t tile = blockIdx.x;
    const int lane = static_cast<int>(threadIdx.x);
    const bool there = tile * math::chains_a_tile + lane < chains;
    const auto width = static_cast<int>(math::sums_of_tile(d));
    constexpr int numbers = math::sums_of_numbers;
    for (int s = 0; s < (origin != nullptr ? width : numbers); ++s) {
        double term = 0;
        if (there && s < numbers) {
            const T* const of = s < 2 ? state.numbers.acceptance : state.numbers.slope;
            term = static_cast<double>(of[tile * math::chains_a_tile + lane]);
            if (s == 1) term = math::inverse_acceptance(term);
        }
        if (there && s >= numbers) {
            const int j = (s - numbers) / 2;
            const double off = static_cast<double>(state.x[(tile * d + j) * math::chains_a_tile + lane]) -
                               static_cast<double>(origin[j]);
            term = (s - numbers) % 2 == 0 ? off : off * off;
        }
        terms[lane] = term;
        __syncthreads();
        for (int half = math::chains_a_tile / 2; half >= 1; half /= 2) {
            if (lane < half) terms[lane] += terms[lane + half];
            __syncthreads();
        }
        if (lane == 0) sums[tile * width + s] = terms[0];
        __syncthreads();
    }
}

inline constexpr int adapt_threads = 256;

// The first sums of all tiles in order, which the whole block loads and thread 0 adds.
__device__ __forceinline__ void add_in_order(const double* sums, std::int64_t tiles, std::int64_t width,
                                             double (&totals)[math::sums_of_numbers]) {
    CUEBM_SHARED(double, loaded, [math::sums_of_numbers][adapt_threads]);
    const auto thread = static_cast<int>(threadIdx.x);
    for (std::int64_t first = 0; first < tiles; first += adapt_threads) {
        if (first + thread < tiles)
            for (int s = 0; s < math::sums_of_numbers; ++s) loaded[s][thread] = sums[(first + thread) * width + s];
        __syncthreads();
        for (int tile = 0; thread == 0 && tile < adapt_threads && first + tile < tiles; ++tile)
            for (int s = 0; s < math::sums_of_numbers; ++s) totals[s] += loaded[s][tile];
        __syncthreads();
    }
}

// One block: thread by thread a sum over tiles, in order.
template <class T>
__global__ void __launch_bounds__(adapt_threads) adapt_tuning(detail::AdaptChains<T> task) {
    const std::int64_t tiles = (task.chains + math::chains_a_tile - 1) / math::chains_a_tile,
                       width = math::sums_of_tile(task.d);
    const auto total = [&](std::int64_t s) {
        double sum = 0;
        for (std::int64_t tile = 0; tile < tiles; ++tile) sum += task.sums[tile * width + s];
        return sum;
    };
    const auto chains = static_cast<double>(task.chains);
    const bool begin = task.first_step_size > 0;
    if (begin || task.begin_window) {
        for (std::int64_t j = threadIdx.x; j < task.d; j += blockDim.x)
            task.origin[j] = task.x[j * math::chains_a_tile];
        for (std::int64_t s = threadIdx.x; s <= 2 * task.d; s += blockDim.x) task.moments[s] = 0;
        if (!begin) return;
        for (std::int64_t j = threadIdx.x; j < task.d; j += blockDim.x) {
            task.inverse_mass[j] = task.mass_root[j] = T(1);
            task.centre[j] = task.origin[j];
        }
        if (threadIdx.x == 0) *task.tuning = {math::start_dual_averaging(task.first_step_size), math::start_length()};
        return;
    }
    double totals[math::sums_of_numbers] = {};
    add_in_order(task.sums, tiles, width, totals);
    if (threadIdx.x == 0)
        math::learn(*task.tuning, {totals[0], totals[1], totals[2], chains, task.target, task.harmonic, task.step,
                                   task.learn_step, task.learn_length, task.end_window, task.restart_length});
    for (std::int64_t j = threadIdx.x; task.learn_length && j < task.d; j += blockDim.x)
        task.centre[j] =
            static_cast<T>(static_cast<double>(task.origin[j]) + total(math::sums_of_numbers + 2 * j) / chains);
    if (task.collect)
        for (std::int64_t s = threadIdx.x; s <= 2 * task.d; s += blockDim.x)
            task.moments[s] += s == 0 ? chains : total(math::sums_of_numbers - 1 + s);
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
        task.origin[j] = task.x[j * math::chains_a_tile];
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
        const T x = task.x[(chain / math::chains_a_tile * d + j) * math::chains_a_tile + chain % math::chains_a_tile];
        return static_cast<double>(x) - static_cast<double>(task.origin[j]);
    };
    double sum = task.sums[element];
    for (std::int64_t chain = 0; chain < task.chains; ++chain)
        sum += column == 0 ? off(chain, i) : off(chain, i) * off(chain, column - 1);
    task.sums[element] = sum;
}

// Of math::learn_dense_mass: a warp has rows, its lanes neighbours in them.
struct BlockTeam {
    static constexpr int lanes = 32, rows = adapt_threads / lanes;
    int row = static_cast<int>(threadIdx.x) / lanes, lane = static_cast<int>(threadIdx.x) % lanes;
    __device__ __forceinline__ void sync() const { __syncthreads(); }
};

template <class T>
__global__ void __launch_bounds__(adapt_threads, 1)  // without the 1 ptxas spills, for blocks that there are not
    learn_mass_matrix(math::DenseMassTask<T> task) {
    math::learn_dense_mass(task, BlockTeam{});
}

}  // namespace cuebm::cuda
