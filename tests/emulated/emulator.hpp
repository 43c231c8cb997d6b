// CUDA's device vocabulary for a plain C++ compiler: what kernels/cuda/device.cuh includes under CUEBM_EMULATED.
// The threads of a block are fibers (scheduler.cpp); runtime_api.hpp stands in for the host side's cuda_runtime.h.
// Do not define __noinline__ here: libstdc++ spells an attribute so.
#pragma once

#include <atomic>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include <cuebm/number.hpp>

#include "runtime_api.hpp"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __grid_constant__
#define __align__(n) __attribute__((aligned(n)))

// Objects and not macros; __thread, since a fiber never changes its OS thread. The scheduler sets them.
extern __thread uint3 threadIdx, blockIdx;
extern __thread dim3 blockDim, gridDim;

namespace cuebm::emulator {

// Where a barrier or collective stands in the source: all its threads have to come from the same place.
// Not std::source_location: clang 14 cannot use libstdc++'s.
struct Site {
    const char* file = "";
    unsigned line = 0;
    static constexpr Site here(const char* file = __builtin_FILE(), unsigned line = __builtin_LINE()) {
        return {file, line};
    }
};

// Waits for all threads of the block.
void barrier(Site site);

// What the lanes of a warp brought to a collective, and what a lane takes from it.
struct Brought {
    unsigned lanes;              // a bit for each lane that came
    const std::uint64_t* value;  // by lane
};
using Take = std::uint64_t (*)(const Brought&, unsigned argument);

// Waits for all lanes of the mask, then gives each take(brought, its own argument). Only __syncwarp orders memory.
std::uint64_t collective(unsigned mask, std::uint64_t value, Take take, unsigned argument, bool orders_memory,
                         Site site);

void* shared_variable(const void* key, std::size_t bytes, std::size_t alignment, const char* name, Site site);
void* dynamic_shared();

void fence();
// At every atomic: in random order perhaps another thread's turn. Whether this thread has passed a fence before.
bool before_atomic();

void start_copy(void* target, const void* source, unsigned bytes, const std::uint64_t (&data)[2], Site site);
void commit_copies();
void wait_for_copies(unsigned groups);

// What a lane brings to load_matrices and to multiply_matrices, and gets in place: see matrices.cpp.
struct MatrixRow {
    unsigned row[4], parts[4];
};
struct MatrixOperands {
    unsigned a[4], b[2];
    float sums[4];
};
void check_row(const void* shared_row, Site site);
void load_matrices(MatrixRow& own, Site site);
void multiply_matrices(MatrixOperands& own, Site site);

inline unsigned lane() { return (threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z)) % 32; }

template <class T>
std::uint64_t to_bits(T value) {
    static_assert(sizeof(T) == 4 || sizeof(T) == 8, "warps exchange 4 or 8 bytes");
    std::uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof(T));
    return bits;
}

template <class T>
T from_bits(std::uint64_t bits) {
    T value;
    std::memcpy(&value, &bits, sizeof(T));
    return value;
}

inline std::uint64_t take_nothing(const Brought&, unsigned) { return 0; }

// A lane that did not come has no value: the GPU gives anything, we give NaN bits.
inline std::uint64_t take_from_lane(const Brought& all, unsigned source) {
    return all.lanes >> source & 1 ? all.value[source] : ~std::uint64_t{0};
}

inline std::uint64_t take_ballot(const Brought& all, unsigned) {
    std::uint64_t votes = 0;
    for (unsigned i = 0; i < 32; ++i)
        if (all.lanes >> i & 1) votes |= all.value[i] << i;
    return votes;
}

inline std::uint64_t take_any(const Brought& all, unsigned) { return take_ballot(all, 0) != 0; }
inline std::uint64_t take_all(const Brought& all, unsigned) { return take_ballot(all, 0) == all.lanes; }

template <class T>
T shuffle(unsigned mask, T value, unsigned source, Site site) {
    return from_bits<T>(collective(mask, to_bits(value), take_from_lane, source, false, site));
}

inline std::uint64_t vote(unsigned mask, int predicate, Take take, Site site) {
    return collective(mask, predicate != 0, take, 0, false, site);
}

// A fence before an atomic publishes what the thread wrote; without one ThreadSanitizer sees a relaxed atomic.
template <class T, class Update>
T update_atomically(T* target, Update update) {
    const auto order = before_atomic() ? std::memory_order_acq_rel : std::memory_order_relaxed;
    std::atomic_ref<T> cell(*target);
    T old = cell.load(std::memory_order_relaxed);
    while (!cell.compare_exchange_weak(old, update(old), order, std::memory_order_relaxed)) {
    }
    return old;
}

}  // namespace cuebm::emulator

#define CUEBM_SHARED(T, name, ...)                                                                      \
    static char name##_key;                                                                             \
    auto& name = *static_cast<std::type_identity_t<T __VA_ARGS__>*>(::cuebm::emulator::shared_variable( \
        &name##_key, sizeof(T __VA_ARGS__), alignof(T), #name, ::cuebm::emulator::Site::here()))
#define CUEBM_DYNAMIC_SHARED(T, name) T* const name = static_cast<T*>(::cuebm::emulator::dynamic_shared())

#define CUEBM_SITE ::cuebm::emulator::Site site = ::cuebm::emulator::Site::here()

namespace cuebm::cuda {

// The data are read at once and arrive at the wait; until then the target holds NaN bytes, and AddressSanitizer
// forbids it.
template <int Bytes>
void copy_async(void* shared_target, const void* global_source, bool valid, CUEBM_SITE) {
    static_assert(Bytes == 4 || Bytes == 8 || Bytes == 16, "cp.async copies 4, 8 or 16 bytes");
    std::uint64_t data[2] = {};
    if (valid) std::memcpy(data, global_source, Bytes);
    emulator::start_copy(shared_target, global_source, Bytes, data, site);
}
inline void copy_async_commit() { emulator::commit_copies(); }
template <int Groups>
void copy_async_wait() {
    emulator::wait_for_copies(Groups);
}

inline unsigned fp16_pair(float low, float high) {
    return Half(low).bits | static_cast<unsigned>(Half(high).bits) << 16;
}
inline float2 from_fp16_pair(unsigned pair) {
    return {static_cast<float>(Half::of_bits(static_cast<std::uint16_t>(pair))),
            static_cast<float>(Half::of_bits(static_cast<std::uint16_t>(pair >> 16)))};
}

// A lane reads its own row here, where ThreadSanitizer sees it.
inline void load_matrices(unsigned (&parts)[4], const void* shared_row, CUEBM_SITE) {
    emulator::MatrixRow own{};
    emulator::check_row(shared_row, site);
    std::memcpy(own.row, shared_row, 16);
    emulator::load_matrices(own, site);
    std::memcpy(parts, own.parts, sizeof parts);
}

inline void multiply_matrices(float (&sums)[4], const unsigned (&a)[4], unsigned b0, unsigned b1, CUEBM_SITE) {
    emulator::MatrixOperands own{{a[0], a[1], a[2], a[3]}, {b0, b1}, {sums[0], sums[1], sums[2], sums[3]}};
    emulator::multiply_matrices(own, site);
    std::memcpy(sums, own.sums, sizeof sums);
}

}  // namespace cuebm::cuda

inline void __syncthreads(CUEBM_SITE) { cuebm::emulator::barrier(site); }
inline void __syncwarp(unsigned mask = 0xffffffffu, CUEBM_SITE) {
    cuebm::emulator::collective(mask, 0, cuebm::emulator::take_nothing, 0, true, site);
}

// Shuffles stay within segments of `width` lanes; a source beyond its segment is the lane itself.
template <class T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32, CUEBM_SITE) {
    const unsigned lane = cuebm::emulator::lane(), w = static_cast<unsigned>(width);
    return cuebm::emulator::shuffle(mask, value, (lane & ~(w - 1)) + (static_cast<unsigned>(source) & (w - 1)), site);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int bits, int width = 32, CUEBM_SITE) {
    const unsigned lane = cuebm::emulator::lane(), w = static_cast<unsigned>(width);
    const unsigned source = lane ^ static_cast<unsigned>(bits);
    return cuebm::emulator::shuffle(mask, value, source < (lane & ~(w - 1)) + w ? source : lane, site);
}

inline unsigned __ballot_sync(unsigned mask, int predicate, CUEBM_SITE) {
    return static_cast<unsigned>(cuebm::emulator::vote(mask, predicate, cuebm::emulator::take_ballot, site));
}
inline int __any_sync(unsigned mask, int predicate, CUEBM_SITE) {
    return cuebm::emulator::vote(mask, predicate, cuebm::emulator::take_any, site) != 0;
}
inline int __all_sync(unsigned mask, int predicate, CUEBM_SITE) {
    return cuebm::emulator::vote(mask, predicate, cuebm::emulator::take_all, site) != 0;
}

inline void __threadfence() { cuebm::emulator::fence(); }

template <class T>
T atomicAdd(T* target, std::type_identity_t<T> value) {
    using Sum = std::conditional_t<std::is_same_v<T, int>, unsigned, T>;  // int wraps on the GPU
    return cuebm::emulator::update_atomically(
        target, [=](T old) { return static_cast<T>(static_cast<Sum>(old) + static_cast<Sum>(value)); });
}
template <class T>
T atomicMin(T* target, std::type_identity_t<T> value) {
    static_assert(std::is_integral_v<T>, "CUDA has no atomicMin of floating point");
    return cuebm::emulator::update_atomically(target, [=](T old) { return value < old ? value : old; });
}
template <class T>
T atomicMax(T* target, std::type_identity_t<T> value) {
    static_assert(std::is_integral_v<T>, "CUDA has no atomicMax of floating point");
    return cuebm::emulator::update_atomically(target, [=](T old) { return old < value ? value : old; });
}
inline unsigned __float_as_uint(float value) { return std::bit_cast<unsigned>(value); }
inline float __uint_as_float(unsigned bits) { return std::bit_cast<float>(bits); }
inline long long __double_as_longlong(double value) { return std::bit_cast<long long>(value); }
inline int __popc(unsigned bits) { return std::popcount(bits); }
inline int __ffs(int bits) { return bits ? std::countr_zero(static_cast<unsigned>(bits)) + 1 : 0; }

#undef CUEBM_SITE
