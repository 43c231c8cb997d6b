// Kernels read points of T. Points of float that are stored as uint8, fp16 or bf16 are converted before them, a chunk
// of rows at a time, in memory of the queue that is small enough to stay in a GPU's L2; then a chunk is a task of its
// own. See docs/design/element-types.md.
#pragma once

#include <cstdint>

#include <cuebm/view.hpp>

#include "cuda/queue.hpp"

namespace cuebm::cuda {

#if defined(CUEBM_EMULATED)
inline constexpr std::int64_t chunk_bytes = 4096;  // so that the tests' points are several chunks
#else
inline constexpr std::int64_t chunk_bytes = std::int64_t{16} << 20;  // not measured yet
#endif

class Chunks {
public:
    // The rows of a chunk are a multiple of `multiple`, but for the last.
    Chunks(CudaQueue& queue, const PointsView<float>& points, std::int64_t multiple);
    template <class Use>
    void for_each(Use use) {
        for (std::int64_t first = 0; first < points_.rows; first += rows_) {
            use(convert(first), first);
            renumber(first, first + rows_ >= points_.rows);
        }
    }

private:
    PointsView<float> convert(std::int64_t first);
    // What a chunk has reported names its own rows.
    void renumber(std::int64_t first, bool last);

    CudaQueue& queue_;
    const PointsView<float> points_;
    std::int64_t stride_, rows_ = 0;
    std::uint64_t* kept_ = nullptr;
    float* floats_ = nullptr;
};

// use(points of T, the number of their first row), for all rows in order.
template <class T, class Use>
void for_chunks(CudaQueue& queue, const PointsView<T>& points, std::int64_t multiple, Use use) {
    const DeviceScope scope(queue.device());
    if (points.type == element_type<T>) return use(points, 0);
    if constexpr (std::is_same_v<T, float>) Chunks(queue, points, multiple).for_each(use);
}

template <class T>
VectorView<T> slice(const VectorView<T>& view, std::int64_t first, std::int64_t count) {
    if (!view) return view;
    return {view.data + first * view.stride, count, view.stride, view.device};
}
template <class T>
MatrixView<T> slice(const MatrixView<T>& view, std::int64_t first, std::int64_t count) {
    return view ? view.slice(first, count) : view;
}
// One row of a mask is for all.
inline MatrixView<const std::uint8_t> rows_of_mask(const MatrixView<const std::uint8_t>& known, std::int64_t first,
                                                   std::int64_t count) {
    return known.rows == 1 ? known : slice(known, first, count);
}

}  // namespace cuebm::cuda
