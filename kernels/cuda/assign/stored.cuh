// Points as they are stored, read an element at a time.
#pragma once

#include <cuebm/view.hpp>

#include "cuda/device.cuh"
#include "math/number.hpp"

namespace cuebm::cuda {

// Element `at` of the array that points lie in.
__device__ __forceinline__ double value_at(const PointsView<double>& points, std::int64_t at) {
    return static_cast<const double*>(points.data)[at];
}
__device__ __forceinline__ float value_at(const PointsView<float>& points, std::int64_t at) {
    if (points.type == ElementType::float32) return static_cast<const float*>(points.data)[at];
    if (points.type == ElementType::uint8) return static_cast<float>(static_cast<const std::uint8_t*>(points.data)[at]);
    const std::uint16_t bits = static_cast<const std::uint16_t*>(points.data)[at];
    return points.type == ElementType::float16 ? math::float_of_half(bits) : math::float_of_bfloat16(bits);
}

}  // namespace cuebm::cuda
