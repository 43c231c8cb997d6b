// Several threads of the user on one context at once, each with its own stream: the same bits as alone.
#include <barrier>
#include <thread>

#include <cuebm/kmeans.hpp>

#include "support/assign_problem.hpp"
#include "support/backends.hpp"
#include "support/fitted.hpp"

namespace eb = cuebm;
using namespace cuebm::test;

CUEBM_SUITE(Threads);

namespace {

constexpr unsigned wanted_outputs = Want::labels | Want::energies | Want::free_energies;

// Each thread has a problem of its own size, so that workspaces and arrays of the pool differ.
template <class T>
Problem<T> problem_of(int thread) {
    auto problem = normal_problem<T>(20 + 15 * thread, 9 + 8 * thread, 3 + thread);
    problem.beta = 0.5;
    return problem;
}

template <class T>
struct Work {
    std::vector<std::int32_t> labels{};
    std::vector<T> energies{}, free_energies{}, copied{};
    Fitted<T> fitted{};

    // Allocations, copies, calls on a stream, and calls that return when the work is done.
    Work(eb::Context context, const Problem<T>& p) {
        eb::Stream stream(context);
        const OnDevice<T> there(context, p, wanted_outputs);
        const auto copy = context.template matrix<T>(p.n, p.d);
        eb::assign(stream, there.task());
        eb::copy(stream, there.points(), copy.view());
        stream.wait();
        auto answers = there.answers(p);
        for (int i = 0; i < 50; ++i) {  // arrays come and go, most of the time out of the pool
            const auto one = context.copy(eb::view(p.points)), two = context.copy(eb::view(p.prototypes));
            EXPECT_TRUE(i % 10 != 0 || same_bits(eb::to_host(context, one), p.points));
            EXPECT_TRUE(i % 10 != 0 || same_bits(eb::to_host(context, two), p.prototypes));
        }
        labels = std::move(answers.labels), energies = std::move(answers.energies);
        free_energies = std::move(answers.free_energies), copied = eb::to_host(context, copy);
        fitted = fit(context, p.points, p.n, p.d, eb::kmeans::FitOptions<T>{.k = p.k, .seed = 3, .max_iterations = 2});
    }
};

}  // namespace

// A pool, a workspace, a status word, a table of streams or a pool of threads that two users share without a lock.
CUEBM_TEST(Threads, AtOnceGiveTheSameBits) {
    constexpr int count = 4, rounds = 2;
    std::vector<Problem<T>> problems;
    std::vector<Work<T>> alone;
    for (int t = 0; t < count; ++t) {
        problems.push_back(problem_of<T>(t));
        alone.emplace_back(backend.make(), problems.back());
    }
    const auto context = backend.make();
    std::vector<std::vector<Work<T>>> got(count);
    std::barrier together(count);
    {
        std::vector<std::jthread> threads;
        for (int t = 0; t < count; ++t)
            threads.emplace_back([&, i = static_cast<std::size_t>(t)] {
                together.arrive_and_wait();
                for (int round = 0; round < rounds; ++round) got[i].emplace_back(context, problems[i]);
            });
    }
    for (std::size_t t = 0; t < count; ++t)
        for (const auto& work : got[t]) {
            SCOPED_TRACE(t);
            EXPECT_TRUE(same_bits(work.labels, alone[t].labels));
            EXPECT_TRUE(same_bits(work.energies, alone[t].energies));
            EXPECT_TRUE(same_bits(work.free_energies, alone[t].free_energies));
            EXPECT_TRUE(same_bits(work.copied, problems[t].points));
            expect_same(work.fitted, alone[t].fitted);
        }
    EXPECT_EQ(context.used_bytes(), 0u) << "memory that no thread gave back";
}
