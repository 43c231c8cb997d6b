// Launches of unit.cuh.
#include "cuda/assign/unit.cuh"

#include "cuda/assign/operations.hpp"

namespace cuebm::cuda {

template <class T>
void normalise(CudaQueue& queue, const detail::Normalise<T>& task) {
    const DeviceScope scope(queue.device());
    launch(normalise_rows<T>, strided(queue, ceil_div(task.from.rows, rows_a_row_block), row_threads), task,
           queue.status());
}

template <class T>
void halve(CudaQueue& queue, MatrixView<T> values) {
    const DeviceScope scope(queue.device());
    launch(halve_rows<T>, strided(queue, ceil_div(values.rows * values.cols, 256), 256), values);
}

#define CUEBM_INSTANTIATE(T)                                             \
    template void normalise<T>(CudaQueue&, const detail::Normalise<T>&); \
    template void halve<T>(CudaQueue&, MatrixView<T>);
CUEBM_INSTANTIATE(float)
CUEBM_INSTANTIATE(double)

}  // namespace cuebm::cuda
