// The switch between fibers, by hand on x86-64 (no system call) and by ucontext elsewhere.
// Built without -fsanitize=thread, like scheduler.cpp: their bookkeeping is no business of ThreadSanitizer.
#include "fiber.hpp"

#include <pthread.h>
#include <sys/mman.h>

#include <new>

#if defined(CUEBM_EMULATOR_ASAN)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(CUEBM_EMULATOR_TSAN)
extern "C" {
void* __tsan_create_fiber(unsigned flags);
void __tsan_destroy_fiber(void* fiber);
void* __tsan_get_current_fiber();
void __tsan_switch_to_fiber(void* fiber, unsigned flags);
void __tsan_acquire(void* address);
void __tsan_release(void* address);
}
#endif

#if defined(__x86_64__)
// Pushes what a callee has to keep, stores the stack pointer in *save, and continues on the other stack.
extern "C" __attribute__((naked, noinline, no_sanitize("address", "undefined"))) void cuebm_change_stack(
    void** /*save*/, void* /*load*/) {
    asm volatile(
        "pushq %rbp\n pushq %rbx\n pushq %r12\n pushq %r13\n pushq %r14\n pushq %r15\n"
        "movq %rsp, (%rdi)\n movq %rsi, %rsp\n"
        "popq %r15\n popq %r14\n popq %r13\n popq %r12\n popq %rbx\n popq %rbp\n ret\n");
}
#endif

namespace cuebm::emulator {
namespace {

constexpr std::size_t page = 4096, stack_bytes = 256 * 1024;

}  // namespace

char* map_pages(std::size_t bytes) {
    constexpr int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    void* pages = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (pages == MAP_FAILED) throw std::bad_alloc();
    return static_cast<char*>(pages);
}

void unmap_pages(char* pages, std::size_t bytes) { munmap(pages, bytes); }

Fiber::~Fiber() {
#if defined(CUEBM_EMULATOR_TSAN)
    if (ours_) __tsan_destroy_fiber(tsan_);
#endif
#if defined(CUEBM_EMULATOR_ASAN)
    if (ours_) __asan_unpoison_memory_region(stack_, bytes_);
#endif
    if (ours_) unmap_pages(stack_ - page, bytes_ + page);
}

void Fiber::prepare(void (*start)()) {
    if (!ours_) {
        char* pages = map_pages(stack_bytes + page);
        mprotect(pages, page, PROT_NONE);  // a kernel that overflows its stack stops here
        stack_ = pages + page;
        bytes_ = stack_bytes;
        ours_ = true;
#if defined(CUEBM_EMULATOR_TSAN)
        tsan_ = __tsan_create_fiber(0);
#endif
    }
#if defined(CUEBM_EMULATOR_ASAN)
    if (running_) __asan_unpoison_memory_region(stack_, bytes_);  // dropped with functions still on the stack
    running_ = true;
    fake_stack_ = nullptr;
#endif
#if defined(__x86_64__)
    auto** top = reinterpret_cast<void**>(stack_ + bytes_);
    *--top = nullptr;  // start()'s return address, for debuggers; it also aligns the stack as a call would
    *--top = reinterpret_cast<void*>(start);
    for (int saved = 0; saved < 6; ++saved) *--top = nullptr;
    top_ = top;
#else
    getcontext(&context_);
    context_.uc_stack.ss_sp = stack_;
    context_.uc_stack.ss_size = bytes_;
    context_.uc_link = nullptr;
    makecontext(&context_, start, 0);
#endif
}

void Fiber::adopt_this_thread() {
    pthread_attr_t attributes;
    void* lowest = nullptr;
    pthread_getattr_np(pthread_self(), &attributes);
    pthread_attr_getstack(&attributes, &lowest, &bytes_);
    pthread_attr_destroy(&attributes);
    stack_ = static_cast<char*>(lowest);
#if defined(CUEBM_EMULATOR_TSAN)
    tsan_ = __tsan_get_current_fiber();
#endif
}

void Fiber::switch_to(Fiber& from, Fiber& to) {
#if defined(CUEBM_EMULATOR_ASAN)
    __sanitizer_start_switch_fiber(&from.fake_stack_, to.stack_, to.bytes_);
#endif
    change_stack(from, to);
#if defined(CUEBM_EMULATOR_ASAN)
    __sanitizer_finish_switch_fiber(from.fake_stack_, nullptr, nullptr);
#endif
}

void Fiber::arrived() {
#if defined(CUEBM_EMULATOR_ASAN)
    __sanitizer_finish_switch_fiber(nullptr, nullptr, nullptr);
#endif
}

void Fiber::finish(Fiber& from, Fiber& to) {
#if defined(CUEBM_EMULATOR_ASAN)
    from.running_ = false;
    __sanitizer_start_switch_fiber(nullptr, to.stack_, to.bytes_);
#endif
    change_stack(from, to);
}

void Fiber::change_stack(Fiber& from, Fiber& to) {
#if defined(CUEBM_EMULATOR_TSAN)
    __tsan_switch_to_fiber(to.tsan_, 1);  // 1: the switch itself orders nothing, only barriers do
#endif
#if defined(__x86_64__)
    cuebm_change_stack(&from.top_, to.top_);
#else
    swapcontext(&from.context_, &to.context_);
#endif
}

void release([[maybe_unused]] void* order) {
#if defined(CUEBM_EMULATOR_TSAN)
    __tsan_release(order);
#endif
}

void acquire([[maybe_unused]] void* order) {
#if defined(CUEBM_EMULATOR_TSAN)
    __tsan_acquire(order);
#endif
}

void Fiber::release_for([[maybe_unused]] Fiber& dropped, [[maybe_unused]] Fiber& self, [[maybe_unused]] void* order) {
#if defined(CUEBM_EMULATOR_TSAN)
    __tsan_switch_to_fiber(dropped.tsan_, 1);
    __tsan_release(order);
    __tsan_switch_to_fiber(self.tsan_, 1);
#endif
}

}  // namespace cuebm::emulator
