// A fiber: a stack and the place where it continues. Tells AddressSanitizer and ThreadSanitizer about each switch.
#pragma once

#include <cstddef>

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace cuebm::emulator {

class Fiber {
public:
    Fiber() = default;
    Fiber(const Fiber&) = delete;
    Fiber& operator=(const Fiber&) = delete;
    ~Fiber();

    // The next switch to this fiber calls start(), which must not return. Whatever ran here before is dropped.
    // ThreadSanitizer sees each fiber as a thread of its own.
    void prepare(void (*start)());
    // Stands for the OS thread's own stack from now on.
    void adopt_this_thread();

    static void switch_to(Fiber& from, Fiber& to);
    static void arrived();                       // first thing in start()
    static void finish(Fiber& from, Fiber& to);  // last thing: `from` has to be prepared before it runs again
    // release(order) on behalf of a fiber that will not run again, called by `self`.
    static void release_for(Fiber& dropped, Fiber& self, void* order);

private:
    static void change_stack(Fiber& from, Fiber& to);

    char* stack_ = nullptr;  // the lowest address
    std::size_t bytes_ = 0;
    bool ours_ = false;
#if defined(__x86_64__)
    void* top_ = nullptr;
#else
    ucontext_t context_{};
#endif
    [[maybe_unused]] bool running_ = false;        // prepared, and not finished
    [[maybe_unused]] void* fake_stack_ = nullptr;  // AddressSanitizer's
    [[maybe_unused]] void* tsan_ = nullptr;        // ThreadSanitizer's
};

// Fresh pages, and their end. ThreadSanitizer forgets who touched pages that are unmapped.
char* map_pages(std::size_t bytes);
void unmap_pages(char* pages, std::size_t bytes);

// What happens-before means to ThreadSanitizer: what came before release(p) comes before what follows acquire(p).
void release(void* order);
void acquire(void* order);

}  // namespace cuebm::emulator
