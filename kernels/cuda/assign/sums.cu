// Launches of sums.cuh and accumulate.cuh.
#include "cuda/assign/accumulate.cuh"
#include "cuda/assign/chunks.hpp"
#include "cuda/assign/operations.hpp"

namespace cuebm::cuda {
namespace {

// A block of which the x take the columns of a row.
dim3 columns_by_rows(std::int64_t columns, unsigned threads) {
    const auto x = static_cast<unsigned>(lanes_of(columns));
    return dim3(x, threads / x);
}

// Each thread of 256 strides over many elements.
std::int64_t stride_blocks(std::int64_t elements) {
    return std::min<std::int64_t>(ceil_div(elements, joining_threads), joining_blocks);
}

}  // namespace

template <class T>
void scales(CudaQueue& queue, const detail::Scales<T>& task, const DeviceProperties& properties) {
    const DeviceScope scope(queue.device());
    const std::int64_t size = task.points.cols + 1;
    const dim3 block = columns_by_rows(task.points.cols, scale_threads);
    const std::int64_t groups = ceil_div(task.points.cols, block.x), rows = block.y * scale_loads<T>;
    queue.fill(task.scales, 0, static_cast<std::size_t>(size) * sizeof(double));
    for_chunks(queue, task.points, 1, [&](const PointsView<T>& points, std::int64_t first) {
        const detail::Scales<T> part{points, slice(task.weights, first, points.rows), task.scales};
        const std::int64_t row_blocks =
            std::clamp<std::int64_t>(properties.processors / groups, 1, ceil_div(points.rows, rows));
        launch(largest_of_columns<T>, tiled(queue, groups * row_blocks, block), part, static_cast<unsigned>(groups),
               queue.status());
    });
    launch(largest_to_scales, strided(queue, stride_blocks(size), 256), task.scales, size, task.points.rows);
}

template <class T>
void accumulate_chunk(CudaQueue& queue, const detail::Accumulate<T>& task, const SumsConfig& config) {
    const std::int64_t n = task.points.rows;
    if (config.columns == 0) {
        const dim3 block = columns_by_rows(task.points.cols + 1, 256);
        return launch(accumulate_rows<T>, tiled(queue, ceil_div(n, block.y), block), task, queue.status());
    }
    launch(accumulate_slices<T>,
           tiled(queue, std::int64_t{config.slices} * config.row_blocks, dim3(SumsTile::threads), config.shared_bytes),
           task, config, queue.status());
    if (config.slices > 1 && task.old_labels) launch(keep_labels<T>, strided(queue, stride_blocks(n), 256), task);
}

template <class T>
void accumulate(CudaQueue& queue, const detail::Accumulate<T>& task, const DeviceProperties& properties) {
    const DeviceScope scope(queue.device());
    for_chunks(queue, task.points, 1, [&](const PointsView<T>& points, std::int64_t first) {
        auto part = task;
        part.points = points;
        part.weights = slice(task.weights, first, points.rows);
        part.labels = slice(task.labels, first, points.rows);
        part.old_labels = slice(task.old_labels, first, points.rows);
        accumulate_chunk(queue, part, plan_sums<T>(points.rows, task.k, points.cols, properties));
    });
}

template <class T>
void accumulate_soft(CudaQueue& queue, const detail::AccumulateSoft<T>& task) {
    const DeviceScope scope(queue.device());
    for_chunks(queue, task.points, 1, [&](const PointsView<T>& points, std::int64_t first) {
        auto part = task;
        part.points = points;
        part.weights = slice(task.weights, first, points.rows);
        part.least = task.least + first;
        part.gaps = task.gaps + first;
        const EnergyTask<T> energies{
            detail::values_of(points), task.prototypes, {}, is_wide(points), is_wide(task.prototypes)};
        const std::int64_t tiles = ceil_div(points.rows, EnergyTile<T>::points);
        launch(accumulate_shares<T>, tiled(queue, tiles, dim3(EnergyTile<T>::threads)), part, energies);
    });
}

template <class T>
void finish(CudaQueue& queue, const detail::Finish<T>& task) {
    const DeviceScope scope(queue.device());
    launch(finish_prototypes<T>, strided(queue, ceil_div(task.prototypes.rows, rows_a_row_block), row_threads), task);
}

template <class T>
void total(CudaQueue& queue, const detail::Total<T>& task) {
    const DeviceScope scope(queue.device());
    const Launch how = strided(queue, stride_blocks(task.values.size), joining_threads);
    queue.fill(task.total, 0, 3 * sizeof(double));
    launch(total_largest<T>, how, task);
    launch(total_sum<T>, how, task);
    launch(total_finish<T>, strided(queue, 1, 32), task);
}

template <class T>
void variance(CudaQueue& queue, const detail::Variance<T>& task) {
    const DeviceScope scope(queue.device());
    const std::int64_t d = task.points.cols, blocks = ceil_div(task.points.rows, math::sum_block);
    for_chunks(queue, task.points, math::sum_block, [&](const PointsView<T>& points, std::int64_t first) {
        auto part = task;
        part.points = points;
        part.sums = task.sums + first / math::sum_block * 2 * d;
        const std::int64_t own = ceil_div(points.rows, math::sum_block);
        launch(variance_blocks<T>, strided(queue, ceil_div(own * d, 256), 256), part, own, task.points);
    });
    launch(variance_columns<T>, strided(queue, ceil_div(d, 256), 256), task, blocks);
    launch(variance_mean<T>, strided(queue, 1, 32), task);
}

#define CUEBM_INSTANTIATE(T)                                                                        \
    template void scales<T>(CudaQueue&, const detail::Scales<T>&, const DeviceProperties&);         \
    template void accumulate<T>(CudaQueue&, const detail::Accumulate<T>&, const DeviceProperties&); \
    template void accumulate_soft<T>(CudaQueue&, const detail::AccumulateSoft<T>&);                 \
    template void finish<T>(CudaQueue&, const detail::Finish<T>&);                                  \
    template void total<T>(CudaQueue&, const detail::Total<T>&);                                    \
    template void variance<T>(CudaQueue&, const detail::Variance<T>&);
CUEBM_INSTANTIATE(float)
CUEBM_INSTANTIATE(double)

}  // namespace cuebm::cuda
