// The CUDA queue (kernels/cuda/queue.cu) against the emulator's runtime: what it asks of the driver, and when.
#include "cuda/queue.hpp"

#include <thread>
#include <utility>

#include <gtest/gtest.h>

namespace {

using namespace cuebm;
using namespace cuebm::cuda;

// A pool that notes whether the stream was idle whenever memory was asked for or given back.
struct WatchingPool final : detail::Pool {
    void* allocate(std::size_t bytes) override {
        look();
        if (empty) throw OutOfMemory(bytes, 0);
        void* data = nullptr;
        check(cudaMalloc(&data, bytes), "cudaMalloc");
        return data;
    }
    void release(void* data, std::size_t) noexcept override {
        look();
        (void)cudaFree(data);
    }
    void look() {
        if (stream != nullptr && cudaStreamQuery(stream) != cudaSuccess) busy = true;
    }
    cudaStream_t stream = nullptr;
    bool busy = false, empty = false;
};

// Growing, the first time too, that does not wait for the work in flight: it may use the old block, or arrays that the
// caller releases when there is no memory.
TEST(CudaQueue, GrowthOfTheWorkspaceWaits) {
    for (const bool empty : {false, true}) {
        WatchingPool pool;
        QueuePartsCache cache(0);
        CudaQueue queue(pool, cache, 0);
        pool.stream = queue.stream();
        void* array = nullptr;
        ASSERT_EQ(cudaMalloc(&array, 16), cudaSuccess);
        for (const std::size_t bytes : {100, 200}) {
            for (int i = 0; i < 3; ++i) queue.fill(array, 0, 16);  // a query takes a step, and so does the pool's
            ASSERT_EQ(cudaStreamQuery(queue.stream()), cudaErrorNotReady);
            pool.empty = empty;
            if (empty)
                EXPECT_THROW((void)queue.workspace(bytes), OutOfMemory);
            else
                EXPECT_NE(queue.workspace(bytes), nullptr);
            EXPECT_FALSE(pool.busy) << bytes;
        }
        (void)cudaFree(array);
    }
}

// The current device of a thread of its own, before and after its use of a device.
template <class Before, class Use>
int device_after(Before before, Use use) {
    int device = -1;
    std::thread([&] {
        before();
        use();
        ASSERT_EQ(cudaGetDevice(&device), cudaSuccess);
    }).join();
    return device;
}

// A caller's device that is changed; and device 0 made current, which makes a context on it, for a thread that never
// used CUDA.
TEST(CudaQueue, ScopesLeaveTheCallersDevice) {
    const int devices = std::exchange(emulator::settings().devices, 3);
    const auto scope = [] { const DeviceScope on(1); };
    EXPECT_EQ(device_after([] { (void)cudaSetDevice(2); }, scope), 2);
    EXPECT_EQ(device_after([] { (void)cudaSetDevice(1); }, scope), 1);
    EXPECT_EQ(device_after([] {}, scope), 1);
    const auto queue = [] {
        WatchingPool pool;
        QueuePartsCache cache(1);
        (void)CudaQueue(pool, cache, 1).workspace(100);
    };
    EXPECT_EQ(device_after([] { (void)cudaSetDevice(2); }, queue), 2);
    EXPECT_EQ(device_after([] {}, queue), 1);
    EXPECT_EQ(device_after([] {}, [] { EXPECT_THROW(DeviceScope(7), DeviceError); }), 0);
    emulator::settings().devices = devices;
}

// A device without 8 free bytes that is called broken, or an error without its figures.
TEST(CudaQueue, NoMemoryForItsStatusWord) {
    const std::size_t memory = std::exchange(emulator::settings().memory, 4);
    WatchingPool pool;
    QueuePartsCache cache(0);
    try {
        (void)CudaQueue(pool, cache, 0);
        ADD_FAILURE() << "accepted";
    } catch (const OutOfMemory& error) {
        EXPECT_EQ(error.asked_bytes(), 8u);
        EXPECT_EQ(error.free_bytes(), 4u);
    }
    emulator::settings().memory = memory;
    EXPECT_EQ(CudaQueue(pool, cache, 0).wait(), detail::no_problem);
}

}  // namespace
