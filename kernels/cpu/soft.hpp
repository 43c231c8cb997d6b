// What probabilities over prototypes are used for on the CPU: the soft mean, and completed points.
#pragma once

#include "assign_operations.hpp"
#include "cpu_queue.hpp"

namespace cuebm::cpu {

template <class T>
void soft_mean(detail::CpuQueue& queue, const detail::SoftMean<T>& task);
template <class T>
void fill_in(detail::CpuQueue& queue, const detail::FillIn<T>& task);
template <class T>
void gather(detail::CpuQueue& queue, MatrixView<const T> from, const std::int64_t* rows, MatrixView<T> to);

}  // namespace cuebm::cpu
