// A context's inside: its backend, and the pool that keeps freed memory for the next array.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include <cuebm/context.hpp>

#include "backend.hpp"

namespace cuebm::detail {

struct ContextState final : Pool, std::enable_shared_from_this<ContextState> {
    ContextState(std::unique_ptr<Backend> backend, std::size_t memory_limit, Allocator allocator,
                 std::string description);
    ~ContextState() override;

    void* allocate(std::size_t bytes) override;
    void release(void* data, std::size_t bytes) noexcept override;
    void trim() noexcept;
    Buffer buffer(std::size_t bytes);

    std::unique_ptr<Backend> backend;
    std::string description;
    std::size_t used = 0, cached = 0;
    std::mutex mutex;

private:
    static std::size_t round_up(std::size_t bytes);
    void trim_locked() noexcept;
    void* take(std::size_t size);
    void give(void* data, std::size_t size) noexcept;
    std::size_t limit_;
    Allocator allocator_;
    std::multimap<std::size_t, void*> free_;  // by size
};

struct StreamState {
    std::shared_ptr<ContextState> context;  // outlives the queue
    std::unique_ptr<Queue> queue;
};

// Throws the DataError that a status word stands for.
void throw_problem(std::uint64_t status);

}  // namespace cuebm::detail
