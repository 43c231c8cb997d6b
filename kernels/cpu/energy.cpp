// See energy.hpp. The packed kernels are in energy_tiles.hpp.
#include "cpu/energy.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace cuebm::cpu {
namespace {

// Rows of a task: whole tiles, and some hundred kilobytes, that starting it is repaid; fewer where each meets many
// parameters: 2000 points of a regression of 5000 rows were one task.
std::int64_t rows_a_task(std::int64_t d, std::size_t parameters) {
    const std::int64_t tiles = std::min((1 << 16) / d, (1 << 18) / (d + static_cast<std::int64_t>(parameters)));
    return std::clamp<std::int64_t>(tiles / tile_lanes, 1, 256) * tile_lanes;
}

// Gradients of fewer bytes may be wanted while they are in a cache. Not tuned.
constexpr std::int64_t streamed_bytes = 1 << 24;

}  // namespace

template <class T>
std::size_t energy_scratch_bytes(int threads, const EnergyKernels& kernels, const detail::EvaluateEnergy<T>& task) {
    const auto elements = tile_scratch(task.program->d, task.program->scratch_rows, kernels_of<T>(kernels).pack_lanes);
    return static_cast<std::size_t>(threads) * static_cast<std::size_t>(elements) * sizeof(T);
}

template <class T>
void evaluate(detail::CpuQueue& queue, const EnergyKernels& kernels, const detail::EvaluateEnergy<T>& task,
              std::byte* scratch) {
    const std::int64_t n = task.points.rows, d = task.program->d;
    const std::int64_t elements = tile_scratch(d, task.program->scratch_rows, kernels_of<T>(kernels).pack_lanes);
    const bool gradients_are_dense = task.gradients.data != nullptr && task.gradients.stride == d &&
                                     reinterpret_cast<std::uintptr_t>(task.gradients.data) % 64 == 0;
    const EnergyData<T> data{.program = task.program->view(),
                             .points = task.points.data,
                             .point_stride = task.points.stride,
                             .values = task.values.data,
                             .values_stride = task.values.stride,
                             .gradients = task.gradients.data,
                             .gradients_stride = task.gradients.stride,
                             .streams = gradients_are_dense && n * d * std::int64_t{sizeof(T)} >= streamed_bytes,
                             .over_read = task.points.stride == d,
                             .n = n};
    queue.team().for_blocks(
        n, rows_a_task(d, task.program->parameters.size()), [&](std::int64_t first, std::int64_t last, int slot) {
            const std::int64_t bad =
                kernels_of<T>(kernels).rows(data, first, last, reinterpret_cast<T*>(scratch) + slot * elements);
            if (bad < 0 || !task.check_finite) return;
            const T* row = task.points.data + bad * task.points.stride;
            const bool finite = std::all_of(row, row + d, [](T value) { return std::isfinite(value); });
            queue.report(bad, finite ? detail::energy_overflow : detail::points_not_finite);
        });
}

#define CUEBM_INSTANTIATE(T)                                                                                   \
    template std::size_t energy_scratch_bytes<T>(int, const EnergyKernels&, const detail::EvaluateEnergy<T>&); \
    template void evaluate<T>(detail::CpuQueue&, const EnergyKernels&, const detail::EvaluateEnergy<T>&, std::byte*);
CUEBM_INSTANTIATE(float)
CUEBM_INSTANTIATE(double)

}  // namespace cuebm::cpu
