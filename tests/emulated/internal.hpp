// What the emulator's own files share.
#pragma once

#include "runtime_api.hpp"

namespace cuebm::emulator {

// While one lives, device memory may be touched (CUEBM_EMULATED_GUARD); a no-op otherwise.
struct OpenDeviceMemory {
    OpenDeviceMemory();
    ~OpenDeviceMemory();
    OpenDeviceMemory(const OpenDeviceMemory&) = delete;
    OpenDeviceMemory& operator=(const OpenDeviceMemory&) = delete;
};

// Why there is no device, by settings().driver; cudaSuccess when there is one.
cudaError_t device_problem();

// Kept for cudaGetLastError() of this thread, and returned; a report goes into cudaGetErrorString().
cudaError_t remember(cudaError_t error, const char* report = nullptr);

}  // namespace cuebm::emulator
