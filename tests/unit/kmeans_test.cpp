// K-means against scikit-learn's published expectations, invariants, and bad input.
#include <cmath>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include <cuebm/cuebm.hpp>

namespace eb = cuebm;

namespace {

std::vector<float> blobs(int n, int d, int centres) {
    std::mt19937 generator(5);
    std::normal_distribution<float> noise;
    std::vector<float> y;
    for (int i = 0; i < n; ++i)
        for (int j = 0; j < d; ++j)
            y.push_back(noise(generator) + 10.0f * static_cast<float>((i % centres) * (j + 1) % 7));
    return y;
}

}  // namespace

// Wrong weighting of means or inertia, or an iteration counted twice: scikit-learn's test_kmeans_results.
TEST(KMeans, kmeans_results) {
    auto context = eb::Context::cpu();
    const std::vector<double> y{0, 0, 0.5, 0, 0.5, 1, 1, 1}, start{0, 0, 1, 1}, weights{3, 1, 1, 3};
    const auto model = eb::kmeans::fit(
        context, eb::view(y, 4, 2),
        {.k = 2, .start = eb::kmeans::Start::given, .prototypes = eb::view(start, 2, 2), .weights = eb::view(weights)});
    EXPECT_EQ(eb::to_host(context, model.labels), (std::vector<std::int32_t>{0, 0, 1, 1}));
    EXPECT_DOUBLE_EQ(model.inertia, 0.375);
    EXPECT_EQ(eb::to_host(context, model.prototypes), (std::vector<double>{0.125, 0, 0.875, 1}));
    EXPECT_EQ(model.iterations, 2);
    EXPECT_EQ(model.status, eb::Status::converged);
    EXPECT_EQ(start, (std::vector<double>{0, 0, 1, 1}));  // centers_not_mutated
}

// Empty clusters lost, or given to the wrong points: scikit-learn's test_relocate_empty_clusters.
TEST(KMeans, relocate_empty_clusters) {
    auto context = eb::Context::cpu();
    const std::vector<float> y{-10, -9.5f, -9, -8.5f, -8, -1, 1, 9, 9.5f, 10}, start{-10, -10, -10};
    std::vector<float> prototypes{-10, -10, -10};
    const std::vector<std::int32_t> relocated{0, 0, 0, 0, 0, 0, 0, 0, 2, 1};
    eb::update(context, eb::Update<float>{.points = eb::view(y, 10, 1),
                                          .labels = eb::view(relocated),
                                          .prototypes = eb::view(prototypes, 3, 1)});
    EXPECT_EQ(prototypes, (std::vector<float>{-4.5f, 10, 9.5f}));
    const auto model = eb::kmeans::fit(
        context, eb::view(y, 10, 1),
        {.k = 3, .start = eb::kmeans::Start::given, .prototypes = eb::view(start, 3, 1), .max_iterations = 1});
    EXPECT_EQ(eb::to_host(context, model.prototypes), prototypes);
    EXPECT_EQ(model.empty_clusters, 0);
}

// A sum whose order depends on the threads: result_equal_in_diff_n_threads, bit for bit; and the prediction agrees.
TEST(KMeans, result_equal_in_diff_n_threads) {
    const auto y = blobs(3000, 37, 9);
    std::vector<float> first;
    for (const int threads : {1, 2, 5}) {
        auto context = eb::Context::cpu({.threads = threads});
        const auto model = eb::kmeans::fit(context, eb::view(y, 3000, 37), {.k = 9, .seed = 3});
        const auto prototypes = eb::to_host(context, model.prototypes);
        if (first.empty()) first = prototypes;
        EXPECT_EQ(prototypes, first);
        const auto labels = eb::kmeans::predict(context, model.prototypes, eb::view(y, 3000, 37));
        EXPECT_EQ(eb::to_host(context, labels), eb::to_host(context, model.labels));
        EXPECT_LT(model.inertia, 1.1 * 3000 * 37);  // nine separated blobs of unit variance are found
    }
}

// Weights that act otherwise than repetition: scikit-learn's test_weighted_vs_repeated.
TEST(KMeans, weighted_vs_repeated) {
    auto context = eb::Context::cpu();
    const auto y = blobs(60, 3, 4);
    std::vector<float> weights, repeated;
    for (std::size_t i = 0; i < 60; ++i) {
        weights.push_back(static_cast<float>(1 + i % 4));
        for (std::size_t c = 0; c <= i % 4; ++c) repeated.insert(repeated.end(), &y[i * 3], &y[i * 3] + 3);
    }
    const auto n = static_cast<std::int64_t>(repeated.size() / 3);
    const auto start = std::vector<float>(y.begin(), y.begin() + 12);
    const auto given = eb::kmeans::Start::given;
    const auto a = eb::kmeans::fit(
        context, eb::view(y, 60, 3),
        {.k = 4, .start = given, .prototypes = eb::view(start, 4, 3), .weights = eb::view(weights), .tolerance = 0});
    const auto b = eb::kmeans::fit(context, eb::view(repeated, n, 3),
                                   {.k = 4, .start = given, .prototypes = eb::view(start, 4, 3), .tolerance = 0});
    const auto left = eb::to_host(context, a.prototypes), right = eb::to_host(context, b.prototypes);
    for (std::size_t j = 0; j < left.size(); ++j) EXPECT_NEAR(left[j], right[j], 1e-5f * (1 + std::abs(right[j])));
    EXPECT_NEAR(a.inertia, b.inertia, 1e-5 * b.inertia);
}

// Endless relocation, a crash, or silence when there are fewer distinct points than k; one point; one dimension.
TEST(KMeans, DuplicatesOfEveryPoint) {
    auto context = eb::Context::cpu();
    const std::vector<float> same(10, 2.0f), one{7};
    const auto model = eb::kmeans::fit(context, eb::view(same, 10, 1), {.k = 3});
    EXPECT_EQ(model.status, eb::Status::too_few_distinct);
    EXPECT_EQ(model.empty_clusters, 2);
    EXPECT_EQ(model.inertia, 0);
    EXPECT_EQ(eb::to_host(context, eb::kmeans::fit(context, eb::view(one, 1, 1), {.k = 1}).prototypes), one);
}

// A cancelled fit whose labels belong to other prototypes.
TEST(KMeans, CancelledHalfWayBelongsTogether) {
    auto context = eb::Context::cpu();
    const auto y = blobs(2000, 5, 7);
    std::stop_source stop;
    const auto model = eb::kmeans::fit(context, eb::view(y, 2000, 5),
                                       {.k = 40,
                                        .start = eb::kmeans::Start::random,
                                        .tolerance = 0,
                                        .progress =
                                            [&](const eb::kmeans::Progress& p) {
                                                if (p.iteration == 2) stop.request_stop();
                                            },
                                        .cancel = stop.get_token()});
    EXPECT_EQ(model.status, eb::Status::cancelled);
    EXPECT_EQ(model.iterations, 2);
    const auto labels = eb::kmeans::predict(context, model.prototypes, eb::view(y, 2000, 5));
    EXPECT_EQ(eb::to_host(context, labels), eb::to_host(context, model.labels));
}

// Each is refused by name.
TEST(KMeans, BadInput) {
    auto context = eb::Context::cpu();
    const auto y = blobs(10, 2, 2);
    const std::vector<float> zero(10, 0.0f), negative(10, -1.0f);
    const auto refused = [&](const eb::kmeans::FitOptions<float>& options) -> std::string {
        try {
            (void)eb::kmeans::fit(context, eb::view(y, 10, 2), options);
        } catch (const eb::InvalidArgument& error) {
            return error.argument();
        } catch (const eb::DataError& error) {
            return error.argument();
        }
        return "accepted";
    };
    EXPECT_EQ(refused({.k = 0}), "k");
    EXPECT_EQ(refused({.k = 11}), "k");
    EXPECT_EQ(refused({.k = 2, .weights = eb::view(zero)}), "weights");
    EXPECT_EQ(refused({.k = 2, .weights = eb::view(negative)}), "weights");
    EXPECT_EQ(refused({.k = 2, .n_init = 0}), "n_init");
    EXPECT_EQ(refused({.k = 2, .max_iterations = 0}), "max_iterations");
    EXPECT_EQ(refused({.k = 2, .tolerance = -1}), "tolerance");
    EXPECT_EQ(refused({.k = 2, .start = eb::kmeans::Start::given}), "prototypes");
    EXPECT_EQ(refused({.k = 10, .n_init = 2}), "accepted");
}

// Wrong candidates, probabilities that are not those of exp(-beta E), hidden values that leak, a wrong mean.
TEST(KMeans, CompleteGivesASetOfPredictions) {
    auto context = eb::Context::cpu();
    const std::vector<double> w{0, 5, 1, -5, 9, 9}, values{0.25, NAN};
    const std::vector<std::uint8_t> known{1, 0};
    const auto prototypes = context.copy(eb::view(w, 3, 2));
    const auto set = eb::kmeans::complete(
        context, prototypes,
        {.points = eb::view(values, 1, 2), .known = eb::view(known, 1, 2), .candidates = 2, .beta = 2});
    const double a = std::exp(-2 * 0.0625), b = std::exp(-2 * 0.5625), c = std::exp(-2 * 76.5625), z = a + b + c;
    EXPECT_EQ(eb::to_host(context, set.labels), (std::vector<std::int32_t>{0, 1}));
    EXPECT_EQ(eb::to_host(context, set.points), (std::vector<double>{0.25, 5, 0.25, -5}));
    const auto probabilities = eb::to_host(context, set.probabilities), mean = eb::to_host(context, set.mean);
    EXPECT_NEAR(probabilities[0], a / z, 1e-14);
    EXPECT_NEAR(probabilities[1], b / z, 1e-14);
    EXPECT_EQ(mean[0], 0.25);
    EXPECT_NEAR(mean[1], (5 * a - 5 * b + 9 * c) / z, 1e-13);
    EXPECT_THROW(
        (void)eb::kmeans::complete(context, prototypes,
                                   {.points = eb::view(values, 1, 2), .known = eb::view(known, 1, 2), .candidates = 4}),
        eb::InvalidArgument);
    EXPECT_THROW((void)eb::kmeans::complete(context, prototypes, {.points = eb::view(values, 1, 2), .known = {}}),
                 eb::InvalidArgument);
}
