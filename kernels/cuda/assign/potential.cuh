// The potentials of K-means' starts: int64 fixed point by atomics, so that draws do not depend on order.
#pragma once

#include "assign_operations.hpp"
#include "cuda/assign/sums.cuh"
#include "math/potential.hpp"

namespace cuebm::cuda {

template <class T>
__device__ __forceinline__ double closest_of(const detail::Potential<T>& of, std::int64_t i) {
    return static_cast<double>(of.closest.data[i * of.closest.stride]);
}

template <class T>
__device__ __forceinline__ std::int64_t potential_part(const detail::Potential<T>& of, std::int64_t i, double scale) {
    return math::potential(weight_of(of.weights, i), closest_of(of, i), scale);
}

// The total's largest starts at 0.
template <class T>
__global__ void __launch_bounds__(joining_threads, 4) fold_rows(detail::Fold<T> task) {
    CUEBM_SHARED(double, warps, [joining_warps]);
    const std::int64_t n = task.of.closest.size;
    const std::int64_t column = task.energies.cols > 1 ? task.of.total->column : 0;
    double most = 0;
    for (std::int64_t i = std::int64_t{blockIdx.x} * joining_threads + threadIdx.x; i < n;
         i += std::int64_t{gridDim.x} * joining_threads) {
        T& closest = task.of.closest.data[i * task.of.closest.stride];
        const T energy = task.energies.data != nullptr ? task.energies.data[i * task.energies.stride + column] : T(1);
        if (task.replace || energy < closest) {
            closest = energy;
            task.of.owners[i] =
                task.first_label + (task.labels.data != nullptr ? task.labels.data[i * task.labels.stride] : 0);
        }
        most = larger(most, weight_of(task.of.weights, i) * static_cast<double>(closest));
    }
    most = largest_of_block(most, warps);
    if (threadIdx.x == 0) raise(&task.of.total->largest, most);
}

// A warp sums the rows [b potential_block, (b + 1) potential_block) for of.blocks[b]; the total's sum starts at 0.
template <class T>
__global__ void __launch_bounds__(joining_threads) sum_blocks(detail::Potential<T> of) {
    CUEBM_SHARED(std::int64_t, warps, [joining_warps]);
    const int lane = static_cast<int>(threadIdx.x % 32);
    const std::int64_t n = of.closest.size, blocks = (n + detail::potential_block - 1) / detail::potential_block;
    const double largest = of.total->largest;
    const double scale = math::fixed_point_scale(largest, n);
    const bool overflows = !is_finite(largest);
    std::int64_t all = 0;
    for (std::int64_t block = std::int64_t{blockIdx.x} * joining_warps + threadIdx.x / 32; block < blocks;
         block += std::int64_t{gridDim.x} * joining_warps) {
        const std::int64_t first = block * detail::potential_block;
        std::int64_t sum = 0;
#pragma unroll 8
        for (std::int64_t i = first + lane; i < first + detail::potential_block; i += 32)
            if (i < n && !overflows) sum += potential_part(of, i, scale);
        sum = sum_of_lanes(sum, 1);
        if (lane != 0) continue;
        of.blocks[block] = sum;
        all += sum;
    }
    all = sum_of_block(all, warps);
    if (threadIdx.x != 0) return;
    add_fixed(&of.total->sum, all);
    if (blockIdx.x != 0) return;
    of.total->scale = scale;
    if (overflows) of.total->overflowed = 1;
}

// The first i whose part(i) is above what is left of `left`, which all the lanes of a warp look for together, some
// parts each: the loads of a step are in flight at the same time.
template <class F>
__device__ __forceinline__ std::int64_t find_part(std::int64_t size, std::int64_t& left, F part) {
    constexpr int each = 8;
    const int lane = static_cast<int>(threadIdx.x % 32);
    for (std::int64_t at = lane * each;; at += 32 * each) {
        std::int64_t parts[each], own = 0;
#pragma unroll
        for (int e = 0; e < each; ++e) {
            parts[e] = at + e < size ? part(at + e) : 0;
            own += parts[e];
        }
        std::int64_t upto = own;
        for (int apart = 1; apart < 32; apart *= 2) {
            const std::int64_t before = __shfl_sync(0xffffffffu, upto, lane >= apart ? lane - apart : lane);
            if (lane >= apart) upto += before;
        }
        const unsigned above = __ballot_sync(0xffffffffu, left < upto);
        const int source = above != 0 ? __ffs(static_cast<int>(above)) - 1 : 31;
        const std::int64_t passed = __shfl_sync(0xffffffffu, above != 0 ? upto - own : upto, source);
        left -= passed;
        if (above != 0) {
            int found = 0;
#pragma unroll
            for (int e = 0; e < each - 1; ++e) {
                if (found < e || left < parts[e]) continue;
                left -= parts[e];
                ++found;
            }
            left = __shfl_sync(0xffffffffu, left, source);
            return __shfl_sync(0xffffffffu, at + found, source);
        }
        if (at - lane * each + 32 * each >= size) return size - 1;  // sums that another kernel did not make
    }
}

// A warp draws a row.
template <class T>
__global__ void __launch_bounds__(32) draw_rows(detail::Draw<T> task) {
    const std::uint64_t word = task.words[blockIdx.x];
    const auto n = static_cast<std::uint64_t>(task.of.closest.size);
    const auto sum = static_cast<std::uint64_t>(task.of.total->sum);
    std::int64_t row = 0;
    if (sum == 0) {  // every point lies on a prototype
        row = static_cast<std::int64_t>(math::scale_down(word, n));
    } else {
        const double scale = task.of.total->scale;
        auto left = static_cast<std::int64_t>(math::scale_down(word, sum));
        const std::int64_t blocks = (task.of.closest.size + detail::potential_block - 1) / detail::potential_block;
        const std::int64_t first = detail::potential_block *
                                   find_part(blocks, left, [&](std::int64_t block) { return task.of.blocks[block]; });
        const std::int64_t rest = task.of.closest.size - first;
        row = first + find_part(rest < detail::potential_block ? rest : detail::potential_block, left,
                                [&](std::int64_t i) { return potential_part(task.of, first + i, scale); });
    }
    if (threadIdx.x == 0) task.rows[blockIdx.x] = row;
}

// Some lanes of a warp, a power of two, take the candidates of a row; the potentials start at 0.
template <class T>
__global__ void __launch_bounds__(joining_threads) candidate_potentials(detail::Choose<T> task, int lanes) {
    CUEBM_SHARED(std::int64_t, warps, [joining_warps][32]);
    const auto thread = static_cast<int>(threadIdx.x);
    const int candidate = thread % lanes, rows = joining_threads / lanes;
    const std::int64_t n = task.of.closest.size;
    const double scale = task.of.total->scale;
    std::int64_t sum = 0;
#pragma unroll 4
    for (std::int64_t i = std::int64_t{blockIdx.x} * rows + thread / lanes; i < n;
         i += std::int64_t{gridDim.x} * rows) {
        if (candidate >= task.energies.cols) continue;
        const double energy = static_cast<double>(task.energies.data[i * task.energies.stride + candidate]);
        const double closest = closest_of(task.of, i);
        sum += math::potential(weight_of(task.of.weights, i), energy < closest ? energy : closest, scale);
    }
    warps[thread / 32][thread % 32] = sum_of_lanes(sum, lanes);
    __syncthreads();
    if (thread >= task.energies.cols) return;
    sum = 0;
    for (int w = 0; w < joining_warps; ++w) sum += warps[w][thread];
    add_fixed(task.potentials + thread, sum);
}

template <class T>
__global__ void __launch_bounds__(32) choose_candidate(detail::Choose<T> task) {
    if (threadIdx.x != 0) return;
    std::int64_t best = 0;
    for (std::int64_t c = 1; c < task.energies.cols; ++c)
        if (task.potentials[c] < task.potentials[best]) best = c;
    task.of.total->column = best;
    *task.chosen = task.rows[best];
}

// The total's `selected` starts at 0.
template <class T>
__global__ void __launch_bounds__(joining_threads) select_rows(detail::Select<T> task) {
    const std::int64_t n = task.of.closest.size, sum = task.of.total->sum;
    const double scale = task.of.total->scale;
    for (std::int64_t i = std::int64_t{blockIdx.x} * joining_threads + threadIdx.x; i < n;
         i += std::int64_t{gridDim.x} * joining_threads) {
        if (task.of.blocks[i / detail::potential_block] == 0) continue;
        const std::int64_t part = potential_part(task.of, i, scale);
        if (part == 0) continue;
        const std::uint64_t word = math::random_u64(task.key, static_cast<std::uint64_t>(i), task.step, task.draw);
        if (!math::is_selected(word, part, sum, task.expected)) continue;
        const auto at =
            static_cast<std::int64_t>(atomicAdd(reinterpret_cast<Word*>(&task.of.total->selected), Word{1}));
        if (at < task.capacity) task.rows[at] = i;
    }
}

}  // namespace cuebm::cuda
