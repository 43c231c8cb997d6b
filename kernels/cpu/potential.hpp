// The potentials of K-means' starts on the CPU. Any thread count gives the same bits.
#pragma once

#include "assign_operations.hpp"
#include "cpu/sums_kernels.hpp"
#include "cpu_queue.hpp"

namespace cuebm::cpu {

template <class T>
void fold(detail::CpuQueue& queue, const SumsKernels& kernels, const detail::Fold<T>& task);
template <class T>
void draw(detail::CpuQueue& queue, const detail::Draw<T>& task);
template <class T>
void candidates(detail::CpuQueue& queue, const SumsKernels& kernels, const detail::Candidates<T>& task);
template <class T>
void choose(detail::CpuQueue& queue, const SumsKernels& kernels, const detail::Choose<T>& task);
template <class T>
void select(detail::CpuQueue& queue, const detail::Select<T>& task);

}  // namespace cuebm::cpu
