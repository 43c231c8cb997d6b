// The CPU's stream where a task throws.
#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <thread>

#include <cuebm/context.hpp>

#include "context_state.hpp"
#include "cpu_queue.hpp"

namespace eb = cuebm;

// A thread for nothing, or an error that is lost.
TEST(CpuQueue, OfACallRunsWorkWhereItIsEnqueued) {
    const auto context = eb::Context::cpu({.threads = 1});
    eb::Stream stream = eb::detail::stream_of_call(context);
    auto& queue = static_cast<eb::detail::CpuQueue&>(*stream.state().queue);
    std::thread::id here;
    queue.enqueue([&] { here = std::this_thread::get_id(); });
    EXPECT_EQ(here, std::this_thread::get_id());
    const auto event = queue.record();
    EXPECT_TRUE(event->done());
    queue.wait_for(event);
    queue.enqueue([] { throw std::runtime_error("first"); });
    queue.enqueue([&] { here = {}; });
    EXPECT_THROW(queue.wait(), std::runtime_error);
    EXPECT_EQ(here, std::this_thread::get_id());
}

// A task that reads what one before it was to write, and did not; an event that nobody passes.
TEST(CpuQueue, RunsNothingAfterATaskThatThrew) {
    const auto context = eb::Context::cpu({.threads = 1});
    eb::Stream stream(context);
    auto& queue = static_cast<eb::detail::CpuQueue&>(*stream.state().queue);
    std::atomic<int> ran = 0;
    queue.enqueue([&] { ++ran; });
    queue.enqueue([] { throw std::runtime_error("first"); });
    queue.enqueue([&] { ++ran; });
    queue.enqueue([] { throw std::logic_error("second"); });
    const auto event = queue.record();
    event->wait();
    EXPECT_EQ(ran, 1);
    EXPECT_THROW(queue.wait(), std::runtime_error);
    queue.enqueue([&] { ++ran; });  // it has been told of
    queue.wait();
    EXPECT_EQ(ran, 2);
}
