// Points that move between clusters, by integer additions: exact, and the same bits in any order. In shared memory
// first where the sums fit and are met often enough; else by global atomics.
#pragma once

#include "cuda/assign/config.hpp"
#include "cuda/assign/sums.cuh"

namespace cuebm::cuda {

// What is known of a row before its values are read.
template <class T>
struct RowLabels {
    std::int32_t now, before;
    T weight;
};
template <class T>
__device__ __forceinline__ RowLabels<T> labels_of(const detail::Accumulate<T>& task, std::int64_t i) {
    if (i >= task.points.rows) return {-1, -1, T(0)};
    return {task.labels.data[i * task.labels.stride],
            task.old_labels.data != nullptr ? task.old_labels.data[i * task.old_labels.stride] : -1,
            task.weights.data != nullptr ? task.weights.data[i * task.weights.stride] : T(1)};
}

__device__ __forceinline__ bool is_label(std::int32_t label, std::int64_t k) { return label >= 0 && label < k; }

// The two words of an int64: on shared memory an atomic of 64 bits would be a loop that tries again when others meet
// it.
__device__ __forceinline__ void add_in_words(unsigned* low, unsigned* high, std::int64_t value) {
    const auto bits = static_cast<std::uint64_t>(value);
    const auto added = static_cast<unsigned>(bits);
    const unsigned before = atomicAdd(low, added);
    const unsigned carry = before + added < added ? 1 : 0;
    atomicAdd(high, static_cast<unsigned>(bits >> 32) + carry);
}

// A block has the sums of all clusters, of one slice of the columns, in shared memory, and adds them to the global ones
// at the end; the sums of weights too, in the first slice. A warp takes 32 rows at a time and lists those that move,
// so that its lanes are at work whether few or many do. Low and high words are apart, and of `copies` each row that a
// warp adds at once has its own, in other banks. Old labels change here where no other slice may still read them.
template <class T>
__global__ void __launch_bounds__(SumsTile::threads)
    accumulate_slices(detail::Accumulate<T> task, SumsConfig config, std::uint64_t* status) {
    constexpr int each = 8;  // loads in flight
    CUEBM_SHARED(Move, moves_of_warps, [SumsTile::warps][SumsTile::rows]);
    CUEBM_SHARED(int, rows_of_warps, [SumsTile::warps][SumsTile::rows]);  // where these are among the 32
    CUEBM_SHARED(unsigned, moved_rows);
    CUEBM_DYNAMIC_SHARED(unsigned, low);
    const auto k = static_cast<int>(task.k), columns = config.columns, copies = config.copies;
    const int sums = k * columns, slots = (sums + k) * copies;
    unsigned* const high = low + slots;
    const auto thread = static_cast<int>(threadIdx.x);
    const int lane = thread % 32, warp = thread / 32;
    const unsigned slice = blockIdx.x % config.slices, row_block = blockIdx.x / config.slices;
    const std::int64_t n = task.points.rows, d = task.points.cols, first_column = std::int64_t{slice} * columns;
    for (int s = thread; s < 2 * slots; s += SumsTile::threads) low[s] = 0;
    if (thread == 0) moved_rows = 0;
    __syncthreads();

    const int width = d - first_column < columns ? static_cast<int>(d - first_column) : columns;
    const int rows_at_once = 32 / config.lanes, row_of_lane = lane / config.lanes, copy = row_of_lane % copies;
    const std::int64_t stride = task.points.stride, step = std::int64_t{config.row_blocks} * SumsTile::threads;
    const double* const scales = task.into.scales + first_column;
    Move* const moves = moves_of_warps[warp];
    int* const moving = rows_of_warps[warp];
    unsigned moved = 0;
    std::int64_t i = std::int64_t{row_block} * SumsTile::threads + thread;
    for (RowLabels<T> next = labels_of(task, i); i - lane < n; i += step) {
        const RowLabels<T> row = next;
        next = labels_of(task, i + step);  // on its way while the points of this row are
        if (i < n && !is_label(row.now, task.k)) report(status, i, detail::label_out_of_range);
        const bool mover = is_label(row.now, task.k) && row.now != row.before;
        if (mover && task.old_labels.data != nullptr && config.slices == 1)
            task.old_labels.data[i * task.old_labels.stride] = row.now;
        moved += static_cast<unsigned>(__popc(__ballot_sync(0xffffffffu, mover)));
        const double weight = static_cast<double>(row.weight);
        const bool adds = mover && valid_weight(weight);  // else largest_of_columns() has reported it
        const unsigned adding = __ballot_sync(0xffffffffu, adds);
        const int count = __popc(adding);
        __syncwarp();  // the rows before have been added
        if (adds) {
            const int place = __popc(adding & ((1u << lane) - 1));
            moves[place] = {weight, row.now, row.before};
            moving[place] = lane;
        }
        __syncwarp();
        if (adds && slice == 0) {
            const std::int64_t fixed = math::to_fixed(weight, task.into.scales[d]);
            if (fixed == 0 && weight > 0) report(status, i, detail::weight_too_small);
            const int own = sums * copies + lane % copies, to = own + row.now * copies,
                      from = own + row.before * copies;
            add_in_words(low + to, high + to, fixed);
            if (row.before >= 0) add_in_words(low + from, high + from, -fixed);
        }
        const T* const rows = values(task.points) + (i - lane) * stride + first_column;
        for (int c = lane % config.lanes; c < width; c += config.lanes) {
            const double scale = scales[c];
            for (int m = row_of_lane; m < count; m += each * rows_at_once) {
                T y[each];
#pragma unroll
                for (int e = 0; e < each; ++e) {
                    const int at = m + e * rows_at_once;
                    y[e] = at < count ? rows[moving[at] * stride + c] : T(0);
                }
#pragma unroll
                for (int e = 0; e < each; ++e) {
                    const int at = m + e * rows_at_once;
                    if (at >= count) break;
                    const Move move = moves[at];
                    const double value = move.weight * static_cast<double>(y[e]);
                    if (!is_finite(value)) continue;
                    const std::int64_t fixed = math::to_fixed(value, scale);
                    const int to = (move.to * columns + c) * copies + copy;
                    add_in_words(low + to, high + to, fixed);
                    if (move.from < 0) continue;
                    const int from = (move.from * columns + c) * copies + copy;
                    add_in_words(low + from, high + from, -fixed);
                }
            }
        }
    }

    if (lane == 0 && moved != 0) atomicAdd(&moved_rows, moved);
    __syncthreads();
    if (thread == 0 && slice == 0 && task.moved != nullptr && moved_rows != 0) add_fixed(task.moved, moved_rows);
    for (int s = thread; s < sums + (slice == 0 ? k : 0); s += SumsTile::threads) {
        std::uint64_t sum = 0;
        for (int other = s * copies; other < (s + 1) * copies; ++other)
            sum += std::uint64_t{high[other]} << 32 | low[other];
        if (sum == 0) continue;  // columns beyond the last are among these
        std::int64_t* const to =
            s < sums ? task.into.sums + s / columns * d + first_column + s % columns : task.into.counts + (s - sums);
        add_fixed(to, static_cast<std::int64_t>(sum));
    }
}

// Old labels become the labels, where several slices have read them.
template <class T>
__global__ void __launch_bounds__(256) keep_labels(detail::Accumulate<T> task) {
    for (std::int64_t i = std::int64_t{blockIdx.x} * 256 + threadIdx.x; i < task.points.rows;
         i += std::int64_t{gridDim.x} * 256) {
        const std::int32_t label = task.labels.data[i * task.labels.stride];
        std::int32_t& old = task.old_labels.data[i * task.old_labels.stride];
        if (is_label(label, task.k) && label != old) old = label;
    }
}

// By global atomics. Block: (lanes, 256 / lanes) threads; `lanes`, a power of two up to 32, take a row's columns. Two
// atomics a column of a row that moves, one if it was in no cluster.
template <class T>
__global__ void __launch_bounds__(256) accumulate_rows(detail::Accumulate<T> task, std::uint64_t* status) {
    const int lanes = static_cast<int>(blockDim.x), rows = static_cast<int>(blockDim.y);
    const int lane = static_cast<int>(threadIdx.x), row = static_cast<int>(threadIdx.y);
    const std::int64_t n = task.points.rows, d = task.points.cols;
    const std::int64_t i = std::int64_t{blockIdx.x} * rows + row;
    std::int32_t to = -1, from = -1;
    if (lane == 0 && i < n) {
        to = task.labels.data[i * task.labels.stride];
        if (to < 0 || to >= task.k) {
            report(status, i, detail::label_out_of_range);
            to = -1;
        } else if (task.old_labels.data != nullptr) {
            from = task.old_labels.data[i * task.old_labels.stride];
            if (from == to)
                to = -1;
            else
                task.old_labels.data[i * task.old_labels.stride] = to;
        }
    }
    const unsigned movers = __ballot_sync(0xffffffffu, to >= 0);
    if (task.moved != nullptr && movers != 0 && (row * lanes + lane) % 32 == 0) add_fixed(task.moved, __popc(movers));
    to = __shfl_sync(0xffffffffu, to, 0, lanes);
    from = __shfl_sync(0xffffffffu, from, 0, lanes);
    if (to < 0) return;
    const double weight = weight_of(task.weights, i);
    if (!valid_weight(weight)) return;  // largest_of_columns() has reported it
    for (std::int64_t j = lane; j <= d; j += lanes) {
        const double y = j < d ? static_cast<double>(values(task.points)[i * task.points.stride + j]) : 1.0;
        const double value = weight * y;
        if (!is_finite(value)) continue;
        const std::int64_t fixed = math::to_fixed(value, task.into.scales[j]);
        if (j == d && fixed == 0 && weight > 0) report(status, i, detail::weight_too_small);
        add_fixed(j < d ? task.into.sums + to * d + j : task.into.counts + to, fixed);
        if (from >= 0) add_fixed(j < d ? task.into.sums + from * d + j : task.into.counts + from, -fixed);
    }
}

}  // namespace cuebm::cuda
