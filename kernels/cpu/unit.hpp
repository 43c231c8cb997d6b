// Rows of unit length, on the CPU.
#pragma once

#include "assign_operations.hpp"
#include "cpu_queue.hpp"

namespace cuebm::cpu {

template <class T>
void normalise(detail::CpuQueue& queue, const detail::Normalise<T>& task);
template <class T>
void halve(detail::CpuQueue& queue, MatrixView<T> values);

}  // namespace cuebm::cpu
