// The stand-in for CUDA's runtime API: settings, the device, its memory with the guard, pinned memory.
#include "runtime_api.hpp"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <random>
#include <string>

#include "internal.hpp"

namespace cuebm::emulator {
namespace {

constexpr std::size_t page = 4096, alignment = 256;

thread_local cudaError_t last_error = cudaSuccess;
thread_local int current_device = 0;
thread_local bool context_is_current = false;  // cudaSetDevice and cudaFree make one
thread_local std::string last_report;

struct Allocation {
    std::size_t bytes;
    char* pages;  // with the guard: where they begin, and how many bytes before the last, forbidden page
    std::size_t page_bytes;
};

// All device memory. Never destroyed: plug-ins free at exit.
struct Memory {
    std::mutex mutex;
    std::map<char*, Allocation> allocations;
    std::map<char*, std::size_t> pinned;  // host memory, and its bytes
    std::size_t used = 0;
    unsigned open = 0;  // OpenDeviceMemory objects alive

    // The allocation that holds the address; the mutex is held.
    auto find(const void* data) {
        auto next = allocations.upper_bound(const_cast<char*>(static_cast<const char*>(data)));
        if (next == allocations.begin()) return allocations.end();
        --next;
        const bool inside = static_cast<const char*>(data) < next->first + next->second.bytes;
        return inside ? next : allocations.end();
    }
    void protect(int protection) {
        for (auto& [data, allocation] : allocations)
            if (allocation.pages) mprotect(allocation.pages, allocation.page_bytes, protection);
    }
};

Memory& memory() {
    static auto* all = new Memory;
    return *all;
}

struct sigaction previous_handler;

// Says what happened before the program dies of it.
void on_fault(int, siginfo_t* info, void*) {
    const char* address = static_cast<const char*>(info->si_addr);
    Memory& all = memory();
    char text[200] = "";
    if (all.mutex.try_lock()) {
        for (const auto& [data, allocation] : all.allocations) {
            if (!allocation.pages || address < allocation.pages ||
                address >= allocation.pages + allocation.page_bytes + page)
                continue;
            const char* what = address >= data + allocation.bytes ? "an access beyond the end of device memory"
                                                                  : "host code touched device memory";
            std::snprintf(text, sizeof text, "emulator: %s: address %p, %zu bytes allocated at %p\n", what,
                          info->si_addr, allocation.bytes, static_cast<void*>(data));
        }
        all.mutex.unlock();
    }
    [[maybe_unused]] const auto written = write(STDERR_FILENO, text, std::strlen(text));
    sigaction(SIGSEGV, &previous_handler, nullptr);  // the access runs again, and fails for good
}

void* allocate_guarded(std::size_t bytes, Allocation& allocation) {
    static const bool installed = [] {
        struct sigaction action {};
        action.sa_sigaction = on_fault;
        action.sa_flags = SA_SIGINFO;
        return sigaction(SIGSEGV, &action, &previous_handler) == 0;
    }();
    (void)installed;
    const std::size_t padded = (bytes + alignment - 1) / alignment * alignment;
    allocation.page_bytes = (padded + page - 1) / page * page;
    void* pages = mmap(nullptr, allocation.page_bytes + page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) return nullptr;
    allocation.pages = static_cast<char*>(pages);
    mprotect(pages, allocation.page_bytes, PROT_READ | PROT_WRITE);
    return allocation.pages + allocation.page_bytes - padded;  // at the end, so that an overrun meets the last page
}

std::string variable(const char* name) {
    const char* value = std::getenv(name);
    return value ? value : "";
}

[[noreturn]] void wrong(const char* name, const std::string& value, const char* wanted) {
    std::fprintf(stderr, "emulator: %s: got \"%s\", wanted %s\n", name, value.c_str(), wanted);
    std::abort();
}

std::uint64_t number(const char* name, std::uint64_t otherwise) {
    const std::string value = variable(name);
    if (value.empty()) return otherwise;
    char* end = nullptr;
    const std::uint64_t result = std::strtoull(value.c_str(), &end, 10);
    if (*end != '\0') wrong(name, value, "a number");
    return result;
}

Settings read_settings() {
    Settings result;
    const std::string order = variable("CUEBM_EMULATED_ORDER"), driver = variable("CUEBM_EMULATED_DRIVER");
    if (order == "forward")
        result.order = Order::forward;
    else if (order == "reverse")
        result.order = Order::reverse;
    else if (!order.empty() && order != "random")
        wrong("CUEBM_EMULATED_ORDER", order, "forward, reverse or random");
    if (driver == "none")
        result.driver = Driver::none;
    else if (driver == "old")
        result.driver = Driver::too_old;
    else if (driver == "nodevice")
        result.driver = Driver::no_device;
    else if (driver == "busy")
        result.driver = Driver::busy;
    else if (driver == "oldgpu")
        result.driver = Driver::old_gpu;
    else if (!driver.empty())
        wrong("CUEBM_EMULATED_DRIVER", driver, "none, old, nodevice, busy or oldgpu");
    result.devices = static_cast<int>(number("CUEBM_EMULATED_DEVICES", 1));
    result.seed = number("CUEBM_EMULATED_SEED", std::random_device{}());
    if (result.order == Order::random)
        std::fprintf(stderr, "emulator: random order, CUEBM_EMULATED_SEED=%llu\n",
                     static_cast<unsigned long long>(result.seed));
    result.memory = number("CUEBM_EMULATED_MEMORY", result.memory);
    result.lazy = number("CUEBM_EMULATED_LAZY", 1) != 0;
    result.guard = number("CUEBM_EMULATED_GUARD", 0) != 0;
    return result;
}

}  // namespace

Settings& settings() {
    static Settings all = read_settings();
    return all;
}

cudaError_t device_problem() {
    switch (settings().driver) {
        case Driver::good:
        case Driver::busy:
        case Driver::old_gpu: return cudaSuccess;
        case Driver::none:
        case Driver::too_old: return cudaErrorInsufficientDriver;
        case Driver::no_device: return cudaErrorNoDevice;
    }
    return cudaSuccess;
}

cudaError_t remember(cudaError_t error, const char* report) {
    if (error == cudaSuccess) return error;
    last_error = error;
    if (report) last_report = report;
    return error;
}

OpenDeviceMemory::OpenDeviceMemory() {
    if (!settings().guard) return;
    const std::lock_guard lock(memory().mutex);
    if (memory().open++ == 0) memory().protect(PROT_READ | PROT_WRITE);
}

OpenDeviceMemory::~OpenDeviceMemory() {
    if (!settings().guard) return;
    const std::lock_guard lock(memory().mutex);
    if (--memory().open == 0) memory().protect(PROT_NONE);
}

bool device_holds(const void* data, std::size_t bytes) {
    const std::lock_guard lock(memory().mutex);
    const auto found = memory().find(data);
    return found != memory().allocations.end() &&
           static_cast<const char*>(data) + bytes <= found->first + found->second.bytes;
}

bool is_device(const void* data) { return device_holds(data, 0); }

bool is_pinned(const void* data) {
    const std::lock_guard lock(memory().mutex);
    const auto* address = static_cast<const char*>(data);
    const auto next = memory().pinned.upper_bound(const_cast<char*>(address));
    return next != memory().pinned.begin() && address < std::prev(next)->first + std::prev(next)->second;
}

}  // namespace cuebm::emulator

using namespace cuebm::emulator;

const char* cudaGetErrorName(cudaError_t error) {
    switch (error) {
        case cudaSuccess: return "cudaSuccess";
        case cudaErrorInvalidValue: return "cudaErrorInvalidValue";
        case cudaErrorMemoryAllocation: return "cudaErrorMemoryAllocation";
        case cudaErrorInvalidConfiguration: return "cudaErrorInvalidConfiguration";
        case cudaErrorInsufficientDriver: return "cudaErrorInsufficientDriver";
        case cudaErrorDevicesUnavailable: return "cudaErrorDevicesUnavailable";
        case cudaErrorNoDevice: return "cudaErrorNoDevice";
        case cudaErrorInvalidDevice: return "cudaErrorInvalidDevice";
        case cudaErrorInvalidResourceHandle: return "cudaErrorInvalidResourceHandle";
        case cudaErrorNotReady: return "cudaErrorNotReady";
        case cudaErrorLaunchFailure: return "cudaErrorLaunchFailure";
    }
    return "unrecognized error code";
}

const char* cudaGetErrorString(cudaError_t error) {
    switch (error) {
        case cudaSuccess: return "no error";
        case cudaErrorInvalidValue: return "invalid argument";
        case cudaErrorMemoryAllocation: return "out of memory";
        case cudaErrorInvalidConfiguration: return "invalid configuration argument";
        case cudaErrorInsufficientDriver: return "CUDA driver version is insufficient for CUDA runtime version";
        case cudaErrorDevicesUnavailable: return "CUDA-capable device(s) is/are busy or unavailable";
        case cudaErrorNoDevice: return "no CUDA-capable device is detected";
        case cudaErrorInvalidDevice: return "invalid device ordinal";
        case cudaErrorInvalidResourceHandle: return "invalid resource handle";
        case cudaErrorNotReady: return "device not ready";
        case cudaErrorLaunchFailure: return last_report.c_str();
    }
    return "unrecognized error code";
}

cudaError_t cudaGetLastError() { return std::exchange(last_error, cudaSuccess); }
cudaError_t cudaPeekAtLastError() { return last_error; }

cudaError_t cudaDriverGetVersion(int* version) {
    *version = settings().driver == Driver::none ? 0 : settings().driver == Driver::too_old ? 12000 : 13000;
    return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int* version) {
    *version = 13000;
    return cudaSuccess;
}

cudaError_t cudaGetDeviceCount(int* count) {
    if (device_problem() == cudaSuccess) *count = settings().devices;  // on an error it stays unwritten, as with CUDA
    return remember(device_problem());
}

// A context on the current device.
static cudaError_t make_context() {
    if (device_problem() != cudaSuccess) return remember(device_problem());
    if (settings().driver == Driver::busy) return remember(cudaErrorDevicesUnavailable);
    context_is_current = true;
    return cudaSuccess;
}

cudaError_t cudaSetDevice(int device) {
    if (device_problem() != cudaSuccess) return remember(device_problem());
    if (device < 0 || device >= settings().devices) return remember(cudaErrorInvalidDevice);
    current_device = device;
    return make_context();
}

cudaError_t cudaGetDevice(int* device) {
    if (device_problem() == cudaSuccess) *device = current_device;
    return remember(device_problem());
}

static CUresult cuCtxGetCurrent(CUcontext* context) {
    static char one;
    *context = context_is_current ? reinterpret_cast<CUcontext>(&one) : nullptr;
    return CUDA_SUCCESS;
}

cudaError_t cudaGetDriverEntryPointByVersion(const char* symbol, void** function, unsigned, unsigned long long,
                                             cudaDriverEntryPointQueryResult* found) {
    const bool known = std::strcmp(symbol, "cuCtxGetCurrent") == 0;
    *function = known ? reinterpret_cast<void*>(&cuCtxGetCurrent) : nullptr;
    *found = known ? cudaDriverEntryPointSuccess : cudaDriverEntryPointSymbolNotFound;
    return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
    if (device_problem() != cudaSuccess) return remember(device_problem());
    if (device < 0 || device >= settings().devices) return remember(cudaErrorInvalidDevice);
    const bool old = settings().driver == Driver::old_gpu;
    *properties = {.name = "emulated GPU",
                   .totalGlobalMem = settings().memory,
                   .sharedMemPerBlock = static_shared_limit,
                   .sharedMemPerBlockOptin = shared_limit,
                   .sharedMemPerMultiprocessor = 228 * 1024,
                   .warpSize = 32,
                   .maxThreadsPerBlock = 1024,
                   .maxThreadsPerMultiProcessor = 2048,
                   .multiProcessorCount = 4,
                   .major = old ? 7 : 9,
                   .minor = old ? 5 : 0,
                   .l2CacheSize = 50 << 20};
    return cudaSuccess;
}

cudaError_t cudaMalloc(void** data, std::size_t bytes) {
    if (device_problem() != cudaSuccess) return remember(device_problem());
    *data = nullptr;
    if (bytes == 0) return cudaSuccess;
    Memory& all = memory();
    const std::lock_guard lock(all.mutex);
    if (all.used > settings().memory || bytes > settings().memory - all.used)
        return remember(cudaErrorMemoryAllocation);
    Allocation allocation{bytes, nullptr, 0};
    void* block = nullptr;
    if (settings().guard)
        block = allocate_guarded(bytes, allocation);
    else if (posix_memalign(&block, alignment, bytes) != 0)
        block = nullptr;
    if (!block) return remember(cudaErrorMemoryAllocation);
    std::memset(block, 0xff, bytes);  // NaN in every type
    if (allocation.pages && all.open == 0) mprotect(allocation.pages, allocation.page_bytes, PROT_NONE);
    all.allocations[static_cast<char*>(block)] = allocation;
    all.used += bytes;
    *data = block;
    return cudaSuccess;
}

cudaError_t cudaFree(void* data) {
    if (!data) return make_context();
    finish_all();  // as CUDA does
    Memory& all = memory();
    const std::lock_guard lock(all.mutex);
    const auto found = all.allocations.find(static_cast<char*>(data));
    if (found == all.allocations.end()) return remember(cudaErrorInvalidValue);
    const Allocation allocation = found->second;
    all.allocations.erase(found);
    all.used -= allocation.bytes;
    if (allocation.pages)
        munmap(allocation.pages, allocation.page_bytes + page);
    else
        std::free(data);
    return cudaSuccess;
}

cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
    if (device_problem() != cudaSuccess) return remember(device_problem());
    const std::lock_guard lock(memory().mutex);
    *total = settings().memory;
    *free = *total > memory().used ? *total - memory().used : 0;
    return cudaSuccess;
}

cudaError_t cudaHostAlloc(void** data, std::size_t bytes, unsigned) {
    if (device_problem() != cudaSuccess) return remember(device_problem());
    *data = nullptr;
    if (bytes == 0) return cudaSuccess;
    if (posix_memalign(data, alignment, bytes) != 0) return remember(cudaErrorMemoryAllocation);
    const std::lock_guard lock(memory().mutex);
    memory().pinned[static_cast<char*>(*data)] = bytes;
    return cudaSuccess;
}

cudaError_t cudaFreeHost(void* data) {
    const std::lock_guard lock(memory().mutex);
    memory().pinned.erase(static_cast<char*>(data));
    std::free(data);
    return cudaSuccess;
}
