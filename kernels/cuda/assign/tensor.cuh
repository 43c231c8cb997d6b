// assign() for float where labels and energies alone are wanted, by tensor cores: merits of every pair in fp16, a
// proved bound on what they may be wrong by (math/screening_fp16.hpp), and canonical energies of what the bound leaves.
#pragma once

#include "cuda/assign/candidates.cuh"
#include "cuda/assign/config.hpp"
#include "math/screening_fp16.hpp"

namespace cuebm::cuda {

// In the call's scratch: prototypes less their common shift, times the scale, in fp16, and what the bound wants of each
// and of all.
struct TensorScreen {
    std::uint16_t* rows;  // [slots x stride], zeros beyond k and d
    float2* terms;        // [k rounded up to tiles]: where a sum begins, and R >= |w'|; minus infinity and 0 beyond k
    float* shift;         // [depth], zeros beyond d
    unsigned* largest;    // [3], the bits of the largest R, |w' - wq| / R and |w'_j| before it is scaled; start at 0
    std::int64_t depth, stride, slots;  // d rounded up to the 16 of a product, and to a chunk; k rounded up to tiles
    math::Fp16Bound bound;
};

__device__ __forceinline__ float scale_of(const TensorScreen& screen) {
    return math::fp16_scale(__uint_as_float(screen.largest[2]));
}

// Nonnegative floats order as their bits do; NaN lies above infinity.
__device__ __forceinline__ void raise(unsigned* to, float value) {
    atomicMax(to, __float_as_uint(value) & 0x7fffffffu);
}

// A half-warp takes a prototype.
static __global__ void __launch_bounds__(256) tensor_scale(MatrixView<const float> prototypes, TensorScreen screen) {
    const int lane = half_warp_lane(), rows = static_cast<int>(blockDim.x) / half_warp;
    float most = 0;
    for (std::int64_t z = std::int64_t{blockIdx.x} * rows + half_warp_index(); z < prototypes.rows;
         z += std::int64_t{gridDim.x} * rows)
        for (std::int64_t j = lane; j < prototypes.cols; j += half_warp)
            most = fmaxf(most, fabsf(prototypes.data[z * prototypes.stride + j] - screen.shift[j]));
    for (int apart = half_warp / 2; apart >= 1; apart /= 2)
        most = fmaxf(most, __shfl_xor_sync(half_warp_mask(), most, apart));
    if (lane == 0) raise(screen.largest + 2, most);
}

// A half-warp takes a prototype, two coordinates a lane. Squares are summed in double, as the bound wants them.
static __global__ void __launch_bounds__(256)
    tensor_prototypes(MatrixView<const float> prototypes, TensorScreen screen) {
    const int lane = half_warp_lane(), rows = static_cast<int>(blockDim.x) / half_warp;
    const float scale = scale_of(screen);
    for (std::int64_t z = std::int64_t{blockIdx.x} * rows + half_warp_index(); z < screen.slots;
         z += std::int64_t{gridDim.x} * rows) {
        double squares = 0, lost = 0;
        const bool there = z < prototypes.rows;
        for (std::int64_t j = 2 * lane; j < screen.stride; j += 2 * half_warp) {
            const float* w = prototypes.data + z * prototypes.stride + j;
            const float low = there && j < prototypes.cols ? (w[0] - screen.shift[j]) * scale : 0.0f;
            const float high = there && j + 1 < prototypes.cols ? (w[1] - screen.shift[j + 1]) * scale : 0.0f;
            const unsigned pair = fp16_pair(low, high);
            *reinterpret_cast<unsigned*>(screen.rows + z * screen.stride + j) = pair;
            const float2 kept = from_fp16_pair(pair);
            const double values[4] = {low, high, double{low} - kept.x, double{high} - kept.y};
            squares = math::fused(values[0], values[0], math::fused(values[1], values[1], squares));
            lost = math::fused(values[2], values[2], math::fused(values[3], values[3], lost));
        }
        squares = tree_sum(squares);
        lost = tree_sum(lost);
        if (lane != 0) continue;
        const float norm = there ? math::screening_norm(squares) : 0.0f;
        screen.terms[z] = {there ? math::fp16_start(screen.bound, squares, norm) : -static_cast<float>(__builtin_inf()),
                           norm};
        if (!there) continue;
        raise(screen.largest, norm);
        const float ratio = lost == 0 ? 0.0f : math::screening_norm(lost) / norm * (1 + 0x1p-22f);
        raise(screen.largest + 1, ratio);
    }
}

using TensorUndecided = Undecided<TensorTile::points, TensorTile::classes>;

// A block's shared memory, with chunks of Columns coordinates. What the classes know of the points takes the place of
// the prototypes in the end.
template <int Columns>
struct TensorShared {
    static constexpr int chunk_pitch = TensorTile::pitch(Columns);
    static constexpr int chunk_elements = TensorTile::prototypes * chunk_pitch;
    static constexpr int least_pitch = TensorTile::pitch(16);  // of points
    static constexpr int of_classes = TensorTile::classes * TensorTile::points;
    __device__ TensorShared(unsigned char* memory, std::int64_t depth)
        : pitch(static_cast<int>(depth) + TensorTile::pad),
          slopes(reinterpret_cast<float*>(memory)),
          margins(slopes + TensorTile::points),
          terms(reinterpret_cast<float2*>(margins + TensorTile::points)),
          prototypes(reinterpret_cast<std::uint16_t*>(terms + 2 * TensorTile::prototypes)),
          points(prototypes + 2 * chunk_elements),
          most(reinterpret_cast<float*>(prototypes)),
          second(most + of_classes),
          least(second + of_classes),
          undecided(reinterpret_cast<TensorUndecided*>(least + of_classes)) {
        static_assert(3 * of_classes * sizeof(float) + sizeof(TensorUndecided) <=
                      (2 * chunk_elements + TensorTile::points * least_pitch) * sizeof(std::uint16_t));
    }
    int pitch;                           // of the points
    float *slopes, *margins;             // [points]
    float2* terms;                       // 2 x [prototypes]
    std::uint16_t *prototypes, *points;  // 2 x [prototypes x chunk_pitch], [points x pitch]
    float *most, *second, *least;        // [classes x points]
    TensorUndecided* undecided;          // reaches into the points, which nobody reads any more
};

// The block's points, shifted, scaled and rounded, into shared memory, where they stay; and of each the slope of its
// bound and its margin, infinite where there is no bound. A half-warp takes eight rows at once, so that their loads are
// under way together, and has the two sums of each in a lane of its own. Beyond the last row stands the last one again.
template <bool Wide, int Columns>
__device__ __forceinline__ void stage_points(const TensorShared<Columns>& shared, const Assign<float>& task,
                                             const TensorScreen& screen, std::int64_t first) {
    constexpr int at_once = half_warp / 2;
    static_assert(TensorTile::points == TensorTile::half_warps * at_once);
    const int lane = half_warp_lane(), row = half_warp_index() * at_once;
    const std::int64_t d = task.points.cols;
    const float scale = scale_of(screen);
    const float* rows[at_once];
#pragma unroll
    for (int r = 0; r < at_once; ++r) {
        const std::int64_t i = first + row + r, last = task.points.rows - 1;
        rows[r] = values(task.points) + (i < last ? i : last) * task.points.stride;
    }
    float sums[half_warp] = {};  // of |yq|^2 and |y' - yq|^2 of each row
    for (std::int64_t j = 2 * lane; j < screen.depth; j += 2 * half_warp) {
        float2 y[at_once];
        const float2 shift = *reinterpret_cast<const float2*>(screen.shift + j);
#pragma unroll
        for (int r = 0; r < at_once; ++r) {
            if constexpr (Wide)
                y[r] = j < d ? *reinterpret_cast<const float2*>(rows[r] + j) : float2{0, 0};
            else
                y[r] = {j < d ? rows[r][j] : 0.0f, j + 1 < d ? rows[r][j + 1] : 0.0f};
        }
#pragma unroll
        for (int r = 0; r < at_once; ++r) {
            const float low = (y[r].x - shift.x) * scale, high = (y[r].y - shift.y) * scale;
            const unsigned pair = fp16_pair(low, high);
            *reinterpret_cast<unsigned*>(shared.points + (row + r) * shared.pitch + j) = pair;
            const float2 kept = from_fp16_pair(pair);
            sums[2 * r] = math::fused(kept.x, kept.x, math::fused(kept.y, kept.y, sums[2 * r]));
            sums[2 * r + 1] = math::fused(low - kept.x, low - kept.x, sums[2 * r + 1]);
            sums[2 * r + 1] = math::fused(high - kept.y, high - kept.y, sums[2 * r + 1]);
        }
    }
    const float own =
        sqrtf(transposed_tree_sum(sums, lane) + math::screening_norm_floor(d)) * math::screening_norm_growth(d);
    const float other = __shfl_xor_sync(half_warp_mask(), own, 1);
    if (lane % 2 != 0) return;
    const float largest = __uint_as_float(screen.largest[0]), ratio = __uint_as_float(screen.largest[1]);
    const float norm = own + other, reach = norm + largest;
    const bool bounded = reach * (1 / scale) <= math::screening_reach_limit;  // false for NaN, too
    shared.slopes[row + lane / 2] = math::fp16_slope(screen.bound, own, other, ratio);
    shared.margins[row + lane / 2] =
        bounded ? math::fp16_margin(screen.bound, norm, scale) : static_cast<float>(__builtin_inf());
}

// What a thread knows of a point: of its class, the most that a prototype's merit may be, with its label, and the
// second most.
struct Most {
    float most, second;
    std::int32_t label;
};

// Of the prototypes of a tile a thread sees 8 j + 2 (lane % 4) and the next, of its warp's half: class 4 half + lane
// % 4.
__device__ __forceinline__ std::int64_t class_member(int c, std::int64_t r) {
    using Tile = TensorTile;
    constexpr int each = Tile::prototypes / Tile::classes;
    const auto within = static_cast<int>(r % each);
    return r / each * Tile::prototypes + c / 4 * Tile::warp_prototypes + within / 2 * 8 + c % 4 * 2 + within % 2;
}

// What the bound leaves of a thread's point i, the block's `row`-th.
template <int Columns>
__device__ __forceinline__ void screen_point(const Assign<float>& task, const TensorShared<Columns>& shared, int row,
                                             std::int64_t i) {
    using Tile = TensorTile;
    const float margin = shared.margins[row];
    const bool bounded = margin < static_cast<float>(__builtin_inf());
    float least = -static_cast<float>(__builtin_inf());
#pragma unroll
    for (int c = 0; c < Tile::classes; ++c) least = fmaxf(least, shared.least[c * Tile::points + row]);
    least = least - margin;
    unsigned candidates = 0, crowded = 0;
#pragma unroll
    for (int c = 0; c < Tile::classes; ++c) {
        if (!bounded || !(shared.most[c * Tile::points + row] < least)) candidates |= 1u << c;
        if (!bounded || !(shared.second[c * Tile::points + row] < least)) crowded |= 1u << c;
    }
    shared.undecided->add(task, row, i, candidates, crowded);
}

// Block: 8 warps, 128 points against 128 prototypes at a time, Columns coordinates a chunk. Points are read once and
// stay in shared memory; prototypes come through two buffers. A warp has 32 points x 64 prototypes: 2 x 8 products of
// 16 x 8, 64 sums a thread, and a Most for each of its 4 points. One barrier a chunk.
template <int Columns>
__global__ void __launch_bounds__(TensorTile::threads, 2)
    assign_tensor(Assign<float> task, TensorScreen screen, bool wide_points, std::uint64_t* status) {
    using Tile = TensorTile;
    using Shared = TensorShared<Columns>;
    constexpr int down = Tile::warp_points / 16, across = Tile::warp_prototypes / 8;
    CUEBM_DYNAMIC_SHARED(unsigned char, memory);
    const Shared shared(memory, screen.depth);
    const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
    const int own_points = warp % Tile::warps_down * Tile::warp_points;
    const int own_prototypes = warp / Tile::warps_down * Tile::warp_prototypes;
    const std::int64_t k = task.prototypes.rows;
    const int depth = static_cast<int>(screen.depth), chunks = (depth + Columns - 1) / Columns;
    const std::int64_t first = std::int64_t{blockIdx.x} * Tile::points;
    // A thread copies 16 bytes of every so many rows of a chunk, and in the first chunk of a tile two terms.
    constexpr int each = 16 / sizeof(std::uint16_t), across_row = Columns / each, step = Tile::threads / across_row;
    const int own_row = static_cast<int>(threadIdx.x) / across_row,
              own_column = static_cast<int>(threadIdx.x) % across_row;
    const std::uint16_t* const own_source = screen.rows + own_row * screen.stride + own_column * each;
    std::uint16_t* const own_target = shared.prototypes + own_row * Shared::chunk_pitch + own_column * each;
    const auto stage = [&](int buffer, std::int64_t z, int chunk) {
        const std::uint16_t* source = own_source + z * screen.stride + chunk * Columns;
#pragma unroll
        for (int r = 0; r < Tile::prototypes; r += step, source += step * screen.stride)
            copy_async<16>(own_target + buffer * Shared::chunk_elements + r * Shared::chunk_pitch, source, true);
        const int pair = static_cast<int>(threadIdx.x) * 2;
        if (chunk == 0 && pair < Tile::prototypes)
            copy_async<16>(shared.terms + z % (2 * Tile::prototypes) + pair, screen.terms + z + pair, true);
        copy_async_commit();
    };

    Most best[2 * down];
#pragma unroll
    for (int p = 0; p < 2 * down; ++p)
        best[p] = {-static_cast<float>(__builtin_inf()), -static_cast<float>(__builtin_inf()), 0};
    float sums[down][across][4];
    std::int64_t z = 0;
    int chunk = 0, buffer = 0;
    stage(buffer, z, chunk);
    if (wide_points)
        stage_points<true>(shared, task, screen, first);
    else
        stage_points<false>(shared, task, screen, first);
    while (z < k) {
        const bool last = chunk + 1 == chunks;
        const std::int64_t next_z = last ? z + Tile::prototypes : z;
        const int next_chunk = last ? 0 : chunk + 1;
        copy_async_wait<0>();
        __syncthreads();  // this chunk is ready, and nobody reads the buffer that the next one goes to
        if (next_z < k) stage(1 - buffer, next_z, next_chunk);

        // Two prototypes side by side: their starts and norms.
        const float2* terms = shared.terms + z % (2 * Tile::prototypes) + own_prototypes + lane % 4 * 2;
        if (chunk == 0) {
#pragma unroll
            for (int c = 0; c < across; ++c) {
                const float4 two = *reinterpret_cast<const float4*>(terms + 8 * c);
#pragma unroll
                for (int p = 0; p < down; ++p) {
                    sums[p][c][0] = sums[p][c][2] = two.x;
                    sums[p][c][1] = sums[p][c][3] = two.z;
                }
            }
        }
        const std::uint16_t* y =
            shared.points + (own_points + lane % 16) * shared.pitch + lane / 16 * 8 + chunk * Columns;
        const std::uint16_t* w = shared.prototypes + buffer * Shared::chunk_elements +
                                 (own_prototypes + lane % 8 + lane / 16 * 8) * Shared::chunk_pitch + lane / 8 % 2 * 8;
        const bool any = z + own_prototypes < k;  // half a tile may be all that is left of the prototypes
        const int left = any ? depth - chunk * Columns : 0;
#pragma unroll 1
        for (int j = 0; j < Columns && j < left; j += 16) {
            unsigned a[down][4];
#pragma unroll
            for (int p = 0; p < down; ++p) load_matrices(a[p], y + p * 16 * shared.pitch + j);
#pragma unroll
            for (int c = 0; c < across; c += 2) {
                unsigned b[4];
                load_matrices(b, w + c * 8 * Shared::chunk_pitch + j);
#pragma unroll
                for (int p = 0; p < down; ++p) {
                    multiply_matrices(sums[p][c], a[p], b[0], b[1]);
                    multiply_matrices(sums[p][c + 1], a[p], b[2], b[3]);
                }
            }
        }
        if (last && any) {
            float slopes[2 * down];
#pragma unroll
            for (int p = 0; p < 2 * down; ++p) slopes[p] = shared.slopes[own_points + 8 * p + lane / 4];
#pragma unroll
            for (int c = 0; c < across; ++c) {
                const float4 two = *reinterpret_cast<const float4*>(terms + 8 * c);
                const auto own = static_cast<std::int32_t>(z) + own_prototypes + lane % 4 * 2 + 8 * c;
#pragma unroll
                for (int e = 0; e < 2; ++e)
#pragma unroll
                    for (int p = 0; p < 2 * down; ++p) {
                        const float merit =
                            math::fused(slopes[p], e == 0 ? two.y : two.w, sums[p / 2][c][p % 2 * 2 + e]);
                        best[p].second = fmaxf(best[p].second, fminf(merit, best[p].most));
                        if (merit > best[p].most) best[p].label = own + e;
                        best[p].most = fmaxf(best[p].most, merit);
                    }
            }
        }
        z = next_z;
        chunk = next_chunk;
        buffer = 1 - buffer;
    }

    float norms[2 * down];
#pragma unroll
    for (int p = 0; p < 2 * down; ++p) norms[p] = screen.terms[best[p].label].y;
    __syncthreads();  // nobody reads prototypes any more
    TensorUndecided& undecided = *shared.undecided;
    undecided.clear();
    const int own_class = warp / Tile::warps_down * 4 + lane % 4;
#pragma unroll
    for (int p = 0; p < 2 * down; ++p) {
        const int row = own_points + 8 * p + lane / 4, at = own_class * Tile::points + row;
        shared.most[at] = best[p].most;
        shared.second[at] = best[p].second;
        shared.least[at] = math::fp16_least(screen.bound, best[p].most, shared.slopes[row], norms[p]);
        undecided.labels[at] = best[p].label;
    }
    __syncthreads();
    const int row = static_cast<int>(threadIdx.x);
    if (row < Tile::points && first + row < task.points.rows) screen_point(task, shared, row, first + row);
    __syncthreads();
    undecided.decide(task, first, status, class_member);
}

}  // namespace cuebm::cuda
