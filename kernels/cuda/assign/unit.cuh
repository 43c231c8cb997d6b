// Rows of unit length (math/unit.hpp), and halves. A half-warp takes a row.
#pragma once

#include "assign_operations.hpp"
#include "cuda/assign/half_warp.cuh"
#include "cuda/assign/report.cuh"
#include "cuda/assign/stored.cuh"
#include "math/unit.hpp"

namespace cuebm::cuda {

template <class T>
__global__ void __launch_bounds__(256, 4) normalise_rows(detail::Normalise<T> task, std::uint64_t* status) {
    const int lane = half_warp_lane(), rows = static_cast<int>(blockDim.x) / half_warp;
    const std::int64_t d = task.from.cols;
    const double nan = __builtin_nan("");
    for (std::int64_t i = std::int64_t{blockIdx.x} * rows + half_warp_index(); i < task.from.rows;
         i += std::int64_t{gridDim.x} * rows) {
        const auto y = [&](std::int64_t j) { return value_at(task.from, i * task.from.stride + j); };
        T* out = task.to.data + i * task.to.stride;
        double largest = 0;
        bool finite = true;
        for (std::int64_t j = lane; j < d; j += half_warp) {
            const double value = static_cast<double>(y(j)), magnitude = value < 0 ? -value : value;
            finite = finite && is_finite(y(j));
            if (magnitude > largest) largest = magnitude;
        }
        finite = __all_sync(half_warp_mask(), finite);
#pragma unroll
        for (int apart = half_warp / 2; apart >= 1; apart /= 2) {
            const double other = __shfl_xor_sync(half_warp_mask(), largest, apart);
            if (other > largest) largest = other;
        }
        const bool usable = finite && largest > 0;
        if (!usable && task.check && lane == 0)
            report(status, task.first_row + i, finite ? task.zeros : task.not_finite);
        const bool kept = task.keep_zeros && !usable;
        const auto [scale, back] = usable ? math::unit_scale(largest) : math::UnitScale{1, 1};
        double sum = 0;
        for (std::int64_t j = lane; j < d; j += half_warp)
            sum = math::add_square(static_cast<double>(y(j)) * scale, sum);
        sum = tree_sum(sum);
        const bool copied = math::is_unit<T>(sum, back, d);
        const double length = math::unit_root(sum);
        double moves = 0;
        for (std::int64_t j = lane; j < d; j += half_warp) {
            const T unit = !usable ? static_cast<T>(nan) : copied ? y(j) : math::unit_value(y(j), scale, length);
            const double move =
                task.shifts == nullptr || kept ? 0.0 : static_cast<double>(unit) - static_cast<double>(out[j]);
            moves = math::fused(move, move, moves);
            if (!kept) out[j] = unit;
        }
        moves = tree_sum(moves);
        if (lane == 0 && task.shifts != nullptr) task.shifts[i] = moves;
    }
}

template <class T>
__global__ void __launch_bounds__(256) halve_rows(MatrixView<T> values) {
    const std::int64_t size = values.rows * values.cols;
    for (std::int64_t u = std::int64_t{blockIdx.x} * 256 + threadIdx.x; u < size; u += std::int64_t{gridDim.x} * 256) {
        T* value = values.data + u / values.cols * values.stride + u % values.cols;
        *value = *value * T(0.5);
    }
}

}  // namespace cuebm::cuda
