// What probabilities over prototypes are used for on the CPU: the soft mean, soft sums, and completed points.
#pragma once

#include "assign_operations.hpp"
#include "cpu/assign_kernels.hpp"
#include "cpu_queue.hpp"

namespace cuebm::cpu {

template <class T>
void soft_mean(detail::CpuQueue& queue, const AssignKernels& isa, const detail::SoftMean<T>& task);
template <class T>
void accumulate_soft(detail::CpuQueue& queue, const AssignKernels& isa, const detail::AccumulateSoft<T>& task);
template <class T>
void fill_in(detail::CpuQueue& queue, const detail::FillIn<T>& task);
template <class T>
void gather(detail::CpuQueue& queue, PointsView<T> from, const std::int64_t* rows, MatrixView<T> to);

}  // namespace cuebm::cpu
