// What probabilities over prototypes are used for: the soft mean, and completed points.
#pragma once

#include "assign_operations.hpp"
#include "cuda/assign/energies.cuh"
#include "math/soft.hpp"

namespace cuebm::cuda {

// out_i and moves_i of one point by its half-warp, from a row of (unnormalised) means. A lane writes what it alone
// reads, so the means may be in `out`.
template <class T>
__device__ __forceinline__ void write_mean(const detail::SoftMean<T>& task, std::int64_t i, const T* mean, T weight,
                                           int lane) {
    const std::int64_t d = task.points.cols;
    const T* y = values(task.points) + i * task.points.stride;
    T* out = task.out.data + i * task.out.stride;
    const T scale = task.weights.data == nullptr ? T(1) : task.weights.data[i * task.weights.stride];
    double moves = 0;
    for (std::int64_t j = lane; j < d; j += half_warp) {
        const T from = y[j];
        const bool kept = task.known.data != nullptr && is_known(task.known, i, j);
        const T to = kept ? from : mean[j] / weight;
        const double move = static_cast<double>(to) - static_cast<double>(from);
        moves = math::fused(move, move, moves);
        out[j] = task.gradient ? math::energy_gradient(from, to, scale) : to;
    }
    moves = tree_sum(moves);
    if (lane == 0 && task.moves != nullptr) task.moves[i] = moves;
}

// beta = infinity: the mean is the prototype of the label. A half-warp takes a point.
template <class T>
__global__ void __launch_bounds__(256) hard_mean(detail::SoftMean<T> task) {
    const int lane = half_warp_lane(), rows = static_cast<int>(blockDim.x) / half_warp;
    for (std::int64_t i = std::int64_t{blockIdx.x} * rows + half_warp_index(); i < task.points.rows;
         i += std::int64_t{gridDim.x} * rows) {
        const std::int64_t label = task.labels.data[i * task.labels.stride];
        write_mean(task, i, task.prototypes.data + label * task.prototypes.stride, T(1), lane);
    }
}

// Finite beta. Block: up to 256 threads, `points_a_block` of them a half-warp's 4 (2 for double) at most; the canonical
// energies of energies.cuh, then each lane holds the probabilities of its points x 16 prototypes in registers (in place
// of the accumulators) and adds p w for its columns. The means are in shared memory, points_a_block x d, or with
// `in_out` in `out`. Order: p w is added by fma in order of z, column by column.
template <class T, bool Masked>
__global__ void __launch_bounds__(EnergyTile<T>::threads, 1)
    soft_mean_rows(detail::SoftMean<T> task, EnergyTask<T> energy_task, int points_a_block, bool in_out) {
    using Tile = EnergyTile<T>;
    constexpr int each = Tile::points_each;
    CUEBM_SHARED(T, points, [2 * Tile::point_elements]);
    CUEBM_SHARED(T, mask, [Masked ? 2 * Tile::point_elements : 1]);
    CUEBM_SHARED(T, prototypes, [2 * Tile::prototype_elements]);
    CUEBM_DYNAMIC_SHARED(T, means);
    const EnergyBuffers<T> buffers{points, mask, prototypes};
    const T beta = static_cast<T>(task.beta);
    const std::int64_t n = task.points.rows, d = task.points.cols, k = task.prototypes.rows;
    const int lane = half_warp_lane(), own = half_warp_index() * each;
    const std::int64_t first = std::int64_t{blockIdx.x} * points_a_block;
    T *sums[each], weight[each];
    bool there[each];
#pragma unroll
    for (int p = 0; p < each; ++p) {
        const std::int64_t i = first + own + p;
        there[p] = own + p < points_a_block && i < n;
        sums[p] = in_out ? task.out.data + (there[p] ? i : 0) * task.out.stride : means + (there[p] ? own + p : 0) * d;
        weight[p] = 0;
        for (std::int64_t j = lane; j < d && there[p]; j += half_warp) sums[p][j] = 0;
    }

    for_each_energy<Masked>(energy_task, buffers, first, [&](std::int64_t z, const T(&energies)[each]) {
        T probability[each][half_warp];
#pragma unroll
        for (int p = 0; p < each; ++p) {
            const T own_probability = there[p] && z + lane < k
                                          ? math::probability(energies[p], task.least[first + own + p], T(0), beta)
                                          : T(0);
#pragma unroll
            for (int c = 0; c < half_warp; ++c) {
                probability[p][c] = __shfl_sync(0xffffffffu, own_probability, c, half_warp);
                weight[p] = weight[p] + probability[p][c];
            }
        }
        for (std::int64_t j = lane; j < d; j += half_warp) {
            T sum[each];
#pragma unroll
            for (int p = 0; p < each; ++p) sum[p] = there[p] ? sums[p][j] : T(0);
#pragma unroll
            for (int c = 0; c < half_warp; ++c) {
                if (z + c >= k) break;
                const T w = task.prototypes.data[(z + c) * task.prototypes.stride + j];
#pragma unroll
                for (int p = 0; p < each; ++p) sum[p] = math::fused(probability[p][c], w, sum[p]);
            }
#pragma unroll
            for (int p = 0; p < each; ++p)
                if (there[p]) sums[p][j] = sum[p];
        }
    });

#pragma unroll
    for (int p = 0; p < each; ++p)
        if (there[p]) write_mean(task, first + own + p, sums[p], weight[p], lane);
}

// A half-warp takes a completed row.
template <class T>
__global__ void __launch_bounds__(256) fill_in_rows(detail::FillIn<T> task) {
    const int lane = half_warp_lane(), rows = static_cast<int>(blockDim.x) / half_warp;
    const std::int64_t m = task.labels.cols, d = task.points.cols;
    for (std::int64_t r = std::int64_t{blockIdx.x} * rows + half_warp_index(); r < task.points.rows * m;
         r += std::int64_t{gridDim.x} * rows) {
        const std::int64_t i = r / m, c = r % m;
        if (lane == 0) {
            const T* energies = task.energies.data + i * task.energies.stride;
            task.probabilities.data[i * task.probabilities.stride + c] =
                math::probability(energies[c], energies[0], task.gaps[i], static_cast<T>(task.beta));
        }
        const std::int64_t label = task.labels.data[i * task.labels.stride + c];
        for (std::int64_t j = lane; j < d; j += half_warp)
            task.completed.data[r * task.completed.stride + j] =
                is_known(task.known, i, j) ? values(task.points)[i * task.points.stride + j]
                                           : task.prototypes.data[label * task.prototypes.stride + j];
    }
}

}  // namespace cuebm::cuda
