// Work that is late, as a GPU's may be: what is not waited for is seen, and what is waited for is there.
#include <gtest/gtest.h>

#include <memory>

#include "device_array.hpp"

namespace cuebm::cuda {
namespace {

struct Stream {
    Stream() { check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "stream"); }
    ~Stream() { (void)cudaStreamDestroy(stream); }
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;
    cudaStream_t stream = nullptr;
};

struct Event {
    Event() { check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "event"); }
    ~Event() { (void)cudaEventDestroy(event); }
    Event(const Event&) = delete;
    Event& operator=(const Event&) = delete;
    cudaEvent_t event = nullptr;
};

// Pinned, so that copies to it are late, too.
struct PinnedInt {
    PinnedInt() { check(cudaMallocHost(reinterpret_cast<void**>(&data), sizeof(int)), "cudaMallocHost"); }
    ~PinnedInt() { (void)cudaFreeHost(data); }
    PinnedInt(const PinnedInt&) = delete;
    PinnedInt& operator=(const PinnedInt&) = delete;
    int* data = nullptr;
};

__global__ void put(int* to, int value) { *to = value; }

bool is_lazy() { return emulator::settings().lazy; }

// How many of 20 seeds see the old value on a second stream; `waits`: it waits for the first one's event.
int old_values(bool waits) {
    int old = 0;
    const auto before = emulator::settings();
    emulator::settings().order = emulator::Order::random;
    for (emulator::settings().seed = 0; emulator::settings().seed < 20; ++emulator::settings().seed) {
        DeviceArray<int> value(std::vector<int>{1});
        check(cudaStreamSynchronize(nullptr), "wait");
        Stream first, second;
        Event event;
        PinnedInt seen;
        launch(put, {.grid = 1, .block = 1, .stream = first.stream}, value.data(), 2);
        check(cudaEventRecord(event.event, first.stream), "record");
        if (waits) check(cudaStreamWaitEvent(second.stream, event.event), "wait for the event");
        check(cudaMemcpyAsync(seen.data, value.data(), sizeof(int), cudaMemcpyDeviceToHost, second.stream), "copy");
        check(cudaStreamSynchronize(second.stream), "wait");
        old += *seen.data == 1;
    }
    emulator::settings() = before;
    return old;
}

// Catches a mode where all work is done at once, and events that hold nothing back.
TEST(EmulatedStreams, EventThatIsNotWaitedFor) {
    if (!is_lazy()) GTEST_SKIP() << "CUEBM_EMULATED_LAZY=0";
    EXPECT_GT(old_values(false), 0);
    EXPECT_LT(old_values(false), 20);
    EXPECT_EQ(old_values(true), 0);
}

// Catches host code that reads before it has waited, and what does not come when it has.
TEST(EmulatedStreams, HostReadsBeforeAndAfterTheWait) {
    if (!is_lazy()) GTEST_SKIP() << "CUEBM_EMULATED_LAZY=0";
    DeviceArray<int> value(1);
    Stream stream;
    Event event;
    PinnedInt seen;
    *seen.data = 1;
    launch(put, {.grid = 1, .block = 1, .stream = stream.stream}, value.data(), 2);
    check(cudaMemcpyAsync(seen.data, value.data(), sizeof(int), cudaMemcpyDeviceToHost, stream.stream), "copy");
    check(cudaEventRecord(event.event, stream.stream), "record");
    EXPECT_EQ(*seen.data, 1);
    EXPECT_EQ(cudaEventQuery(event.event), cudaErrorNotReady);
    while (cudaEventQuery(event.event) == cudaErrorNotReady) {
    }
    EXPECT_EQ(*seen.data, 2);
    launch(put, {.grid = 1, .block = 1, .stream = stream.stream}, value.data(), 3);
    check(cudaMemcpyAsync(seen.data, value.data(), sizeof(int), cudaMemcpyDeviceToHost, stream.stream), "copy");
    EXPECT_EQ(cudaStreamQuery(stream.stream), cudaErrorNotReady);
    EXPECT_EQ(cudaEventSynchronize(event.event), cudaSuccess);  // of before
    check(cudaEventRecord(event.event, stream.stream), "record");
    EXPECT_EQ(cudaEventSynchronize(event.event), cudaSuccess);
    EXPECT_EQ(*seen.data, 3);
    EXPECT_EQ(cudaStreamQuery(stream.stream), cudaSuccess);
    (void)cudaGetLastError();
}

// Catches a copy from pageable memory that reads it later, and one from pinned memory that does not.
TEST(EmulatedStreams, PageableMemoryIsStaged) {
    if (!is_lazy()) GTEST_SKIP() << "CUEBM_EMULATED_LAZY=0";
    DeviceArray<int> value(1);
    int pageable = 1;
    check(cudaMemcpyAsync(value.data(), &pageable, sizeof(int), cudaMemcpyHostToDevice), "copy");
    pageable = 2;
    EXPECT_EQ(value.host()[0], 1);
    PinnedInt pinned;
    *pinned.data = 3;
    check(cudaMemcpyAsync(value.data(), pinned.data, sizeof(int), cudaMemcpyHostToDevice), "copy");
    *pinned.data = 4;
    EXPECT_EQ(value.host()[0], 4);
}

// Catches parameters that are read when the kernel runs, and cudaFree and cudaStreamDestroy that drop work.
TEST(EmulatedStreams, NothingIsLost) {
    DeviceArray<int> value(std::vector<int>{0});
    check(cudaStreamSynchronize(nullptr), "wait");
    const auto put_late = [&](cudaStream_t stream, int number) {
        launch(put, {.grid = 1, .block = 1, .stream = stream}, value.data(), number);
        number = -1;
    };
    auto first = std::make_unique<Stream>();
    put_late(first->stream, 1);
    first.reset();
    EXPECT_EQ(value.host()[0], 1);
    Stream second;
    put_late(second.stream, 2);
    DeviceArray<int>(1);  // freed at once
    EXPECT_EQ(value.host()[0], 2);
}

__global__ void diverges() {
    if (threadIdx.x == 0) __syncthreads();
}
// Catches an error of a kernel that comes too early, twice or never.
TEST(EmulatedStreams, KernelsErrorSurfacesAtTheWaitOnce) {
    if (!is_lazy()) GTEST_SKIP() << "CUEBM_EMULATED_LAZY=0";
    Stream stream, other;
    launch(diverges, {.grid = 1, .block = 2, .stream = stream.stream});
    EXPECT_EQ(cudaStreamSynchronize(other.stream), cudaSuccess);
    EXPECT_EQ(cudaStreamSynchronize(stream.stream), cudaErrorLaunchFailure);
    EXPECT_EQ(cudaStreamSynchronize(stream.stream), cudaSuccess);
    EXPECT_EQ(cudaGetLastError(), cudaErrorLaunchFailure);
}

#if defined(__SANITIZE_ADDRESS__)
// Catches work that outlives the pinned memory that it uses.
TEST(EmulatedStreamsDeathTest, MemoryFreedEarly) {
    if (!is_lazy()) GTEST_SKIP() << "CUEBM_EMULATED_LAZY=0";
    const auto free_early = [] {
        DeviceArray<int> value(std::vector<int>{1});
        {
            PinnedInt seen;
            check(cudaMemcpyAsync(seen.data, value.data(), sizeof(int), cudaMemcpyDeviceToHost), "copy");
        }
        check(cudaStreamSynchronize(nullptr), "wait");
    };
    EXPECT_DEATH(free_early(), "heap-use-after-free");
}
#endif

// Catches handles that are mixed up.
TEST(EmulatedStreams, Handles) {
    Stream stream;
    Event event;
    EXPECT_EQ(cudaEventQuery(event.event), cudaSuccess);  // never recorded
    EXPECT_EQ(cudaEventRecord(event.event, stream.stream), cudaSuccess);
    EXPECT_EQ(cudaStreamWaitEvent(stream.stream, event.event), cudaSuccess);
    EXPECT_EQ(cudaEventSynchronize(event.event), cudaSuccess);
    EXPECT_EQ(cudaStreamQuery(reinterpret_cast<cudaStream_t>(event.event)), cudaErrorInvalidResourceHandle);
    EXPECT_EQ(cudaGetLastError(), cudaErrorInvalidResourceHandle);
}

}  // namespace
}  // namespace cuebm::cuda
