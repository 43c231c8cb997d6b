// See soft.hpp. The packed kernels are in assign_soft.hpp.
#include "cpu/soft.hpp"

#include <algorithm>
#include <memory>
#include <vector>

#include "math/soft.hpp"

namespace cuebm::cpu {
namespace {

using detail::CpuQueue;

constexpr std::int64_t rows_a_task = 64;

std::int64_t padded(std::int64_t d) {
    return (d + math::canonical_lanes - 1) / math::canonical_lanes * math::canonical_lanes;
}

template <class T, class F>
void for_soft_blocks(CpuQueue& queue, const AssignKernels& isa, const SoftData<T>& data, std::int64_t n, F body) {
    queue.team().for_blocks(n, isa.soft_rows_a_task, [&](std::int64_t first, std::int64_t last, int) {
        const auto scratch = std::make_unique_for_overwrite<std::byte[]>(isa.soft_scratch(sizeof(T), data.depth));
        body(first, last, scratch.get());
    });
}

}  // namespace

template <class T>
void soft_mean(CpuQueue& queue, const AssignKernels& isa, const detail::SoftMean<T>& task) {
    const bool soft = task.beta < infinity;
    const SoftData<T> data{.points = rows_of(task.points),
                           .d = task.points.cols,
                           .known = task.known.data,
                           .known_stride = task.known.rows == 1 ? 0 : task.known.stride,
                           .prototypes = task.prototypes.data,
                           .prototype_stride = task.prototypes.stride,
                           .k = task.prototypes.rows,
                           .depth = padded(task.points.cols),
                           .labels = soft ? nullptr : task.labels.data,
                           .labels_stride = task.labels.stride,
                           .least = task.least,
                           .weights = task.weights.data,
                           .weights_stride = task.weights.stride,
                           .beta = static_cast<T>(task.beta),
                           .gradient = task.gradient,
                           .out = task.out.data,
                           .out_stride = task.out.stride,
                           .moves = task.moves};
    for_soft_blocks(queue, isa, data, task.points.rows, [&](std::int64_t first, std::int64_t last, std::byte* scratch) {
        if constexpr (sizeof(T) == sizeof(float))
            isa.soft_mean_float(data, first, last, scratch);
        else
            isa.soft_mean_double(data, first, last, scratch);
    });
}

template <class T>
void accumulate_soft(CpuQueue& queue, const AssignKernels& isa, const detail::AccumulateSoft<T>& task) {
    const SoftData<T> data{.points = rows_of(task.points),
                           .d = task.points.cols,
                           .prototypes = task.prototypes.data,
                           .prototype_stride = task.prototypes.stride,
                           .k = task.prototypes.rows,
                           .depth = padded(task.points.cols),
                           .least = task.least,
                           .gaps = task.gaps,
                           .weights = task.weights.data,
                           .weights_stride = task.weights.stride,
                           .beta = static_cast<T>(task.beta),
                           .sums = task.into.sums,
                           .counts = task.into.counts,
                           .scales = task.into.scales};
    for_soft_blocks(queue, isa, data, task.points.rows, [&](std::int64_t first, std::int64_t last, std::byte* scratch) {
        if constexpr (sizeof(T) == sizeof(float))
            isa.soft_sums_float(data, first, last, scratch);
        else
            isa.soft_sums_double(data, first, last, scratch);
    });
}

template <class T>
void fill_in(CpuQueue& queue, const detail::FillIn<T>& task) {
    const std::int64_t d = task.points.cols, k = task.prototypes.rows, m = task.labels.cols;
    const T beta = static_cast<T>(task.beta);
    const Rows<T> points = rows_of(task.points);
    queue.team().for_blocks(task.points.rows, rows_a_task, [&](std::int64_t first, std::int64_t last, int) {
        std::vector<T> row(is_converted(points) ? static_cast<std::size_t>(d) : 0);
        for (std::int64_t i = first; i < last; ++i) {
            const T* y = row_of(points, i, d, row.data());
            const std::uint8_t* known = task.known.data + (task.known.rows == 1 ? 0 : i * task.known.stride);
            const T* energies = task.energies.data + i * task.energies.stride;
            for (std::int64_t c = 0; c < m; ++c) {
                std::int64_t label = task.labels.data[i * task.labels.stride + c];
                if (label < 0 || label >= k) label = 0;  // assign() has reported the row
                const T* w = task.prototypes.data + label * task.prototypes.stride;
                task.probabilities.data[i * task.probabilities.stride + c] =
                    math::probability(energies[c], energies[0], task.gaps[i], beta);
                T* out = task.completed.data + (i * m + c) * task.completed.stride;
                for (std::int64_t j = 0; j < d; ++j) {
                    const T given = y[j], predicted = w[j];  // both read, so that the loop is packed
                    out[j] = known[j] != 0 ? given : predicted;
                }
            }
        }
    });
}

template <class T>
void gather(CpuQueue& queue, PointsView<T> from, const std::int64_t* rows, MatrixView<T> to) {
    queue.team().for_blocks(to.rows, rows_a_task, [&](std::int64_t first, std::int64_t last, int) {
        for (std::int64_t r = first; r < last; ++r)
            copy_row(rows_of(from), rows[r], from.cols, to.data + r * to.stride);
    });
}

#define CUEBM_INSTANTIATE(T)                                                                             \
    template void soft_mean<T>(CpuQueue&, const AssignKernels&, const detail::SoftMean<T>&);             \
    template void accumulate_soft<T>(CpuQueue&, const AssignKernels&, const detail::AccumulateSoft<T>&); \
    template void fill_in<T>(CpuQueue&, const detail::FillIn<T>&);                                       \
    template void gather<T>(CpuQueue&, PointsView<T>, const std::int64_t*, MatrixView<T>);
CUEBM_INSTANTIATE(float)
CUEBM_INSTANTIATE(double)

}  // namespace cuebm::cpu
