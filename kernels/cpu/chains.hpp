// Chains on the CPU: threads over tiles of 64 chains, or over their packs where there are fewer tiles than threads.
#pragma once

#include "chains_operations.hpp"
#include "cpu/chains_kernels.hpp"
#include "cpu_queue.hpp"

namespace cuebm::cpu {

template <class T>
std::size_t chains_scratch_bytes(int threads, const EnergyKernels& energy, const detail::OwnedProgram<T>& program,
                                 int max_depth);
template <class T>
void start_chains(detail::CpuQueue& queue, const EnergyKernels& energy, const ChainsKernels& kernels,
                  const detail::StartChains<T>& task, std::byte* scratch);
template <class T>
void run_chains(detail::CpuQueue& queue, const EnergyKernels& energy, const ChainsKernels& kernels,
                const detail::RunChains<T>& task, std::byte* scratch);
template <class T>
void adapt_chains(detail::CpuQueue& queue, const EnergyKernels& energy, const detail::AdaptChains<T>& task);
template <class T>
void add_products(detail::CpuQueue& queue, const EnergyKernels& energy, const detail::AddProducts<T>& task);

}  // namespace cuebm::cpu
