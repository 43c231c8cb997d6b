// assign() for float where labels and energies alone are wanted: cheap fp32 scores of every pair, a proved bound on
// what they may be wrong by (math/screening.hpp), and canonical energies of the few prototypes that the bound leaves.
#pragma once

#include "cuda/assign/candidates.cuh"
#include "cuda/assign/config.hpp"
#include "math/screening.hpp"

namespace cuebm::cuda {

// In the call's scratch: prototypes less their common shift, what their scores start from, and the shift.
struct Screen {
    float* shifted;                                // [k x stride], zeros beyond d
    float* half_squares;                           // [k rounded up to tiles]: |w'|^2 / 2; infinity beyond k
    float* shift;                                  // [stride], zeros beyond d
    unsigned* largest;                             // [1], the bits of the largest R >= |w'|; starts at 0
    std::int64_t stride, slots;                    // slots: the size of half_squares
    float spread, floor, norm_growth, norm_floor;  // the constants of math/screening.hpp
};

// A half-warp takes a prototype. Squares are summed in double, as the bound wants them.
static __global__ void __launch_bounds__(256) screen_prototypes(MatrixView<const float> prototypes, Screen screen) {
    const int lane = half_warp_lane(), rows = static_cast<int>(blockDim.x) / half_warp;
    for (std::int64_t z = std::int64_t{blockIdx.x} * rows + half_warp_index(); z < screen.slots;
         z += std::int64_t{gridDim.x} * rows) {
        double squares = 0;
        for (std::int64_t j = lane; z < prototypes.rows && j < screen.stride; j += half_warp) {
            const bool there = j < prototypes.cols;
            const float w = there ? prototypes.data[z * prototypes.stride + j] - screen.shift[j] : 0.0f;
            screen.shifted[z * screen.stride + j] = w;
            squares = math::fused(static_cast<double>(w), static_cast<double>(w), squares);
        }
        squares = tree_sum(squares);
        if (lane != 0) continue;
        const bool there = z < prototypes.rows;
        screen.half_squares[z] = there ? static_cast<float>(0.5 * squares) : static_cast<float>(__builtin_inf());
        // Nonnegative floats order as their bits do; NaN lies above infinity.
        if (there) atomicMax(screen.largest, __float_as_uint(math::screening_norm(squares)) & 0x7fffffffu);
    }
}

// What a thread knows of a point: of its class, the prototypes z mod 16 = column, the least score with its label, and
// the second least score.
struct Least {
    float score, second;
    std::int32_t label;
};

using ScreenUndecided = Undecided<ScreenTile::points, half_warp>;

// What the bound leaves of point i, the block's `row`-th, by its half-warp, from what the 16 classes know: candidates
// in the low half of its mask, crowded classes, whose second score is within the bound, in the high one. Without a
// finite bound every class is both.
__device__ __forceinline__ void screen_point(const Assign<float>& task, const Screen& screen, const Least& own, int row,
                                             std::int64_t i, int lane, ScreenUndecided& undecided, unsigned* masks) {
    const unsigned mask = half_warp_mask(), base = threadIdx.x % 32 < half_warp ? 0 : half_warp;
    const std::int64_t d = task.points.cols;
    const float* y = values(task.points) + i * task.points.stride;
    float squares = 0;
    for (std::int64_t j = lane; j < d; j += half_warp) {
        const float t = y[j] - screen.shift[j];
        squares = math::fused(t, t, squares);
    }
    const float norm = sqrtf(tree_sum(squares) + screen.norm_floor) * screen.norm_growth;
    const float reach = norm + __uint_as_float(*screen.largest);
    const bool bounded = reach <= math::screening_reach_limit;               // false for NaN, too
    const float bound = 2 * (reach * reach * screen.spread + screen.floor);  // of the difference of two scores

    float least_score = own.score;
    for (int apart = half_warp / 2; apart >= 1; apart /= 2)
        least_score = fminf(least_score, __shfl_xor_sync(mask, least_score, apart));
    const unsigned candidates = __ballot_sync(mask, !bounded || !(own.score - least_score > bound)) >> base & 0xffffu;
    const unsigned crowded = __ballot_sync(mask, !bounded || !(own.second - least_score > bound)) >> base & 0xffffu;
    undecided.labels[lane * ScreenTile::points + row] = own.label;
    if (lane == 0) masks[row] = crowded << half_warp | candidates;
}

// Block: 16 x 16 threads, 128 points against 64 prototypes at a time, 32 coordinates a chunk. Thread (tx, ty) has
// points ty + 16 p and prototypes z + tx + 16 c, so a half-warp (one ty) has all 16 classes of its points. Registers: 8
// x 4 dot products, and a Least for each of the 8 points. Shared memory: two buffers of both tiles, 54 KiB. A thread's
// own copies are visible to it before the barrier: there it shifts the points that it copied.
static __global__ void __launch_bounds__(ScreenTile::threads, 2)
    assign_screened(Assign<float> task, Screen screen, bool wide_points, std::uint64_t* status) {
    using Tile = ScreenTile;
    CUEBM_DYNAMIC_SHARED(float, shared);
    float* const point_tiles = shared;
    float* const prototype_tiles = shared + 2 * Tile::point_elements;
    const int tx = half_warp_lane(), ty = half_warp_index();
    const std::int64_t n = task.points.rows, d = task.points.cols, k = task.prototypes.rows;
    const int chunks = static_cast<int>((d + Tile::columns - 1) / Tile::columns);
    const MatrixView<const float> points{values(task.points), n, d, task.points.stride, {}};
    const MatrixView<const float> shifted{screen.shifted, k, screen.stride, screen.stride, {}};

    const std::int64_t first = std::int64_t{blockIdx.x} * Tile::points;
    const auto stage = [&](int buffer, std::int64_t z, int chunk, bool with_points) {
        const std::int64_t column = std::int64_t{chunk} * Tile::columns;
        if (with_points)
            stage_rows<Tile::columns, Tile::pitch>(point_tiles + buffer * Tile::point_elements, Tile::points, points,
                                                   wide_points, first, column);
        stage_rows<16, Tile::columns, Tile::pitch>(prototype_tiles + buffer * Tile::prototype_elements,
                                                   Tile::prototypes, shifted, z, column);
        copy_async_commit();
    };
    const auto shift_own = [&](float* points, std::int64_t column) {
        const int width = wide_points ? 4 : 1, groups = Tile::columns / width;
        for (int u = static_cast<int>(threadIdx.x); u < Tile::points * groups; u += Tile::threads)
            for (int c = 0; c < width; ++c) {
                const int at = u % groups * width + c;
                points[u / groups * Tile::pitch + at] -= screen.shift[column + at];
            }
    };

    Least least[Tile::points_each];
#pragma unroll
    for (int p = 0; p < Tile::points_each; ++p)
        least[p] = {static_cast<float>(__builtin_inf()), static_cast<float>(__builtin_inf()), 0};
    float dots[Tile::points_each][Tile::prototypes_each];
    std::int64_t z = 0;
    int chunk = 0, buffer = 0;
    bool with_points = true;  // this chunk's points have just been copied
    stage(buffer, z, chunk, with_points);
    while (z < k) {
        const bool last = chunk + 1 == chunks;
        const std::int64_t next_z = last ? z + Tile::prototypes : z;
        const int next_chunk = last ? 0 : chunk + 1;
        float* const points = point_tiles + buffer * Tile::point_elements;
        // Tests cannot see by results that this is missing: scores of what has not arrived may be anything, and NaN
        // scores send their points to the scan of all. On a GPU it would be stale coordinates, and wrong labels.
        copy_async_wait<0>();
        if (with_points) shift_own(points, std::int64_t{chunk} * Tile::columns);
        __syncthreads();  // this chunk is ready, and nobody reads the buffer that the next one goes to
        // With one or two chunks both buffers keep their points from the first two stagings on.
        with_points = chunks > 2 || (z == 0 && chunk == 0);
        if (next_z < k) stage(1 - buffer, next_z, next_chunk, with_points);

        const float* y_tile = points + ty * Tile::pitch;
        const float* w_tile = prototype_tiles + buffer * Tile::prototype_elements + tx * Tile::pitch;
        if (chunk == 0) {
#pragma unroll
            for (int p = 0; p < Tile::points_each; ++p)
#pragma unroll
                for (int c = 0; c < Tile::prototypes_each; ++c) dots[p][c] = 0;
        }
        for (int j = 0; j < Tile::columns; j += 4) {
            float4 y[Tile::points_each];
#pragma unroll
            for (int p = 0; p < Tile::points_each; ++p)
                y[p] = *reinterpret_cast<const float4*>(y_tile + p * 16 * Tile::pitch + j);
#pragma unroll
            for (int c = 0; c < Tile::prototypes_each; ++c) {
                const float4 w = *reinterpret_cast<const float4*>(w_tile + c * 16 * Tile::pitch + j);
#pragma unroll
                for (int p = 0; p < Tile::points_each; ++p) {
                    float dot = dots[p][c];
                    dot = math::fused(y[p].x, w.x, dot);
                    dot = math::fused(y[p].y, w.y, dot);
                    dot = math::fused(y[p].z, w.z, dot);
                    dots[p][c] = math::fused(y[p].w, w.w, dot);
                }
            }
        }
        if (last) {
#pragma unroll
            for (int c = 0; c < Tile::prototypes_each; ++c) {
                const std::int64_t own = z + tx + 16 * c;
                const float half_square = screen.half_squares[own];
#pragma unroll
                for (int p = 0; p < Tile::points_each; ++p) {
                    const float score = half_square - dots[p][c];
                    least[p].second = fminf(least[p].second, fmaxf(score, least[p].score));
                    if (score < least[p].score) least[p].label = static_cast<std::int32_t>(own);
                    least[p].score = fminf(score, least[p].score);
                }
            }
        }
        z = next_z;
        chunk = next_chunk;
        buffer = 1 - buffer;
    }

    __syncthreads();  // nobody reads the tiles any more
    static_assert(sizeof(ScreenUndecided) + Tile::points * sizeof(unsigned) <= Tile::shared_bytes);
    auto& undecided = *reinterpret_cast<ScreenUndecided*>(shared);
    auto* const masks = reinterpret_cast<unsigned*>(&undecided + 1);
    undecided.clear();
#pragma unroll
    for (int p = 0; p < Tile::points_each; ++p) {
        const int row = ty + 16 * p;
        if (first + row < n) screen_point(task, screen, least[p], row, first + row, tx, undecided, masks);
    }
    __syncthreads();
    const int row = static_cast<int>(threadIdx.x);
    if (row < Tile::points && first + row < n)
        undecided.add(task, row, first + row, masks[row] & 0xffffu, masks[row] >> half_warp);
    __syncthreads();
    undecided.decide(task, first, status, [](int column, std::int64_t r) { return column + half_warp * r; });
}

}  // namespace cuebm::cuda
