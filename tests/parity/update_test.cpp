// update(): exact fixed-point sums, the same bits whatever the order, the threads and the device.
#include <numeric>
#include <tuple>

#include <cuebm/error.hpp>
#include <cuebm/kmeans.hpp>

#include "support/assign_problem.hpp"
#include "support/backends.hpp"

namespace eb = cuebm;
using namespace cuebm::test;

CUEBM_SUITE(Update);
CUEBM_CPU_SUITE(LargeUpdate);

namespace {

template <class T>
struct Clusters {
    std::int64_t n = 0, k = 0, d = 0;
    std::vector<T> points{};
    std::vector<std::int32_t> labels{};
    std::vector<T> weights{};
    std::vector<T> prototypes{};
};

template <class T>
struct Means {
    std::vector<T> prototypes;
    std::vector<double> weights;
};

template <class T>
Means<T> means(eb::Context context, const Clusters<T>& c, Layout layout = {}) {
    const Placed<T> y(context, c.points, c.n, c.d, layout), w(context, c.prototypes, c.k, c.d, layout),
        weights(context, c.weights, static_cast<std::int64_t>(c.weights.size()), 1, layout);
    const Placed<std::int32_t> labels(context, c.labels, c.n, 1, layout);
    const Placed<double> cluster_weights(context, c.k, 1, layout);
    eb::Update<T> task{.points = y.view(),
                       .labels = labels.vector(),
                       .prototypes = w.view(),
                       .cluster_weights = cluster_weights.vector()};
    if (!c.weights.empty()) task.weights = weights.vector();
    eb::update(context, task);
    EXPECT_TRUE(same_bits(y.host(), c.points));
    EXPECT_TRUE(same_bits(labels.host(), c.labels));
    return {w.host(), cluster_weights.host()};
}

// Points with pseudo-random labels; prototype 0 owns none where there are several.
template <class T>
Clusters<T> clusters(std::int64_t n, std::int64_t k, std::int64_t d, bool weighted) {
    Clusters<T> c{.n = n, .k = k, .d = d, .points = normal<T>(n * d, 1), .prototypes = normal<T>(k * d, 2)};
    std::mt19937 generator(3);
    for (std::int64_t i = 0; i < n; ++i)
        c.labels.push_back(k == 1 ? 0 : static_cast<std::int32_t>(1 + generator() % static_cast<unsigned>(k - 1)));
    for (std::int64_t i = 0; weighted && i < n; ++i)
        c.weights.push_back(i % 7 == 0 ? T(0) : static_cast<T>(100 + generator() % 1000) / 100);
    return c;
}

template <class T>
void expect_means(const eb::Context& context, const Clusters<T>& c, Layout layout = {}) {
    const auto got = means(context, c, layout);
    const auto one_thread = means(eb::Context::cpu({.threads = 1}), c);
    EXPECT_TRUE(same_bits(got.prototypes, one_thread.prototypes));
    EXPECT_TRUE(same_bits(got.weights, one_thread.weights));
    std::vector<double> weights(static_cast<std::size_t>(c.n), 1.0), totals(static_cast<std::size_t>(c.k));
    if (!c.weights.empty()) weights.assign(c.weights.begin(), c.weights.end());
    for (std::size_t i = 0; i < weights.size(); ++i) totals[static_cast<std::size_t>(c.labels[i])] += weights[i];
    const auto wanted = eb::reference::update({c.points, c.n, c.d}, c.labels, weights, {c.prototypes, c.k, c.d});
    // Sums are off by n roundings at 2^-(62 - log2 n) of the largest, which is nothing; what counts is one rounding to
    // T, and in double those of the reference.
    EXPECT_TRUE(close_to(got.prototypes, wanted.values, sizeof(T) == sizeof(float) ? 1 : 64, 5));
    EXPECT_TRUE(close_to(got.weights, totals, 64, *std::max_element(totals.begin(), totals.end())));
}

}  // namespace

// A cluster's sum that misses a block, a weight left out of a sum or a count, an empty prototype that is lost.
CUEBM_TEST(Update, OfEveryShape) {
    const auto context = backend.make();
    for (const auto& [n, k, d] :
         {std::tuple{1, 1, 1}, {17, 15, 16}, {100, 33, 31}, {65, 2, 64}, {130, 129, 3}, {33, 4, 1000}, {200, 16, 17}})
        for (const bool weighted : {false, true}) {
            SCOPED_TRACE(testing::Message() << "n " << n << ", k " << k << ", d " << d << ", weighted " << weighted);
            const auto c = clusters<T>(n, k, d, weighted);
            expect_means(context, c);
            expect_means(context, c, {.pad = 3, .offset = 1});
        }
}
// On a GPU: columns in two slices, and several blocks of rows with copies of the sums.
CUEBM_TEST(Update, OfManyRows) {
    const auto context = backend.make();
    for (const auto& [n, k, d] : {std::tuple{1000, 200, 120}, {5000, 4, 3}}) {
        const auto c = clusters<T>(n, k, d, true);
        expect_means(context, c);
        expect_means(context, c, {.pad = 3, .offset = 1});
    }
}
CUEBM_TEST(LargeUpdate, OfEveryShape) {
    const auto context = backend.make();
    for (const auto& [n, k, d] : {std::tuple{5000, 7, 3}, {1000, 1000, 33}, {3000, 100, 200}})
        expect_means(context, clusters<T>(n, k, d, true));
}

// Rounding anywhere: sums of integers are exact, so means are the quotients of exact integers, rounded once to double
// and once to T.
CUEBM_TEST(Update, OfIntegersIsExact) {
    auto context = backend.make();
    Clusters<T> c = clusters<T>(190, 5, 7, false);
    std::mt19937 generator(9);
    for (auto& value : c.points) value = static_cast<T>(static_cast<int>(generator() % (1u << 24)) - (1 << 23));
    for (std::int64_t i = 0; i < c.n; ++i) c.weights.push_back(static_cast<T>(generator() % 1000));
    std::vector<__int128> sums(static_cast<std::size_t>(c.k * c.d)), counts(static_cast<std::size_t>(c.k));
    for (std::size_t i = 0; i < c.labels.size(); ++i) {
        const auto z = static_cast<std::size_t>(c.labels[i]), d = static_cast<std::size_t>(c.d);
        counts[z] += static_cast<std::int64_t>(c.weights[i]);
        for (std::size_t j = 0; j < d; ++j)
            sums[z * d + j] += static_cast<__int128>(c.weights[i]) * static_cast<std::int64_t>(c.points[i * d + j]);
    }
    auto wanted = c.prototypes;
    for (std::size_t j = 0; j < wanted.size(); ++j) {
        const auto count = counts[j / static_cast<std::size_t>(c.d)];
        if (count > 0) wanted[j] = static_cast<T>(static_cast<double>(sums[j]) / static_cast<double>(count));
    }
    EXPECT_TRUE(same_bits(means(context, c).prototypes, wanted));
}

// A sum in floating point, whose bits depend on the order of the points.
CUEBM_TEST(Update, OfPermutedPointsHasTheSameBits) {
    const auto context = backend.make();
    const auto c = clusters<T>(200, 9, 19, true);
    const auto first = means(context, c);
    std::vector<std::size_t> order(200);
    std::iota(order.begin(), order.end(), 0);
    for (unsigned seed = 1; seed <= 3; ++seed) {
        std::shuffle(order.begin(), order.end(), std::mt19937(seed));
        auto permuted = c;
        for (std::size_t i = 0; i < order.size(); ++i) {
            permuted.labels[i] = c.labels[order[i]];
            permuted.weights[i] = c.weights[order[i]];
            for (std::size_t j = 0; j < 19; ++j) permuted.points[i * 19 + j] = c.points[order[i] * 19 + j];
        }
        const auto got = means(context, permuted);
        EXPECT_TRUE(same_bits(got.prototypes, first.prototypes));
        EXPECT_TRUE(same_bits(got.weights, first.weights));
    }
}

// One scale for all features, in which a small one loses its bits beside a large one; a scale that overflows.
CUEBM_TEST(Update, OfFeaturesOfVeryDifferentSize) {
    const auto context = backend.make();
    const bool is_float = sizeof(T) == sizeof(float);
    const double sizes[] = {is_float ? 1e-30 : 1e-280, 1e-6, 1.0, 1e6, is_float ? 1e30 : 1e280, 0.0};
    auto c = clusters<T>(100, 3, 6, false);
    for (std::size_t i = 0; i < c.points.size(); ++i)
        c.points[i] = static_cast<T>(static_cast<double>(c.points[i]) * sizes[i % 6]);
    const auto got = means(context, c);
    const auto wanted =
        eb::reference::update({c.points, 100, 6}, c.labels, std::vector<double>(100, 1.0), {c.prototypes, 3, 6});
    for (std::int64_t z = 1; z < 3; ++z)
        for (std::int64_t j = 0; j < 6; ++j)
            EXPECT_NEAR(static_cast<double>(got.prototypes[static_cast<std::size_t>(z * 6 + j)]), wanted(z, j),
                        tolerance<T>(16, sizes[j]))
                << j;
}

// Incremental sums that drift from those computed anew: fit() against Lloyd's iteration by hand, bit for bit.
CUEBM_TEST(Update, ByHandGivesTheFit) {
    auto context = backend.make();
    const std::int64_t n = 190, k = 5, d = 6;
    const auto y = normal<T>(n * d, 7);
    const std::vector<T> start(y.begin(), y.begin() + k * d);
    for (const bool weighted : {false, true}) {
        std::vector<T> weights;
        for (std::int64_t i = 0; weighted && i < n; ++i) weights.push_back(static_cast<T>(1 + i % 3) / 3);
        const Placed<T> points(context, y, n, d), prototypes(context, start, k, d),
            weight(context, weights, static_cast<std::int64_t>(weights.size()), 1);
        const Placed<std::int32_t> labels(context, n, 1);
        const Placed<T> energies(context, n, 1);
        const Placed<double> cluster_weights(context, k, 1);
        eb::VectorView<const T> weight_view{};
        if (weighted) weight_view = weight.vector();
        int iterations = 0;
        for (std::vector<std::int32_t> old;; ++iterations) {
            eb::assign(context, eb::Assign<T>{.points = points.view(),
                                              .prototypes = prototypes.view(),
                                              .labels = labels.vector(),
                                              .energies = energies.vector()});
            const auto now = labels.host();
            if (now == old) break;
            old = now;
            eb::update(context, eb::Update<T>{.points = points.view(),
                                              .labels = labels.vector(),
                                              .weights = weight_view,
                                              .prototypes = prototypes.view(),
                                              .cluster_weights = cluster_weights.vector()});
            const auto owned = cluster_weights.host();
            ASSERT_GT(*std::min_element(owned.begin(), owned.end()), 0) << "no relocation is meant here";
        }
        ASSERT_GT(iterations, 3) << "too easy to show a drift";
        const auto model = eb::kmeans::fit(context, eb::MatrixView<const T>(points.view()),
                                           {.k = k,
                                            .start = eb::kmeans::Start::given,
                                            .prototypes = eb::view(start, k, d),
                                            .weights = weight_view,
                                            .tolerance = 0});
        EXPECT_EQ(model.iterations, iterations + 1);  // the one that sees no label move
        EXPECT_TRUE(same_bits(eb::to_host(context, model.prototypes), prototypes.host()));
        EXPECT_TRUE(same_bits(eb::to_host(context, model.labels), labels.host()));
        EXPECT_TRUE(same_bits(eb::to_host(context, model.energies), energies.host()));
    }
}
