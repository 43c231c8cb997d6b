// What the tests of cuVS's K-means try: batches of any size, fewer rows than devices (here threads), one prototype, odd
// sizes, weights of 100 to 1.
#include "support/backends.hpp"
#include "support/fitted.hpp"

namespace eb = cuebm;
using namespace cuebm::test;

CUEBM_SUITE(CuVS);

// A batch whose size or place changes labels: of one row, of the rest, of more rows than there are.
CUEBM_TEST(CuVS, BatchesOfOneAndMoreThanThereAre) {
    auto context = backend.make();
    const auto y = blobs<T>(41, 6, 5);
    const auto f = fit(context, y, 41, 6, {.k = 5});
    const auto points = context.copy(eb::view(y, 41, 6)), prototypes = context.copy(eb::view(f.prototypes, 5, 6));
    const eb::MatrixView<const T> view = points.view(), w = prototypes.view();
    for (const std::int64_t batch : {1, 40, 1000}) {
        std::vector<std::int32_t> labels;
        for (std::int64_t first = 0; first < 41; first += batch) {
            const auto part =
                eb::kmeans::predict(context, w, view.slice(first, std::min<std::int64_t>(batch, 41 - first)));
            const auto host = eb::to_host(context, part);
            labels.insert(labels.end(), host.begin(), host.end());
        }
        EXPECT_EQ(labels, f.labels);
    }
}

// A thread without rows.
CUEBM_TEST(CuVS, FewerRowsThanThreads) {
    auto context = backend.make();
    for (const std::int64_t n : {1, 2, 3}) {
        const auto y = normal<T>(n * 4, 2);
        const auto f = fit(context, y, n, 4, {.k = n});
        EXPECT_EQ(f.inertia, 0);
        EXPECT_EQ(f.empty_clusters, 0);
        EXPECT_EQ(f.status, eb::Status::converged);
        expect_belonging_together(f, y, n, 4);
    }
}

// One prototype is the mean, and its inertia the variance.
CUEBM_TEST(CuVS, OnePrototypeIsTheMean) {
    auto context = backend.make();
    const auto y = normal<T>(133 * 3, 6, 5);
    const auto f = fit(context, y, 133, 3, {.k = 1});
    const eb::reference::Matrix points(y, 133, 3);
    const std::vector<double> ones(133, 1.0);
    const auto mean =
        eb::reference::update(points, std::vector<std::int32_t>(133, 0), ones, eb::reference::Matrix(1, 3));
    EXPECT_TRUE(close_to(f.prototypes, mean.values, 16, 10));
    EXPECT_NEAR(f.inertia, eb::reference::inertia(points, mean, ones), tolerance<T>(16, f.inertia));
    EXPECT_EQ(f.iterations, 2);
}

// Sizes that divide by nothing.
CUEBM_TEST(CuVS, OddSizes) {
    auto context = backend.make();
    for (const auto& [n, k, d] : {std::tuple{131, 7, 3}, {67, 13, 5}, {97, 31, 33}}) {
        const auto y = normal<T>(n * d, 3);
        const auto f = fit(context, y, n, d, {.k = k, .seed = 9});
        expect_belonging_together(f, y, n, d);
        auto one_thread = eb::Context::cpu({.threads = 1});
        expect_same(fit(one_thread, y, n, d, {.k = k, .seed = 9}), f);
    }
}

// Light points that are lost beside heavy ones, or heavy ones that count once.
CUEBM_TEST(CuVS, WeightsOfAHundredToOne) {
    auto context = backend.make();
    const auto y = normal<T>(120 * 4, 5);
    std::vector<T> weights;
    std::vector<double> exact;
    for (int i = 0; i < 120; ++i) weights.push_back(i % 10 == 0 ? T(100) : T(1));
    exact.assign(weights.begin(), weights.end());
    const std::vector<T> start(y.begin(), y.begin() + 12);
    const auto f =
        fit(context, y, 120, 4,
            {.k = 3, .start = eb::kmeans::Start::given, .prototypes = eb::view(start, 3, 4), .tolerance = 0}, weights);
    eb::reference::Matrix w(start, 3, 4);
    for (int i = 0; i < 100; ++i) w = eb::reference::lloyd({y, 120, 4}, w, exact);
    EXPECT_TRUE(close_to(f.prototypes, w.values, 16, 5));
    EXPECT_NEAR(f.inertia, eb::reference::inertia({y, 120, 4}, w, exact), tolerance<T>(32, f.inertia));
    expect_belonging_together(f, y, 120, 4, weights);
}
