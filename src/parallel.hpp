// The one parallel loop of the CPU backend: oneTBB, or a plain pool where ThreadSanitizer must see everything.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>

namespace cuebm::detail {

constexpr std::int64_t divide_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

class ThreadTeam {
public:
    explicit ThreadTeam(int threads);
    ~ThreadTeam();
    int threads() const { return threads_; }
    // Calls body(task, slot) for every task in [0, tasks), in any order, on up to threads() threads, with the
    // floating-point environment of the C standard: a user's flush-to-zero or rounding mode must not change results.
    // Calls of one loop that run at the same time have different slots in [0, threads()): a slot may own scratch.
    void parallel_for(std::int64_t tasks, const std::function<void(std::int64_t task, int slot)>& body);
    // body(first, last, slot) for blocks of `rows` of n rows; the last may be shorter.
    template <class Body>
    void for_blocks(std::int64_t n, std::int64_t rows, const Body& body) {
        parallel_for(divide_up(n, rows),
                     [&](std::int64_t block, int slot) { body(block * rows, std::min(n, (block + 1) * rows), slot); });
    }

private:
    struct Team;
    int threads_;
    std::unique_ptr<Team> team_;
};

}  // namespace cuebm::detail
