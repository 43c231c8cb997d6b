// The CPU's stream: a real in-order asynchronous queue, with a thread of its own. For a call that waits anyway the work
// runs where it is enqueued: a small one takes 2 microseconds in place of 50, which made and ended a thread.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "backend.hpp"
#include "parallel.hpp"

namespace cuebm::detail {

class CpuQueue final : public Queue {
public:
    CpuQueue(Pool& pool, ThreadTeam& team, RunsWork when);
    ~CpuQueue() override;

    // Not run where an earlier one threw that wait() has not yet told of: it may read what that one was to write.
    void enqueue(std::function<void()> task);
    ThreadTeam& team() const { return team_; }
    void report(std::int64_t row, Problem problem);

    void copy(const CopyBytes& copy) override;
    void fill(void* target, int byte, std::size_t bytes) override;
    std::shared_ptr<EventState> record() override;
    void wait_for(const std::shared_ptr<EventState>& event) override;
    std::uint64_t wait() override;
    void wait_quietly() noexcept override;
    std::uint64_t* status() override { return &status_; }
    std::byte* workspace(std::size_t bytes) override;

private:
    struct Task {
        std::function<void()> work;
        bool of_event;  // others wait for it: it runs whatever was thrown
    };
    void enqueue(Task task);
    void run();
    void perform(const Task& task, std::unique_lock<std::mutex>& lock);

    Pool& pool_;
    ThreadTeam& team_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<Task> tasks_;
    bool busy_ = false, stop_ = false;
    std::exception_ptr error_;
    std::uint64_t status_ = no_problem;
    void* workspace_ = nullptr;
    std::size_t workspace_bytes_ = 0;
    std::thread thread_;  // none where the caller does the work
};

}  // namespace cuebm::detail
