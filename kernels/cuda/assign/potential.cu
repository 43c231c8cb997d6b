// Launches of potential.cuh.
#include "cuda/assign/potential.cuh"

#include "cuda/assign/operations.hpp"

namespace cuebm::cuda {
namespace {

// A block for 1024 rows, and not more of them than may end with an atomic.
Launch over_rows(const CudaQueue& queue, std::int64_t n) {
    return strided(queue, std::min<std::int64_t>(ceil_div(n, detail::potential_block), joining_blocks),
                   joining_threads);
}

}  // namespace

template <class T>
void fold(CudaQueue& queue, const detail::Fold<T>& task) {
    const DeviceScope scope(queue.device());
    const std::int64_t n = task.of.closest.size;
    queue.fill(&task.of.total->largest, 0, sizeof(double));
    queue.fill(&task.of.total->sum, 0, sizeof(std::int64_t));
    launch(fold_rows<T>, over_rows(queue, n), task);
    launch(sum_blocks<T>, over_rows(queue, n), task.of);
}

template <class T>
void draw(CudaQueue& queue, const detail::Draw<T>& task) {
    const DeviceScope scope(queue.device());
    launch(draw_rows<T>, tiled(queue, task.count, dim3(32)), task);
}

template <class T>
void choose(CudaQueue& queue, const detail::Choose<T>& task) {
    const DeviceScope scope(queue.device());
    queue.fill(task.potentials, 0, static_cast<std::size_t>(task.energies.cols) * sizeof(std::int64_t));
    launch(candidate_potentials<T>, over_rows(queue, task.of.closest.size), task, lanes_of(task.energies.cols));
    launch(choose_candidate<T>, strided(queue, 1, 32), task);
}

template <class T>
void select(CudaQueue& queue, const detail::Select<T>& task) {
    const DeviceScope scope(queue.device());
    queue.fill(&task.of.total->selected, 0, sizeof(std::int64_t));
    launch(select_rows<T>, over_rows(queue, task.of.closest.size), task);
}

#define CUEBM_INSTANTIATE(T)                                       \
    template void fold<T>(CudaQueue&, const detail::Fold<T>&);     \
    template void draw<T>(CudaQueue&, const detail::Draw<T>&);     \
    template void choose<T>(CudaQueue&, const detail::Choose<T>&); \
    template void select<T>(CudaQueue&, const detail::Select<T>&);
CUEBM_INSTANTIATE(float)
CUEBM_INSTANTIATE(double)

}  // namespace cuebm::cuda
