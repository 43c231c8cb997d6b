// The CUDA queue (kernels/cuda/queue.cu) against the emulator's runtime: what it asks of the driver, and when.
#include "cuda/queue.hpp"

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
            queue.fill(array, 0, 16);
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

}  // namespace
