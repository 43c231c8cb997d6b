// Sums over points whose bits do not depend on order: int64 fixed point by atomics (scales, soft sums, finish, total);
// and sums in blocks of rows of a fixed order (variance). Sums by labels: accumulate.cuh.
#pragma once

#include "assign_operations.hpp"
#include "cuda/assign/energies.cuh"
#include "cuda/assign/report.cuh"
#include "cuda/assign/stored.cuh"
#include "math/fixed_point.hpp"
#include "math/free_energy.hpp"

namespace cuebm::cuda {

template <class T>
__device__ __forceinline__ double weight_of(const VectorView<const T>& weights, std::int64_t i) {
    return weights.data == nullptr ? 1.0 : static_cast<double>(weights.data[i * weights.stride]);
}

__device__ __forceinline__ bool valid_weight(double weight) { return weight >= 0 && is_finite(weight); }

// Nonnegative doubles order as their bits do.
__device__ __forceinline__ void raise(double* to, double value) {
    atomicMax(reinterpret_cast<Word*>(to), static_cast<Word>(__double_as_longlong(value)));
}

__device__ __forceinline__ double larger(double a, double b) { return b > a ? b : a; }

// Over the lanes of a warp that are a multiple of `columns`, 2^i, apart; they all get it.
__device__ __forceinline__ double largest_of_lanes(double value, int columns) {
    for (int apart = 16; apart >= columns; apart /= 2)
        value = larger(value, __shfl_xor_sync(0xffffffffu, value, apart));
    return value;
}
__device__ __forceinline__ std::int64_t sum_of_lanes(std::int64_t value, int columns) {
    for (int apart = 16; apart >= columns; apart /= 2) value += __shfl_xor_sync(0xffffffffu, value, apart);
    return value;
}

// Blocks of a grid whose kernel strides over many rows and ends with an atomic a block: atomics that meet wait for each
// other (5 to 30 ns each on an H200, by the times of whole calls), so these are few.
inline constexpr int joining_threads = 256, joining_warps = joining_threads / 32, joining_blocks = 512;

// Over the threads of such a block; thread 0 gets it.
__device__ __forceinline__ double largest_of_block(double value, double (&warps)[joining_warps]) {
    value = largest_of_lanes(value, 1);
    if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = value;
    __syncthreads();
    for (int w = 1; w < joining_warps && threadIdx.x == 0; ++w) value = larger(value, warps[w]);
    return value;
}
__device__ __forceinline__ std::int64_t sum_of_block(std::int64_t value, std::int64_t (&warps)[joining_warps]) {
    value = sum_of_lanes(value, 1);
    if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = value;
    __syncthreads();
    for (int w = 1; w < joining_warps && threadIdx.x == 0; ++w) value += warps[w];
    return value;
}

inline constexpr int scale_threads = 1024;
template <class T>
inline constexpr int scale_loads = 32 / sizeof(T);  // in flight for each thread: 32 KiB a block

// scales[] = the largest |weight_i y_ij| of column j, and of the weights at j = d; they start at 0.
// Block: (columns, 1024 / columns) threads, columns a power of two up to 32; the grid is blocks of rows x groups of
// columns. A warp joins its maxima by shuffles and a block in shared memory, then one atomic a column.
template <class T>
__global__ void __launch_bounds__(scale_threads)
    largest_of_columns(detail::Scales<T> task, unsigned column_groups, std::uint64_t* status) {
    constexpr int each = scale_loads<T>, warps = scale_threads / 32;
    CUEBM_SHARED(double, largest, [warps][33]);  // the last: of the weights
    const int columns = static_cast<int>(blockDim.x), parts = static_cast<int>(blockDim.y);
    const int part = static_cast<int>(threadIdx.y), thread = part * columns + static_cast<int>(threadIdx.x);
    const unsigned group = blockIdx.x % column_groups, row_block = blockIdx.x / column_groups;
    const std::int64_t n = task.points.rows, d = task.points.cols, stride = task.points.stride;
    const std::int64_t j = std::int64_t{group} * columns + threadIdx.x;
    const int rows = parts * each;
    const int step = static_cast<int>(gridDim.x / column_groups) * rows;
    double most = 0;
    T heaviest = 0;
    for (std::int64_t first = std::int64_t{row_block} * rows + part; first < n && j < d; first += step) {
        T y[each], weights[each];
#pragma unroll
        for (int e = 0; e < each; ++e) {
            const std::int64_t i = first + e * parts;
            y[e] = i < n ? values(task.points)[i * stride + j] : T(0);
            weights[e] = i < n && task.weights.data != nullptr ? task.weights.data[i * task.weights.stride] : T(1);
        }
#pragma unroll
        for (int e = 0; e < each; ++e) {
            const std::int64_t i = first + e * parts;
            if (i >= n) break;
            const auto weight = static_cast<double>(weights[e]);
            if (!valid_weight(weight)) {
                report(status, i, detail::weights_not_valid);
                continue;
            }
            heaviest = weights[e] > heaviest ? weights[e] : heaviest;
            const double value = fabs(static_cast<double>(y[e])) * weight;
            if (is_finite(value))
                most = larger(most, value);
            else
                report(status, i, is_finite(y[e]) ? detail::energy_overflow : detail::points_not_finite);
        }
    }
    most = largest_of_lanes(most, columns);
    const double weight = largest_of_lanes(static_cast<double>(heaviest), 1);
    if (thread % 32 < columns) largest[thread / 32][thread % 32] = most;
    if (thread % 32 == 0) largest[thread / 32][32] = weight;
    __syncthreads();
    const bool of_weights = thread == 32 && group == 0;
    if (!of_weights && (part > 0 || j >= d)) return;
    double all = 0;
    for (int w = 0; w < warps; ++w) all = larger(all, largest[w][thread]);
    if (all > 0) raise(task.scales + (of_weights ? d : j), all);
}

// values[j] = fixed_point_scale(values[j], n).
[[maybe_unused]] static __global__ void __launch_bounds__(256)
    largest_to_scales(double* values, std::int64_t size, std::int64_t n) {
    for (std::int64_t j = std::int64_t{blockIdx.x} * 256 + threadIdx.x; j < size; j += std::int64_t{gridDim.x} * 256)
        values[j] = math::fixed_point_scale(values[j], n);
}

// Block and registers as assign_direct without its lists: canonical energies of 64 points, 16 prototypes at a time.
// Where a lane's prototype has a share of its points, the half-warp adds them, a column a lane: over its points in
// registers, then by one atomic.
template <class T>
__global__ void __launch_bounds__(EnergyTile<T>::threads, 1)
    accumulate_shares(detail::AccumulateSoft<T> task, EnergyTask<T> energy_task) {
    using Tile = EnergyTile<T>;
    constexpr int each = Tile::points_each;
    CUEBM_SHARED(T, points, [2 * Tile::point_elements]);
    CUEBM_SHARED(T, prototypes, [2 * Tile::prototype_elements]);
    const EnergyBuffers<T> buffers{points, nullptr, prototypes};
    const T beta = static_cast<T>(task.beta);
    const std::int64_t n = task.points.rows, d = task.points.cols, k = task.prototypes.rows;
    const int lane = half_warp_lane(), own = half_warp_index() * each;
    const unsigned mask = half_warp_mask(), base = threadIdx.x % 32 < half_warp ? 0 : half_warp;
    const std::int64_t first = std::int64_t{blockIdx.x} * Tile::points;
    for_each_energy<false>(energy_task, buffers, first, [&](std::int64_t z, const T(&energies)[each]) {
        double share[each];
        unsigned sharing = 0;  // bit l: a point has a share of prototype z + l
#pragma unroll
        for (int p = 0; p < each; ++p) {
            const std::int64_t i = first + own + p;
            share[p] = 0;
            if (i < n && z + lane < k) {
                const double weight = weight_of(task.weights, i);
                const T least = task.least[i];
                if (valid_weight(weight) && is_finite(least))  // else reported already
                    share[p] = weight * static_cast<double>(math::probability(energies[p], least, task.gaps[i], beta));
            }
            sharing |= __ballot_sync(mask, share[p] > 0) >> base & 0xffffu;
        }
        while (sharing != 0) {
            const int source = __ffs(static_cast<int>(sharing)) - 1;
            sharing &= sharing - 1;
            double s[each];
#pragma unroll
            for (int p = 0; p < each; ++p) s[p] = __shfl_sync(mask, share[p], source, half_warp);
            for (std::int64_t j = lane; j <= d; j += half_warp) {
                std::int64_t sum = 0;
#pragma unroll
                for (int p = 0; p < each; ++p) {
                    if (!(s[p] > 0)) continue;  // points beyond the last are among these
                    const T* y = values(task.points) + (first + own + p) * task.points.stride;
                    sum += math::to_fixed(s[p] * (j < d ? static_cast<double>(y[j]) : 1.0), task.into.scales[j]);
                }
                add_fixed(j < d ? task.into.sums + (z + source) * d + j : task.into.counts + z + source, sum);
            }
        }
    });
}

// A half-warp takes a prototype; the squared move is summed by 16 lanes and the fixed tree, in double.
template <class T>
__global__ void __launch_bounds__(256) finish_prototypes(detail::Finish<T> task) {
    const int lane = half_warp_lane(), rows = static_cast<int>(blockDim.x) / half_warp;
    const std::int64_t k = task.prototypes.rows, d = task.prototypes.cols;
    for (std::int64_t z = std::int64_t{blockIdx.x} * rows + half_warp_index(); z < k;
         z += std::int64_t{gridDim.x} * rows) {
        const double weight = static_cast<double>(task.from.counts[z]) / task.from.scales[d];
        const double seen = task.seen != nullptr ? task.seen[z] : 0.0;
        double moves = 0;
        for (std::int64_t j = lane; j < d; j += half_warp) {
            const T w = task.prototypes.data[z * task.prototypes.stride + j];
            const double sum = static_cast<double>(task.from.sums[z * d + j]) / task.from.scales[j];
            const double all = seen > 0 ? seen * static_cast<double>(w) + sum : sum;
            const T mean = weight > 0 ? static_cast<T>(all / (seen + weight)) : w;  // without weight it keeps its value
            const double move = static_cast<double>(mean) - static_cast<double>(w);
            moves = math::fused(move, move, moves);
            if (task.gradients.data != nullptr)
                task.gradients.data[z * task.gradients.stride + j] =
                    static_cast<T>(2.0 * (weight * static_cast<double>(w) - sum));
            if (task.means.data != nullptr) task.means.data[z * task.means.stride + j] = mean;
        }
        moves = tree_sum(moves);
        if (lane != 0) continue;
        if (task.cluster_weights.data != nullptr)
            task.cluster_weights.data[z * task.cluster_weights.stride] = seen + weight;
        if (task.shifts != nullptr) task.shifts[z] = moves;
    }
}

template <class T>
__device__ __forceinline__ double total_value(const detail::Total<T>& task, std::int64_t i) {
    const double value = weight_of(task.weights, i) * static_cast<double>(task.values.data[i * task.values.stride]);
    return value > 0 ? value : 0.0;
}

// total[1] = the largest value, total[2] = the bits of the int64 sum; both start at 0.
template <class T>
__global__ void __launch_bounds__(joining_threads) total_largest(detail::Total<T> task) {
    CUEBM_SHARED(double, warps, [joining_warps]);
    double most = 0;
    for (std::int64_t i = std::int64_t{blockIdx.x} * joining_threads + threadIdx.x; i < task.values.size;
         i += std::int64_t{gridDim.x} * joining_threads)
        most = larger(most, total_value(task, i));
    most = largest_of_block(most, warps);
    if (threadIdx.x == 0) raise(task.total + 1, most);
}

template <class T>
__global__ void __launch_bounds__(joining_threads) total_sum(detail::Total<T> task) {
    CUEBM_SHARED(std::int64_t, warps, [joining_warps]);
    if (!is_finite(task.total[1])) return;  // a product has overflowed
    const double scale = math::fixed_point_scale(task.total[1], task.values.size);
    std::int64_t sum = 0;
    for (std::int64_t i = std::int64_t{blockIdx.x} * joining_threads + threadIdx.x; i < task.values.size;
         i += std::int64_t{gridDim.x} * joining_threads)
        sum += math::to_fixed(total_value(task, i), scale);
    sum = sum_of_block(sum, warps);
    if (threadIdx.x == 0) add_fixed(reinterpret_cast<std::int64_t*>(task.total + 2), sum);
}

// One thread.
template <class T>
__global__ void __launch_bounds__(32) total_finish(detail::Total<T> task) {
    if (threadIdx.x != 0) return;
    const double scale = math::fixed_point_scale(task.total[1], task.values.size);
    task.total[0] =
        is_finite(task.total[1]) ? static_cast<double>(__double_as_longlong(task.total[2])) / scale : task.total[1];
}

// Sums of one column over one block of math::sum_block rows, row by row: a thread each. `all`: the points of all
// blocks, the first of which is their origin.
template <class T>
__global__ void __launch_bounds__(256, 4)
    variance_blocks(detail::Variance<T> task, std::int64_t blocks, PointsView<T> all) {
    const std::int64_t n = task.points.rows, d = task.points.cols;
    for (std::int64_t t = std::int64_t{blockIdx.x} * 256 + threadIdx.x; t < blocks * d;
         t += std::int64_t{gridDim.x} * 256) {
        const std::int64_t block = t / d, j = t % d;
        const std::int64_t last = (block + 1) * math::sum_block < n ? (block + 1) * math::sum_block : n;
        const double origin = static_cast<double>(value_at(sizeof(T) == sizeof(float) ? all : task.points, j));
        double sum = 0, squares = 0;
#pragma unroll 8
        for (std::int64_t i = block * math::sum_block; i < last; ++i) {
            const double v = static_cast<double>(values(task.points)[i * task.points.stride + j]) - origin;
            sum = sum + v;
            squares = math::fused(v, v, squares);
        }
        task.sums[block * 2 * d + j] = sum;
        task.sums[block * 2 * d + d + j] = squares;
    }
}

// The blocks of a column in order: a thread each. Its variance takes the place of the first block's sum.
template <class T>
__global__ void __launch_bounds__(256) variance_columns(detail::Variance<T> task, std::int64_t blocks) {
    const std::int64_t n = task.points.rows, d = task.points.cols;
    for (std::int64_t j = std::int64_t{blockIdx.x} * 256 + threadIdx.x; j < d; j += std::int64_t{gridDim.x} * 256) {
        double sum = 0, squares = 0;
        for (std::int64_t block = 0; block < blocks; ++block) {
            sum = sum + task.sums[block * 2 * d + j];
            squares = squares + task.sums[block * 2 * d + d + j];
        }
        task.sums[j] = math::variance(sum, squares, n);
    }
}

// One thread adds the features in order.
template <class T>
__global__ void __launch_bounds__(32) variance_mean(detail::Variance<T> task) {
    if (threadIdx.x != 0) return;
    const std::int64_t d = task.points.cols;
    double total = 0;
#pragma unroll 8
    for (std::int64_t j = 0; j < d; ++j) total = total + task.sums[j];
    *task.mean = total / static_cast<double>(d);
}

}  // namespace cuebm::cuda
