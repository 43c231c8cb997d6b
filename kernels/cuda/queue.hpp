// A CUDA stream behind the seam: the library's own, non-blocking, or a user's that is wrapped.
#pragma once

#include <mutex>
#include <new>
#include <vector>

#include "backend.hpp"
#include "cuda/launch.hpp"

namespace cuebm::cuda {

// Makes a device current for this thread, and the caller's own current again afterwards. A thread that has not used
// CUDA yet is left with the device: since CUDA 12 cudaSetDevice() makes a context, which takes memory of a GPU that
// nobody asked for.
class DeviceScope {
public:
    explicit DeviceScope(int device);
    DeviceScope(int device, std::nothrow_t) noexcept;  // for destructors: goes on if the driver fails
    ~DeviceScope();
    DeviceScope(const DeviceScope&) = delete;
    DeviceScope& operator=(const DeviceScope&) = delete;

private:
    int before_ = 0;
    bool restore_ = false;
    cudaError_t status_ = cudaSuccess;
};

// What a queue needs from the driver.
struct QueueParts {
    cudaStream_t stream = nullptr;
    std::uint64_t* status = nullptr;       // on the device; no_problem between queues
    std::uint64_t* host_status = nullptr;  // pinned, where wait() reads it
};

// Parts of queues that are gone: each call that takes a Context makes a queue, and making its parts anew would cost
// three calls of the driver (their time is not measured yet).
class QueuePartsCache {
public:
    explicit QueuePartsCache(int device) : device_(device) {}
    ~QueuePartsCache();
    QueueParts take();
    void give(const QueueParts& parts) noexcept;

private:
    int device_;
    std::mutex mutex_;
    std::vector<QueueParts> spare_;
};

class CudaQueue final : public detail::Queue {
public:
    CudaQueue(detail::Pool& pool, QueuePartsCache& cache, int device);
    CudaQueue(detail::Pool& pool, QueuePartsCache& cache, int device, cudaStream_t native);
    ~CudaQueue() override;

    cudaStream_t stream() const { return stream_; }
    int device() const { return device_; }

    void copy(const detail::CopyBytes& copy) override;
    void fill(void* target, int byte, std::size_t bytes) override;
    std::shared_ptr<detail::EventState> record() override;
    void wait_for(const std::shared_ptr<detail::EventState>& event) override;
    std::uint64_t wait() override;
    void wait_quietly() noexcept override;
    std::uint64_t* status() override;
    std::byte* workspace(std::size_t bytes) override;
    // As workspace(), another block: what points are converted into.
    std::byte* converted(std::size_t bytes) { return grow(converted_, bytes); }

private:
    struct Block {
        void* data = nullptr;
        std::size_t bytes = 0;
    };
    std::byte* grow(Block& block, std::size_t bytes);

    detail::Pool& pool_;
    QueuePartsCache& cache_;
    int device_;
    QueueParts parts_;
    cudaStream_t stream_;
    bool may_report_ = false;  // work that may report has been enqueued since the last wait()
    Block workspace_, converted_;
};

}  // namespace cuebm::cuda
