// Launches of potential.cuh.
#include "cuda/assign/potential.cuh"

#include "cuda/assign/operations.hpp"

namespace cuebm::cuda {
namespace {

std::int64_t potential_blocks(std::int64_t n) { return ceil_div(n, detail::potential_block); }

}  // namespace

template <class T>
void fold(CudaQueue& queue, const detail::Fold<T>& task) {
    const DeviceScope scope(queue.device());
    const std::int64_t n = task.of.closest.size;
    queue.fill(&task.of.total->largest, 0, sizeof(double));
    queue.fill(&task.of.total->sum, 0, sizeof(std::int64_t));
    launch(fold_rows<T>, strided(queue, potential_blocks(n), potential_threads), task);
    launch(sum_blocks<T>, tiled(queue, potential_blocks(n), dim3(potential_threads)), task.of);
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
    launch(candidate_potentials<T>, tiled(queue, potential_blocks(task.of.closest.size), dim3(potential_threads)),
           task);
    launch(choose_candidate<T>, strided(queue, 1, 32), task);
}

template <class T>
void select(CudaQueue& queue, const detail::Select<T>& task) {
    const DeviceScope scope(queue.device());
    queue.fill(&task.of.total->selected, 0, sizeof(std::int64_t));
    launch(select_rows<T>, strided(queue, potential_blocks(task.of.closest.size), potential_threads), task);
}

#define CUEBM_INSTANTIATE(T)                                       \
    template void fold<T>(CudaQueue&, const detail::Fold<T>&);     \
    template void draw<T>(CudaQueue&, const detail::Draw<T>&);     \
    template void choose<T>(CudaQueue&, const detail::Choose<T>&); \
    template void select<T>(CudaQueue&, const detail::Select<T>&);
CUEBM_INSTANTIATE(float)
CUEBM_INSTANTIATE(double)

}  // namespace cuebm::cuda
