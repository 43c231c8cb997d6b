// See queue.hpp. No function here uses the default stream or synchronises the device.
#include "cuda/queue.hpp"

#include <limits>
#include <utility>

namespace cuebm::cuda {
namespace {

struct CudaEvent final : detail::EventState {
    explicit CudaEvent(int device_of_stream) : device(device_of_stream) {
        check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "cudaEventCreateWithFlags");
    }
    ~CudaEvent() override { (void)cudaEventDestroy(event); }
    CudaEvent(const CudaEvent&) = delete;
    CudaEvent& operator=(const CudaEvent&) = delete;

    bool done() override {
        const DeviceScope scope(device);
        const cudaError_t status = cudaEventQuery(event);
        if (status == cudaErrorNotReady) {
            (void)cudaGetLastError();
            return false;
        }
        check(status, "cudaEventQuery");
        return true;
    }
    void wait() override {
        const DeviceScope scope(device);
        check(cudaEventSynchronize(event), "cudaEventSynchronize");
    }

    int device;
    cudaEvent_t event = nullptr;
};

// Whether this thread has a current CUDA context. Only the driver tells without making one, and the plug-in does not
// link it.
bool has_context() noexcept {
    using Get = CUresult (*)(CUcontext*);
    static const Get get = [] {
        void* function = nullptr;
        cudaDriverEntryPointQueryResult found{};
        if (cudaGetDriverEntryPointByVersion("cuCtxGetCurrent", &function, 12000, cudaEnableDefault, &found) !=
            cudaSuccess)
            (void)cudaGetLastError();
        return reinterpret_cast<Get>(function);
    }();
    CUcontext context = nullptr;
    return get != nullptr && get(&context) == CUDA_SUCCESS && context != nullptr;
}

void destroy(const QueueParts& parts, int device) noexcept {
    const DeviceScope scope(device, std::nothrow);
    if (parts.stream != nullptr) (void)cudaStreamDestroy(parts.stream);
    if (parts.status != nullptr) (void)cudaFree(parts.status);
    if (parts.host_status != nullptr) (void)cudaFreeHost(parts.host_status);
}

[[noreturn]] void throw_out_of_memory(std::size_t asked) {
    (void)cudaGetLastError();
    std::size_t free = 0, all = 0;
    check(cudaMemGetInfo(&free, &all), "cudaMemGetInfo");
    throw OutOfMemory(asked, free);
}

QueueParts make_parts(int device) {
    const DeviceScope scope(device);
    QueueParts parts;
    try {
        check(cudaStreamCreateWithFlags(&parts.stream, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
        const cudaError_t found = cudaMalloc(reinterpret_cast<void**>(&parts.status), sizeof(std::uint64_t));
        if (found == cudaErrorMemoryAllocation) throw_out_of_memory(sizeof(std::uint64_t));
        check(found, "cudaMalloc");
        check(cudaMallocHost(reinterpret_cast<void**>(&parts.host_status), sizeof(std::uint64_t)),
              "no pinned host memory for a stream (free some, or raise the limit of locked memory)");
        check(cudaMemsetAsync(parts.status, 0xff, sizeof(std::uint64_t), parts.stream), "cudaMemsetAsync");
        check(cudaStreamSynchronize(parts.stream), "cudaStreamSynchronize");  // a wrapped stream may use it next
    } catch (...) {
        destroy(parts, device);
        throw;
    }
    return parts;
}

cudaMemcpyKind kind_of(const detail::CopyBytes& copy) {
    const bool from_host = copy.from.kind == Device::Kind::cpu, to_host = copy.to.kind == Device::Kind::cpu;
    if (from_host) return to_host ? cudaMemcpyHostToHost : cudaMemcpyHostToDevice;
    return to_host ? cudaMemcpyDeviceToHost : cudaMemcpyDeviceToDevice;
}

}  // namespace

DeviceScope::DeviceScope(int device, std::nothrow_t) noexcept {
    status_ = cudaGetDevice(&before_);
    if (status_ != cudaSuccess || before_ == device) return;
    restore_ = has_context();
    status_ = cudaSetDevice(device);
}

DeviceScope::DeviceScope(int device) : DeviceScope(device, std::nothrow) { check(status_, "cudaSetDevice"); }

DeviceScope::~DeviceScope() {
    if (restore_) (void)cudaSetDevice(before_);
}

QueuePartsCache::~QueuePartsCache() {
    for (const auto& parts : spare_) destroy(parts, device_);
}

QueueParts QueuePartsCache::take() {
    {
        const std::lock_guard lock(mutex_);
        if (!spare_.empty()) {
            const QueueParts parts = spare_.back();
            spare_.pop_back();
            return parts;
        }
    }
    return make_parts(device_);
}

void QueuePartsCache::give(const QueueParts& parts) noexcept {
    try {
        const std::lock_guard lock(mutex_);
        spare_.push_back(parts);
    } catch (...) {
        destroy(parts, device_);
    }
}

CudaQueue::CudaQueue(detail::Pool& pool, QueuePartsCache& cache, int device)
    : pool_(pool), cache_(cache), device_(device), parts_(cache.take()), stream_(parts_.stream) {}

CudaQueue::CudaQueue(detail::Pool& pool, QueuePartsCache& cache, int device, cudaStream_t native)
    : pool_(pool), cache_(cache), device_(device), parts_(cache.take()), stream_(native) {}

CudaQueue::~CudaQueue() {
    const DeviceScope scope(device_, std::nothrow);
    if (may_report_) (void)cudaMemsetAsync(parts_.status, 0xff, sizeof(std::uint64_t), stream_);
    const bool works = cudaStreamSynchronize(stream_) == cudaSuccess;  // after the work that is enqueued
    if (works)
        cache_.give(parts_);
    else
        destroy(parts_, device_);
    for (const Block& block : {workspace_, converted_})
        if (block.data != nullptr) pool_.release(block.data, block.bytes);
}

void CudaQueue::copy(const detail::CopyBytes& c) {
    const DeviceScope scope(device_);
    const cudaMemcpyKind kind = kind_of(c);
    constexpr std::size_t most_pitch = std::numeric_limits<std::int32_t>::max();
    if (c.rows == 1 || (c.source_stride == c.row_bytes && c.target_stride == c.row_bytes)) {
        check(cudaMemcpyAsync(c.target, c.source, c.rows * c.row_bytes, kind, stream_), "cudaMemcpyAsync");
    } else if (c.source_stride <= most_pitch && c.target_stride <= most_pitch) {
        check(
            cudaMemcpy2DAsync(c.target, c.target_stride, c.source, c.source_stride, c.row_bytes, c.rows, kind, stream_),
            "cudaMemcpy2DAsync");
    } else {  // rows too far apart for one call of the driver
        for (std::size_t i = 0; i < c.rows; ++i)
            check(cudaMemcpyAsync(static_cast<std::byte*>(c.target) + i * c.target_stride,
                                  static_cast<const std::byte*>(c.source) + i * c.source_stride, c.row_bytes, kind,
                                  stream_),
                  "cudaMemcpyAsync");
    }
}

void CudaQueue::fill(void* target, int byte, std::size_t bytes) {
    const DeviceScope scope(device_);
    check(cudaMemsetAsync(target, byte, bytes, stream_), "cudaMemsetAsync");
}

std::shared_ptr<detail::EventState> CudaQueue::record() {
    const DeviceScope scope(device_);
    auto event = std::make_shared<CudaEvent>(device_);
    check(cudaEventRecord(event->event, stream_), "cudaEventRecord");
    return event;
}

void CudaQueue::wait_for(const std::shared_ptr<detail::EventState>& event) {
    const auto& recorded = static_cast<const CudaEvent&>(*event);  // of this device: Stream has looked
    const DeviceScope scope(device_);
    check(cudaStreamWaitEvent(stream_, recorded.event, 0), "cudaStreamWaitEvent");
}

std::uint64_t CudaQueue::wait() {
    const DeviceScope scope(device_);
    if (may_report_)
        check(
            cudaMemcpyAsync(parts_.host_status, parts_.status, sizeof(std::uint64_t), cudaMemcpyDeviceToHost, stream_),
            "cudaMemcpyAsync");
    check(cudaStreamSynchronize(stream_), "cudaStreamSynchronize");
    if (!std::exchange(may_report_, false)) return detail::no_problem;
    const std::uint64_t word = *parts_.host_status;
    if (word != detail::no_problem)
        check(cudaMemsetAsync(parts_.status, 0xff, sizeof(std::uint64_t), stream_), "cudaMemsetAsync");
    return word;
}

void CudaQueue::wait_quietly() noexcept {
    const DeviceScope scope(device_, std::nothrow);  // a wrapped nullptr is the current device's stream
    (void)cudaStreamSynchronize(stream_);
}

std::uint64_t* CudaQueue::status() {
    may_report_ = true;
    return parts_.status;
}

std::byte* CudaQueue::workspace(std::size_t bytes) { return grow(workspace_, bytes); }

std::byte* CudaQueue::grow(Block& block, std::size_t bytes) {
    if (bytes > block.bytes) {
        const DeviceScope scope(device_);
        // The work in flight may still use the old block; and if there is no new one, the caller releases its arrays.
        check(cudaStreamSynchronize(stream_), "cudaStreamSynchronize");
        if (block.data != nullptr) pool_.release(std::exchange(block.data, nullptr), std::exchange(block.bytes, 0));
        block.data = pool_.allocate(bytes);
        block.bytes = bytes;
    }
    return static_cast<std::byte*>(block.data);
}

}  // namespace cuebm::cuda
