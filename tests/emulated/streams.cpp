// Streams, events and copies of the stand-in. Work waits in its stream's list until something needs it, as a GPU may be
// late; which stream goes on next is a matter of the order in the settings. Errors of kernels surface when it is
// awaited.
#include <algorithm>
#include <cfenv>
#include <cstring>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "internal.hpp"

namespace {

// What an event last recorded: a place in a stream's list.
struct Mark {
    cudaStream_t stream;  // it is there until passed: destroying a stream runs its list
    bool passed = false;
};

struct Item {
    cuebm::emulator::Work work;  // or nothing
    std::shared_ptr<Mark> waits_for, reaches;
};

}  // namespace

// A number tells a stream from other pointers, and reading it finds a use after destroy under AddressSanitizer.
struct CUstream_st {
    int kind = 1;
    std::deque<Item> items;
    std::string failure;  // of its kernels, until somebody waits
};
struct CUevent_st {
    int kind = 2;
    std::shared_ptr<Mark> mark;
};

namespace cuebm::emulator {
namespace {

bool is(cudaStream_t stream) { return !stream || stream->kind == 1; }
bool is(cudaEvent_t event) { return event && event->kind == 2; }

// All streams. Never destroyed: plug-ins use them at exit. Work runs under the mutex.
struct Streams {
    std::mutex mutex;
    CUstream_st standard;  // nullptr's
    std::vector<cudaStream_t> all{&standard};
    std::uint64_t steps = 0;

    cudaStream_t find(cudaStream_t stream) { return stream ? stream : &standard; }
    cudaStream_t choose(cudaStream_t wanted);
    void step(cudaStream_t wanted);
    cudaError_t finish(cudaStream_t stream);
    cudaError_t finish(Mark& mark);
};

Streams& streams() {
    static auto* all = new Streams;
    return *all;
}

// Forward: the others are as late as they can be. Reverse: they are first.
cudaStream_t Streams::choose(cudaStream_t wanted) {
    if (settings().order == Order::forward && !wanted->items.empty()) return wanted;
    std::vector<cudaStream_t> busy;
    for (const auto stream : all)
        if (!stream->items.empty() && (stream != wanted || settings().order == Order::random)) busy.push_back(stream);
    if (busy.empty()) return wanted;
    std::uint64_t random = (settings().seed + ++steps) * 0x9e3779b97f4a7c15u;
    random = (random ^ random >> 32) * 0xd6e8feb86659fd93u;
    return busy[settings().order == Order::random ? (random >> 32) % busy.size() : 0];
}

// Runs one item of some stream, if there is any: what a chosen item waits for comes before it.
void Streams::step(cudaStream_t wanted) {
    cudaStream_t stream = choose(wanted);
    while (!stream->items.empty() && stream->items.front().waits_for && !stream->items.front().waits_for->passed)
        stream = stream->items.front().waits_for->stream;
    if (stream->items.empty()) return;
    const Item item = std::move(stream->items.front());
    stream->items.pop_front();
    if (item.work) {
        std::fenv_t users;  // a GPU does not know how the host rounds
        std::fegetenv(&users);
        std::fesetenv(FE_DFL_ENV);
        const std::string failure = item.work();
        std::fesetenv(&users);
        if (stream->failure.empty()) stream->failure = failure;
    }
    if (item.reaches) item.reaches->passed = true;
}

cudaError_t report(cudaStream_t stream) {
    if (stream->failure.empty()) return cudaSuccess;
    return remember(cudaErrorLaunchFailure, std::exchange(stream->failure, "").c_str());
}

cudaError_t Streams::finish(cudaStream_t stream) {
    while (!stream->items.empty()) step(stream);
    return report(stream);
}

cudaError_t Streams::finish(Mark& mark) {
    if (mark.passed) return cudaSuccess;
    while (!mark.passed) step(mark.stream);
    return report(mark.stream);
}

cudaError_t invalid_handle() { return remember(cudaErrorInvalidResourceHandle); }

}  // namespace

cudaError_t enqueue(cudaStream_t stream, Work work) {
    if (!is(stream)) return invalid_handle();
    const std::lock_guard lock(streams().mutex);
    stream = streams().find(stream);
    stream->items.push_back({std::move(work), nullptr, nullptr});
    return settings().lazy ? cudaSuccess : streams().finish(stream);
}

void finish_all() {
    const std::lock_guard lock(streams().mutex);
    const auto busy = [](cudaStream_t stream) { return !stream->items.empty(); };
    auto& all = streams().all;
    for (auto next = all.begin(); (next = std::find_if(all.begin(), all.end(), busy)) != all.end();)
        streams().step(*next);
}

}  // namespace cuebm::emulator

using namespace cuebm::emulator;

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
    if (device_problem() != cudaSuccess) return remember(device_problem());
    *stream = new CUstream_st;
    const std::lock_guard lock(streams().mutex);
    streams().all.push_back(*stream);
    return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
    if (!stream || !is(stream)) return invalid_handle();
    {
        const std::lock_guard lock(streams().mutex);
        (void)streams().finish(stream);
        std::erase(streams().all, stream);
    }
    delete stream;
    return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
    if (!is(stream)) return invalid_handle();
    const std::lock_guard lock(streams().mutex);
    return streams().finish(streams().find(stream));
}

// What was so when it asked; then one step, so that who asks again and again gets there.
cudaError_t cudaStreamQuery(cudaStream_t stream) {
    if (!is(stream)) return invalid_handle();
    const std::lock_guard lock(streams().mutex);
    stream = streams().find(stream);
    if (stream->items.empty()) return report(stream);
    streams().step(stream);
    return remember(cudaErrorNotReady);
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
    if (!is(stream) || !is(event)) return invalid_handle();
    const std::lock_guard lock(streams().mutex);
    if (event->mark && !event->mark->passed) streams().find(stream)->items.push_back({{}, event->mark, nullptr});
    return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
    if (device_problem() != cudaSuccess) return remember(device_problem());
    *event = new CUevent_st;
    return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
    if (!is(event)) return invalid_handle();
    delete event;
    return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
    if (!is(event) || !is(stream)) return invalid_handle();
    const std::lock_guard lock(streams().mutex);
    stream = streams().find(stream);
    event->mark = std::make_shared<Mark>(Mark{stream, stream->items.empty()});
    if (!event->mark->passed) stream->items.push_back({{}, nullptr, event->mark});
    return cudaSuccess;
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
    if (!is(event)) return invalid_handle();
    const std::lock_guard lock(streams().mutex);
    if (!event->mark || event->mark->passed) return cudaSuccess;
    streams().step(event->mark->stream);
    return remember(cudaErrorNotReady);
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
    if (!is(event)) return invalid_handle();
    const std::lock_guard lock(streams().mutex);
    return event->mark ? streams().finish(*event->mark) : cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* target, const void* source, std::size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
    return cudaMemcpy2DAsync(target, bytes, source, bytes, bytes, 1, kind, stream);
}

cudaError_t cudaMemcpy2DAsync(void* target, std::size_t target_pitch, const void* source, std::size_t source_pitch,
                              std::size_t width, std::size_t height, cudaMemcpyKind kind, cudaStream_t stream) {
    if (!is(stream)) return invalid_handle();
    if (width == 0 || height == 0) return cudaSuccess;
    if (target_pitch < width || source_pitch < width) return remember(cudaErrorInvalidValue);
    // Each side has to be what the kind says, and device memory to hold all of it.
    const auto fits = [&](const void* data, std::size_t pitch, bool device) {
        return device ? device_holds(data, (height - 1) * pitch + width) : !is_device(data);
    };
    const bool to_device = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice ||
                           (kind == cudaMemcpyDefault && is_device(target));
    const bool from_device = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice ||
                             (kind == cudaMemcpyDefault && is_device(source));
    if (!fits(target, target_pitch, to_device) || !fits(source, source_pitch, from_device))
        return remember(cudaErrorInvalidValue);
    const auto copy = [=](void* to, std::size_t to_pitch, const void* from, std::size_t from_pitch) {
        for (std::size_t row = 0; row < height; ++row)
            std::memcpy(static_cast<char*>(to) + row * to_pitch, static_cast<const char*>(from) + row * from_pitch,
                        width);
    };
    // Pageable memory is read before the call returns, and written before it returns; only pinned memory is used later.
    if (to_device && !from_device && !is_pinned(source)) {
        auto staged = std::make_shared<std::vector<char>>(width * height);
        copy(staged->data(), width, source, source_pitch);
        return enqueue(stream, [=] {
            const OpenDeviceMemory open;
            copy(target, target_pitch, staged->data(), width);
            return "";
        });
    }
    const cudaError_t status = enqueue(stream, [=] {
        const OpenDeviceMemory open;
        copy(target, target_pitch, source, source_pitch);
        return "";
    });
    return to_device || is_pinned(target) || status != cudaSuccess ? status : cudaStreamSynchronize(stream);
}

cudaError_t cudaMemsetAsync(void* target, int byte, std::size_t bytes, cudaStream_t stream) {
    if (!is(stream)) return invalid_handle();
    if (bytes == 0) return cudaSuccess;
    if (!device_holds(target, bytes)) return remember(cudaErrorInvalidValue);
    return enqueue(stream, [=] {
        const OpenDeviceMemory open;
        std::memset(target, byte, bytes);
        return "";
    });
}
