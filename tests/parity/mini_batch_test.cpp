// kmeans::partial_fit(): the rule of the running mean, in double; invariances; how near it comes to Lloyd's iteration.
#include <algorithm>

#include <cuebm/error.hpp>
#include <cuebm/kmeans_mini_batch.hpp>

#include "support/backends.hpp"
#include "support/fitted.hpp"

namespace eb = cuebm;
using namespace cuebm::test;
using eb::kmeans::MiniBatch;
using eb::kmeans::partial_fit;

CUEBM_SUITE(MiniBatches);

namespace {

template <class T>
MiniBatch<T> state_of(const eb::Context& context, const std::vector<T>& w, std::int64_t k, std::int64_t d,
                      const std::vector<double>& weights) {
    return {.prototypes = context.copy(eb::view(w, k, d)), .weights = context.copy(eb::view(weights))};
}

template <class T>
void take(const eb::Context& context, MiniBatch<T>& state, const std::vector<T>& y, std::int64_t n, std::int64_t d,
          const eb::kmeans::MiniBatchOptions& options = {}, const std::vector<T>& weights = {}) {
    const Placed<T> points(context, y, n, d, {.pad = 2, .offset = 1});
    const Placed<T> weight(context, weights, static_cast<std::int64_t>(weights.size()), 1, {.pad = 1});
    eb::VectorView<const T> view;
    if (!weights.empty()) view = weight.vector();
    partial_fit(context, state, eb::MatrixView<const T>(points.view()), options, view);
}

}  // namespace

// A prototype that starts with weight where it has none, so that the first chunk is no mean.
CUEBM_TEST(MiniBatches, OneChunkIsTheMean) {
    auto context = backend.make();
    const std::int64_t n = 80, d = 5, k = 4;
    const auto y = blobs<T>(n, d, k);
    const std::vector<T> start(y.begin(), y.begin() + k * d);
    auto state = state_of(context, start, k, d, std::vector<double>(k));
    take(context, state, y, n, d);
    const auto f =
        fit(context, y, n, d,
            {.k = k, .start = eb::kmeans::Start::given, .prototypes = eb::view(start, k, d), .max_iterations = 1});
    EXPECT_TRUE(same_bits(eb::to_host(context, state.prototypes), f.prototypes));
    EXPECT_EQ(eb::to_host(context, state.weights), std::vector<double>(k, 20));
    EXPECT_EQ(state.steps, 1);
}

// A learning rate other than weight / all weight so far; a weight that is forgotten; a prototype that moves without
// points; an inertia of the prototypes after the chunk. Chunks from one row on.
CUEBM_TEST(MiniBatches, RunningMeansInDouble) {
    auto context = backend.make();
    const std::int64_t d = 3, k = 3;
    const std::vector<T> start{-9, 0, 0, 9, 0, 0, 0, 1000, 0};
    std::vector<double> w(start.begin(), start.end()), seen{2, 0, 5};
    auto state = state_of(context, start, k, d, seen);
    unsigned seed = 10;
    for (const std::int64_t n : {1, 7, 64, 2}) {
        auto y = normal<T>(n * d, ++seed);
        std::vector<T> weights;
        std::vector<double> sums(k * d), added(k);
        double inertia = 0;
        for (std::int64_t i = 0; i < n; ++i) {
            weights.push_back(static_cast<T>(i % 4 + 1) / 2);
            y[static_cast<std::size_t>(i * d)] += i % 2 == 0 ? T(-9) : T(9);
            const double weight = static_cast<double>(weights.back());
            const std::size_t z = i % 2 == 0 ? 0 : 1;
            added[z] += weight;
            for (std::size_t j = 0; j < d; ++j) {
                const double value = static_cast<double>(y[static_cast<std::size_t>(i * d) + j]);
                sums[z * d + j] += weight * value;
                inertia += weight * (value - w[z * d + j]) * (value - w[z * d + j]);
            }
        }
        for (std::size_t z = 0; z < k; ++z)
            for (std::size_t j = 0; j < d && added[z] > 0; ++j)
                w[z * d + j] = (seen[z] * w[z * d + j] + sums[z * d + j]) / (seen[z] + added[z]);
        for (std::size_t z = 0; z < k; ++z) seen[z] += added[z];
        take(context, state, y, n, d, {}, weights);
        EXPECT_TRUE(close_to(eb::to_host(context, state.prototypes), w, 16, 1000));
        EXPECT_EQ(eb::to_host(context, state.weights), seen);
        EXPECT_NEAR(state.inertia, inertia, tolerance<T>(100, inertia));
    }
    EXPECT_EQ(state.steps, 4);
}

// Sums that depend on the order of rows or on the backend.
CUEBM_TEST(MiniBatches, OrderWithinAChunk) {
    const auto context = backend.make();
    const std::int64_t n = 200, d = 17, k = 5;
    const auto y = normal<T>(n * d, 3), start = normal<T>(k * d, 4);
    const auto run = [&](const eb::Context& c, bool reversed) {
        auto state = state_of(c, start, k, d, std::vector<double>(k));
        for (std::int64_t first = 0; first < n; first += 50) {
            std::vector<T> chunk(y.begin() + first * d, y.begin() + (first + 50) * d);
            if (reversed)
                for (std::int64_t i = 0; i < 50; ++i)
                    std::copy_n(y.begin() + (first + i) * d, d, chunk.begin() + (49 - i) * d);
            take(c, state, chunk, 50, d);
        }
        return std::pair(eb::to_host(c, state.prototypes), eb::to_host(c, state.weights));
    };
    const auto wanted = run(eb::Context::cpu({.threads = 1}), false);
    for (const bool reversed : {false, true}) {
        const auto got = run(context, reversed);
        EXPECT_TRUE(same_bits(got.first, wanted.first));
        EXPECT_TRUE(same_bits(got.second, wanted.second));
    }
}

// scikit-learn's test of that name: as many prototypes as points, and each of them is seen.
CUEBM_TEST(MiniBatches, minibatch_kmeans_partial_fit_int_data) {
    auto context = backend.make();
    MiniBatch<T> state;
    take(context, state, std::vector<T>{-1, 1}, 2, 1, {.k = 2});
    EXPECT_EQ(eb::to_host(context, state.weights), (std::vector<double>{1, 1}));
    EXPECT_EQ(state.inertia, 0);
}

// A start that is not k-means++, or not of the seed; steps that do not converge. On blobs that are apart one pass of
// chunks ends within 1% of the inertia of Lloyd's iteration to convergence.
CUEBM_TEST(MiniBatches, NearLloyd) {
    auto context = backend.make();
    const std::int64_t n = 600, d = 4, k = 5, chunk = 60;
    const auto y = blobs<T>(n, d, k);
    MiniBatch<T> state;
    for (std::int64_t first = 0; first < n; first += chunk)
        take(context, state, std::vector<T>(y.begin() + first * d, y.begin() + (first + chunk) * d), chunk, d,
             {.k = k, .seed = 1});
    const auto points = context.copy(eb::view(y, n, d));
    const auto energies = eb::to_host(context, eb::kmeans::transform(context, state.prototypes, points));
    double inertia = 0;
    for (std::int64_t i = 0; i < n; ++i)
        inertia += static_cast<double>(*std::min_element(energies.begin() + i * k, energies.begin() + (i + 1) * k));
    const auto lloyd = fit(context, y, n, d, {.k = k, .seed = 1, .n_init = 3});
    EXPECT_LE(inertia, 1.01 * lloyd.inertia);
    double all = 0;
    for (const double weight : eb::to_host(context, state.weights)) all += weight;
    EXPECT_EQ(all, n);
}

// Weights whose product with a prototype overflows, and is written as infinity.
CUEBM_TEST(MiniBatches, HeavyStatesAreRefused) {
    const auto context = backend.make();
    const std::vector<T> y{1, 2, 3};
    for (const double seen : {1e150, 1.1e150}) {
        auto state = state_of(context, std::vector<T>{2}, 1, 1, {seen});
        if (seen <= 1e150) {
            take(context, state, y, 3, 1);
            EXPECT_EQ(eb::to_host(context, state.prototypes), std::vector<T>{2});
            continue;
        }
        try {
            take(context, state, y, 3, 1);
            FAIL() << "no error";
        } catch (const eb::DataError& error) {
            EXPECT_EQ(error.argument(), "state.weights");
        }
    }
    MiniBatch<T> state;
    state.weights = context.template vector<double>(3);
    EXPECT_THROW(take(context, state, y, 3, 1, {.k = 1}), eb::InvalidArgument);
}

// A state that is half changed when the data are bad, and errors that do not say what to do.
CUEBM_TEST(MiniBatches, BadInputLeavesTheState) {
    auto context = backend.make();
    const std::int64_t n = 20, d = 2;
    auto y = blobs<T>(n, d, 2);
    MiniBatch<T> state;
    try {
        take(context, state, std::vector<T>(y.begin(), y.begin() + 2 * d), 2, d, {.k = 3});
        FAIL() << "no error";
    } catch (const eb::InvalidArgument& error) {
        EXPECT_EQ(error.argument(), "points");
        EXPECT_NE(std::string(error.what()).find("join chunks"), std::string::npos);
    }
    take(context, state, y, n, d, {.k = 2});
    const auto w = eb::to_host(context, state.prototypes);
    const auto weights = eb::to_host(context, state.weights);
    const auto expect_as_before = [&] {
        EXPECT_TRUE(same_bits(eb::to_host(context, state.prototypes), w));
        EXPECT_TRUE(same_bits(eb::to_host(context, state.weights), weights));
        EXPECT_EQ(state.steps, 1);
    };
    auto bad = y;
    bad[9] = std::numeric_limits<T>::quiet_NaN();
    try {
        take(context, state, bad, n, d);
        FAIL() << "no error";
    } catch (const eb::DataError& error) {
        EXPECT_EQ(error.row(), 4);
    }
    expect_as_before();
    bad[9] = std::sqrt(std::numeric_limits<T>::max()) * 2;  // found when the new prototypes have been enqueued
    try {
        take(context, state, bad, n, d);
        FAIL() << "no error";
    } catch (const eb::DataError& error) {
        EXPECT_EQ(error.row(), 4);
        EXPECT_NE(error.problem().find("overflow"), std::string::npos);
    }
    expect_as_before();
    std::vector<T> negative(n, 1);
    negative[3] = -1;
    EXPECT_THROW(take(context, state, y, n, d, {}, negative), eb::DataError);
    expect_as_before();
    EXPECT_THROW(take(context, state, y, n / 2, 2 * d), eb::InvalidArgument);
    EXPECT_THROW(take(context, state, y, 0, d), eb::InvalidArgument);
    expect_as_before();
    MiniBatch<T> empty;
    EXPECT_THROW(take(context, empty, y, n, d, {.k = 2}, std::vector<T>(n, 0)), eb::InvalidArgument);
    EXPECT_EQ(empty.steps, 0);
    for (const double seen : {-1.0, static_cast<double>(NAN), eb::infinity}) {
        const std::vector<double> own{1, seen};
        state.weights = context.copy(eb::view(own));
        try {
            take(context, state, y, n, d);
            FAIL() << "no error";
        } catch (const eb::DataError& error) {
            EXPECT_EQ(error.argument(), "state.weights");
            EXPECT_EQ(error.row(), 1);
        }
        EXPECT_TRUE(same_bits(eb::to_host(context, state.prototypes), w));
    }
}
