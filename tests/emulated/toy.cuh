// The kernels of toy.hpp.
#pragma once

#include "cuda/device.cuh"

namespace cuebm::cuda::toy {

// Shuffles within a warp, shared memory between warps, a ticket between blocks: the last block adds the partial sums.
template <int Threads>
__global__ void __launch_bounds__(Threads)
    sum_kernel(const float* __restrict__ values, unsigned count, double* __restrict__ partial,
               unsigned* __restrict__ ticket, double* __restrict__ total) {
    CUEBM_SHARED(double, warp_sums, [Threads / 32]);
    CUEBM_SHARED(bool, last_block);
    const unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    double sum = 0;
    for (unsigned i = blockIdx.x * Threads + threadIdx.x; i < count; i += gridDim.x * Threads) sum += values[i];
#pragma unroll
    for (int step = 16; step > 0; step /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, step);
    if (lane == 0) warp_sums[warp] = sum;
    __syncthreads();
    if (threadIdx.x == 0) {
        for (unsigned i = 1; i < Threads / 32; ++i) sum += warp_sums[i];
        partial[blockIdx.x] = sum;
        __threadfence();
        last_block = atomicAdd(ticket, 1u) == gridDim.x - 1;
    }
    __syncthreads();
    if (last_block && threadIdx.x == 0) {
        double all = 0;
        for (unsigned i = 0; i < gridDim.x; ++i) all += partial[i];
        *total = all;
    }
}

template <int Threads>
__global__ void __launch_bounds__(Threads)
    histogram_kernel(const unsigned* __restrict__ values, unsigned count, unsigned* __restrict__ counts) {
    CUEBM_SHARED(unsigned, own, [16]);
    if (threadIdx.x < 16) own[threadIdx.x] = 0;
    __syncthreads();
    for (unsigned i = blockIdx.x * Threads + threadIdx.x; i < count; i += gridDim.x * Threads)
        atomicAdd(&own[values[i] % 16], 1u);
    __syncthreads();
    if (threadIdx.x < 16) atomicAdd(&counts[threadIdx.x], own[threadIdx.x]);
}

// Two tiles of 4 x 128 in dynamic shared memory: one arrives while the other is added.
__global__ void __launch_bounds__(128)
    sum_columns_kernel(const float* __restrict__ values, unsigned rows, float* __restrict__ columns) {
    constexpr unsigned tile_rows = 4, width = 128;
    CUEBM_DYNAMIC_SHARED(float, tiles);
    // Thread t copies 16 bytes of a row that 32 threads share, and adds column t: others' data.
    const auto start = [&](unsigned row0) {
        const unsigned row = threadIdx.x / 32, column = threadIdx.x % 32 * 4;
        const bool valid = row0 + row < rows;
        float* target = tiles + (row0 / tile_rows % 2 * tile_rows + row) * width + column;
        copy_async<16>(target, values + std::size_t(valid ? row0 + row : 0) * width + column, valid);
        copy_async_commit();
    };
    float sum = 0;
    start(0);
    for (unsigned row0 = 0; row0 < rows; row0 += tile_rows) {
        start(row0 + tile_rows);
        copy_async_wait<1>();
        __syncthreads();
        for (unsigned row = 0; row < tile_rows; ++row)
            sum += tiles[(row0 / tile_rows % 2 * tile_rows + row) * width + threadIdx.x];
        __syncthreads();
    }
    columns[threadIdx.x] = sum;
}

template <int Threads>
__global__ void __launch_bounds__(Threads)
    reverse_warps_kernel(const int* __restrict__ values, unsigned count, int* __restrict__ reversed) {
    CUEBM_SHARED(int, buffer, [Threads]);
    const unsigned first = threadIdx.x / 32 * 32, lane = threadIdx.x % 32;
    for (unsigned i = blockIdx.x * Threads + threadIdx.x; i < count; i += gridDim.x * Threads) {
        buffer[threadIdx.x] = values[i];
        __syncwarp();
        reversed[i] = buffer[first + 31 - lane];
        __syncwarp();
    }
}

}  // namespace cuebm::cuda::toy
