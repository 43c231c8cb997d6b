// parallel_for over oneTBB (CUEBM_TBB=ON) or over plain threads.
#include "parallel.hpp"

#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#if defined(CUEBM_TBB)
#include <optional>

#include <tbb/blocked_range.h>
#include <tbb/global_control.h>
#include <tbb/info.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>
#endif

#include "float_environment.hpp"

namespace cuebm::detail {

#if defined(CUEBM_TBB)

namespace {

// oneTBB gives no more threads than the machine has, and complains on stderr, unless it is told that more are wanted.
void allow(int threads) {
    static std::mutex mutex;
    static int allowed = tbb::info::default_concurrency();
    static std::optional<tbb::global_control> control;
    const std::lock_guard lock(mutex);
    if (threads <= allowed) return;
    allowed = threads;
    control.reset();
    control.emplace(tbb::global_control::max_allowed_parallelism, static_cast<std::size_t>(threads));
}

}  // namespace

struct ThreadTeam::Team {
    explicit Team(int threads) : arena(threads) { allow(threads); }
    tbb::task_arena arena;
};

void ThreadTeam::parallel_for(std::int64_t tasks, const std::function<void(std::int64_t, int)>& body) {
    if (threads_ == 1 || tasks <= 1) {
        const DefaultFloatEnvironment environment;
        for (std::int64_t i = 0; i < tasks; ++i) body(i, 0);
        return;
    }
    team_->arena.execute([&] {
        tbb::parallel_for(tbb::blocked_range<std::int64_t>(0, tasks),
                          [&](const tbb::blocked_range<std::int64_t>& range) {
                              const DefaultFloatEnvironment environment;
                              const int slot = tbb::this_task_arena::current_thread_index();
                              for (std::int64_t i = range.begin(); i != range.end(); ++i) body(i, slot);
                          });
    });
}

#else

struct ThreadTeam::Team {
    explicit Team(int) {}
};

void ThreadTeam::parallel_for(std::int64_t tasks, const std::function<void(std::int64_t, int)>& body) {
    std::atomic<std::int64_t> next{0};
    std::exception_ptr error;
    std::mutex mutex;
    const auto work = [&](int slot) {
        const DefaultFloatEnvironment environment;
        try {
            for (std::int64_t i; (i = next.fetch_add(1)) < tasks;) body(i, slot);
        } catch (...) {
            const std::lock_guard lock(mutex);
            error = std::current_exception();
        }
    };
    std::vector<std::thread> helpers;
    for (int i = 1; i < threads_ && i < tasks; ++i) helpers.emplace_back(work, i);
    work(0);
    for (auto& helper : helpers) helper.join();
    if (error) std::rethrow_exception(error);
}

#endif

ThreadTeam::ThreadTeam(int threads) : threads_(threads), team_(std::make_unique<Team>(threads)) {}
ThreadTeam::~ThreadTeam() = default;

}  // namespace cuebm::detail
