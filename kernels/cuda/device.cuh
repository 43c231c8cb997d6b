// The device vocabulary of all CUDA kernels: shared memory, asynchronous copies, tensor cores, as nvcc and NVRTC
// compile them for the GPU; with CUEBM_EMULATED a plain C++ compiler runs the same kernels on the CPU (tests/emulated).
#pragma once

#include <cstddef>
#include <cstdint>

#if defined(CUEBM_EMULATED)
#include "emulator.hpp"
#elif defined(__CUDACC__)
#if !defined(__CUDACC_RTC__)
#include <cuda.h>
#include <cuda_runtime.h>
#endif

// CUEBM_SHARED(float, tile, [rows][columns]); a scalar has no third argument. 16-byte aligned, for copy_async.
#define CUEBM_SHARED(T, name, ...) __shared__ __align__(16) T name __VA_ARGS__
// The shared_bytes of the launch. All uses in one kernel are the same memory.
#define CUEBM_DYNAMIC_SHARED(T, name)                                     \
    extern __shared__ __align__(16) unsigned char cuebm_dynamic_shared[]; \
    T* const name = reinterpret_cast<T*>(cuebm_dynamic_shared)

namespace cuebm::cuda {

// Starts a copy of 4, 8 or 16 bytes from global to shared memory, both aligned to their size; zeros when not
// valid, and the source is not read. The data are there after commit, wait and a barrier.
template <int Bytes>
__device__ __forceinline__ void copy_async(void* shared_target, const void* global_source, bool valid) {
    static_assert(Bytes == 4 || Bytes == 8 || Bytes == 16, "cp.async copies 4, 8 or 16 bytes");
    const auto target = static_cast<unsigned>(__cvta_generic_to_shared(shared_target));
    const auto source = __cvta_generic_to_global(global_source);
    const int read = valid ? Bytes : 0;
    if constexpr (Bytes == 16)  // .cg: past L1, which only 16 bytes may
        asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(target), "l"(source), "r"(read) : "memory");
    else
        asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(target), "l"(source), "n"(Bytes), "r"(read)
                     : "memory");
}

// Closes a group of copies.
__device__ __forceinline__ void copy_async_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }

// Waits until at most Groups of this thread's committed groups are still under way. Other threads see the data
// after a barrier.
template <int Groups>
__device__ __forceinline__ void copy_async_wait() {
    asm volatile("cp.async.wait_group %0;" ::"n"(Groups) : "memory");
}

// The nearest fp16 of both, ties to even, infinite from 65520 on: `low` in the low 16 bits. And back, exactly.
__device__ __forceinline__ unsigned fp16_pair(float low, float high) {
    unsigned pair;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
    return pair;
}
__device__ __forceinline__ float2 from_fp16_pair(unsigned pair) {
    float2 both;
    asm("{.reg .f16 low, high; mov.b32 {low, high}, %2; cvt.f32.f16 %0, low; cvt.f32.f16 %1, high;}"
        : "=f"(both.x), "=f"(both.y)
        : "r"(pair));
    return both;
}

// Four 8 x 8 matrices of 16-bit elements from shared memory, by a whole warp. Lane l names row l % 8 of matrix l / 8,
// 16 aligned bytes, and gets of every matrix the elements (l / 4, 2 (l % 4)) in the low bits and (l / 4, 2 (l % 4) +
// 1).
__device__ __forceinline__ void load_matrices(unsigned (&parts)[4], const void* shared_row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(parts[0]), "=r"(parts[1]), "=r"(parts[2]), "=r"(parts[3])
                 : "r"(static_cast<unsigned>(__cvta_generic_to_shared(shared_row)))
                 : "memory");
}

// sums += A B for A of 16 x 16 and B of 16 x 8 in fp16, by a whole warp on tensor cores. Lane l holds, with g = l / 4
// and q = 2 (l % 4): of A (g, q), (g + 8, q), (g, q + 8), (g + 8, q + 8), each with the element right of it; of B (q,
// g), (q + 8, g), each with the one below; of the sums (g, q), (g, q + 1), (g + 8, q), (g + 8, q + 1).
__device__ __forceinline__ void multiply_matrices(float (&sums)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
        "{%0, %1, %2, %3};"
        : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

}  // namespace cuebm::cuda
#else
#error "device.cuh wants nvcc, or CUEBM_EMULATED and tests/emulated on the include path"
#endif
