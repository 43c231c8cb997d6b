// The K-means family on a GPU: each function enqueues the kernels of one operation of the seam.
#pragma once

#include <algorithm>
#include <string>

#include "assign_operations.hpp"
#include "cuda/assign/config.hpp"
#include "cuda/queue.hpp"

namespace cuebm::cuda {

template <class T>
std::size_t assign_scratch_bytes(const AssignConfig& config, const Assign<T>& task);
template <class T>
void assign(CudaQueue& queue, const AssignConfig& config, const Assign<T>& task, std::byte* scratch, T* gaps);
template <class T>
void scales(CudaQueue& queue, const detail::Scales<T>& task, const DeviceProperties& properties);
template <class T>
void accumulate(CudaQueue& queue, const detail::Accumulate<T>& task, const DeviceProperties& properties);
template <class T>
void accumulate_soft(CudaQueue& queue, const detail::AccumulateSoft<T>& task);
template <class T>
void finish(CudaQueue& queue, const detail::Finish<T>& task);
template <class T>
void total(CudaQueue& queue, const detail::Total<T>& task);
template <class T>
void variance(CudaQueue& queue, const detail::Variance<T>& task);
template <class T>
void soft_mean(CudaQueue& queue, const detail::SoftMean<T>& task, const DeviceProperties& properties);
template <class T>
void fill_in(CudaQueue& queue, const detail::FillIn<T>& task);
template <class T>
void normalise(CudaQueue& queue, const detail::Normalise<T>& task);
template <class T>
void halve(CudaQueue& queue, MatrixView<T> values);
template <class T>
void fold(CudaQueue& queue, const detail::Fold<T>& task);
template <class T>
void draw(CudaQueue& queue, const detail::Draw<T>& task);
template <class T>
void choose(CudaQueue& queue, const detail::Choose<T>& task);
template <class T>
void select(CudaQueue& queue, const detail::Select<T>& task);
template <class T>
void gather(CudaQueue& queue, PointsView<T> from, const std::int64_t* rows, MatrixView<T> to);

// Threads of a block where a half-warp takes a row, and how many rows that is.
inline constexpr int row_threads = 256, rows_a_row_block = row_threads / 16;

// A 1-D grid on the queue's stream, whose kernel strides over what is left.
inline Launch strided(const CudaQueue& queue, std::int64_t blocks, unsigned threads) {
    return {.grid = dim3(static_cast<unsigned>(std::min(blocks, max_blocks))),
            .block = dim3(threads),
            .stream = queue.stream()};
}

// A block for each tile. More of them than a grid may have would take more memory than any GPU has.
inline Launch tiled(const CudaQueue& queue, std::int64_t tiles, dim3 block, std::size_t shared_bytes = 0) {
    if (tiles > max_blocks)
        throw DeviceError("a grid of " + std::to_string(tiles) +
                          " blocks: wanted 2^31 - 1 at most; use smaller batches");
    return {.grid = dim3(static_cast<unsigned>(tiles)),
            .block = block,
            .shared_bytes = shared_bytes,
            .stream = queue.stream()};
}

}  // namespace cuebm::cuda
