// The core of every kernel that needs canonical energies of many pairs: a block's points against all prototypes, 16
// prototypes at a time. Points and prototypes come through shared memory in two buffers, a chunk of coordinates each;
// the copy of the next chunk runs under the arithmetic of this one, and one barrier separates them.
//
// Half-warp h owns points 4 h to 4 h + 3 of the block (2 h and 2 h + 1 for double). Its lane l holds, for these points
// x 16 prototypes, accumulator l of the canonical energy, in registers; then the transposed tree leaves lane l the
// energies of its points with prototype z + l, and `use(z, energies)` is called with them: by all lanes, in order of z.
#pragma once

#include "cuda/assign/config.hpp"
#include "cuda/assign/half_warp.cuh"
#include "cuda/assign/staging.cuh"

namespace cuebm::cuda {

template <class T>
struct EnergyTask {
    MatrixView<const T> points, prototypes;
    MatrixView<const std::uint8_t> known;  // absent: all
    bool wide_points, wide_prototypes;
};

// A block's shared memory; two buffers each. `mask` is there for masked tasks alone.
template <class T>
struct EnergyBuffers {
    T *points, *mask, *prototypes;
};

// Whether coordinate j of row i is known; one row of `known` is for all rows.
__device__ __forceinline__ bool is_known(const MatrixView<const std::uint8_t>& known, std::int64_t i, std::int64_t j) {
    return known.data == nullptr || known.data[(known.rows == 1 ? 0 : i * known.stride) + j] != 0;
}

// Hidden coordinates become 0, their mask 0; so does all beyond the last row and column.
template <class T>
__device__ __forceinline__ void stage_masked(T* tile, T* mask, int rows, const EnergyTask<T>& task, std::int64_t first,
                                             std::int64_t column) {
    using Tile = EnergyTile<T>;
    for (int u = static_cast<int>(threadIdx.x); u < rows * Tile::columns; u += static_cast<int>(blockDim.x)) {
        const int r = u / Tile::columns, c = u % Tile::columns;
        const std::int64_t i = first + r, j = column + c;
        const bool known = i < task.points.rows && j < task.points.cols && is_known(task.known, i, j);
        tile[r * Tile::pitch + c] = known ? task.points.data[i * task.points.stride + j] : T(0);
        mask[r * Tile::pitch + c] = known ? T(1) : T(0);
    }
}

// Product: E = -y.w, canonical as well; hidden coordinates need no mask there as their y is 0.
template <bool Masked, bool Product = false, class T, class Use>
__device__ __forceinline__ void for_each_energy(const EnergyTask<T>& task, const EnergyBuffers<T>& buffers,
                                                std::int64_t first, Use use) {
    using Tile = EnergyTile<T>;
    constexpr int lanes = half_warp, each = Tile::points_each;
    const int lane = half_warp_lane();
    const int rows = static_cast<int>(blockDim.x) / lanes * each, own = half_warp_index() * each;
    const std::int64_t d = task.points.cols, k = task.prototypes.rows;
    const int chunks = static_cast<int>((d + Tile::columns - 1) / Tile::columns);

    const auto stage = [&](int buffer, std::int64_t z, int chunk, bool with_points) {
        const std::int64_t column = std::int64_t{chunk} * Tile::columns;
        T* points = buffers.points + buffer * Tile::point_elements;
        if (with_points) {
            if constexpr (Masked)
                stage_masked(points, buffers.mask + buffer * Tile::point_elements, rows, task, first, column);
            else
                stage_rows<Tile::columns, Tile::pitch>(points, rows, task.points, task.wide_points, first, column);
        }
        stage_rows<Tile::columns, Tile::pitch>(buffers.prototypes + buffer * Tile::prototype_elements, Tile::prototypes,
                                               task.prototypes, task.wide_prototypes, z, column);
        copy_async_commit();
    };

    T sums[each][lanes];
    std::int64_t z = 0;
    int chunk = 0, buffer = 0;
    stage(buffer, z, chunk, true);
    while (z < k) {
        const bool last = chunk + 1 == chunks;
        const std::int64_t next_z = last ? z + Tile::prototypes : z;
        const int next_chunk = last ? 0 : chunk + 1;
        copy_async_wait<0>();
        __syncthreads();  // this chunk has arrived, and nobody reads the buffer that the next one goes to
        // With one or two chunks both buffers keep their points from the first two stagings on.
        if (next_z < k) stage(1 - buffer, next_z, next_chunk, chunks > 2 || (z == 0 && chunk == 0));

        const T* y_tile = buffers.points + buffer * Tile::point_elements + own * Tile::pitch + lane;
        const T* mask_tile = Masked ? buffers.mask + buffer * Tile::point_elements + own * Tile::pitch + lane : nullptr;
        const T* w_tile = buffers.prototypes + buffer * Tile::prototype_elements + lane;
        if (chunk == 0) {
#pragma unroll
            for (int p = 0; p < each; ++p)
#pragma unroll
                for (int c = 0; c < lanes; ++c) sums[p][c] = 0;
        }
        const std::int64_t left = d - std::int64_t{chunk} * Tile::columns;
        for (int j = 0; j < Tile::columns && j < left; j += lanes) {
            T y[each], mask[each];
#pragma unroll
            for (int p = 0; p < each; ++p) {
                y[p] = y_tile[p * Tile::pitch + j];
                if constexpr (Masked && !Product) mask[p] = mask_tile[p * Tile::pitch + j];
            }
#pragma unroll
            for (int c = 0; c < lanes; ++c) {
                const T w = w_tile[c * Tile::pitch + j];
#pragma unroll
                for (int p = 0; p < each; ++p) {
                    if constexpr (Product) {
                        sums[p][c] = math::fused(y[p], w, sums[p][c]);
                    } else {
                        T t = y[p] - w;
                        if constexpr (Masked) t = t * mask[p];
                        sums[p][c] = math::fused(t, t, sums[p][c]);
                    }
                }
            }
        }
        if (last) {
            T energies[each];
#pragma unroll
            for (int p = 0; p < each; ++p) {
                const T sum = transposed_tree_sum(sums[p], lane);
                energies[p] = Product ? T(0) - sum : sum;
            }
            use(z, energies);
        }
        z = next_z;
        chunk = next_chunk;
        buffer = 1 - buffer;
    }
}

}  // namespace cuebm::cuda
