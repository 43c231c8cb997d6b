// kmeans::fit() by the cosine: spherical K-means, against its obvious loop in double, and bit for bit on every backend.
#include <algorithm>

#include <cuebm/error.hpp>

#include "support/backends.hpp"
#include "support/fitted.hpp"

namespace eb = cuebm;
using namespace cuebm::test;
using eb::Metric;
using eb::kmeans::Start;

CUEBM_SUITE(Spherical);

namespace {

// n points about k directions, of lengths from 1 to 5.
template <class T>
std::vector<T> directions(std::int64_t n, std::int64_t d, std::int64_t k) {
    auto values = normal<T>(n * d, 3, 0, 0.3);
    const auto at = normal<T>(k * d, 4, 0, 1);
    for (std::int64_t i = 0; i < n; ++i)
        for (std::int64_t j = 0; j < d; ++j) {
            auto& value = values[static_cast<std::size_t>(i * d + j)];
            value = (value + at[static_cast<std::size_t>(i % k * d + j)]) * static_cast<T>(1 + i % 5);
        }
    return values;
}

double length(const double* row, std::int64_t d) {
    double sum = 0;
    for (std::int64_t j = 0; j < d; ++j) sum += row[j] * row[j];
    return std::sqrt(sum);
}

void to_unit(eb::reference::Matrix& m) {
    for (std::int64_t i = 0; i < m.rows; ++i) {
        const double by = length(&m.values[static_cast<std::size_t>(i * m.cols)], m.cols);
        for (std::int64_t j = 0; j < m.cols && by > 0; ++j) m(i, j) /= by;
    }
}

}  // namespace

// A prototype that is not brought back to unit length, or normalised before its mean; an objective that is not halved,
// or is that of the means; a length of the points that acts as a weight.
CUEBM_TEST(Spherical, IterationsInDouble) {
    auto context = backend.make();
    const std::int64_t n = 90, d = 6, k = 4;
    const auto y = directions<T>(n, d, k);
    const std::vector<T> start(y.begin(), y.begin() + k * d);
    std::vector<T> weights;
    for (std::int64_t i = 0; i < n; ++i) weights.push_back(static_cast<T>(1 + i % 3));
    eb::reference::Matrix unit(y, n, d), w(start, k, d);
    to_unit(unit);
    to_unit(w);
    const std::vector<double> all(weights.begin(), weights.end());
    for (int iterations = 1; iterations <= 3; ++iterations) {
        w = eb::reference::lloyd(unit, w, all);
        to_unit(w);
        const auto f = fit(context, y, n, d,
                           {.k = k,
                            .start = Start::given,
                            .prototypes = eb::view(start, k, d),
                            .max_iterations = iterations,
                            .tolerance = 0,
                            .metric = Metric::cosine},
                           weights);
        EXPECT_TRUE(close_to(f.prototypes, w.values, 100, 1));
        const double inertia = eb::reference::inertia(unit, w, all) / 2;
        EXPECT_NEAR(f.inertia, inertia, tolerance<T>(100, 2 * static_cast<double>(n)));
        double sum = 0;
        for (std::size_t i = 0; i < f.energies.size(); ++i) sum += all[i] * static_cast<double>(f.energies[i]);
        EXPECT_NEAR(f.inertia, sum, 1e-9 * sum);
    }
}

// An iteration that raises the objective; labels and energies of other prototypes than those returned; bits that
// depend on the backend, or on lengths that are powers of two.
CUEBM_TEST(Spherical, FallsAndHasTheSameBits) {
    auto context = backend.make();
    const std::int64_t n = 150, d = 9, k = 5;
    const auto y = directions<T>(n, d, 8);
    std::vector<double> objective;
    eb::kmeans::FitOptions<T> options{.k = k, .seed = 2, .n_init = 2, .tolerance = 0, .metric = Metric::cosine};
    options.progress = [&](const eb::kmeans::Progress& p) {
        if (p.start == 0) objective.push_back(p.inertia);
    };
    const auto f = fit(context, y, n, d, options);
    EXPECT_EQ(f.status, eb::Status::converged);
    ASSERT_GE(objective.size(), 3u);
    for (std::size_t i = 1; i < objective.size(); ++i)
        EXPECT_LE(objective[i], objective[i - 1] + tolerance<T>(10, static_cast<double>(n)));
    for (std::int64_t z = 0; z < k; ++z) {
        const std::vector<double> row(f.prototypes.begin() + z * d, f.prototypes.begin() + (z + 1) * d);
        EXPECT_NEAR(length(row.data(), d), 1, tolerance<T>(4, 1));
    }
    const auto points = context.copy(eb::view(y, n, d)), w = context.copy(eb::view(f.prototypes, k, d));
    const auto labels = context.template vector<std::int32_t>(n);
    const auto energies = context.template vector<T>(n);
    eb::assign(context,
               {.points = points, .prototypes = w, .labels = labels, .energies = energies, .metric = Metric::cosine});
    EXPECT_TRUE(same_bits(eb::to_host(context, labels), f.labels));
    EXPECT_TRUE(same_bits(eb::to_host(context, energies), f.energies));

    options.progress = {};
    auto one_thread = eb::Context::cpu({.threads = 1});
    auto longer = y;
    for (std::int64_t i = 0; i < n * d; ++i) longer[static_cast<std::size_t>(i)] *= i / d % 2 == 0 ? T(1024) : T(0.25);
    expect_same(fit(one_thread, longer, n, d, options), f);
}

// A tolerance that is held against moves of means that are not of unit length, or against the variance of the points as
// they came.
CUEBM_TEST(Spherical, Tolerance) {
    auto context = backend.make();
    const std::int64_t n = 120, d = 4, k = 4;
    const auto y = directions<T>(n, d, 7);
    const std::vector<T> start(y.begin(), y.begin() + k * d);
    eb::reference::Matrix unit(y, n, d), w(start, k, d);
    to_unit(unit);
    to_unit(w);
    double variance = 0;
    for (std::int64_t j = 0; j < d; ++j) {
        double sum = 0, squares = 0;
        for (std::int64_t i = 0; i < n; ++i) sum += unit(i, j), squares += unit(i, j) * unit(i, j);
        variance += (squares - sum * sum / static_cast<double>(n)) / static_cast<double>(n * d);
    }
    const double limit = 0.1 * variance;
    int iterations = 0;
    for (double moves = eb::infinity; moves > limit; ++iterations) {
        const auto before = w;
        w = eb::reference::lloyd(unit, w, std::vector<double>(n, 1));
        to_unit(w);
        moves = 0;
        for (std::size_t u = 0; u < w.values.size(); ++u) moves += std::pow(w.values[u] - before.values[u], 2);
        ASSERT_GT(std::abs(moves - limit), 1e-3 * limit);  // else the case is no test
    }
    EXPECT_GT(iterations, 2);
    const eb::kmeans::FitOptions<T> options{
        .k = k, .start = Start::given, .prototypes = eb::view(start, k, d), .tolerance = 0.1, .metric = Metric::cosine};
    const auto f = fit(context, y, n, d, options);
    EXPECT_EQ(f.iterations, iterations);
    EXPECT_TRUE(close_to(f.prototypes, w.values, 200, 1));
}

// A mean of length zero that becomes NaN or zero.
CUEBM_TEST(Spherical, AMeanWithoutLength) {
    auto context = backend.make();
    const std::vector<T> y{3, 0, -5, 0}, start{0, 2};
    const auto f = fit(context, y, 2, 2,
                       {.k = 1, .start = Start::given, .prototypes = eb::view(start, 1, 2), .metric = Metric::cosine});
    EXPECT_EQ(f.prototypes, (std::vector<T>{0, 1}));
    EXPECT_EQ(f.inertia, 2.0);
    EXPECT_EQ(f.status, eb::Status::converged);
}

// Bad rows that become NaN without a word; a model that other energies take for theirs.
CUEBM_TEST(Spherical, WhatIsRefused) {
    auto context = backend.make();
    auto y = directions<T>(30, 3, 3);
    const auto good = context.copy(eb::view(y, 30, 3));
    const auto model = eb::kmeans::fit(context, eb::MatrixView<const T>(good),
                                       eb::kmeans::FitOptions<T>{.k = 3, .metric = Metric::cosine});
    EXPECT_TRUE(
        same_bits(eb::to_host(context, eb::kmeans::predict(context, model, good)), eb::to_host(context, model.labels)));
    EXPECT_THROW((void)eb::kmeans::project(context, model, {.points = good}), eb::InvalidArgument);
    EXPECT_THROW((void)eb::kmeans::fit(context, eb::MatrixView<const T>(good),
                                       eb::kmeans::FitOptions<T>{.k = 3, .metric = Metric::inner_product}),
                 eb::InvalidArgument);
    const std::vector<T> start{1, 0, 0, 0, 0, 0};
    try {
        (void)eb::kmeans::fit(
            context, eb::MatrixView<const T>(good),
            {.k = 2, .start = Start::given, .prototypes = eb::view(start, 2, 3), .metric = Metric::cosine});
        FAIL() << "no error";
    } catch (const eb::DataError& error) {
        EXPECT_EQ(error.argument(), "prototypes");
        EXPECT_EQ(error.row(), 1);
        EXPECT_NE(error.problem().find("zeros"), std::string::npos) << error.problem();
    }
    std::fill_n(y.begin() + 7 * 3, 3, T(0));
    try {
        (void)fit<T>(context, y, 30, 3, {.k = 3, .metric = Metric::cosine});
        FAIL() << "no error";
    } catch (const eb::DataError& error) {
        EXPECT_EQ(error.row(), 7);
        EXPECT_NE(error.problem().find("zeros"), std::string::npos);
    }
}
