// Copies a tile of rows from global to shared memory, asynchronously; zeros beyond the last row and column.
#pragma once

#include <cuebm/view.hpp>

#include "cuda/device.cuh"

namespace cuebm::cuda {

// Points that are stored in T, as those are that kernels get: chunks.hpp.
template <class T>
__device__ __forceinline__ const T* values(const PointsView<T>& points) {
    return static_cast<const T*>(points.data);
}

// Elements (r, c) of the tile, c < Columns, come from (first + r, column + c). The same thread copies the same elements
// each time: element groups u = thread, thread + threads, ...
template <int Bytes, int Columns, int Pitch, class T>
__device__ __forceinline__ void stage_rows(T* tile, int rows, const MatrixView<const T>& from, std::int64_t first,
                                           std::int64_t column) {
    constexpr int elements = Bytes / static_cast<int>(sizeof(T)), groups = Columns / elements;
    for (int u = static_cast<int>(threadIdx.x); u < rows * groups; u += static_cast<int>(blockDim.x)) {
        const int r = u / groups, c = u % groups * elements;
        const bool valid = first + r < from.rows && column + c < from.cols;
        const T* source = valid ? from.data + (first + r) * from.stride + column + c : from.data;
        copy_async<Bytes>(tile + r * Pitch + c, source, valid);
    }
}

// Sixteen bytes at a time where alignment and width allow, else an element.
template <int Columns, int Pitch, class T>
__device__ __forceinline__ void stage_rows(T* tile, int rows, const MatrixView<const T>& from, bool wide,
                                           std::int64_t first, std::int64_t column) {
    if (wide)
        stage_rows<16, Columns, Pitch>(tile, rows, from, first, column);
    else
        stage_rows<static_cast<int>(sizeof(T)), Columns, Pitch>(tile, rows, from, first, column);
}

}  // namespace cuebm::cuda
