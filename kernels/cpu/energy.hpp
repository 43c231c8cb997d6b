// Energies of continuous coordinates on the CPU: threads over blocks of points.
#pragma once

#include "cpu/energy_kernels.hpp"
#include "cpu_queue.hpp"
#include "energy_operations.hpp"

namespace cuebm::cpu {

template <class T>
std::size_t energy_scratch_bytes(int threads, const EnergyKernels& kernels, const detail::EvaluateEnergy<T>& task);
template <class T>
void evaluate(detail::CpuQueue& queue, const EnergyKernels& kernels, const detail::EvaluateEnergy<T>& task,
              std::byte* scratch);

}  // namespace cuebm::cpu
