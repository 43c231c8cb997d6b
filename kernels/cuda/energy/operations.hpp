// Energies of continuous coordinates on a GPU: each function enqueues the kernels of one operation of the seam.
#pragma once

#include "cuda/queue.hpp"
#include "energy_operations.hpp"

namespace cuebm::cuda {

template <class T>
std::size_t evaluate_scratch_bytes(const detail::EvaluateEnergy<T>& task, const DeviceProperties& properties);
template <class T>
void evaluate(CudaQueue& queue, const detail::EvaluateEnergy<T>& task, const DeviceProperties& properties,
              std::byte* scratch);

}  // namespace cuebm::cuda
