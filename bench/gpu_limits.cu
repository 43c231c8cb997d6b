// See limits.hpp: what a GPU can do at most, by kernels that do nothing else.
#include <cuda_runtime.h>

#include <algorithm>
#include <stdexcept>
#include <string>

#include "limits.hpp"

namespace bench {
namespace {

void check(cudaError_t status) {
    if (status != cudaSuccess)
        throw std::runtime_error(std::string("measuring the GPU: ") + cudaGetErrorString(status));
}

constexpr int threads = 256, blocks_each = 8, chains = 8, steps = 1 << 13;

// The result is written only where `never` says so, which the compiler cannot know.
__global__ void multiply_add(float factor, float* out, bool never) {
    float sums[chains];
    for (int c = 0; c < chains; ++c) sums[c] = static_cast<float>(threadIdx.x + c);
    for (int s = 0; s < steps; ++s)
#pragma unroll
        for (int c = 0; c < chains; ++c) sums[c] = fmaf(sums[c], factor, factor);
    float total = 0;
    for (float sum : sums) total += sum;
    if (never) out[threadIdx.x] = total;
}

// m16n8k16 of bf16 with sums in fp32, as kernels/cuda/assign/tensor.cuh has it. A quarter of the steps: each is long.
__global__ void multiply_tiles(unsigned seed, float* out, bool never) {
    float sums[chains][4] = {};
    const unsigned a = seed + threadIdx.x, b = seed ^ threadIdx.x;
    for (int s = 0; s < steps / 4; ++s)
#pragma unroll
        for (auto& sum : sums)
            asm volatile(
                "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
                "{%0,%1,%2,%3};"
                : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
                : "r"(a), "r"(a + 1), "r"(a + 2), "r"(a + 3), "r"(b), "r"(b + 1));
    float total = 0;
    for (auto& sum : sums) total += sum[0] + sum[1] + sum[2] + sum[3];
    if (never) out[threadIdx.x] = total;
}

__global__ void read(const uint4* from, std::size_t count, unsigned* out) {
    unsigned sum = 0;
    const std::size_t stride = std::size_t{gridDim.x} * blockDim.x;
    std::size_t i = std::size_t{blockIdx.x} * blockDim.x + threadIdx.x;
    for (; i + 3 * stride < count; i += 4 * stride)
#pragma unroll
        for (int part = 0; part < 4; ++part) {  // four loads on their way at a time
            const uint4 word = __ldcs(from + i + static_cast<std::size_t>(part) * stride);
            sum ^= word.x ^ word.y ^ word.z ^ word.w;
        }
    if (sum == 1) *out = sum;
}

struct Buffer {
    explicit Buffer(std::size_t bytes) { check(cudaMalloc(&at, bytes)); }
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;
    ~Buffer() { cudaFree(at); }
    void* at = nullptr;
};

// Of five, after one that warms up.
template <class Launch>
double best_seconds(const Launch& launch) {
    cudaEvent_t begin, end;
    check(cudaEventCreate(&begin));
    check(cudaEventCreate(&end));
    double best = 1e30;
    for (int repetition = 0; repetition < 6; ++repetition) {
        check(cudaEventRecord(begin));
        launch();
        check(cudaGetLastError());
        check(cudaEventRecord(end));
        check(cudaEventSynchronize(end));
        float milliseconds = 0;
        check(cudaEventElapsedTime(&milliseconds, begin, end));
        if (repetition > 0) best = std::min(best, 1e-3 * static_cast<double>(milliseconds));
    }
    cudaEventDestroy(begin);
    cudaEventDestroy(end);
    return best;
}

}  // namespace

void measure_gpu(int device, Limits& limits) {
    check(cudaSetDevice(device));
    int processors = 0;
    check(cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device));
    const auto grid = static_cast<unsigned>(processors * blocks_each);
    constexpr std::size_t bytes = std::size_t{1} << 30;  // far larger than any L2
    const Buffer from(bytes), to(bytes);
    check(cudaMemset(from.at, 1, bytes));
    auto* const out = static_cast<float*>(to.at);

    const double all = static_cast<double>(grid) * threads * chains * steps;
    limits.fp32_flops = 2 * all / best_seconds([&] { multiply_add<<<grid, threads>>>(0.5f, out, false); });
    const double tiles = static_cast<double>(grid) * (threads / 32) * chains * (steps / 4);
    limits.bf16_flops =
        2.0 * 16 * 8 * 16 * tiles / best_seconds([&] { multiply_tiles<<<grid, threads>>>(0x3f803f80u, out, false); });
    limits.copy_bytes =
        2.0 * bytes / best_seconds([&] { check(cudaMemcpyAsync(to.at, from.at, bytes, cudaMemcpyDeviceToDevice)); });
    limits.read_bytes = static_cast<double>(bytes) / best_seconds([&] {
                            read<<<grid, threads>>>(static_cast<const uint4*>(from.at), bytes / sizeof(uint4),
                                                    static_cast<unsigned*>(to.at));
                        });
}

}  // namespace bench
