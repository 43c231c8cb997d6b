// A device with its memory, and the in-order queues of work on it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>

#include <cuebm/export.hpp>
#include <cuebm/view.hpp>

namespace cuebm {

namespace detail {
struct ContextState;
struct StreamState;
struct EventState;
}  // namespace detail

class Context;
class Stream;
namespace detail {
Stream stream_of_call(const Context& context);
}
template <class T>
class Vector;
template <class T>
class Matrix;

// Where the pool gets a device's memory, if not from the system. Both functions or neither. A context calls them one
// at a time, from any thread; two contexts may call at once. They must not call the context, and must outlive every
// context, stream and array; release must not throw.
struct Allocator {
    std::function<void*(std::size_t bytes)> allocate{};  // 256-aligned memory of the device; nullptr: none is left
    std::function<void(void* data, std::size_t bytes)> release{};
};

struct CpuOptions {
    int threads = 0;               // to 256, or more if this process has more; 0: all that it has
    std::size_t memory_limit = 0;  // bytes that arrays and workspaces may take together; 0: no limit
    Allocator allocator{};
};

struct CudaOptions {
    int device = 0;
    std::size_t memory_limit = 0;  // bytes, as above
    Allocator allocator{};
};

// What a device is, as `plan()` and people want to know it.
struct DeviceProperties {
    std::string name;  // "CPU (avx512, 2 threads)", "NVIDIA H100 80GB HBM3"
    Device device = {};
    int processors = 1;            // threads of the CPU, multiprocessors of a GPU
    std::size_t memory_bytes = 0;  // in all
    std::size_t shared_bytes = 0;  // shared memory that a block may have; 0 on the CPU
    int compute_capability = 0;    // 90 for sm_90; 0 on the CPU
};

// Memory of a context's pool. Copies share nothing: a buffer moves, and gives its memory back to the pool
// when it dies. It must outlive the work that a stream still does on it.
class CUEBM_API Buffer {
public:
    Buffer() = default;
    Buffer(Buffer&& other) noexcept;
    Buffer& operator=(Buffer&& other) noexcept;
    ~Buffer();

    void* data() const noexcept { return data_; }
    std::size_t bytes() const noexcept { return bytes_; }
    Device device() const noexcept { return device_; }

private:
    friend struct detail::ContextState;
    std::shared_ptr<detail::ContextState> owner_;
    void* data_ = nullptr;
    std::size_t bytes_ = 0;
    Device device_ = {};
};

// A device and its memory pool. Copies are cheap and mean the same device and pool; the functions may be
// called from several threads. Calls that take a Context return when the work is done, and throw. They wait for no
// stream: on a GPU, where each has one of its own, synchronise first what your own kernels still write. On a CPU the
// calling thread works too.
class CUEBM_API Context {
public:
    // The first GPU that works, else the CPU. `description()` says which, and why there is no GPU.
    static Context best();
    // Errors: InvalidArgument for threads out of range, or half an allocator.
    static Context cpu(const CpuOptions& options = {});
    // Errors: DeviceError that says what is missing (plug-in, driver, device) and what to do.
    static Context cuda(int device = 0);
    static Context cuda(const CudaOptions& options);

    Device device() const;
    const DeviceProperties& properties() const;
    // One line for people: the device, and for `best()` on a CPU why there is no GPU.
    const std::string& description() const;

    // Uninitialised arrays on this device. Errors: InvalidArgument for a negative size; OutOfMemory.
    template <class T>
    Vector<T> vector(std::int64_t size) const;
    template <class T>
    Matrix<T> matrix(std::int64_t rows, std::int64_t cols) const;

    // A copy on this device of a view or array that lies on the host or on this device. Returns when it is made.
    // Errors: InvalidArgument for a null, misaligned or too narrow view, or memory of another device; OutOfMemory.
    template <class T>
    Vector<std::remove_const_t<T>> copy(VectorView<T> source) const;
    template <class T>
    Matrix<std::remove_const_t<T>> copy(MatrixView<T> source) const;
    template <class T>
    Vector<T> copy(const Vector<T>& source) const {
        return copy(source.view());
    }
    template <class T>
    Matrix<T> copy(const Matrix<T>& source) const {
        return copy(source.view());
    }
    // The [n x d] copy of a column-major (Fortran) array on the host, whose view is row-major [d x n]. Errors: as copy,
    // and InvalidArgument for device memory.
    template <class T>
    Matrix<std::remove_const_t<T>> copy_transposed(MatrixView<T> source) const;

    // Bytes in arrays and workspaces now; bytes kept for reuse; gives the latter back to the system.
    std::size_t used_bytes() const;
    std::size_t cached_bytes() const;
    void trim() const;

    // Memory of the pool, 256-aligned; what vector() and matrix() are made of. Errors: OutOfMemory.
    Buffer allocate(std::size_t bytes) const;
    detail::ContextState& state() const { return *state_; }

private:
    friend class Stream;
    friend Stream detail::stream_of_call(const Context& context);  // of a call that returns when its work is done
    explicit Context(std::shared_ptr<detail::ContextState> state) : state_(std::move(state)) {}
    std::shared_ptr<detail::ContextState> state_;
};

// A point in a stream's work.
class CUEBM_API Event {
public:
    bool done() const;  // has the stream passed it? Does not block. Errors: DeviceError
    void wait() const;  // blocks the calling thread until it has. Errors: DeviceError

private:
    friend class Stream;
    explicit Event(std::shared_ptr<detail::EventState> state) : state_(std::move(state)) {}
    std::shared_ptr<detail::EventState> state_;
};

// An in-order queue of work on a device: a CUDA stream, or on the CPU a queue with a thread of its own.
// Calls that take a Stream check their arguments and throw at once, then only enqueue; what is wrong in the
// data is thrown by wait(). Those whose loops need the host (kmeans::fit and its kin, project, sample) block, and say
// so. Views and arrays that are passed must live until the work is done. One thread at a time may use a stream.
class CUEBM_API Stream {
public:
    // Non-blocking: it does not wait for CUDA's default stream.
    explicit Stream(const Context& context);
    // A user's own cudaStream_t, passed as void*; it must outlive this object. nullptr is CUDA's legacy default stream.
    // On the CPU there is none to wrap: InvalidArgument.
    static Stream wrap(const Context& context, void* native);

    Context context() const;
    // Blocks until all enqueued work is done. Errors: DataError for the lowest bad row that the work met
    // (once: the next wait() is clean), DeviceError.
    void wait();
    Event record();
    // Later work of this stream starts after the event, which may be of another stream of the device. Does not block.
    // Errors: InvalidArgument for an event of another device.
    void wait_for(const Event& event);
    detail::StreamState& state() const { return *state_; }

private:
    friend Stream detail::stream_of_call(const Context& context);
    explicit Stream(std::shared_ptr<detail::StreamState> state) : state_(std::move(state)) {}
    std::shared_ptr<detail::StreamState> state_;
};

namespace detail {
// A rectangle of bytes, copied between the host and the stream's device, or within either.
struct CopyBytes {
    const void* source = nullptr;
    void* target = nullptr;
    std::size_t rows = 0, row_bytes = 0, source_stride = 0, target_stride = 0;  // strides in bytes
    Device from = {}, to = {};
};
CUEBM_API void copy_bytes(Stream& stream, const CopyBytes& copy);
CUEBM_API void copy_bytes(const Context& context, const CopyBytes& copy);  // returns when done
CUEBM_API void check_copy(const char* function, const char* argument, const void* data, std::int64_t rows,
                          std::int64_t cols, std::int64_t stride, std::size_t alignment);
CUEBM_API std::size_t checked_bytes(const char* function, std::int64_t rows, std::int64_t cols, std::size_t element);
}  // namespace detail

}  // namespace cuebm
