// Sums over points on the CPU: int64 fixed point (their scales, the sums of each cluster, what is made of them), and
// sums in blocks of a fixed order. Any thread count gives the same bits.
#pragma once

#include "assign_operations.hpp"
#include "cpu_queue.hpp"

namespace cuebm::cpu {

template <class T>
void scales(detail::CpuQueue& queue, const detail::Scales<T>& task);
template <class T>
void accumulate(detail::CpuQueue& queue, const detail::Accumulate<T>& task);
template <class T>
void finish(detail::CpuQueue& queue, const detail::Finish<T>& task);
template <class T>
void total(detail::CpuQueue& queue, const detail::Total<T>& task);
template <class T>
void variance(detail::CpuQueue& queue, const detail::Variance<T>& task);

}  // namespace cuebm::cpu
