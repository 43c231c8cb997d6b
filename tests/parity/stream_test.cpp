// Streams: in order, asynchronous, independent of each other; what is wrong in the data surfaces at wait(), once.
#include <cuebm/error.hpp>
#include <cuebm/kmeans.hpp>

#include "support/assign_problem.hpp"
#include "support/backends.hpp"
#include "support/complaint.hpp"

namespace eb = cuebm;
using namespace cuebm::test;

CUEBM_SUITE(Streams);

namespace {

// What wait() complains of.
Complaint complaint_of(eb::Stream& stream) {
    return complaint([&] { stream.wait(); });
}

}  // namespace

// A workspace or a status word that streams share.
CUEBM_TEST(Streams, AtOnceGiveTheSameBits) {
    auto context = backend.make();
    auto problem = normal_problem<T>(130, 40, 17);
    problem.beta = 0.3;
    auto other = normal_problem<T>(70, 65, 33, 5, 2);
    other.beta = 0.1;
    const auto one = solve(context, problem, everything, 4), two = solve(context, other, everything, 4);
    eb::Stream first(context), second(context);
    const OnDevice<T> a(context, problem, everything, 4), b(context, other, everything, 4);
    for (int repeat = 0; repeat < 5; ++repeat) {
        eb::assign(first, a.task());
        eb::assign(second, b.task());
    }
    first.wait();
    second.wait();
    const auto got_a = a.answers(problem), got_b = b.answers(other);
    EXPECT_TRUE(same_bits(got_a.labels, one.labels));
    EXPECT_TRUE(same_bits(got_a.free_energies, one.free_energies));
    EXPECT_TRUE(same_bits(got_a.best_labels, one.best_labels));
    EXPECT_TRUE(same_bits(got_b.labels, two.labels));
    EXPECT_TRUE(same_bits(got_b.all_energies, two.all_energies));
    EXPECT_TRUE(same_bits(got_b.free_energies, two.free_energies));
}

// A call that copies its arguments on a stream of its own, before the user's stream has produced them.
CUEBM_TEST(Streams, ProduceWhatCallsOnThemRead) {
    auto context = backend.make();
    const std::int64_t n = 40, d = 3, k = 4, slow = 1 << 20;
    const auto y = normal<T>(n * d, 1), w = normal<T>(k * d, 2);
    const std::vector<T> weights(static_cast<std::size_t>(n), T(2)), much(static_cast<std::size_t>(slow), T(1)),
        zeros(y.size(), T(0));
    const auto late = context.copy(eb::view(zeros, n, d));
    const auto late_weights = context.copy(eb::view(std::vector<T>(weights.size(), T(0)), 1, n));
    const auto late_start = context.copy(eb::view(std::vector<T>(w.size(), T(NAN)), k, d));
    const auto busy = context.template matrix<T>(1, slow);
    eb::Stream stream(context);
    for (int repeat = 0; repeat < 20; ++repeat) eb::copy(stream, eb::view(much, 1, slow), busy.view());
    eb::copy(stream, eb::view(y, n, d), late.view());
    eb::copy(stream, eb::view(weights, 1, n), late_weights.view());
    eb::copy(stream, eb::view(w, k, d), late_start.view());
    const auto model =
        eb::kmeans::fit(stream, eb::MatrixView<const T>(late),
                        eb::kmeans::FitOptions<T>{.k = k,
                                                  .start = eb::kmeans::Start::given,
                                                  .prototypes = late_start,
                                                  .weights = {late_weights.data(), n, 1, context.device()}});
    EXPECT_GT(model.inertia, 0);
    EXPECT_EQ(eb::to_host(context, late), y);

    eb::copy(stream, eb::view(zeros, n, d), late.view());
    stream.wait();
    for (int repeat = 0; repeat < 20; ++repeat) eb::copy(stream, eb::view(much, 1, slow), busy.view());
    eb::copy(stream, eb::view(y, n, d), late.view());
    const auto moved = eb::kmeans::project(stream, eb::MatrixView<const T>(late_start),
                                           eb::kmeans::Project<T>{.points = late, .beta = 1, .max_iterations = 1});
    const auto in_order = eb::kmeans::project(context, eb::MatrixView<const T>(late_start),
                                              eb::kmeans::Project<T>{.points = late, .beta = 1, .max_iterations = 1});
    EXPECT_TRUE(same_bits(eb::to_host(context, moved.points), eb::to_host(context, in_order.points)));
}

// Work of one stream that overtakes its own; a workspace that grows under work that still uses it.
CUEBM_TEST(Streams, KeepTheirOrder) {
    auto context = backend.make();
    const auto small = normal_problem<T>(20, 9, 5), large = normal_problem<T>(150, 100, 40);
    const std::vector<T> weights;
    eb::Stream stream(context);
    const OnDevice<T> a(context, small, Want::labels), b(context, large, Want::labels);
    const Placed<T> means_a(context, small.prototypes, 9, 5), means_b(context, large.prototypes, 100, 40);
    for (const auto& [there, means] : {std::pair{&a, &means_a}, {&b, &means_b}}) {
        eb::assign(stream, there->task());
        eb::update(
            stream,
            eb::Update<T>{.points = there->task().points, .labels = there->task().labels, .prototypes = means->view()});
    }
    stream.wait();
    const auto expect = [&](const Problem<T>& p, const auto& means) {
        const eb::reference::Matrix y(p.points, p.n, p.d), w(p.prototypes, p.k, p.d);
        const auto wanted = eb::reference::lloyd(y, w, std::vector<double>(static_cast<std::size_t>(p.n), 1.0));
        EXPECT_TRUE(close_to(means.host(), wanted.values, 16, 5));
    };
    expect(small, means_a);
    expect(large, means_b);
}

// An error that is thrown by the wrong call, twice or never; a row that is not the first; harm to what comes after.
CUEBM_TEST(Streams, BadDataSurfacesAtWaitOnce) {
    auto context = backend.make();
    auto good = normal_problem<T>(140, 20, 9);
    good.beta = 1;
    auto bad = good;
    bad.points[137 * 9 + 8] = static_cast<T>(NAN);
    bad.points[71 * 9] = static_cast<T>(-INFINITY);
    auto worse = good;
    worse.points[66 * 9 + 3] = static_cast<T>(NAN);
    eb::Stream stream(context);
    const OnDevice<T> at_bad(context, bad, everything), at_worse(context, worse, everything),
        at_good(context, good, everything);
    EXPECT_NO_THROW(eb::assign(stream, at_bad.task()));
    EXPECT_EQ(complaint_of(stream), (Complaint{"points", 71}));
    EXPECT_EQ(complaint_of(stream), Complaint{"none"});
    EXPECT_NO_THROW(eb::assign(stream, at_bad.task()));
    EXPECT_NO_THROW(eb::assign(stream, at_worse.task()));
    EXPECT_NO_THROW(eb::assign(stream, at_good.task()));
    EXPECT_EQ(complaint_of(stream), (Complaint{"points", 66}));
    eb::assign(stream, at_good.task());
    EXPECT_EQ(complaint_of(stream), Complaint{"none"});
    (void)at_bad.answers(bad);  // its inputs are as they were
    expect_canonical(at_good.answers(good), good, everything);
}

// One stream's bad data blamed on another.
CUEBM_TEST(Streams, KeepTheirErrorsApart) {
    auto context = backend.make();
    const auto good = normal_problem<T>(30, 5, 3);
    auto bad = good;
    bad.points[5 * 3] = static_cast<T>(NAN);
    eb::Stream first(context), second(context);
    const OnDevice<T> at_bad(context, bad, Want::labels), at_good(context, good, Want::labels);
    eb::assign(first, at_bad.task());
    eb::assign(second, at_good.task());
    EXPECT_EQ(complaint_of(second), Complaint{"none"});
    EXPECT_EQ(complaint_of(first), (Complaint{"points", 5}));
}

// Work that starts before the event it must wait for. Each round the second stream reads what the first writes.
CUEBM_TEST(Streams, AreOrderedByEvents) {
    auto context = backend.make();
    auto problem = normal_problem<T>(130, 65, 20);
    const OnDevice<T> there(context, problem, Want::labels);
    const Placed<std::int32_t> copies(context, 8, 130);
    eb::Stream first(context), second(context);
    std::vector<std::int32_t> wanted;
    for (std::int64_t round = 0; round < 8; ++round) {
        // Other labels each round: the points are those from row `round` on.
        auto task = there.task();
        task.points = task.points.slice(round, 130 - round);
        task.labels = {task.labels.data, 130 - round, 1, task.labels.device};
        eb::assign(first, task);
        const eb::Event written = first.record();
        second.wait_for(written);
        const eb::MatrixView<std::int32_t> labels{task.labels.data, 1, 130, 130, task.labels.device};
        eb::copy(second, labels, copies.view().slice(round, 1));
        first.wait_for(second.record());  // it must not write the next labels before these are copied
        written.wait();
        EXPECT_TRUE(written.done());
    }
    first.wait();
    second.wait();
    const auto energies = eb::reference::canonical_energies(problem.points, problem.prototypes, 130, 65, 20);
    const auto labels = eb::reference::lowest(energies, 65, 1);
    const auto got = copies.host();
    for (std::size_t round = 0; round < 8; ++round)
        for (std::size_t i = 0; i + round < 130; ++i) ASSERT_EQ(got[round * 130 + i], labels[i + round]) << round;
}

// An event of no work that is never done, or done before the work.
CUEBM_TEST(Streams, EventOfAnIdleStreamIsDone) {
    auto context = backend.make();
    eb::Stream stream(context);
    const eb::Event event = stream.record();
    event.wait();
    EXPECT_TRUE(event.done());
    stream.wait();
    EXPECT_EQ(stream.context().device(), context.device());
}

// A pointer taken for a stream where there is none to wrap.
CUEBM_TEST(Streams, OfTheCpuCannotBeWrapped) {
    const auto context = backend.make();
    if (backend.kind != eb::Device::Kind::cpu) GTEST_SKIP() << "the CPU's contract";
    int native = 0;
    EXPECT_THROW((void)eb::Stream::wrap(context, nullptr), eb::InvalidArgument);
    EXPECT_THROW((void)eb::Stream::wrap(context, &native), eb::InvalidArgument);
}
