// How kernels say what is wrong in the data: the least status_word() stays.
#pragma once

#include "cuda/device.cuh"
#include "problem.hpp"

namespace cuebm::cuda {

// The widest type of CUDA's integer atomics.
using Word = unsigned long long;
static_assert(sizeof(Word) == sizeof(std::uint64_t));

__device__ __forceinline__ void report(std::uint64_t* status, std::int64_t row, detail::Problem problem) {
    atomicMin(reinterpret_cast<Word*>(status), Word{detail::status_word(row, problem)});
}

// As std::isfinite, which device code cannot call everywhere.
template <class T>
__device__ __forceinline__ bool is_finite(T value) {
    return value - value == T(0);
}

// Integer additions commute, so these sums have the same bits in any order.
__device__ __forceinline__ void add_fixed(std::int64_t* to, std::int64_t value) {
    atomicAdd(reinterpret_cast<Word*>(to), static_cast<Word>(value));
}

}  // namespace cuebm::cuda
