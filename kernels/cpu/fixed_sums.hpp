// Sums over points on the CPU: int64 fixed point (their scales, the sums of each cluster, what is made of them), and
// sums in blocks of a fixed order. Any thread count gives the same bits. The packed kernels are in sums.hpp and
// sums_moves.hpp.
#pragma once

#include <atomic>

#include "assign_operations.hpp"
#include "cpu/sums_kernels.hpp"
#include "cpu_queue.hpp"

namespace cuebm::cpu {

// What scales() leaves as the weights' scale when it has reported bad data: nothing is added then.
inline constexpr double no_scale = 0;

template <class T>
const SumsKernelsOf<T>& of_type(const SumsKernels& kernels) {
    if constexpr (sizeof(T) == sizeof(float))
        return kernels.of_float;
    else
        return kernels.of_double;
}

// scales() in parts: rows() of all, in any order and in parallel, then end().
template <class T>
class ScalesRun {
public:
    ScalesRun(detail::CpuQueue& queue, const SumsKernels& kernels, const detail::Scales<T>& task);
    void rows(std::int64_t first, std::int64_t last);
    void end();

private:
    detail::CpuQueue& queue_;
    const SumsKernelsOf<T>& kernels_;
    detail::Scales<T> task_;
    std::int64_t* bits_;  // [d + 1], of doubles
    std::atomic<bool> valid_{true};
};
template <class T>
void scales(detail::CpuQueue& queue, const SumsKernels& kernels, const detail::Scales<T>& task);
template <class T>
std::size_t accumulate_scratch(int threads, const detail::Accumulate<T>& task);
template <class T>
void accumulate(detail::CpuQueue& queue, const SumsKernels& kernels, const detail::Accumulate<T>& task,
                std::byte* scratch);
template <class T>
void finish(detail::CpuQueue& queue, const SumsKernels& kernels, const detail::Finish<T>& task);
template <class T>
void total(detail::CpuQueue& queue, const SumsKernels& kernels, const detail::Total<T>& task);
template <class T>
void variance(detail::CpuQueue& queue, const SumsKernels& kernels, const detail::Variance<T>& task);

}  // namespace cuebm::cpu
