// Assignment of a block of points on the CPU: plain data in and out.
#pragma once

#include <cstdint>

#include <cuebm/assign.hpp>

namespace cuebm::cpu {

// Row i of the block got an energy that is NaN or infinite.
inline constexpr std::int64_t no_bad_row = -1;

// Does rows [first, last) of the task; returns the first row without a finite energy, or no_bad_row.
// `y` [d] and `mask` [d] are this thread's scratch.
std::int64_t assign_rows(const Assign<float>& task, std::int64_t first, std::int64_t last, float* y, float* mask);
std::int64_t assign_rows(const Assign<double>& task, std::int64_t first, std::int64_t last, double* y, double* mask);

}  // namespace cuebm::cpu
