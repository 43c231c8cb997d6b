// Launches of soft.cuh.
#include "cuda/assign/soft.cuh"

#include "cuda/assign/chunks.hpp"
#include "cuda/assign/operations.hpp"

namespace cuebm::cuda {
namespace {

// With the buffers, less than half of a multiprocessor's shared memory; not measured yet.
constexpr std::size_t wanted_mean_bytes = 64 * 1024;

// How many points of d coordinates a block takes, their means in shared memory; 0 if not even one fits.
template <class T>
int points_a_block(std::int64_t d, std::size_t shared_bytes) {
    using Tile = EnergyTile<T>;
    constexpr std::size_t buffers = (4 * Tile::point_elements + 2 * Tile::prototype_elements) * sizeof(T);
    const std::size_t row = static_cast<std::size_t>(d) * sizeof(T);
    if (row > shared_bytes - buffers) return 0;
    int points = Tile::points;
    while (points > 1 && static_cast<std::size_t>(points) * row > wanted_mean_bytes) points /= 2;
    return points;
}

template <class T>
void soft_mean_chunk(CudaQueue& queue, const detail::SoftMean<T>& task, const DeviceProperties& properties) {
    using Tile = EnergyTile<T>;
    const std::int64_t n = task.points.rows, d = task.points.cols;
    if (!(task.beta < infinity))
        return launch(hard_mean<T>, strided(queue, ceil_div(n, rows_a_row_block), row_threads), task);
    const EnergyTask<T> energies{detail::values_of(task.points), task.prototypes, task.known, is_wide(task.points),
                                 is_wide(task.prototypes)};
    int points = points_a_block<T>(d, properties.shared_bytes);
    const bool in_out = points == 0;
    if (in_out) points = Tile::points;
    const std::size_t bytes = in_out ? 0 : static_cast<std::size_t>(points) * static_cast<std::size_t>(d) * sizeof(T);
    const int half_warps = std::max(2, static_cast<int>(ceil_div(points, Tile::points_each)));  // a warp at least
    launch(task.known ? soft_mean_rows<T, true> : soft_mean_rows<T, false>,
           tiled(queue, ceil_div(n, points), dim3(static_cast<unsigned>(half_warps * half_warp)), bytes), task,
           energies, points, in_out);
}

template <class T>
void fill_in_chunk(CudaQueue& queue, const detail::FillIn<T>& task) {
    const std::int64_t rows = task.points.rows * task.labels.cols;
    launch(fill_in_rows<T>, strided(queue, ceil_div(rows, rows_a_row_block), row_threads), task);
}

}  // namespace

template <class T>
void soft_mean(CudaQueue& queue, const detail::SoftMean<T>& task, const DeviceProperties& properties) {
    for_chunks(queue, task.points, 1, [&](const PointsView<T>& points, std::int64_t first) {
        auto part = task;
        part.points = points;
        part.known = rows_of_mask(task.known, first, points.rows);
        part.labels = slice(task.labels, first, points.rows);
        if (task.least != nullptr) part.least = task.least + first;
        part.weights = slice(task.weights, first, points.rows);
        part.out = task.out.slice(first, points.rows);
        if (task.moves != nullptr) part.moves = task.moves + first;
        soft_mean_chunk(queue, part, properties);
    });
}

template <class T>
void fill_in(CudaQueue& queue, const detail::FillIn<T>& task) {
    const std::int64_t m = task.labels.cols;
    for_chunks(queue, task.points, 1, [&](const PointsView<T>& points, std::int64_t first) {
        auto part = task;
        part.points = points;
        part.known = rows_of_mask(task.known, first, points.rows);
        part.labels = task.labels.slice(first, points.rows);
        part.energies = task.energies.slice(first, points.rows);
        part.gaps = task.gaps + first;
        part.completed = task.completed.slice(first * m, points.rows * m);
        part.probabilities = task.probabilities.slice(first, points.rows);
        fill_in_chunk(queue, part);
    });
}

#define CUEBM_INSTANTIATE(T)                                                                     \
    template void soft_mean<T>(CudaQueue&, const detail::SoftMean<T>&, const DeviceProperties&); \
    template void fill_in<T>(CudaQueue&, const detail::FillIn<T>&);
CUEBM_INSTANTIATE(float)
CUEBM_INSTANTIATE(double)

}  // namespace cuebm::cuda
