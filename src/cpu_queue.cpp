// The CPU's stream. See cpu_queue.hpp.
#include "cpu_queue.hpp"

#include <cstring>
#include <utility>

#include "float_environment.hpp"

namespace cuebm::detail {
namespace {

struct CpuEvent final : EventState {
    std::mutex mutex;
    std::condition_variable changed;
    bool passed = false;

    bool done() override {
        const std::lock_guard lock(mutex);
        return passed;
    }
    void wait() override {
        std::unique_lock lock(mutex);
        changed.wait(lock, [&] { return passed; });
    }
    void pass() {
        const std::lock_guard lock(mutex);
        passed = true;
        changed.notify_all();
    }
};

}  // namespace

CpuQueue::CpuQueue(Pool& pool, ThreadTeam& team, RunsWork when) : pool_(pool), team_(team) {
    if (when == RunsWork::meanwhile) thread_ = std::thread([this] { run(); });
}

CpuQueue::~CpuQueue() {
    {
        const std::lock_guard lock(mutex_);
        stop_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();  // after the work that is enqueued
    if (workspace_ != nullptr) pool_.release(workspace_, workspace_bytes_);
}

void CpuQueue::enqueue(std::function<void()> task) { enqueue({std::move(task), false}); }
void CpuQueue::enqueue(Task task) {
    if (!thread_.joinable()) {
        const DefaultFloatEnvironment environment;
        std::unique_lock lock(mutex_);
        return perform(task, lock);
    }
    {
        const std::lock_guard lock(mutex_);
        tasks_.push_back(std::move(task));
    }
    changed_.notify_all();
}

void CpuQueue::run() {
    const DefaultFloatEnvironment environment;  // a new thread inherits its creator's
    std::unique_lock lock(mutex_);
    for (;;) {
        changed_.wait(lock, [&] { return stop_ || !tasks_.empty(); });
        if (tasks_.empty()) return;
        const auto task = std::move(tasks_.front());
        tasks_.pop_front();
        perform(task, lock);
        changed_.notify_all();
    }
}

// Without the lock while it works.
void CpuQueue::perform(const Task& task, std::unique_lock<std::mutex>& lock) {
    if (error_ && !task.of_event) return;
    busy_ = true;
    lock.unlock();
    std::exception_ptr error;
    try {
        task.work();
    } catch (...) {
        error = std::current_exception();
    }
    lock.lock();
    if (error && !error_) error_ = error;
    busy_ = false;
}

std::uint64_t CpuQueue::wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !busy_ && tasks_.empty(); });
    const auto status = std::exchange(status_, no_problem);
    if (auto error = std::exchange(error_, nullptr)) std::rethrow_exception(error);
    return status;
}

void CpuQueue::wait_quietly() noexcept {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !busy_ && tasks_.empty(); });
}

void CpuQueue::report(std::int64_t row, Problem problem) {
    const std::uint64_t word = status_word(row, problem);
    const std::atomic_ref<std::uint64_t> status(status_);
    std::uint64_t seen = status.load(std::memory_order_relaxed);
    while (word < seen && !status.compare_exchange_weak(seen, word, std::memory_order_relaxed)) {
    }
}

void CpuQueue::copy(const CopyBytes& c) {
    enqueue([c] {
        const auto* source = static_cast<const std::byte*>(c.source);
        auto* target = static_cast<std::byte*>(c.target);
        if (c.source_stride == c.row_bytes && c.target_stride == c.row_bytes) {
            std::memmove(target, source, c.rows * c.row_bytes);
            return;
        }
        for (std::size_t i = 0; i < c.rows; ++i)
            std::memmove(target + i * c.target_stride, source + i * c.source_stride, c.row_bytes);
    });
}

void CpuQueue::fill(void* target, int byte, std::size_t bytes) {
    enqueue([=] { std::memset(target, byte, bytes); });
}

std::shared_ptr<EventState> CpuQueue::record() {
    auto event = std::make_shared<CpuEvent>();
    enqueue({[event] { event->pass(); }, true});
    return event;
}

void CpuQueue::wait_for(const std::shared_ptr<EventState>& event) {
    enqueue({[event] { event->wait(); }, true});
}

std::byte* CpuQueue::workspace(std::size_t bytes) {
    if (bytes > workspace_bytes_) {
        wait_quietly();  // the work in flight may still use the old block
        if (workspace_ != nullptr)
            pool_.release(std::exchange(workspace_, nullptr), std::exchange(workspace_bytes_, 0));
        workspace_ = pool_.allocate(bytes);
        workspace_bytes_ = bytes;
    }
    return static_cast<std::byte*>(workspace_);
}

}  // namespace cuebm::detail
