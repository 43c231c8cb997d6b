// What the emulator's own files share.
#pragma once

#include <functional>
#include <string>

#include "runtime_api.hpp"

namespace cuebm::emulator {

// While one lives, device memory may be touched (CUEBM_EMULATED_GUARD); a no-op otherwise.
struct OpenDeviceMemory {
    OpenDeviceMemory();
    ~OpenDeviceMemory();
    OpenDeviceMemory(const OpenDeviceMemory&) = delete;
    OpenDeviceMemory& operator=(const OpenDeviceMemory&) = delete;
};

// Whether all of [data, data + bytes) lies in one allocation of device memory.
bool device_holds(const void* data, std::size_t bytes);
bool is_device(const void* data);
bool is_pinned(const void* data);

// Something for a stream to do; what went wrong, or nothing.
using Work = std::function<std::string()>;
cudaError_t enqueue(cudaStream_t stream, Work work);
void finish_all();  // of all streams

// Why there is no device, by settings().driver; cudaSuccess when there is one.
cudaError_t device_problem();

// Kept for cudaGetLastError() of this thread, and returned; a report goes into cudaGetErrorString().
cudaError_t remember(cudaError_t error, const char* report = nullptr);

}  // namespace cuebm::emulator
