// Memory: the pool, limits, a user's allocator, and running out of it anywhere.
#include <algorithm>
#include <limits>
#include <map>
#include <mutex>

#include <cuebm/error.hpp>
#include <cuebm/kmeans.hpp>
#include <cuebm/kmeans_balanced.hpp>

#include "support/assign_problem.hpp"
#include "support/backends.hpp"

namespace eb = cuebm;
using namespace cuebm::test;

CUEBM_SUITE(Memory);

namespace {

// An allocator on any backend: it hands out the memory of another context, counts, and fails when it is told to.
class Counting {
public:
    explicit Counting(const Backend& backend) : source_(backend.make()) {}

    eb::Allocator allocator() {
        return {.allocate = [this](std::size_t bytes) { return allocate(bytes); },
                .release = [this](void* data, std::size_t bytes) { release(data, bytes); }};
    }
    std::size_t live_bytes() const { return live_; }
    int allocations() const { return allocations_; }
    int failures() const { return failures_; }
    // The allocation after `more` further ones, and all that follow, find no memory; negative: never.
    void fail_after(int more) { left_ = more; }
    // No block of this size or a larger one is given.
    void refuse_from(std::size_t bytes) { refused_ = bytes; }
    std::size_t largest() const { return largest_; }

private:
    void* allocate(std::size_t bytes) {
        const std::lock_guard lock(mutex_);
        if (left_ == 0 || bytes >= refused_) return ++failures_, nullptr;
        largest_ = std::max(largest_, bytes);
        if (left_ > 0) --left_;
        auto buffer = source_.allocate(bytes);
        void* data = buffer.data();
        buffers_.emplace(data, std::move(buffer));
        live_ += bytes;
        ++allocations_;
        return data;
    }
    void release(void* data, std::size_t bytes) {
        const std::lock_guard lock(mutex_);
        const auto found = buffers_.find(data);
        ASSERT_NE(found, buffers_.end()) << "released what it did not allocate";
        EXPECT_EQ(found->second.bytes(), bytes);
        buffers_.erase(found);
        live_ -= bytes;
    }

    eb::Context source_;
    std::mutex mutex_;
    std::map<void*, eb::Buffer> buffers_;
    std::size_t live_ = 0, largest_ = 0, refused_ = std::numeric_limits<std::size_t>::max();
    int allocations_ = 0, failures_ = 0, left_ = -1;
};

template <class T>
eb::kmeans::Model<T> fit_points(eb::Context& context, const std::vector<T>& y, std::int64_t n, std::int64_t d) {
    const auto points = context.copy(eb::view(y, n, d));
    return eb::kmeans::fit(context, eb::MatrixView<const T>(points.view()), {.k = 5, .seed = 1});
}

}  // namespace

// Memory taken elsewhere than from the user's allocator, given back twice, or kept.
CUEBM_TEST(Memory, UsersAllocatorIsUsedForEverything) {
    Counting counting(backend);
    {
        auto context = backend.make(0, counting.allocator());
        const auto y = blobs<T>(100, 4, 5);
        {
            const auto model = fit_points(context, y, 100, 4);
            EXPECT_GT(context.used_bytes(), 0u);
            EXPECT_EQ(counting.live_bytes(), context.used_bytes() + context.cached_bytes());
        }
        EXPECT_EQ(context.used_bytes(), 0u);
        EXPECT_GT(context.cached_bytes(), 0u);
        const int before = counting.allocations();
        (void)fit_points(context, y, 100, 4);
        EXPECT_EQ(counting.allocations(), before) << "the pool does not reuse what it keeps";
        context.trim();
        EXPECT_EQ(context.cached_bytes(), 0u);
        EXPECT_EQ(counting.live_bytes(), 0u);
        const auto kept = context.template vector<T>(100);
    }
    EXPECT_EQ(counting.live_bytes(), 0u);
    EXPECT_GT(counting.allocations(), 5);
}

// A buffer that outlives its context.
CUEBM_TEST(Memory, ArraysMayOutliveTheContext) {
    Counting counting(backend);
    {
        eb::Vector<T> array;
        {
            auto context = backend.make(0, counting.allocator());
            array = context.template vector<T>(100);
        }
        EXPECT_GT(counting.live_bytes(), 0u);
    }
    EXPECT_EQ(counting.live_bytes(), 0u);
}

// A leak, a crash or a wrong answer later, wherever in a fit memory runs out.
CUEBM_TEST(Memory, MayRunOutAnywhereInAFit) {
    Counting counting(backend);
    {
        auto context = backend.make(0, counting.allocator());
        const auto y = blobs<T>(60, 3, 4);
        const auto wanted = eb::to_host(context, fit_points(context, y, 60, 3).prototypes);
        int after = 0;
        for (bool done = false; !done; ++after) {
            context.trim();
            ASSERT_EQ(counting.live_bytes(), 0u) << "leaked by the failure before allocation " << after;
            counting.fail_after(after);
            const int failures = counting.failures();
            try {
                const auto got = eb::to_host(context, fit_points(context, y, 60, 3).prototypes);
                EXPECT_TRUE(same_bits(got, wanted));
                done = counting.failures() == failures;
            } catch (const eb::OutOfMemory& error) {
                EXPECT_GT(error.asked_bytes(), 0u);
            }
            ASSERT_LT(after, 200);
        }
        counting.fail_after(-1);
        EXPECT_GT(after, 5);
        EXPECT_TRUE(same_bits(eb::to_host(context, fit_points(context, y, 60, 3).prototypes), wanted));
    }
    EXPECT_EQ(counting.live_bytes(), 0u);
}

// A limit that does not hold or counts what is free; an error without its figures; a context that is broken after it.
CUEBM_TEST(Memory, LimitHoldsAndTheContextWorksAfterwards) {
    auto context = backend.make(1 << 20);
    const auto keep = context.template vector<std::byte>(1 << 19);
    try {
        (void)context.template vector<std::byte>(1 << 20);
        FAIL() << "accepted";
    } catch (const eb::OutOfMemory& error) {
        EXPECT_EQ(error.asked_bytes(), std::size_t{1} << 20);
        EXPECT_EQ(error.free_bytes(), (std::size_t{1} << 20) - context.used_bytes());
        EXPECT_NE(std::string(error.what()).find("1048576"), std::string::npos) << error.what();
    }
    // What is cached gives way.
    for (const std::int64_t size : {1 << 18, 1 << 17, 3 << 17}) (void)context.template vector<std::byte>(size);
    EXPECT_LE(context.used_bytes() + context.cached_bytes(), std::size_t{1} << 20);
    const auto problem = normal_problem<T>(30, 7, 5);
    expect_canonical(solve(context, problem, Want::labels), problem, Want::labels);
}

// Sizes whose bytes overflow, or that no machine has.
CUEBM_TEST(Memory, AbsurdSizesAreOutOfMemory) {
    auto context = backend.make();
    EXPECT_THROW((void)context.template matrix<T>(std::int64_t{1} << 40, std::int64_t{1} << 40), eb::OutOfMemory);
    EXPECT_THROW((void)context.template vector<T>(std::numeric_limits<std::int64_t>::max()), eb::OutOfMemory);
    EXPECT_THROW((void)context.template vector<T>(std::int64_t{1} << 56), eb::OutOfMemory);
    EXPECT_THROW((void)context.template vector<T>(-1), eb::InvalidArgument);
    EXPECT_EQ(context.template vector<T>(0).size(), 0);
    EXPECT_EQ(context.used_bytes(), 0u);
}

// workspace_bytes() that says less than a call takes, or that counts on memory it never uses.
CUEBM_TEST(Memory, WorkspaceBytesTellsTheTruth) {
    auto context = backend.make();
    auto problem = normal_problem<T>(150, 70, 33);
    problem.beta = 1;
    const OnDevice<T> there(context, problem, Want::labels | Want::free_energies);
    const Placed<T> gradient(context, 70, 33);
    const eb::Update<T> update{
        .points = there.task().points, .labels = there.task().labels, .prototypes = gradient.view()};
    const eb::AssignGradient<T> soft{.points = there.task().points,
                                     .prototypes = there.task().prototypes,
                                     .beta = 1,
                                     .prototype_gradients = gradient.view()};
    eb::Assign<T> labels = there.task();
    labels.free_energies = {};
    const auto expect = [&](const auto& task, auto call) {
        const std::size_t bytes = eb::workspace_bytes(context, task);
        eb::Stream stream(context);
        const std::size_t before = context.used_bytes();
        call(stream, task);
        stream.wait();
        const std::size_t taken = context.used_bytes() - before;
        EXPECT_GE(taken, bytes);
        EXPECT_LE(taken, bytes + bytes / 8 + 256);  // the pool's steps
        call(stream, task);
        stream.wait();
        EXPECT_EQ(context.used_bytes() - before, taken) << "it grows though it is large enough";
    };
    const auto assign = [](eb::Stream& stream, const auto& task) { eb::assign(stream, task); };
    expect(labels, assign);
    expect(there.task(), assign);
    expect(update, [](eb::Stream& stream, const auto& task) { eb::update(stream, task); });
    expect(soft, [](eb::Stream& stream, const auto& task) { eb::assign_gradient(stream, task); });
    EXPECT_GT(eb::workspace_bytes(context, update), sizeof(std::int64_t) * 70 * 33);
    EXPECT_FALSE(eb::explain(context, labels).empty());
}

// A fit that needs the memory for its packed points, or that goes another way without it.
CUEBM_TEST(Memory, AFitWithoutRoomForPackedPointsIsTheSame) {
    if (backend.kind != eb::Device::Kind::cpu) GTEST_SKIP() << "packs no points";
    const std::int64_t n = 20000, d = 40, k = 30;
    const auto y = blobs<T>(n, d, k);
    Counting counting(backend);
    auto context = backend.make(0, counting.allocator());
    const auto fit_it = [&] {
        return eb::kmeans::fit(context, eb::view(y, n, d),
                               {.k = k, .seed = 3, .start = eb::kmeans::Start::random, .max_iterations = 5});
    };
    const auto with = fit_it();
    context = backend.make(0, counting.allocator());  // whose pool is empty
    counting.refuse_from(counting.largest());
    const bool packs = std::is_same_v<T, float> && backend.path != "direct" && backend.path != "small";
    if (!packs) return;
    const auto without = fit_it();
    EXPECT_GT(counting.failures(), 0);
    EXPECT_EQ(eb::to_host(context, with.prototypes), eb::to_host(context, without.prototypes));
    EXPECT_EQ(eb::to_host(context, with.labels), eb::to_host(context, without.labels));
    EXPECT_EQ(with.inertia, without.inertia);
}

// What only saves time takes the room of what is needed: a fit that works with less memory fails with more.
CUEBM_TEST(Memory, AFitThatHasRoomInLessHasRoomInMore) {
    if (backend.kind != eb::Device::Kind::cpu || !std::is_same_v<T, float>) GTEST_SKIP() << "packs no points";
    const std::int64_t n = 4000, d = 32, k = 64;  // needed: 0.8 to 1 MB; packed: an eighth to a half of a MB
    const auto y = blobs<T>(n, d, k);
    std::vector<T> wanted;
    for (std::size_t limit = 700'000; limit < 1'700'000; limit += 20'000) {
        SCOPED_TRACE(limit);
        const auto context = backend.make(limit);
        try {
            const auto points = context.copy(eb::view(y, n, d));
            const auto model =
                eb::kmeans::fit(context, eb::PointsView<T>(points), {.k = k, .seed = 5, .max_iterations = 5});
            const auto got = eb::to_host(context, model.prototypes);
            if (wanted.empty()) wanted = got;
            EXPECT_TRUE(same_bits(got, wanted));
        } catch (const eb::OutOfMemory& error) {
            EXPECT_TRUE(wanted.empty()) << error.what();
        }
    }
    EXPECT_FALSE(wanted.empty());
}

// A copy of the given start that goes on after the call has thrown.
CUEBM_TEST(Memory, NothingIsInFlightAfterwards) {
    if (backend.kind != eb::Device::Kind::cpu) GTEST_SKIP() << "looks at the device's memory";
    const std::int64_t k = 500, d = 20000;
    Counting counting(backend);
    const auto context = backend.make(0, counting.allocator());
    const std::vector<T> ones(static_cast<std::size_t>(k * d), T(1));
    for (int after = 1; after < 4; ++after) {  // before and behind the prototypes
        eb::Stream stream(context);
        context.trim();
        counting.fail_after(after);
        EXPECT_THROW(
            (void)eb::kmeans::fit_balanced(
                stream, eb::PointsView<T>(eb::view(ones, k, d)),
                {.k = k, .start = eb::kmeans::Start::given, .prototypes = eb::view(ones, k, d), .max_iterations = 1}),
            eb::OutOfMemory);
        counting.fail_after(-1);
        const auto twos = context.template matrix<T>(k, d);  // of the same size, so of the same place
        std::fill_n(twos.data(), k * d, T(2));
        stream.wait();
        EXPECT_EQ(std::count(twos.data(), twos.data() + k * d, T(2)), k * d) << "after " << after;
    }
}

// Half an allocator.
CUEBM_TEST(Memory, HalfAnAllocatorIsRefused) {
    EXPECT_THROW((void)backend.make(0, {.allocate = [](std::size_t) -> void* { return nullptr; }}),
                 eb::InvalidArgument);
    EXPECT_THROW((void)backend.make(0, {.release = [](void*, std::size_t) {}}), eb::InvalidArgument);
}

// Copies that mix rows and strides up, between any two sides.
CUEBM_TEST(Memory, CopiesOfStridedAndTransposedViews) {
    auto context = backend.make();
    const std::vector<T> host{1, 2, 3, 4, 5, 6};
    const auto strided = context.copy(eb::MatrixView<const T>{host.data(), 2, 2, 3, {}});
    EXPECT_EQ(eb::to_host(context, strided), (std::vector<T>{1, 2, 4, 5}));
    const auto turned = context.copy_transposed(eb::view(host, 2, 3));
    EXPECT_EQ(eb::to_host(context, turned), (std::vector<T>{1, 4, 2, 5, 3, 6}));
    const auto every_other = context.copy(eb::VectorView<const T>{host.data(), 3, 2, {}});
    EXPECT_EQ(eb::to_host(context, every_other), (std::vector<T>{1, 3, 5}));
    const auto on_device = context.copy(eb::MatrixView<T>{turned.data(), 3, 1, 2, context.device()});
    EXPECT_EQ(eb::to_host(context, on_device), (std::vector<T>{1, 2, 3}));
    eb::Stream stream(context);
    const Placed<T> target(context, 2, 2, {.pad = 2, .offset = 1});
    eb::copy(stream, eb::MatrixView<const T>{host.data() + 1, 2, 2, 3, {}}, target.view());
    stream.wait();
    EXPECT_EQ(target.host(), (std::vector<T>{2, 3, 5, 6}));
    EXPECT_THROW(eb::copy(stream, eb::view(host, 3, 2), target.view()), eb::InvalidArgument);
}
