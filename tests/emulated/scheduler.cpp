// Runs a kernel on the CPU: one block after another on the calling OS thread, the threads of a block as fibers that
// change at barriers, collectives and some atomics. Several OS threads may launch at once, each on its own machine.
// Fibers must not allocate here: ThreadSanitizer would see one thread free what another, unordered, has used.
#include <algorithm>
#include <array>
#include <cstdarg>
#include <cstdio>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <numeric>
#include <utility>
#include <vector>

#include "emulator.hpp"
#include "fiber.hpp"
#include "internal.hpp"

#if defined(CUEBM_EMULATOR_ASAN)
#include <sanitizer/asan_interface.h>
#endif

__thread uint3 threadIdx{}, blockIdx{};
__thread dim3 blockDim{}, gridDim{};

namespace cuebm::emulator {
namespace {

constexpr unsigned most_threads = 1024, most_copies = 256, most_variables = 64;
constexpr std::size_t red_zone = 64;
// The arena: Orders in the first page, then shared memory and its red zones.
constexpr std::size_t page = 4096, arena_bytes = (shared_limit / page + 5) * page;

struct Copy {
    void* target;
    unsigned bytes, group;
    std::uint64_t data[2];
};

enum class State : unsigned char { ready, at_barrier, at_collective, done };

struct Thread {
    Fiber* fiber;
    uint3 index;
    unsigned number;  // within the block
    State state;
    Site site;  // where it waits
    bool fenced;
    unsigned groups;                 // of copies, committed
    unsigned first_copy, last_copy;  // under way: copies[first..last), modulo most_copies
    Copy copies[most_copies];
};

// Lanes that come to one collective; over when all of the mask are there.
struct Meeting {
    unsigned mask, arrived;
    Take take;
    bool orders_memory;
    Site site;
    char* order;
};

struct Warp {
    unsigned exists, exited;
    unsigned meetings;
    std::array<Meeting, 32> meeting;
    std::uint64_t value[32], result[32];
    unsigned argument[32];
    unsigned orders;  // given out
};

// Addresses for release() and acquire() within a block. Two barriers or meetings in turn use different ones, or a
// thread that is quick to come to the second would be ordered before those that are slow to leave the first.
struct Orders {
    char barrier[2];
    char warp[most_threads / 32][64];
};

struct Variable {
    const void* key;
    void* data;
};

struct Text {
    char text[120];
};

Text where(Site site) {
    Text result;
    const char* slash = std::strrchr(site.file, '/');
    std::snprintf(result.text, sizeof result.text, "%s:%u", slash ? slash + 1 : site.file, site.line);
    return result;
}

Text who(const Thread& thread) {
    Text result;
    std::snprintf(result.text, sizeof result.text, "thread (%u,%u,%u) of block (%u,%u,%u)", thread.index.x,
                  thread.index.y, thread.index.z, blockIdx.x, blockIdx.y, blockIdx.z);
    return result;
}

bool same(Site a, Site b) { return a.line == b.line && (a.file == b.file || std::strcmp(a.file, b.file) == 0); }

void poison([[maybe_unused]] void* data, [[maybe_unused]] std::size_t bytes, [[maybe_unused]] bool on) {
#if defined(CUEBM_EMULATOR_ASAN)
    if (on)
        __asan_poison_memory_region(data, bytes);
    else
        __asan_unpoison_memory_region(data, bytes);
#endif
}

class Machine {
public:
    Machine() { scheduler_.adopt_this_thread(); }
    ~Machine() {
        poison(arena_, arena_bytes, false);
        unmap_pages(arena_, arena_bytes);
    }
    Machine(const Machine&) = delete;
    Machine& operator=(const Machine&) = delete;

    const char* run(const cudaLaunchConfig_t& config, std::size_t shared_allowed, const std::function<void()>& thread);

    // What a running thread may ask for.
    void barrier(Site site);
    std::uint64_t collective(unsigned mask, std::uint64_t value, Take take, unsigned argument, bool orders_memory,
                             Site site);
    void* shared_variable(const void* key, std::size_t bytes, std::size_t alignment, const char* name, Site site);
    void* dynamic_shared() { return dynamic_shared_; }
    void start_copy(void* target, const void* source, unsigned bytes, const std::uint64_t (&data)[2], Site site);
    void check_row(const void* row, Site site);
    void wait_for_copies(unsigned groups);
    void give_way();
    Thread* running() { return running_; }

private:
    static void thread_main();
    void run_block();
    Fiber& take_fiber();
    void thread_done();
    void describe_deadlock();
    void* take_shared(std::size_t bytes, std::size_t alignment);
    void make_ready(Thread& thread);
    Thread* next_ready();
    Fiber& activate(Thread* next);
    void switch_away();
    [[noreturn]] __attribute__((format(printf, 2, 3))) void fail(const char* format, ...);
    std::uint64_t random();

    Fiber scheduler_;
    std::unique_ptr<Thread[]> threads_{new Thread[most_threads]};  // not zeroed: most of it is never touched
    Thread* running_ = nullptr;
    const std::function<void()>* thread_ = nullptr;
    unsigned count_ = 0, exited_ = 0;
    char start_order_ = 0, end_order_ = 0;
    std::vector<std::unique_ptr<Fiber>> fibers_;
    std::size_t next_fiber_ = 0;

    std::array<Thread*, most_threads> ready_;  // a ring; each thread is in it once at most
    unsigned first_ready_ = 0, last_ready_ = 0;
    Order order_ = Order::forward;
    std::uint64_t random_ = 0, launches_ = 0;

    unsigned arrived_ = 0, barriers_ = 0;
    Thread* first_at_barrier_ = nullptr;
    std::array<Warp, most_threads / 32> warps_{};

    Orders& orders() { return *reinterpret_cast<Orders*>(arena_); }
    char* arena_ = map_pages(arena_bytes);
    std::size_t arena_used_ = 0, static_bytes_ = 0, dynamic_bytes_ = 0, shared_allowed_ = 0;
    void* dynamic_shared_ = nullptr;
    std::array<Variable, most_variables> variables_;
    unsigned variable_count_ = 0;

    bool failed_ = false;
    char failure_[1000] = {};
};

Machine& machine() {  // by a pointer: it is larger than what the loader keeps for libraries that are opened late
    static thread_local const auto own = std::make_unique<Machine>();
    return *own;
}
__thread Machine* current = nullptr;  // set while a launch runs: quicker to reach than machine()

std::uint64_t Machine::random() {  // splitmix64
    std::uint64_t z = random_ += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

void Machine::make_ready(Thread& thread) {
    thread.state = State::ready;
    ready_[last_ready_++ % most_threads] = &thread;
}

Thread* Machine::next_ready() {
    if (first_ready_ == last_ready_) return nullptr;
    Thread*& first = ready_[first_ready_ % most_threads];
    if (order_ == Order::random)
        std::swap(first, ready_[(first_ready_ + random() % (last_ready_ - first_ready_)) % most_threads]);
    ++first_ready_;
    return first;
}

Fiber& Machine::activate(Thread* next) {
    running_ = next;
    if (!next) return scheduler_;
    threadIdx = next->index;
    return *next->fiber;
}

// The running thread is queued or waits: the next one's turn.
void Machine::switch_away() {
    Thread& me = *running_;
    Thread* next = next_ready();
    if (next != &me) Fiber::switch_to(*me.fiber, activate(next));
}

void Machine::give_way() {
    if (order_ != Order::random || random() % 8 != 0) return;
    make_ready(*running_);
    switch_away();
}

void Machine::fail(const char* format, ...) {
    va_list arguments;
    va_start(arguments, format);
    std::vsnprintf(failure_, sizeof failure_, format, arguments);
    va_end(arguments);
    failed_ = true;
    Thread& me = *running_;
    Fiber::switch_to(*me.fiber, activate(nullptr));
    __builtin_unreachable();  // the scheduler drops this fiber
}

void Machine::barrier(Site site) {
    Thread& me = *running_;
    if (exited_ > 0)
        fail("barrier at %s: %s waits, but %u threads have left the kernel", where(site).text, who(me).text, exited_);
    if (arrived_ == 0) first_at_barrier_ = &me;
    const Thread& first = *first_at_barrier_;
    if (arrived_ > 0 && !same(first.site, site))
        fail("divergent barrier: %s at %s, %s at %s", who(first).text, where(first.site).text, who(me).text,
             where(site).text);
    me.site = site;
    me.state = State::at_barrier;
    char* order = &orders().barrier[barriers_ % 2];
    release(order);
    if (++arrived_ == count_) {
        ++barriers_;
        arrived_ = 0;
        for (unsigned i = 0; i < count_; ++i) make_ready(threads_[order_ == Order::reverse ? count_ - 1 - i : i]);
    }
    switch_away();
    acquire(order);
}

std::uint64_t Machine::collective(unsigned mask, std::uint64_t value, Take take, unsigned argument, bool orders_memory,
                                  Site site) {
    Thread& me = *running_;
    Warp& warp = warps_[me.number / 32];
    const unsigned lane = me.number % 32, bit = 1u << lane;
    if (!(mask & bit)) fail("warp mask %08x at %s leaves out its own caller, %s", mask, where(site).text, who(me).text);
    if (mask & warp.exited)
        fail("warp mask %08x at %s, called by %s, names lanes %08x that have left the kernel", mask, where(site).text,
             who(me).text, mask & warp.exited);
    unsigned place = 0;
    while (place < warp.meetings && warp.meeting[place].mask != mask) ++place;
    Meeting& meeting = warp.meeting[place];
    if (place == warp.meetings) {
        ++warp.meetings;
        meeting = {mask, 0, take, orders_memory, site, &orders().warp[me.number / 32][warp.orders++ % 64]};
    } else if (!same(meeting.site, site) || meeting.take != take) {
        fail("divergent warp: %s at a collective at %s, others of its mask %08x at %s", who(me).text, where(site).text,
             mask, where(meeting.site).text);
    }
    warp.value[lane] = value;
    warp.argument[lane] = argument;
    meeting.arrived |= bit;
    me.site = site;
    me.state = State::at_collective;
    char* order = meeting.order;
    if (orders_memory) release(order);
    if (meeting.arrived == (mask & warp.exists)) {
        const Brought brought{meeting.arrived, warp.value};
        meeting = warp.meeting[--warp.meetings];
        for (unsigned i = 0; i < 32; ++i) {
            const unsigned each = order_ == Order::reverse ? 31 - i : i;
            if (!(brought.lanes >> each & 1)) continue;
            warp.result[each] = take(brought, warp.argument[each]);
            make_ready(threads_[me.number - lane + each]);
        }
    }
    switch_away();
    if (orders_memory) acquire(order);
    return warp.result[lane];
}

void Machine::thread_main() {
    Fiber::arrived();
    acquire(&current->start_order_);
    (*current->thread_)();
    current->thread_done();
    // Not in thread_done(): its frame would stay, and AddressSanitizer's marks round it.
    Fiber& own = *current->running_->fiber;
    Fiber::finish(own, current->activate(current->next_ready()));
}

void Machine::thread_done() {
    Thread& me = *running_;
    Warp& warp = warps_[me.number / 32];
    const unsigned bit = 1u << me.number % 32;
    if (arrived_ > 0)
        fail("%s left the kernel, but %s waits at the barrier at %s", who(me).text, who(*first_at_barrier_).text,
             where(first_at_barrier_->site).text);
    for (unsigned i = 0; i < warp.meetings; ++i)
        if (warp.meeting[i].mask & bit)
            fail("%s left the kernel, but lanes %08x wait for it at %s", who(me).text, warp.meeting[i].arrived,
                 where(warp.meeting[i].site).text);
    warp.exited |= bit;
    ++exited_;
    me.state = State::done;
    release(&end_order_);
}

void* Machine::take_shared(std::size_t bytes, std::size_t alignment) {
    arena_used_ = (arena_used_ + alignment - 1) / alignment * alignment;
    void* data = arena_ + arena_used_;
    arena_used_ += bytes + red_zone;
    if (arena_used_ > arena_bytes) fail("too many shared variables");
    poison(data, bytes, false);
    return data;
}

void* Machine::shared_variable(const void* key, std::size_t bytes, std::size_t alignment, const char* name, Site site) {
    for (unsigned i = 0; i < variable_count_; ++i)
        if (variables_[i].key == key) return variables_[i].data;
    static_bytes_ += bytes;
    if (static_bytes_ > static_shared_limit)
        fail("shared variable %s at %s: %zu bytes of static shared memory, the limit is %zu", name, where(site).text,
             static_bytes_, static_shared_limit);
    if (static_bytes_ + dynamic_bytes_ > shared_allowed_)
        fail("shared variable %s at %s: %zu static and %zu dynamic bytes of shared memory, the limit is %zu%s", name,
             where(site).text, static_bytes_, dynamic_bytes_, shared_allowed_,
             shared_allowed_ < shared_limit ? " without cudaFuncSetAttribute" : "");
    if (variable_count_ == most_variables) fail("more than %u shared variables in a kernel", most_variables);
    void* data = take_shared(bytes, alignment < 16 ? 16 : alignment);
    variables_[variable_count_++] = {key, data};
    return data;
}

void Machine::start_copy(void* target, const void* source, unsigned bytes, const std::uint64_t (&data)[2], Site site) {
    Thread& me = *running_;
    const auto* first = static_cast<const char*>(target);
    if (first < arena_ + page || first >= arena_ + arena_bytes)
        fail("copy_async at %s by %s: the target is not in shared memory", where(site).text, who(me).text);
    if (reinterpret_cast<std::uintptr_t>(target) % bytes || reinterpret_cast<std::uintptr_t>(source) % bytes)
        fail("copy_async at %s by %s: %u bytes, but target %p or source %p is not aligned to that", where(site).text,
             who(me).text, bytes, target, source);
    if (me.last_copy - me.first_copy == most_copies)
        fail("copy_async at %s: more than %u copies of a thread under way", where(site).text, most_copies);
    me.copies[me.last_copy++ % most_copies] = {target, bytes, me.groups, {data[0], data[1]}};
    std::memset(target, 0xff, bytes);
    if (bytes >= 8) poison(target, bytes, true);  // it forbids no less than 8 bytes
}

void Machine::check_row(const void* row, Site site) {
    const auto* first = static_cast<const char*>(row);
    if (first < arena_ + page || first >= arena_ + arena_bytes || reinterpret_cast<std::uintptr_t>(row) % 16)
        fail("load_matrices at %s by %s: %p is not 16 aligned bytes of shared memory", where(site).text,
             who(*running_).text, row);
}

void Machine::wait_for_copies(unsigned groups) {
    Thread& me = *running_;
    for (; me.first_copy != me.last_copy; ++me.first_copy) {
        const Copy& copy = me.copies[me.first_copy % most_copies];
        if (copy.group + groups >= me.groups) break;
        if (copy.bytes >= 8) poison(copy.target, copy.bytes, false);
        std::memcpy(copy.target, copy.data, copy.bytes);  // not inlined, so ThreadSanitizer sees the write
    }
}

void Machine::describe_deadlock() {
    int length = std::snprintf(failure_, sizeof failure_, "deadlock: %u of %u threads wait:", count_ - exited_, count_);
    for (unsigned i = 0, listed = 0; i < count_ && listed < 4; ++i) {
        const Thread& thread = threads_[i];
        if (thread.state == State::done || (i > 0 && same(thread.site, threads_[i - 1].site))) continue;
        ++listed;
        length +=
            std::snprintf(failure_ + length, sizeof failure_ - static_cast<std::size_t>(length),
                          "\n  %s and on, at a %s at %s", who(thread).text,
                          thread.state == State::at_barrier ? "barrier" : "warp collective", where(thread.site).text);
    }
    failed_ = true;
}

// Each thread of a launch gets a fiber of its own under ThreadSanitizer, or it would take consecutive blocks for
// ordered. It has room for 8128, so from the 2048th thread on they are shared.
Fiber& Machine::take_fiber() {
#if defined(CUEBM_EMULATOR_TSAN)
    constexpr std::size_t most_fibers = 2048;
#else
    constexpr std::size_t most_fibers = most_threads;
#endif
    const std::size_t place = next_fiber_++ % most_fibers;
    if (place == fibers_.size()) fibers_.push_back(std::make_unique<Fiber>());
    return *fibers_[place];
}

void Machine::run_block() {
#if !defined(CUEBM_EMULATOR_TSAN)
    next_fiber_ = 0;
#endif
    exited_ = arrived_ = 0;
    first_ready_ = last_ready_ = 0;
#if defined(CUEBM_EMULATOR_TSAN)
    unmap_pages(arena_, arena_bytes);  // or this block would race, or be ordered, with the last one
    arena_ = map_pages(arena_bytes);
#endif
    poison(arena_, arena_bytes, false);
    std::memset(arena_, 0xff, arena_bytes);  // NaN in every type; on the GPU anything
    poison(arena_, arena_bytes, true);
    arena_used_ = page;
    static_bytes_ = variable_count_ = 0;
    dynamic_shared_ = take_shared(dynamic_bytes_, 16);

    for (unsigned i = 0; i < (count_ + 31) / 32; ++i) {
        Warp& warp = warps_[i];
        warp.exists = count_ - i * 32 >= 32 ? ~0u : (1u << count_ % 32) - 1;
        warp.exited = warp.meetings = 0;
    }
    for (unsigned i = 0; i < count_; ++i) {
        Thread& thread = threads_[i];
        thread.index = {i % blockDim.x, i / blockDim.x % blockDim.y, i / (blockDim.x * blockDim.y)};
        thread.number = i;
        thread.fenced = false;
        thread.groups = thread.first_copy = thread.last_copy = 0;
        thread.site = {};
        thread.fiber = &take_fiber();
        thread.fiber->prepare(thread_main);
    }
    for (unsigned i = 0; i < count_; ++i) make_ready(threads_[order_ == Order::reverse ? count_ - 1 - i : i]);
    release(&start_order_);
    Fiber::switch_to(scheduler_, activate(next_ready()));
    running_ = nullptr;
    if (!failed_ && exited_ < count_) describe_deadlock();
    if (failed_)  // what the dropped threads did comes before the launch's end, too
        for (unsigned i = 0; i < count_; ++i)
            if (threads_[i].state != State::done) Fiber::release_for(*threads_[i].fiber, scheduler_, &end_order_);
}

const char* Machine::run(const cudaLaunchConfig_t& config, std::size_t shared_allowed,
                         const std::function<void()>& thread) {
    thread_ = &thread;
    shared_allowed_ = shared_allowed;
    blockDim = config.blockDim;
    gridDim = config.gridDim;
    count_ = blockDim.x * blockDim.y * blockDim.z;
    dynamic_bytes_ = config.dynamicSmemBytes;
    order_ = settings().order;
    random_ = settings().seed ^ ++launches_ << 32;
    failed_ = false;
    next_fiber_ = 0;
    std::vector<unsigned> blocks(gridDim.x * gridDim.y * gridDim.z);
    std::iota(blocks.begin(), blocks.end(), 0u);
    if (order_ == Order::reverse) std::reverse(blocks.begin(), blocks.end());
    if (order_ == Order::random)
        for (std::size_t left = blocks.size(); left > 1; --left) std::swap(blocks[left - 1], blocks[random() % left]);
    for (unsigned block : blocks) {
        blockIdx = {block % gridDim.x, block / gridDim.x % gridDim.y, block / (gridDim.x * gridDim.y)};
        run_block();
        if (failed_) break;
    }
    acquire(&end_order_);
    return failed_ ? failure_ : nullptr;
}

bool valid(const cudaLaunchConfig_t& config) {
    const dim3 &block = config.blockDim, &grid = config.gridDim;
    const std::uint64_t threads = std::uint64_t{block.x} * block.y * block.z;
    return threads > 0 && threads <= most_threads && block.z <= 64 && grid.x > 0 && grid.x < 1u << 31 && grid.y > 0 &&
           grid.y < 1u << 16 && grid.z > 0 && grid.z < 1u << 16;
}

// The dynamic shared memory that kernels have asked for.
struct Asked {
    std::mutex mutex;
    std::map<const void*, std::size_t> dynamic_bytes;
};
Asked asked;

}  // namespace

cudaError_t set_dynamic_shared_limit(const void* kernel, int bytes) {
    if (bytes < 0 || static_cast<std::size_t>(bytes) > shared_limit) return remember(cudaErrorInvalidValue);
    const std::lock_guard lock(asked.mutex);
    asked.dynamic_bytes[kernel] = static_cast<std::size_t>(bytes);
    return cudaSuccess;
}

cudaError_t launch(const cudaLaunchConfig_t& config, const void* kernel, std::function<void()> thread) {
    if (device_problem() != cudaSuccess) return remember(device_problem());
    if (current) return remember(cudaErrorLaunchFailure, "a kernel launches a kernel");
    if (!valid(config)) return remember(cudaErrorInvalidConfiguration);
    std::size_t dynamic_allowed = static_shared_limit, allowed = static_shared_limit;
    {
        const std::lock_guard lock(asked.mutex);
        const auto found = asked.dynamic_bytes.find(kernel);
        if (found != asked.dynamic_bytes.end()) {
            dynamic_allowed = found->second;
            allowed = shared_limit;
        }
    }
    if (config.dynamicSmemBytes > dynamic_allowed || config.numAttrs > 0) return remember(cudaErrorInvalidValue);
    return enqueue(config.stream, [config, allowed, thread]() -> std::string {
        const OpenDeviceMemory open;
        current = &machine();
        const char* failure = current->run(config, allowed, thread);
        current = nullptr;
        return failure ? failure : "";
    });
}

void barrier(Site site) { current->barrier(site); }
std::uint64_t collective(unsigned mask, std::uint64_t value, Take take, unsigned argument, bool orders_memory,
                         Site site) {
    return current->collective(mask, value, take, argument, orders_memory, site);
}
void* shared_variable(const void* key, std::size_t bytes, std::size_t alignment, const char* name, Site site) {
    return current->shared_variable(key, bytes, alignment, name, site);
}
void* dynamic_shared() { return current->dynamic_shared(); }
void fence() { current->running()->fenced = true; }
bool before_atomic() {
    current->give_way();
    return current->running()->fenced;
}
void start_copy(void* target, const void* source, unsigned bytes, const std::uint64_t (&data)[2], Site site) {
    current->start_copy(target, source, bytes, data, site);
}
void check_row(const void* shared_row, Site site) { current->check_row(shared_row, site); }
void commit_copies() { ++current->running()->groups; }
void wait_for_copies(unsigned groups) { current->wait_for_copies(groups); }

}  // namespace cuebm::emulator
