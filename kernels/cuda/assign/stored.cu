// Points as they are stored: rows picked by number, chunks converted to floats.
#include "cuda/assign/stored.cuh"

#include "cuda/assign/chunks.hpp"
#include "cuda/assign/half_warp.cuh"
#include "cuda/assign/operations.hpp"
#include "cuda/assign/report.cuh"

namespace cuebm::cuda {
namespace {

// Row r becomes row rows[r] of `from`; without `rows`, row r. A half-warp takes a row.
template <class T>
__global__ void __launch_bounds__(256) gather_rows(PointsView<T> from, const std::int64_t* rows, MatrixView<T> to) {
    const int lane = half_warp_lane(), rows_a_block = static_cast<int>(blockDim.x) / half_warp;
    for (std::int64_t r = std::int64_t{blockIdx.x} * rows_a_block + half_warp_index(); r < to.rows;
         r += std::int64_t{gridDim.x} * rows_a_block) {
        const std::int64_t start = (rows != nullptr ? rows[r] : r) * from.stride;
        T* target = to.data + r * to.stride;
        for (std::int64_t j = lane; j < from.cols; j += half_warp) target[j] = value_at(from, start + j);
    }
}

// What was reported of rows of a chunk that begins at row `first` joins *kept, by the rows' own numbers; behind the
// last chunk all of it is the status again. One thread.
__global__ void __launch_bounds__(32)
    renumber_rows(std::uint64_t* status, std::uint64_t* kept, std::int64_t first, bool last) {
    if (threadIdx.x != 0) return;
    std::uint64_t word = *status;
    if (word != detail::no_problem) word = detail::with_row_offset(word, first);
    if (word < *kept) *kept = word;
    *status = last ? *kept : detail::no_problem;
}

template <class T>
void enqueue_gather(CudaQueue& queue, PointsView<T> from, const std::int64_t* rows, MatrixView<T> to) {
    const DeviceScope scope(queue.device());
    launch(gather_rows<T>, strided(queue, ceil_div(to.rows, rows_a_row_block), row_threads), from, rows, to);
}

}  // namespace

template <class T>
void gather(CudaQueue& queue, PointsView<T> from, const std::int64_t* rows, MatrixView<T> to) {
    enqueue_gather(queue, from, rows, to);
}
template void gather<float>(CudaQueue&, PointsView<float>, const std::int64_t*, MatrixView<float>);
template void gather<double>(CudaQueue&, PointsView<double>, const std::int64_t*, MatrixView<double>);

Chunks::Chunks(CudaQueue& queue, const PointsView<float>& points, std::int64_t multiple)
    : queue_(queue), points_(points), stride_(ceil_div(points.cols, 4) * 4) {
    rows_ = std::max<std::int64_t>(1, chunk_bytes / (stride_ * std::int64_t{sizeof(float)}));
    rows_ = std::min(ceil_div(rows_, multiple) * multiple, points.rows);
    constexpr std::size_t head = 256;  // the kept word, and alignment
    const auto floats = static_cast<std::size_t>(rows_ * stride_);
    std::byte* memory = queue.converted(head + floats * sizeof(float));
    kept_ = reinterpret_cast<std::uint64_t*>(memory);
    floats_ = reinterpret_cast<float*>(memory + head);
    queue.fill(kept_, 0xff, sizeof *kept_);
    renumber(0, false);  // what earlier work has reported
}

PointsView<float> Chunks::convert(std::int64_t first) {
    const std::int64_t count = std::min(rows_, points_.rows - first);
    enqueue_gather(queue_, points_.slice(first, count), nullptr,
                   {floats_, count, points_.cols, stride_, points_.device});
    return {floats_, count, points_.cols, stride_, points_.device};
}

void Chunks::renumber(std::int64_t first, bool last) {
    const DeviceScope scope(queue_.device());
    launch(renumber_rows, strided(queue_, 1, 32), queue_.status(), kept_, first, last);
}

}  // namespace cuebm::cuda
