// THE SEAM: what a backend must do. One implementation for the CPU (src/cpu_backend.cpp), one for CUDA in a
// plug-in (kernels/cuda/backend.cu) that is opened when a CUDA context is first asked for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include <cuebm/context.hpp>

#include "assign_operations.hpp"
#include "chains_operations.hpp"
#include "energy_operations.hpp"
#include "problem.hpp"

namespace cuebm::detail {

// When a queue's work runs: meanwhile, or, if a CPU does it, before the function that enqueues it returns.
enum class RunsWork { meanwhile, at_once };

// An in-order queue of work, used by one thread at a time. Where work runs meanwhile, all functions return at once but
// wait() and the growth of workspace().
class Queue {
public:
    virtual ~Queue() = default;
    virtual void copy(const CopyBytes& copy) = 0;
    virtual void fill(void* target, int byte, std::size_t bytes) = 0;
    virtual std::shared_ptr<EventState> record() = 0;
    virtual void wait_for(const std::shared_ptr<EventState>& event) = 0;
    // Until all work is done. Returns the status word and resets it; throws what failed.
    virtual std::uint64_t wait() = 0;
    // Until all work is done, for destructors; what went wrong is for the next wait() to say.
    virtual void wait_quietly() noexcept = 0;
    // Where kernels report a Problem; on the device.
    virtual std::uint64_t* status() = 0;
    // The queue's workspace: at least `bytes` of device memory, 256-aligned, grow-only. One call of the API takes it
    // once and carves it up; the next call's work comes later in the queue's order.
    virtual std::byte* workspace(std::size_t bytes) = 0;
};

struct EventState {
    Device device = {};  // set by Stream::record
    virtual ~EventState() = default;
    virtual bool done() = 0;
    virtual void wait() = 0;
};

// Gives out and takes back memory of the pool: the workspace of a queue comes from here too.
class Pool {
public:
    virtual ~Pool() = default;
    virtual void* allocate(std::size_t bytes) = 0;  // throws OutOfMemory
    virtual void release(void* data, std::size_t bytes) noexcept = 0;
};

class Backend {
public:
    virtual ~Backend() = default;
    virtual const DeviceProperties& properties() const = 0;
    virtual void* allocate(std::size_t bytes) = 0;  // nullptr when there is none left; 256-aligned
    virtual void deallocate(void* data) noexcept = 0;
    virtual std::size_t free_bytes() = 0;
    virtual std::unique_ptr<Queue> make_queue(Pool& pool, RunsWork when) = 0;
    virtual std::unique_ptr<Queue> wrap_queue(Pool& pool, void* native) = 0;
    virtual const AssignOperations<float>& assign_float() const = 0;
    virtual const AssignOperations<double>& assign_double() const = 0;
    virtual const EnergyOperations<float>& energy_float() const = 0;
    virtual const EnergyOperations<double>& energy_double() const = 0;
    virtual const ChainsOperations<float>& chains_float() const = 0;
    virtual const ChainsOperations<double>& chains_double() const = 0;
};

template <class T>
const AssignOperations<T>& assign_operations(const Backend& backend) {
    if constexpr (sizeof(T) == sizeof(float))
        return backend.assign_float();
    else
        return backend.assign_double();
}

template <class T>
const EnergyOperations<T>& energy_operations(const Backend& backend) {
    if constexpr (sizeof(T) == sizeof(float))
        return backend.energy_float();
    else
        return backend.energy_double();
}

template <class T>
const ChainsOperations<T>& chains_operations(const Backend& backend) {
    if constexpr (sizeof(T) == sizeof(float))
        return backend.chains_float();
    else
        return backend.chains_double();
}

// The plug-in's one exported function, extern "C". `interface` is this header's number, raised when the seam changes:
// a plug-in of another build says so instead of crashing. On failure returns nullptr and a sentence in `problem`
// that says what is missing (driver, device, a newer plug-in) and what to do; for a device beyond the last it begins
// with `no_such_device`.
inline constexpr const char* no_such_device = "no such device";
inline constexpr int backend_interface = 11;
inline constexpr const char* open_cuda_backend_name = "cuebm_open_cuda_backend";
using OpenCudaBackend = Backend* (*)(int interface, int device, std::string* problem);

std::unique_ptr<Backend> make_cpu_backend(const CpuOptions& options);
std::size_t free_host_bytes();
std::unique_ptr<Backend> make_cuda_backend(int device);  // throws DeviceError

}  // namespace cuebm::detail
