// Chains on a GPU: each function enqueues the kernels of one operation of the seam.
#pragma once

#include "chains_operations.hpp"
#include "cuda/queue.hpp"

namespace cuebm::cuda {

template <class T>
std::size_t chains_scratch_bytes(const detail::OwnedProgram<T>& program, std::int64_t chains, int max_depth,
                                 const DeviceProperties& properties);
template <class T>
void start_chains(CudaQueue& queue, const detail::StartChains<T>& task, const DeviceProperties& properties,
                  std::byte* scratch);
template <class T>
void run_chains(CudaQueue& queue, const detail::RunChains<T>& task, const DeviceProperties& properties,
                std::byte* scratch);
template <class T>
void adapt_chains(CudaQueue& queue, const detail::AdaptChains<T>& task);
template <class T>
void add_products(CudaQueue& queue, const detail::AddProducts<T>& task);
template <class T>
void learn_dense_mass(CudaQueue& queue, const math::DenseMassTask<T>& task);

}  // namespace cuebm::cuda
