// Context, Stream, Event and the pool: everything that is the same for every backend.
#include <cuebm/context.hpp>

#include <algorithm>
#include <limits>

#include <cuebm/error.hpp>

#include "context_state.hpp"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

namespace cuebm {
namespace detail {
namespace {

// The pool would hide overruns and uses after release from AddressSanitizer, so it says which bytes of a block are
// used.
void mark_used([[maybe_unused]] void* data, [[maybe_unused]] std::size_t used, [[maybe_unused]] std::size_t size) {
#if defined(__SANITIZE_ADDRESS__)
    ASAN_UNPOISON_MEMORY_REGION(data, size);
    ASAN_POISON_MEMORY_REGION(static_cast<char*>(data) + used, size - used);
#endif
}

}  // namespace

ContextState::ContextState(std::unique_ptr<Backend> b, std::size_t memory_limit, Allocator allocator, std::string text)
    : backend(std::move(b)), description(std::move(text)), limit_(memory_limit), allocator_(std::move(allocator)) {}

ContextState::~ContextState() { trim_locked(); }

// Sizes in steps of an eighth of their power of two, so that arrays of similar size share blocks.
std::size_t ContextState::round_up(std::size_t bytes) {
    std::size_t step = 256;
    while (step * 16 <= bytes) step *= 2;
    return (std::max<std::size_t>(bytes, 1) + step - 1) / step * step;
}

// Memory from the user's allocator, or the device's own; nullptr when there is none left.
void* ContextState::take(std::size_t size) {
    return allocator_.allocate ? allocator_.allocate(size) : backend->allocate(size);
}

void ContextState::give(void* data, std::size_t size) noexcept {
    mark_used(data, size, size);
    if (allocator_.release)
        allocator_.release(data, size);
    else
        backend->deallocate(data);
}

void* ContextState::allocate(std::size_t bytes) {
    if (bytes > static_cast<std::size_t>(std::numeric_limits<std::int64_t>::max())) throw OutOfMemory(bytes, 0);
    const std::size_t size = round_up(bytes);
    std::lock_guard lock(mutex);
    if (const auto found = free_.find(size); found != free_.end()) {
        void* data = found->second;
        free_.erase(found);
        cached -= size;
        used += size;
        mark_used(data, bytes, size);
        return data;
    }
    const auto over = [&] { return limit_ != 0 && used + cached + size > limit_; };
    if (over()) trim_locked();
    if (over()) throw OutOfMemory(bytes, limit_ > used ? limit_ - used : 0);
    void* data = take(size);
    if (data == nullptr) {
        trim_locked();
        data = take(size);
    }
    if (data == nullptr) throw OutOfMemory(bytes, backend->free_bytes());
    used += size;
    mark_used(data, bytes, size);
    return data;
}

void ContextState::release(void* data, std::size_t bytes) noexcept {
    const std::size_t size = round_up(bytes);
    std::lock_guard lock(mutex);
    used -= size;
    mark_used(data, 0, size);
    try {
        free_.emplace(size, data);
        cached += size;
    } catch (...) {
        give(data, size);
    }
}

void ContextState::trim_locked() noexcept {
    for (const auto& [size, data] : free_) give(data, size);
    free_.clear();
    cached = 0;
}

void ContextState::trim() noexcept {
    std::lock_guard lock(mutex);
    trim_locked();
}

Buffer ContextState::buffer(std::size_t bytes) {
    Buffer result;
    if (bytes == 0) {
        result.device_ = backend->properties().device;
        return result;
    }
    result.data_ = allocate(bytes);
    result.owner_ = shared_from_this();
    result.bytes_ = bytes;
    result.device_ = backend->properties().device;
    return result;
}

void copy_bytes(Stream& stream, const CopyBytes& copy) {
    if (copy.rows == 0 || copy.row_bytes == 0) return;
    const Device here = stream.context().device();
    for (const Device side : {copy.from, copy.to})
        if (side != Device{} && side != here)
            throw InvalidArgument("copy", side == copy.from ? "source" : "target", "memory of another device",
                                  "host memory or memory of the stream's device");
    stream.state().queue->copy(copy);
}

void copy_bytes(const Context& context, const CopyBytes& copy) {
    Stream stream = stream_of_call(context);
    copy_bytes(stream, copy);
    stream.wait();
}

void check_copy(const char* function, const char* argument, const void* data, std::int64_t rows, std::int64_t cols,
                std::int64_t stride, std::size_t alignment) {
    if (rows < 0 || cols < 0)
        throw InvalidArgument(function, argument, std::to_string(rows) + " x " + std::to_string(cols), "sizes >= 0");
    if (rows > 0 && cols > 0 && data == nullptr)
        throw InvalidArgument(function, argument, "nullptr", "memory of that size");
    if (rows > 1 && stride < cols)
        throw InvalidArgument(function, argument, "stride " + std::to_string(stride),
                              "stride >= cols = " + std::to_string(cols));
    if (reinterpret_cast<std::uintptr_t>(data) % alignment != 0)
        throw InvalidArgument(function, argument, "a misaligned pointer",
                              "alignment of " + std::to_string(alignment) + " bytes");
}

std::size_t checked_bytes(const char* function, std::int64_t rows, std::int64_t cols, std::size_t element) {
    if (rows < 0 || cols < 0)
        throw InvalidArgument(function, "size", std::to_string(rows) + " x " + std::to_string(cols), "sizes >= 0");
    std::size_t bytes = 0;
    if (__builtin_mul_overflow(static_cast<std::size_t>(rows), static_cast<std::size_t>(cols), &bytes) ||
        __builtin_mul_overflow(bytes, element, &bytes) ||
        bytes > static_cast<std::size_t>(std::numeric_limits<std::int64_t>::max()))
        throw OutOfMemory(std::numeric_limits<std::size_t>::max(), 0);
    return bytes;
}

}  // namespace detail

Buffer::Buffer(Buffer&& other) noexcept
    : owner_(std::move(other.owner_)), data_(other.data_), bytes_(other.bytes_), device_(other.device_) {
    other.data_ = nullptr;
    other.bytes_ = 0;
}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
    if (this == &other) return *this;
    Buffer old(std::move(*this));  // gives its memory back at the end of the scope
    std::swap(owner_, other.owner_);
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    std::swap(device_, other.device_);
    return *this;
}

Buffer::~Buffer() {
    if (data_ != nullptr) owner_->release(data_, bytes_);
}

namespace {

std::shared_ptr<detail::ContextState> make_state(const char* function, std::unique_ptr<detail::Backend> backend,
                                                 std::size_t memory_limit, const Allocator& allocator) {
    if (!allocator.allocate != !allocator.release)
        throw InvalidArgument(function, "allocator", "one function", "both allocate and release, or neither");
    std::string text = backend->properties().name;
    return std::make_shared<detail::ContextState>(std::move(backend), memory_limit, allocator, std::move(text));
}

}  // namespace

Context Context::cpu(const CpuOptions& options) {
    return Context(
        make_state("Context::cpu", detail::make_cpu_backend(options), options.memory_limit, options.allocator));
}

Context Context::cuda(const CudaOptions& options) {
    if (options.device < 0)
        throw InvalidArgument("Context::cuda", "device", std::to_string(options.device), "device >= 0");
    return Context(make_state("Context::cuda", detail::make_cuda_backend(options.device), options.memory_limit,
                              options.allocator));
}

Context Context::cuda(int device) { return cuda(CudaOptions{.device = device}); }

Context Context::best() {
    constexpr int most_devices = 16;
    std::string why;  // the first device's problem: mostly the plug-in's or the driver's, and so every device's
    for (int device = 0; device < most_devices; ++device) {
        try {
            return cuda(device);
        } catch (const DeviceError& error) {
            const std::string problem = error.what();
            if (why.empty()) why = problem;
            if (problem.find(detail::no_such_device) != std::string::npos) break;
        }
    }
    Context context = cpu();
    context.state_->description += "; no GPU: " + why;
    return context;
}

Device Context::device() const { return properties().device; }
const DeviceProperties& Context::properties() const { return state_->backend->properties(); }
const std::string& Context::description() const { return state_->description; }
Buffer Context::allocate(std::size_t bytes) const { return state_->buffer(bytes); }

std::size_t Context::used_bytes() const {
    std::lock_guard lock(state_->mutex);
    return state_->used;
}
std::size_t Context::cached_bytes() const {
    std::lock_guard lock(state_->mutex);
    return state_->cached;
}
void Context::trim() const { state_->trim(); }

Stream::Stream(const Context& context) : state_(std::make_shared<detail::StreamState>()) {
    state_->context = context.state_;
    state_->queue = context.state_->backend->make_queue(*context.state_, detail::RunsWork::meanwhile);
}

Stream detail::stream_of_call(const Context& context) {
    auto state = std::make_shared<StreamState>();
    state->context = context.state_;
    state->queue = context.state_->backend->make_queue(*context.state_, RunsWork::at_once);
    return Stream(std::move(state));
}

Stream Stream::wrap(const Context& context, void* native) {
    auto state = std::make_shared<detail::StreamState>();
    state->context = context.state_;
    state->queue = context.state_->backend->wrap_queue(*context.state_, native);
    return Stream(std::move(state));
}

Context Stream::context() const { return Context(state_->context); }

void Stream::wait() { detail::throw_problem(state_->queue->wait()); }

Event Stream::record() {
    auto event = state_->queue->record();
    event->device = context().device();
    return Event(std::move(event));
}
void Stream::wait_for(const Event& event) {
    if (event.state_->device != context().device())
        throw InvalidArgument("Stream::wait_for", "event", "an event of another device", "one of the stream's device");
    state_->queue->wait_for(event.state_);
}

bool Event::done() const { return state_->done(); }
void Event::wait() const { state_->wait(); }

}  // namespace cuebm
