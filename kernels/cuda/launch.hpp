// How host code launches a kernel, on the GPU and on the emulator.
#pragma once

#include <mutex>
#include <string>
#include <type_traits>
#include <utility>

#include <cuebm/error.hpp>

#include "cuda/device.cuh"

namespace cuebm::cuda {

struct Launch {
    dim3 grid, block;
    std::size_t shared_bytes = 0;  // dynamic shared memory
    cudaStream_t stream = nullptr;
};

inline void check(cudaError_t status, const char* what) {
    if (status == cudaSuccess) return;
    (void)cudaGetLastError();  // reported here, so not again by the next call
    throw DeviceError(std::string(what) + ": " + cudaGetErrorName(status) + ": " + cudaGetErrorString(status));
}

// Enqueues a kernel; arguments convert to the kernel's parameter types.
template <class... Parameters, class... Arguments>
void launch(void (*kernel)(Parameters...), const Launch& how, Arguments&&... arguments) {
    static_assert((std::is_trivially_copyable_v<Parameters> && ...), "kernel parameters are copied as bytes");
    // More than 48 KiB, static and dynamic together, a kernel has to ask for. What it asked for last counts, whichever
    // thread did, so nobody may ask between this and the launch.
    static std::mutex asking;
    std::unique_lock lock(asking, std::defer_lock);
    if (how.shared_bytes > 0) {
        lock.lock();
        check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                   static_cast<int>(how.shared_bytes)),
              "shared memory of a kernel");
    }
    cudaLaunchConfig_t config{};
    config.gridDim = how.grid;
    config.blockDim = how.block;
    config.dynamicSmemBytes = how.shared_bytes;
    config.stream = how.stream;
    check(cudaLaunchKernelEx(&config, kernel, std::forward<Arguments>(arguments)...), "kernel launch");
}

}  // namespace cuebm::cuda
