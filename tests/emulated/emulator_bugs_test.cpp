// Every bug that the emulator promises to find is planted here in a small kernel, and has to be found.
#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "device_array.hpp"

#if defined(__has_feature)
#define CUEBM_HAS_FEATURE(x) __has_feature(x)
#else
#define CUEBM_HAS_FEATURE(x) 0
#endif
#if defined(__SANITIZE_THREAD__) || CUEBM_HAS_FEATURE(thread_sanitizer)
#define CUEBM_TEST_TSAN
#elif defined(__SANITIZE_ADDRESS__) || CUEBM_HAS_FEATURE(address_sanitizer)
#define CUEBM_TEST_ASAN
#endif

namespace cuebm::cuda {
namespace {

// What launch() throws, or else the wait for its end.
template <class Run>
std::string problem(Run run) {
    try {
        run();
        check(cudaStreamSynchronize(nullptr), "wait");
    } catch (const DeviceError& error) {
        return error.what();
    }
    return "";
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// ThreadSanitizer reports the race in any order; otherwise the results are wrong in some.
template <class Right>
void expect_race(Right right) {
#if defined(CUEBM_TEST_TSAN)
    testing::FLAGS_gtest_death_test_style = "threadsafe";  // a child of fork() has no ThreadSanitizer
    EXPECT_EXIT((right(), cudaStreamSynchronize(nullptr), std::exit(0)), testing::ExitedWithCode(66), "data race");
#else
    int wrong = 0;
    in_all_orders(40, [&] { wrong += !right(); });
    EXPECT_GT(wrong, 0);
#endif
}

__global__ void reads_a_neighbour(const int* in, int* out) {
    CUEBM_SHARED(int, buffer, [64]);
    buffer[threadIdx.x] = in[threadIdx.x];
    // missing: __syncthreads()
    out[threadIdx.x] = buffer[(threadIdx.x + 1) % 64];
}
TEST(EmulatorFinds, MissingBarrier) {
    DeviceArray<int> in(std::vector<int>(64, 7)), out(64);
    expect_race([&] {
        launch(reads_a_neighbour, {.grid = 1, .block = 64}, in.data(), out.data());
        return out.host() == std::vector<int>(64, 7);
    });
}

__global__ void reverses_a_warp(const int* in, int* out) {
    CUEBM_SHARED(int, buffer, [32]);
    buffer[threadIdx.x] = in[threadIdx.x];
    // missing: __syncwarp(); the lanes meet in the shuffle, but that orders no memory
    const int first = __shfl_sync(0xffffffffu, in[threadIdx.x], 0);
    out[threadIdx.x] = buffer[31 - threadIdx.x] + first;
    // missing: __syncwarp()
    buffer[threadIdx.x] = -1;
}
TEST(EmulatorFinds, MissingSyncwarp) {
    DeviceArray<int> in(std::vector<int>(32, 7)), out(32);
    expect_race([&] {
        launch(reverses_a_warp, {.grid = 1, .block = 32}, in.data(), out.data());
        return out.host() == std::vector<int>(32, 14);
    });
}

__global__ void adds_blocks(int* sum) {
    if (threadIdx.x == 0) *sum += 1;  // not atomic
}
// On one OS thread the sum comes out right: only ThreadSanitizer can tell.
TEST(EmulatorFinds, RaceBetweenBlocks) {
#if defined(CUEBM_TEST_TSAN)
    DeviceArray<int> sum(std::vector<int>{0});
    expect_race([&] {
        launch(adds_blocks, {.grid = 2, .block = 1}, sum.data());
        return true;
    });
#else
    GTEST_SKIP() << "needs ThreadSanitizer";
#endif
}

__global__ void last_block_sums(int* partial, unsigned* ticket, int* sum, bool with_fence) {
    partial[blockIdx.x] = 1;
    if (with_fence) __threadfence();
    if (atomicAdd(ticket, 1u) == 1) *sum = partial[0] + partial[1];
}
// As above; and with the fence ThreadSanitizer is content, or this test would not end well.
TEST(EmulatorFinds, MissingFence) {
    DeviceArray<int> partial(2), sum(1);
    DeviceArray<unsigned> ticket(std::vector<unsigned>{0});
    const auto run = [&](bool with_fence) {
        launch(last_block_sums, {.grid = 2, .block = 1}, partial.data(), ticket.data(), sum.data(), with_fence);
        return true;
    };
#if defined(CUEBM_TEST_TSAN)
    expect_race([&] { return run(false); });
#endif
    run(true);
    EXPECT_EQ(sum.host()[0], 2);
}

__global__ void two_barriers(int* out) {
    if (threadIdx.x < 32) {
        __syncthreads();
        out[threadIdx.x] = 1;
    } else {
        __syncthreads();
        out[threadIdx.x] = 2;
    }
}
TEST(EmulatorFinds, DivergentBarrier) {
    DeviceArray<int> out(64);
    const auto text = problem([&] { launch(two_barriers, {.grid = 1, .block = 64}, out.data()); });
    EXPECT_TRUE(contains(text, "divergent barrier")) << text;
    const auto first = text.find("emulator_bugs_test.cpp:");
    ASSERT_NE(first, std::string::npos) << text;
    EXPECT_NE(text.find("emulator_bugs_test.cpp:", first + 1), std::string::npos) << "both lines: " << text;
}

__global__ void some_skip_the_barrier(int* out) {
    if (threadIdx.x < 40) __syncthreads();
    out[threadIdx.x] = 1;
}
TEST(EmulatorFinds, BarrierThatSomeSkip) {
    DeviceArray<int> out(64);
    in_all_orders(5, [&] {
        const auto text = problem([&] { launch(some_skip_the_barrier, {.grid = 1, .block = 64}, out.data()); });
        EXPECT_TRUE(contains(text, "left the kernel")) << text;
        EXPECT_TRUE(contains(text, "emulator_bugs_test.cpp:")) << text;
    });
}

__global__ void waits_for_each_other(int* out) {
    if (threadIdx.x < 16)
        __syncwarp();
    else
        __syncthreads();
    out[threadIdx.x] = 1;
}
// After it the machine has to be good for other kernels.
TEST(EmulatorFinds, Deadlock) {
    DeviceArray<int> out(64), failures(std::vector<int>{0});
    in_all_orders(5, [&] {
        const auto text = problem([&] { launch(waits_for_each_other, {.grid = 1, .block = 64}, out.data()); });
        EXPECT_TRUE(contains(text, "deadlock: 64 of 64 threads wait")) << text;
        EXPECT_TRUE(contains(text, "at a barrier at")) << text;
        EXPECT_TRUE(contains(text, "at a warp collective at")) << text;
    });
    launch(adds_blocks, {.grid = 1, .block = 64}, failures.data());
    EXPECT_EQ(failures.host()[0], 1);
}

__global__ void diverges_in_a_warp(int* out) {
    if (threadIdx.x % 2)
        out[threadIdx.x] = __shfl_sync(0xffffffffu, 1, 0);
    else
        out[threadIdx.x] = __shfl_sync(0xffffffffu, 2, 0);
}
TEST(EmulatorFinds, DivergentWarp) {
    DeviceArray<int> out(32);
    const auto text = problem([&] { launch(diverges_in_a_warp, {.grid = 1, .block = 32}, out.data()); });
    EXPECT_TRUE(contains(text, "divergent warp")) << text;
}

__global__ void leaves_itself_out(int* out) { out[threadIdx.x] = __shfl_sync(0x55555555u, 1, 0); }
TEST(EmulatorFinds, WrongMask) {
    DeviceArray<int> out(32);
    const auto text = problem([&] { launch(leaves_itself_out, {.grid = 1, .block = 32}, out.data()); });
    EXPECT_TRUE(contains(text, "leaves out its own caller")) << text;
}

__global__ void copies(const float* in, float* out, bool commits, bool waits, unsigned offset) {
    CUEBM_SHARED(float, buffer, [33]);
    copy_async<4>(&buffer[threadIdx.x], in + threadIdx.x, true);
    if (commits) copy_async_commit();
    if (waits) copy_async_wait<0>();
    __syncthreads();
    out[threadIdx.x] = buffer[31 - threadIdx.x];
    if (offset) copy_async<16>(&buffer[offset], in, true);
}
TEST(EmulatorFinds, MissingCopyWait) {
    DeviceArray<float> in(std::vector<float>(32, 1.0f)), out(32);
    const auto run = [&](bool commits, bool waits) {
        launch(copies, {.grid = 1, .block = 32}, in.data(), out.data(), commits, waits, 0u);
        return out.host();
    };
    in_all_orders(3, [&] {
        EXPECT_EQ(run(true, true), std::vector<float>(32, 1.0f));
        EXPECT_TRUE(std::isnan(run(true, false)[5]));
        EXPECT_TRUE(std::isnan(run(false, true)[5]));
    });
}

TEST(EmulatorFinds, MisalignedCopy) {
    DeviceArray<float> in(std::vector<float>(32, 1.0f)), out(32);
    const auto text = problem([&] { launch(copies, {.grid = 1, .block = 32}, in.data(), out.data(), true, true, 1u); });
    EXPECT_TRUE(contains(text, "is not aligned")) << text;
}

__global__ void uses_what_it_never_wrote(float* out) {
    CUEBM_SHARED(float, sums, [4]);
    atomicAdd(&sums[threadIdx.x % 4], 1.0f);
    __syncthreads();
    out[threadIdx.x] = sums[threadIdx.x % 4];
}
TEST(EmulatorFinds, UninitialisedSharedMemory) {
    DeviceArray<float> out(32);
    launch(uses_what_it_never_wrote, {.grid = 1, .block = 32}, out.data());
    for (float value : out.host()) EXPECT_TRUE(std::isnan(value));
}

struct Big {
    char bytes[24 * 1024 + 16];
};
__global__ void wants_too_much() {
    CUEBM_SHARED(Big, first);
    CUEBM_SHARED(Big, second);
    first.bytes[0] = second.bytes[0] = 0;
}
__global__ void wants_a_little() {
    CUEBM_SHARED(int, value);
    if (threadIdx.x == 0 && threadIdx.y == 0) value = 0;
}
__global__ void wants_some() {
    CUEBM_SHARED(int, value);
    if (threadIdx.x == 0) value = 1;
}
TEST(EmulatorFinds, TooMuchSharedMemory) {
    const auto launched = [](void (*kernel)(), std::size_t bytes) {
        return problem([&] { launch(kernel, {.grid = 1, .block = 1, .shared_bytes = bytes}); });
    };
    EXPECT_TRUE(contains(launched(wants_too_much, 0), "second")) << launched(wants_too_much, 0);
    EXPECT_TRUE(contains(launched(wants_a_little, 227 * 1024), "dynamic bytes of shared memory"));
    EXPECT_TRUE(contains(launched(wants_a_little, 227 * 1024 + 16), "cudaErrorInvalidValue"));
    EXPECT_EQ(launched(wants_a_little, 227 * 1024 - 4), "");
}

// launch() asks for the shared memory that it wants: here nobody does.
TEST(EmulatorFinds, SharedMemoryThatNobodyAskedFor) {
    const auto launched = [](void (*kernel)(), std::size_t bytes) {
        cudaLaunchConfig_t config{};
        config.dynamicSmemBytes = bytes;
        config.gridDim = config.blockDim = 1;
        const cudaError_t status = cudaLaunchKernelEx(&config, kernel);
        return status == cudaSuccess ? cudaStreamSynchronize(nullptr) : status;
    };
    void (*const kernel)() = wants_some;
    EXPECT_EQ(launched(kernel, 48 * 1024 + 1), cudaErrorInvalidValue);
    EXPECT_EQ(launched(kernel, 48 * 1024), cudaErrorLaunchFailure);  // its static shared memory comes on top
    EXPECT_EQ(launched(kernel, 48 * 1024 - 4), cudaSuccess);
    EXPECT_EQ(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, 64 * 1024), cudaSuccess);
    EXPECT_EQ(launched(kernel, 64 * 1024), cudaSuccess);
    EXPECT_EQ(launched(kernel, 64 * 1024 + 1), cudaErrorInvalidValue);
    EXPECT_EQ(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, 228 * 1024),
              cudaErrorInvalidValue);
    EXPECT_EQ(cudaGetLastError(), cudaErrorInvalidValue);
}

TEST(EmulatorFinds, InvalidConfiguration) {
    const auto launched = [](dim3 grid, dim3 block) {
        return problem([&] { launch(wants_a_little, {.grid = grid, .block = block}); });
    };
    EXPECT_TRUE(contains(launched(1, 1025), "cudaErrorInvalidConfiguration"));
    EXPECT_TRUE(contains(launched(0, 32), "cudaErrorInvalidConfiguration"));
    EXPECT_TRUE(contains(launched(dim3(1, 65536), 32), "cudaErrorInvalidConfiguration"));
    EXPECT_EQ(launched(1, dim3(32, 32)), "");
}

// A machine without a GPU hides host code that follows device pointers; the guard does not.
TEST(EmulatorFindsDeathTest, HostTouchesDeviceMemory) {
    const auto touch = [] {
        emulator::settings().guard = true;
        DeviceArray<int> array(std::vector<int>(100, 3));
        launch(adds_blocks, {.grid = 1, .block = 1}, array.data());
        if (array.host()[0] != 4) std::_Exit(0);
        array.data()[0] = 5;
    };
    EXPECT_DEATH(touch(), "host code touched device memory");
}

__global__ void writes(int* out, unsigned at) { out[at] = 1; }
TEST(EmulatorFindsDeathTest, OverrunOfGuardedMemory) {
    const auto overrun = [] {
        emulator::settings().guard = true;
        DeviceArray<int> array(64);
        launch(writes, {.grid = 1, .block = 1}, array.data(), 64u);
        (void)array.host();
    };
    EXPECT_DEATH(overrun(), "beyond the end of device memory");
}

#if defined(CUEBM_TEST_ASAN)
TEST(EmulatorFindsDeathTest, OverrunOfGlobalMemory) {
    emulator::settings().guard = false;  // its allocations end at multiples of 256
    DeviceArray<int> array(63);
    const auto overrun = [&] {
        launch(writes, {.grid = 1, .block = 1}, array.data(), 63u);
        (void)array.host();
    };
    EXPECT_DEATH(overrun(), "heap-buffer-overflow");
}

__global__ void writes_shared(unsigned at) {
    CUEBM_SHARED(float, first, [8]);
    CUEBM_SHARED(float, second, [8]);
    float* volatile unknown_size = first;  // else UndefinedBehaviorSanitizer is quicker
    second[0] = 0;
    unknown_size[at] = 1;
}
__global__ void writes_dynamic_shared(unsigned at) {
    CUEBM_DYNAMIC_SHARED(float, buffer);
    buffer[at] = 1;
}
TEST(EmulatorFindsDeathTest, OverrunOfSharedMemory) {
    const auto run = [](void (*kernel)(unsigned), std::size_t bytes, unsigned at) {
        launch(kernel, {.grid = 1, .block = 1, .shared_bytes = bytes}, at);
        check(cudaStreamSynchronize(nullptr), "wait");
    };
    EXPECT_DEATH(run(writes_shared, 0, 8), "use-after-poison");
    EXPECT_DEATH(run(writes_dynamic_shared, 32, 8), "use-after-poison");
    run(writes_shared, 0, 7);
    run(writes_dynamic_shared, 32, 7);
}

__global__ void reads_before_the_wait(const float* in, float* out, bool waits) {
    CUEBM_SHARED(float, buffer, [32]);
    if (threadIdx.x < 8) copy_async<16>(&buffer[4 * threadIdx.x], in + 4 * threadIdx.x, true);
    copy_async_commit();
    if (waits) copy_async_wait<0>();
    __syncthreads();
    out[threadIdx.x] = fminf(buffer[threadIdx.x], 1.0f);  // hides a NaN
}
// Catches a missing wait whose NaN no result shows.
TEST(EmulatorFindsDeathTest, CopyThatIsReadBeforeItsWait) {
    DeviceArray<float> in(std::vector<float>(32, 1.0f)), out(32);
    const auto run = [&](bool waits) {
        launch(reads_before_the_wait, {.grid = 1, .block = 32}, in.data(), out.data(), waits);
        return out.host();
    };
    EXPECT_DEATH(run(false), "use-after-poison");
    EXPECT_EQ(run(true), std::vector<float>(32, 1.0f));
}

__global__ void overruns_a_local_array(int* out, unsigned at) {
    volatile int local[4] = {};
    volatile int* unknown_size = local;
    out[0] = unknown_size[at];
}
TEST(EmulatorFindsDeathTest, OverrunOfALocalArray) {
    DeviceArray<int> out(1);
    const auto overrun = [&] {
        launch(overruns_a_local_array, {.grid = 1, .block = 1}, out.data(), 4u);
        (void)out.host();
    };
    EXPECT_DEATH(overrun(), "stack-buffer-overflow|insufficient space");  // whichever sanitizer is first
}
#endif

}  // namespace
}  // namespace cuebm::cuda
