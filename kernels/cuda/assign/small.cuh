// assign() for float where labels and energies alone are wanted, coordinates and prototypes are few, and reading the
// points is most of the work: a thread computes canonical energies alone.
#pragma once

#include "cuda/assign/config.hpp"
#include "cuda/assign/direct.cuh"

namespace cuebm::cuda {

// Adds pairs Apart apart, then half as far; by recursion, since the compiler leaves a loop in local memory.
template <int Apart, int Lanes>
__device__ __forceinline__ float fold(float (&a)[Lanes]) {
#pragma unroll
    for (int j = 0; j < Apart; ++j) a[j] = a[j] + a[j + Apart];
    if constexpr (Apart > 1)
        return fold<Apart / 2>(a);
    else
        return a[0];
}

// math::canonical_energy of Depth coordinates, zeros beyond the last. What it leaves out are additions of +0.
template <int Depth>
__device__ __forceinline__ float energy_in_registers(const float (&y)[Depth], const float (&w)[Depth]) {
    constexpr int lanes = Depth < math::canonical_lanes ? Depth : math::canonical_lanes;
    float a[lanes];
#pragma unroll
    for (int j = 0; j < lanes; ++j) {
        const float t = y[j] - w[j];
        a[j] = t * t;
    }
#pragma unroll
    for (int j = lanes; j < Depth; ++j) {
        const float t = y[j] - w[j];
        a[j % lanes] = math::fused(t, t, a[j % lanes]);
    }
    return fold<lanes / 2>(a);
}

template <int Depth>
__device__ __forceinline__ void load_row(float (&values)[Depth], const float* from) {
    if constexpr (Depth == 2) {
        const float2 two = *reinterpret_cast<const float2*>(from);
        values[0] = two.x, values[1] = two.y;
    } else {
#pragma unroll
        for (int j = 0; j < Depth; j += 4) {
            const float4 four = *reinterpret_cast<const float4*>(from + j);
            values[j] = four.x, values[j + 1] = four.y, values[j + 2] = four.z, values[j + 3] = four.w;
        }
    }
}

// As report_row, by one thread.
__device__ inline void report_own_row(const Assign<float>& task, std::uint64_t* status, std::int64_t i) {
    bool finite = true;
    for (std::int64_t j = 0; j < task.points.cols; ++j)
        finite = finite && is_finite(values(task.points)[i * task.points.stride + j]);
    report(status, i, finite ? detail::energy_overflow : detail::points_not_finite);
}

// Block: 128 threads, 256 points; thread t has points t and t + 128, in registers, and meets prototypes in order.
// Shared memory: a tile of points, through which copies are of whole lines, and all prototypes, which all threads read
// alike.
template <int Depth>
__global__ void __launch_bounds__(SmallTile<Depth>::threads)
    assign_small(Assign<float> task, bool wide_points, bool wide_prototypes, std::uint64_t* status) {
    using Tile = SmallTile<Depth>;
    constexpr int each = Tile::points_each;
    CUEBM_DYNAMIC_SHARED(float, shared);
    float* const points = shared;
    float* const prototypes = shared + Tile::points * Tile::pitch;
    const auto k = static_cast<int>(task.prototypes.rows);
    const std::int64_t first = std::int64_t{blockIdx.x} * Tile::points;
    const MatrixView<const float> rows{values(task.points), task.points.rows, task.points.cols, task.points.stride, {}};
    stage_rows<Tile::columns, Tile::pitch>(points, Tile::points, rows, wide_points, first, 0);
    stage_rows<Tile::columns, Tile::columns>(prototypes, k, task.prototypes, wide_prototypes, 0, 0);
    copy_async_commit();
    copy_async_wait<0>();
    __syncthreads();

    float y[each][Depth], least[each];
    std::int32_t label[each];
    bool finite[each];
#pragma unroll
    for (int p = 0; p < each; ++p) {
        load_row(y[p], points + (static_cast<int>(threadIdx.x) + p * Tile::threads) * Tile::pitch);
        least[p] = static_cast<float>(__builtin_inf());
        label[p] = 0;
        finite[p] = true;
    }
    for (int z = 0; z < k; ++z) {
        float w[Depth];
        load_row(w, prototypes + z * Tile::columns);
#pragma unroll
        for (int p = 0; p < each; ++p) {
            const float energy = energy_in_registers(y[p], w);
            finite[p] = finite[p] && energy < static_cast<float>(__builtin_inf());
            if (energy < least[p]) label[p] = z;
            least[p] = energy < least[p] ? energy : least[p];
        }
    }
#pragma unroll
    for (int p = 0; p < each; ++p) {
        const std::int64_t i = first + static_cast<int>(threadIdx.x) + p * Tile::threads;
        if (i >= task.points.rows) continue;
        if (task.labels.data != nullptr) task.labels.data[i * task.labels.stride] = label[p];
        if (task.energies.data != nullptr) task.energies.data[i * task.energies.stride] = least[p];
        if (task.check_finite && !finite[p]) report_own_row(task, status, i);
    }
}

}  // namespace cuebm::cuda
