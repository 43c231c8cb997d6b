// Correct kernels give the right results in every order, and the stand-in for the runtime API behaves as CUDA does.
#include <gtest/gtest.h>

#include <cstdlib>
#include <numeric>
#include <thread>

#include "device_array.hpp"
#include "toy.hpp"

namespace cuebm::cuda {
namespace {

// An order in the environment is the only one: mutate.py asks for one at a time.
template <class Test>
void in_orders(Test test) {
    if (std::getenv("CUEBM_EMULATED_ORDER"))
        test();
    else
        in_all_orders(5, test);
}

// Catches shuffles that take the wrong lane, a fence or ticket that lets the last block read too early.
TEST(Emulator, SumOfBlocks) {
    std::vector<float> values(1000);
    std::iota(values.begin(), values.end(), 1.0f);
    in_orders([&] {
        DeviceArray<float> input(values);
        DeviceArray<double> partial(3), total(1);
        DeviceArray<unsigned> ticket(std::vector<unsigned>{0});
        toy::sum(input.data(), 1000, 3, partial.data(), ticket.data(), total.data());
        EXPECT_EQ(total.host()[0], 500500.0);
    });
}

// Catches lost atomic updates.
TEST(Emulator, Histogram) {
    std::vector<unsigned> values(500), expected(16);
    for (unsigned i = 0; i < 500; ++i) ++expected[(values[i] = i * i) % 16];
    in_orders([&] {
        DeviceArray<unsigned> input(values), counts(std::vector<unsigned>(16));
        toy::histogram(input.data(), 500, 3, counts.data());
        EXPECT_EQ(counts.host(), expected);
    });
}

// Catches copies that arrive in the wrong group, and rows beyond the end that are not zero.
TEST(Emulator, AsynchronousCopies) {
    constexpr unsigned rows = 13;
    std::vector<float> values(rows * 128), expected(128);
    for (unsigned i = 0; i < values.size(); ++i) expected[i % 128] += values[i] = static_cast<float>(i % 37);
    in_orders([&] {
        DeviceArray<float> input(values), columns(128);
        toy::sum_columns(input.data(), rows, columns.data());
        EXPECT_EQ(columns.host(), expected);
    });
}

// Catches a __syncwarp that does not wait for its warp.
TEST(Emulator, WarpExchange) {
    std::vector<int> values(320), expected(320);
    std::iota(values.begin(), values.end(), 0);
    for (int i = 0; i < 320; ++i) expected[static_cast<std::size_t>(i)] = i / 32 * 32 + 31 - i % 32;
    in_orders([&] {
        DeviceArray<int> input(values), reversed(320);
        toy::reverse_warps(input.data(), 320, reversed.data());
        EXPECT_EQ(reversed.host(), expected);
    });
}

__global__ void collectives(int* failures) {
    const int lane = static_cast<int>(threadIdx.x % 32);
    const unsigned all = 0xffffffffu, half = lane < 16 ? 0x0000ffffu : 0xffff0000u;
    int wrong = 0;
    wrong += __shfl_sync(all, lane, 5) != 5;
    wrong += __shfl_sync(all, lane, 3, 8) != lane / 8 * 8 + 3;
    wrong += __shfl_xor_sync(all, 1.5 * lane, 4) != 1.5 * (lane ^ 4);
    wrong += __ballot_sync(all, lane % 2) != 0xaaaaaaaau;
    wrong += __any_sync(all, lane == 7) != 1 || __any_sync(all, 0) != 0;
    wrong += __all_sync(all, lane < 32) != 1 || __all_sync(all, lane != 7) != 0;
    if (lane >= 16) __syncwarp(half);  // one half may meet before the whole
    __syncwarp();
    atomicAdd(failures, wrong);
}

// One warp: products of a 16 x 16 and a 16 x 8 matrix whose elements are the lane's own to fetch, as the PTX ISA draws
// the fragments of mma.m16n8k16; and the same by load_matrices, from shared memory. b is column by column.
__global__ void multiply(const float* a, const float* b, float* by_hand, float* by_loads) {
    CUEBM_SHARED(std::uint16_t, a_rows, [16][16]);
    CUEBM_SHARED(std::uint16_t, b_columns, [8][16]);
    const int lane = static_cast<int>(threadIdx.x), group = lane / 4, within = lane % 4;
    for (int e = lane; e < 256; e += 32) a_rows[e / 16][e % 16] = static_cast<std::uint16_t>(fp16_pair(a[e], 0));
    for (int e = lane; e < 128; e += 32) b_columns[e / 16][e % 16] = static_cast<std::uint16_t>(fp16_pair(b[e], 0));
    __syncwarp();
    unsigned own_a[4], own_b[2];
    for (int i = 0; i < 8; ++i) {  // row: groupID for ai where 0 <= i < 2 or 4 <= i < 6, else groupID + 8
        const int row = i < 2 || (i >= 4 && i < 6) ? group : group + 8;
        const int column = within * 2 + (i & 1) + (i < 4 ? 0 : 8);
        const unsigned value = fp16_pair(a[row * 16 + column], 0);
        own_a[i / 2] = i % 2 == 0 ? value : own_a[i / 2] | value << 16;
    }
    for (int i = 0; i < 4; ++i) {
        const int row = within * 2 + (i & 1) + (i < 2 ? 0 : 8), column = group;
        const unsigned value = fp16_pair(b[column * 16 + row], 0);
        own_b[i / 2] = i % 2 == 0 ? value : own_b[i / 2] | value << 16;
    }
    const auto store = [&](const float(&sums)[4], float* to) {
        for (int i = 0; i < 4; ++i) to[(i < 2 ? group : group + 8) * 8 + within * 2 + (i & 1)] = sums[i];
    };
    float sums[4] = {1, 1, 1, 1};
    multiply_matrices(sums, own_a, own_b[0], own_b[1]);
    store(sums, by_hand);

    unsigned a_parts[4], b_parts[4];
    load_matrices(a_parts, &a_rows[lane % 16][lane / 16 * 8]);
    load_matrices(b_parts, &b_columns[lane % 8][lane / 8 % 2 * 8]);  // matrices 2 and 3 as 0 and 1
    float again[4] = {1, 1, 1, 1};
    multiply_matrices(again, a_parts, b_parts[0], b_parts[1]);
    store(again, by_loads);
}

// Catches a fragment's element in another lane or register, rows that are swapped, sums that are not added to.
TEST(Emulator, Matrices) {
    std::vector<float> a(256), b(128), product(128, 1.0f);
    for (unsigned e = 0; e < 256; ++e) a[e] = static_cast<float>(e * 37 % 101) - 50;
    for (unsigned e = 0; e < 128; ++e) b[e] = static_cast<float>(e * 53 % 89) - 40;
    for (unsigned i = 0; i < 16; ++i)
        for (unsigned c = 0; c < 8; ++c)
            for (unsigned j = 0; j < 16; ++j) product[i * 8 + c] += a[i * 16 + j] * b[c * 16 + j];
    in_orders([&] {
        DeviceArray<float> left(a), right(b), by_hand(128), by_loads(128);
        launch(multiply, {.grid = 1, .block = 32}, left.data(), right.data(), by_hand.data(), by_loads.data());
        EXPECT_EQ(by_hand.host(), product);
        EXPECT_EQ(by_loads.host(), product);
    });
}

// Catches conversions that cut off, or round ties away.
TEST(Emulator, NearestFp16) {
    EXPECT_EQ(fp16_pair(1.0f, -2.0f), 0xc0003c00u);
    EXPECT_EQ(fp16_pair(1 + 0x1p-11f, 1 + 0x3p-11f), 0x3c023c00u);             // ties to even
    EXPECT_EQ(fp16_pair(1 + 0x1.1p-11f, 0x1.ffcp0f + 0x1p-11f), 0x40003c01u);  // up; up to the next power
    EXPECT_EQ(fp16_pair(0x1p-24f, 0x1p-25f), 0x00000001u);                     // denormal; a tie with 0
    EXPECT_EQ(fp16_pair(65519.0f, 65520.0f), 0x7c007bffu);                     // infinite
    const float2 both = from_fp16_pair(0x80017bffu);
    EXPECT_EQ(both.x, 65504.0f);
    EXPECT_EQ(both.y, -0x1p-24f);
}

// Catches a collective that disagrees with CUDA's definition.
TEST(Emulator, Collectives) {
    in_orders([] {
        DeviceArray<int> failures(std::vector<int>{0});
        launch(collectives, {.grid = 1, .block = 64}, failures.data());
        EXPECT_EQ(failures.host()[0], 0);
    });
}

__global__ void atomics(unsigned long long* lowest, int* highest, float* sum) {
    const unsigned i = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
    atomicMin(lowest, 100ull - i);
    atomicMax(highest, int(i) - 50);
    atomicAdd(sum, 0.5f);
}

// Catches atomics with the wrong operation or type, and blocks of three dimensions with wrong indices.
TEST(Emulator, Atomics) {
    DeviceArray<unsigned long long> lowest(std::vector<unsigned long long>{1000});
    DeviceArray<int> highest(std::vector<int>{-1000});
    DeviceArray<float> sum(std::vector<float>{0});
    launch(atomics, {.grid = 1, .block = dim3(4, 5, 3)}, lowest.data(), highest.data(), sum.data());
    EXPECT_EQ(lowest.host()[0], 41u);
    EXPECT_EQ(highest.host()[0], 9);
    EXPECT_EQ(sum.host()[0], 30.0f);
}

// Catches state that two host threads share by mistake.
TEST(Emulator, SeveralHostThreads) {
    const auto work = [] {
        std::vector<int> values(320, 3);
        for (int i = 0; i < 5; ++i) {
            DeviceArray<int> input(values), reversed(320);
            toy::reverse_warps(input.data(), 320, reversed.data());
            EXPECT_EQ(reversed.host(), values);
        }
    };
    std::thread first(work), second(work);
    first.join();
    second.join();
}

// Catches a runtime that hides why there is no device.
TEST(Emulator, NoDevice) {
    auto& settings = emulator::settings();
    int count = -1, version = -1;
    EXPECT_EQ(cudaGetDeviceCount(&count), cudaSuccess);
    EXPECT_EQ(count, 1);
    settings.driver = emulator::Driver::none;
    EXPECT_EQ(cudaGetDeviceCount(&count), cudaErrorInsufficientDriver);
    cudaDriverGetVersion(&version);
    EXPECT_EQ(version, 0);
    settings.driver = emulator::Driver::too_old;
    EXPECT_EQ(cudaSetDevice(0), cudaErrorInsufficientDriver);
    cudaDriverGetVersion(&version);
    EXPECT_EQ(version, 12000);
    settings.driver = emulator::Driver::no_device;
    EXPECT_EQ(cudaGetDeviceCount(&count), cudaErrorNoDevice);
    settings.driver = emulator::Driver::good;
    EXPECT_EQ(cudaGetLastError(), cudaErrorNoDevice);
    EXPECT_EQ(cudaGetLastError(), cudaSuccess);
    EXPECT_EQ(cudaSetDevice(1), cudaErrorInvalidDevice);
}

// Catches device memory without a limit, and memory that stays counted when it is freed.
TEST(Emulator, DeviceMemoryIsLimited) {
    auto& settings = emulator::settings();
    const auto before = settings.memory;
    std::size_t free = 0, total = 0;
    cudaMemGetInfo(&free, &total);
    settings.memory = total - free + 1000;
    void *first = nullptr, *second = nullptr;
    EXPECT_EQ(cudaMalloc(&first, 800), cudaSuccess);
    EXPECT_EQ(cudaMalloc(&second, 201), cudaErrorMemoryAllocation);
    EXPECT_EQ(second, nullptr);
    cudaMemGetInfo(&free, &total);
    EXPECT_EQ(free, 200u);
    EXPECT_EQ(cudaFree(first), cudaSuccess);
    EXPECT_EQ(cudaMalloc(&second, 1000), cudaSuccess);
    EXPECT_EQ(cudaFree(second), cudaSuccess);
    settings.memory = before;
}

// Catches strided copies that mix up their pitches, and copies that do not go where their kind says.
TEST(Emulator, Copies) {
    const std::vector<int> host{1, 2, 3, 4, 5, 6};
    DeviceArray<int> device(std::vector<int>(8));
    const auto row = 2 * sizeof(int), pitch = 4 * sizeof(int);
    EXPECT_EQ(cudaMemcpy2DAsync(device.data(), pitch, host.data(), row + 4, row, 2, cudaMemcpyHostToDevice),
              cudaSuccess);
    EXPECT_EQ(device.host(), (std::vector<int>{1, 2, 0, 0, 4, 5, 0, 0}));
    int value = 0;
    EXPECT_EQ(cudaMemcpyAsync(&value, device.data(), 4, cudaMemcpyHostToDevice), cudaErrorInvalidValue);
    EXPECT_EQ(cudaMemcpyAsync(device.data(), host.data(), 36, cudaMemcpyHostToDevice), cudaErrorInvalidValue);
    EXPECT_EQ(cudaMemsetAsync(device.data(), 0, 36), cudaErrorInvalidValue);
    EXPECT_EQ(cudaMemcpyAsync(&value, device.data() + 5, 4, cudaMemcpyDefault), cudaSuccess);
    EXPECT_EQ(value, 5);
}

}  // namespace
}  // namespace cuebm::cuda
