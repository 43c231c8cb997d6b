// The K-means tests of scikit-learn's test_k_means.py, by their names there, on every backend.
#include <numeric>

#include <cuebm/error.hpp>

#include "support/backends.hpp"
#include "support/fitted.hpp"

namespace eb = cuebm;
using namespace cuebm::test;
using eb::kmeans::Start;

CUEBM_SUITE(ScikitLearn);

namespace {

// 100 points in 5 dimensions about three centres that are neither centred nor dense.
constexpr std::int64_t n = 100, k = 3, d = 5;
template <class T>
std::vector<T> centres() {
    return {0, 5, 0, 0, 0, 1, 1, 4, 0, 0, 1, 0, 0, 5, 1};
}
template <class T>
std::vector<T> points() {
    auto y = normal<T>(n * d, 42);
    const auto c = centres<T>();
    for (std::size_t i = 0; i < y.size(); ++i) y[i] += c[i / d % k * d + i % d];
    return y;
}

template <class T>
eb::kmeans::FitOptions<T> given(const std::vector<T>& start, std::int64_t count, std::int64_t cols) {
    return {.k = count, .start = Start::given, .prototypes = eb::view(start, count, cols)};
}

template <class T>
void expect_near(const std::vector<T>& got, const std::vector<T>& wanted, double relative) {
    ASSERT_EQ(got.size(), wanted.size());
    for (std::size_t j = 0; j < got.size(); ++j)
        EXPECT_NEAR(static_cast<double>(got[j]), static_cast<double>(wanted[j]),
                    relative * (1 + std::abs(static_cast<double>(wanted[j]))));
}

}  // namespace

// Wrong weighting of means or of the inertia, an iteration counted twice. Computed by hand there.
CUEBM_TEST(ScikitLearn, kmeans_results) {
    auto context = backend.make();
    const std::vector<T> y{0, 0, 0.5, 0, 0.5, 1, 1, 1}, start{0, 0, 1, 1}, weights{3, 1, 1, 3};
    const auto f = fit(context, y, 4, 2, given(start, 2, 2), weights);
    EXPECT_EQ(f.labels, (std::vector<std::int32_t>{0, 0, 1, 1}));
    EXPECT_DOUBLE_EQ(f.inertia, 0.375);
    EXPECT_EQ(f.prototypes, (std::vector<T>{0.125, 0, 0.875, 1}));
    EXPECT_EQ(f.iterations, 2);
    EXPECT_EQ(f.status, eb::Status::converged);
}

// A cluster that is empty after the first inference, and stays so. The tie of the farthest points goes to the lower
// row.
CUEBM_TEST(ScikitLearn, kmeans_relocated_clusters) {
    auto context = backend.make();
    const std::vector<T> y{0, 0, 0.5, 0, 0.5, 1, 1, 1}, start{0.5, 0.5, 3, 3};
    const auto f = fit(context, y, 4, 2, given(start, 2, 2));
    EXPECT_DOUBLE_EQ(f.inertia, 0.25);
    EXPECT_EQ(f.iterations, 3);
    EXPECT_EQ(f.labels, (std::vector<std::int32_t>{1, 1, 0, 0}));
    EXPECT_EQ(f.prototypes, (std::vector<T>{0.75, 1, 0.25, 0}));
}

// Empty clusters that get the wrong points, or points that stay in the sums of their old cluster.
CUEBM_TEST(ScikitLearn, relocate_empty_clusters) {
    auto context = backend.make();
    const std::vector<T> y{-10, -9.5, -9, -8.5, -8, -1, 1, 9, 9.5, 10}, start{-10, -10, -10};
    auto options = given(start, 3, 1);
    options.max_iterations = 1;
    const auto f = fit(context, y, 10, 1, options);
    EXPECT_EQ(f.prototypes, (std::vector<T>{-4.5, 10, 9.5}));  // eight points of sum -36, and the two farthest
    EXPECT_EQ(f.empty_clusters, 0);
    EXPECT_EQ(f.status, eb::Status::iteration_limit);
}

// A cluster's only point, the farthest of all, is moved to an empty one, and so its own is empty.
CUEBM_TEST(ScikitLearn, relocation_keeps_single_points) {
    auto context = backend.make();
    const std::vector<T> y{0, 1, 100}, start{60, 0, 1e6};
    const auto f = fit(context, y, 3, 1, given(start, 3, 1));
    EXPECT_EQ(f.inertia, 0);
    EXPECT_EQ(f.empty_clusters, 0);
    EXPECT_EQ(f.prototypes, (std::vector<T>{100, 0, 1}));
    EXPECT_EQ(f.status, eb::Status::converged);
}

// A tolerance relative to a variance that overflows, which ended a fit after one iteration. The same points a power of
// two smaller take as many as they want.
TEST(ScikitLearnDouble, variance_overflows) {
    auto context = eb::Context::cpu();
    const double large = 0x1p508, small = 1;
    std::vector<int> iterations;
    for (const double scale : {large, small}) {
        auto y = normal<double>(300, 5);
        for (double& value : y) value *= scale;
        const std::vector<double> start(y.begin(), y.begin() + 4);
        auto options = given(start, 4, 1);
        options.tolerance = 1e-4;
        const auto f = fit(context, y, 300, 1, options);
        EXPECT_EQ(f.status, eb::Status::converged);
        iterations.push_back(f.iterations);
    }
    EXPECT_GE(iterations[0], iterations[1]);
    EXPECT_GT(iterations[1], 2);
}

// Relocation that forgets the weights.
CUEBM_TEST(ScikitLearn, kmeans_empty_cluster_relocated) {
    auto context = backend.make();
    const std::vector<T> y{-1, 1}, start{-1, 10}, weights{static_cast<T>(1.9), static_cast<T>(0.1)};
    const auto f = fit(context, y, 2, 1, given(start, 2, 1), weights);
    EXPECT_EQ(f.prototypes, (std::vector<T>{-1, 1}));
    EXPECT_EQ(f.labels, (std::vector<std::int32_t>{0, 1}));
}

// Weights that act otherwise than repetition.
CUEBM_TEST(ScikitLearn, weighted_vs_repeated) {
    auto context = backend.make();
    const auto y = points<T>(), start = centres<T>();
    std::vector<T> weights, repeated;
    std::vector<std::int32_t> repeated_labels;
    std::vector<std::size_t> rows;
    for (std::size_t i = 0; i < n; ++i) {
        weights.push_back(static_cast<T>(1 + i * 7 % 4));
        for (std::size_t c = 0; c <= i * 7 % 4; ++c) {
            repeated.insert(repeated.end(), &y[i * d], &y[i * d] + d);
            rows.push_back(i);
        }
    }
    const auto a = fit(context, y, n, d, given(start, k, d), weights);
    const auto b = fit(context, repeated, static_cast<std::int64_t>(rows.size()), d, given(start, k, d));
    for (const auto row : rows) repeated_labels.push_back(a.labels[row]);
    EXPECT_EQ(b.labels, repeated_labels);
    EXPECT_NEAR(a.inertia, b.inertia, 1e-6 * b.inertia);
    expect_near(a.prototypes, b.prototypes, 1e-6);
}

// A weight of 1 that is not nothing.
CUEBM_TEST(ScikitLearn, unit_weights) {
    auto context = backend.make();
    const auto y = points<T>();
    const std::vector<T> ones(n, T(1));
    for (const auto start : {Start::plus_plus, Start::random})
        expect_same(fit(context, y, n, d, {.k = k, .seed = 4, .start = start}, ones),
                    fit(context, y, n, d, {.k = k, .seed = 4, .start = start}));
}

// Weights whose scale matters. Halving is exact, so the bits are those of the whole weights.
CUEBM_TEST(ScikitLearn, scaled_weights) {
    auto context = backend.make();
    const auto y = points<T>();
    std::vector<T> weights, halves;
    for (int i = 0; i < n; ++i) weights.push_back(static_cast<T>(1 + i % 9)), halves.push_back(weights.back() / 2);
    const auto whole = fit(context, y, n, d, {.k = k, .seed = 4}, weights);
    const auto half = fit(context, y, n, d, {.k = k, .seed = 4}, halves);
    EXPECT_TRUE(same_bits(half.prototypes, whole.prototypes));
    EXPECT_EQ(half.labels, whole.labels);
    EXPECT_EQ(half.inertia, whole.inertia / 2);
}

// Starts that are all the same, or of which not the best is kept.
CUEBM_TEST(ScikitLearn, n_init) {
    auto context = backend.make();
    const auto y = points<T>();
    double previous = INFINITY;
    std::set<double> seen;
    for (const int n_init : {1, 5, 10}) {
        const auto f =
            fit(context, y, n, d, {.k = 8, .seed = 3, .start = Start::random, .n_init = n_init, .max_iterations = 1});
        EXPECT_LE(f.inertia, previous);
        previous = f.inertia;
        seen.insert(f.inertia);
        expect_belonging_together(f, y, n, d);
    }
    EXPECT_GT(seen.size(), 1u);
}

// Labels of the fit that are those of other prototypes.
CUEBM_TEST(ScikitLearn, predict) {
    auto context = backend.make();
    const auto y = blobs<T>(190, 10, 10);
    for (const int max_iterations : {2, 100}) {
        const auto device = context.copy(eb::view(y, 190, 10));
        const eb::MatrixView<const T> view = device.view();
        const auto model = eb::kmeans::fit(
            context, view, {.k = 10, .seed = 1, .start = Start::random, .max_iterations = max_iterations});
        const eb::MatrixView<const T> prototypes = model.prototypes.view();
        const auto labels = eb::to_host(context, model.labels);
        EXPECT_EQ(eb::to_host(context, eb::kmeans::predict(context, prototypes, view)), labels);
        std::vector<std::int32_t> order(10);
        std::iota(order.begin(), order.end(), 0);
        EXPECT_EQ(eb::to_host(context, eb::kmeans::predict(context, prototypes, prototypes)), order);
    }
}

// A second fit that differs from the first, converged or not.
CUEBM_TEST(ScikitLearn, fit_predict) {
    auto context = backend.make();
    const auto y = blobs<T>(190, 10, 10);
    std::uint64_t seed = 0;
    for (const auto& [max_iterations, tolerance] : {std::pair{2, 1e-7}, {2, 1e-1}, {300, 1e-7}, {300, 1e-1}}) {
        const eb::kmeans::FitOptions<T> options{
            .k = 10, .seed = seed++, .max_iterations = max_iterations, .tolerance = tolerance};
        const auto first = fit(context, y, 190, 10, options), second = fit(context, y, 190, 10, options);
        expect_same(second, first);
        expect_belonging_together(first, y, 190, 10);
    }
}

// A distance that is not the energy; a diagonal that is not 0.
CUEBM_TEST(ScikitLearn, transform) {
    auto context = backend.make();
    const auto y = points<T>();
    const auto f = fit(context, y, n, d, {.k = k});
    const auto prototypes = context.copy(eb::view(f.prototypes, k, d)), device = context.copy(eb::view(y, n, d));
    const eb::MatrixView<const T> w = prototypes.view(), v = device.view();
    EXPECT_TRUE(same_bits(eb::to_host(context, eb::kmeans::transform(context, w, v)),
                          eb::reference::canonical_energies(y, f.prototypes, n, k, d)));
    const auto between = eb::to_host(context, eb::kmeans::transform(context, w, w));
    for (std::size_t z = 0; z < k; ++z) EXPECT_EQ(between[z * k + z], T(0));
}

// Sums whose order depends on the threads: here bit for bit, and on this backend as with one thread of the CPU.
CUEBM_TEST(ScikitLearn, result_equal_in_diff_n_threads) {
    auto context = backend.make();
    const auto y = normal<T>(150 * 10, 8);
    for (const int threads : {1, 2, 5}) {
        auto other = eb::Context::cpu({.threads = threads});
        for (const auto start : {Start::plus_plus, Start::random})
            expect_same(fit(context, y, 150, 10, {.k = 6, .seed = 2, .start = start}),
                        fit(other, y, 150, 10, {.k = 6, .seed = 2, .start = start}));
    }
}

// A start that is written over, on the host or on the device.
CUEBM_TEST(ScikitLearn, centers_not_mutated) {
    auto context = backend.make();
    const auto y = points<T>(), wanted = centres<T>();
    const auto start = wanted;
    const auto on_host = fit(context, y, n, d, given(start, k, d));
    EXPECT_TRUE(same_bits(start, wanted));
    const auto device = context.copy(eb::view(start, k, d));
    auto options = given(start, k, d);
    options.prototypes = device.view();
    expect_same(fit(context, y, n, d, options), on_host);
    EXPECT_TRUE(same_bits(eb::to_host(context, device), wanted));
    EXPECT_NE(on_host.prototypes, wanted);
}

// Column-major data read as rows, a stride that is lost on the way.
CUEBM_TEST(ScikitLearn, fortran_ordered_and_strided_input) {
    auto context = backend.make();
    const auto y = points<T>();
    std::vector<T> fortran(y.size());
    for (std::size_t i = 0; i < n; ++i)
        for (std::size_t j = 0; j < d; ++j) fortran[j * n + i] = y[i * d + j];
    const auto wanted = fit(context, y, n, d, {.k = k, .seed = 6});
    const auto turned = context.copy_transposed(eb::view(fortran, d, n));
    const auto model = eb::kmeans::fit(context, eb::MatrixView<const T>(turned.view()), {.k = k, .seed = 6});
    EXPECT_TRUE(same_bits(eb::to_host(context, model.prototypes), wanted.prototypes));
    EXPECT_EQ(eb::to_host(context, model.labels), wanted.labels);
    std::vector<T> weights(n, T(1));
    expect_same(fit(context, y, n, d, {.k = k, .seed = 6}, weights, {.pad = 3, .offset = 1}), wanted);
}

// Float that goes another way than double.
CUEBM_TEST(ScikitLearn, float_precision) {
    auto context = backend.make();
    const auto y = points<float>();
    const std::vector<double> same(y.begin(), y.end());
    const auto a = fit(context, y, n, d, {.k = 8, .seed = 1});
    const auto b = fit(context, same, n, d, {.k = 8, .seed = 1});
    EXPECT_NEAR(a.inertia, b.inertia, 1e-4 * b.inertia);
    EXPECT_EQ(a.labels, b.labels);
    expect_near(std::vector<double>(a.prototypes.begin(), a.prototypes.end()), b.prototypes, 1e-4);
}

// A local optimum that a second fit leaves.
CUEBM_TEST(ScikitLearn, kmeans_init_fitted_centers) {
    auto context = backend.make();
    const auto y = points<T>();
    const auto first = fit(context, y, n, d, {.k = k, .tolerance = 0});
    const auto second = fit(context, y, n, d, given(first.prototypes, k, d));
    EXPECT_TRUE(same_bits(second.prototypes, first.prototypes));
    EXPECT_EQ(second.iterations, 1);
}

// More iterations that give a worse inertia.
CUEBM_TEST(ScikitLearn, score_max_iter) {
    auto context = backend.make();
    const auto y = normal<T>(100 * 10, 3);
    double previous = INFINITY;
    for (const int max_iterations : {1, 2, 4}) {
        const auto f =
            fit(context, y, 100, 10,
                {.k = 8, .seed = 5, .start = Start::random, .max_iterations = max_iterations, .tolerance = 0});
        EXPECT_LT(f.inertia, previous);
        EXPECT_EQ(f.iterations, max_iterations);
        previous = f.inertia;
    }
}

// A tolerance that is not relative to the variance of the data, or stops one step late; labels of the prototypes before
// the last step. The obvious loops say when to stop.
CUEBM_TEST(ScikitLearn, tolerance_is_relative_to_the_variance) {
    auto context = backend.make();
    const std::int64_t rows = 190, cols = 4, count = 9;
    const auto y = normal<T>(rows * cols, 8, 100, 3);
    const eb::reference::Matrix exact(y, rows, cols);
    const std::vector<double> ones(static_cast<std::size_t>(rows), 1.0);
    const std::vector<std::int32_t> one_cluster(static_cast<std::size_t>(rows), 0);
    const auto mean = eb::reference::update(exact, one_cluster, ones, eb::reference::Matrix(1, cols));
    const double variance = eb::reference::inertia(exact, mean, ones) / static_cast<double>(rows * cols);
    const std::vector<T> start(y.begin(), y.begin() + count * cols);
    std::set<int> seen;
    for (const double tolerance : {1.0, 0.1, 0.01}) {
        eb::reference::Matrix w(start, count, cols);
        int iterations = 0;
        for (double shift = INFINITY; shift > tolerance * variance; ++iterations) {
            const auto next = eb::reference::lloyd(exact, w, ones);
            shift = 0;
            for (std::size_t j = 0; j < w.values.size(); ++j) shift += std::pow(next.values[j] - w.values[j], 2);
            w = next;
        }
        auto options = given(start, count, cols);
        options.tolerance = tolerance;
        const auto f = fit(context, y, rows, cols, options);
        EXPECT_EQ(f.iterations, iterations);
        EXPECT_EQ(f.status, eb::Status::converged);
        EXPECT_TRUE(close_to(f.prototypes, w.values, 16, 120));
        expect_belonging_together(f, y, rows, cols);
        seen.insert(iterations);
    }
    EXPECT_EQ(seen.size(), 3u) << "too easy";
}

// One iteration against the obvious loops: inference, means, inference.
CUEBM_TEST(ScikitLearn, k_means_1_iteration) {
    auto context = backend.make();
    const auto y = normal<T>(100 * 5, 3);
    const std::vector<T> start(y.begin(), y.begin() + 25);
    auto options = given(start, 5, 5);
    options.max_iterations = 1;
    const auto f = fit(context, y, 100, 5, options);
    const auto wanted = eb::reference::lloyd({y, 100, 5}, {start, 5, 5}, std::vector<double>(100, 1.0));
    EXPECT_TRUE(close_to(f.prototypes, wanted.values, 16, 5));
    expect_belonging_together(f, y, 100, 5);
}

// Silence when there are fewer distinct points than prototypes.
CUEBM_TEST(ScikitLearn, kmeans_warns_less_centers_than_unique_points) {
    auto context = backend.make();
    const std::vector<T> y{0, 0, 0, 1, 1, 0, 1, 0};
    for (const auto start : {Start::plus_plus, Start::random}) {
        const auto f = fit(context, y, 4, 2, {.k = 4, .start = start});
        EXPECT_EQ(f.status, eb::Status::too_few_distinct);
        EXPECT_EQ(f.empty_clusters, 1);
        EXPECT_EQ(f.inertia, 0);
        EXPECT_EQ((std::set<std::int32_t>(f.labels.begin(), f.labels.end()).size()), 3u);
    }
}
