// The lecture's two uses of a model: complete() and project(), against the reference and by what they promise.
#include <cuebm/error.hpp>

#include "support/assign_problem.hpp"
#include "support/backends.hpp"
#include "support/fitted.hpp"

namespace eb = cuebm;
using namespace cuebm::test;

CUEBM_SUITE(Uses);

namespace {

template <class T>
struct Completed {
    std::vector<std::int32_t> labels;
    std::vector<T> energies, probabilities, points, mean, free_energies;
};

template <class T>
Completed<T> complete(eb::Context context, const Problem<T>& p, std::int32_t m, Layout layout = {}) {
    const Placed<T> y(context, p.points, p.n, p.d, layout), w(context, p.prototypes, p.k, p.d, layout);
    const Placed<std::uint8_t> known(context, p.known, static_cast<std::int64_t>(p.known.size()) / p.d, p.d, layout);
    const auto c = eb::kmeans::complete(
        context, eb::MatrixView<const T>(w.view()),
        eb::kmeans::Complete<T>{.points = y.view(), .known = known.view(), .candidates = m, .beta = p.beta});
    return {eb::to_host(context, c.labels), eb::to_host(context, c.energies), eb::to_host(context, c.probabilities),
            eb::to_host(context, c.points), eb::to_host(context, c.mean),     eb::to_host(context, c.free_energies)};
}

template <class T>
struct Projected {
    std::vector<T> points, energies;
    int iterations;
    eb::Status status;
};

template <class T>
Projected<T> project(eb::Context context, const Problem<T>& p, int max_iterations, double tolerance) {
    const Placed<T> y(context, p.points, p.n, p.d), w(context, p.prototypes, p.k, p.d);
    const auto result = eb::kmeans::project(
        context, eb::MatrixView<const T>(w.view()),
        eb::kmeans::Project<T>{
            .points = y.view(), .beta = p.beta, .max_iterations = max_iterations, .tolerance = tolerance});
    EXPECT_TRUE(same_bits(y.host(), p.points));
    return {eb::to_host(context, result.points), eb::to_host(context, result.energies), result.iterations,
            result.status};
}

}  // namespace

// Candidates of another order, probabilities that are not those of exp(-beta E), a known coordinate that is changed, a
// hidden one that leaks, a mean that is not weighted; at the edges of tiles and with either form of mask.
CUEBM_TEST(Uses, CompleteGivesASetOfPredictions) {
    const auto context = backend.make();
    for (const auto& [n, k, d] : {std::tuple{1, 1, 1}, {65, 31, 17}, {33, 70, 5}, {17, 3, 64}, {130, 32, 4}})
        for (const bool one_row : {true, false}) {
            SCOPED_TRACE(testing::Message() << "n " << n << ", k " << k << ", d " << d << ", one row " << one_row);
            auto p = normal_problem<T>(n, k, d);
            p.beta = 1.5 / d;
            for (std::int64_t i = 0; i < (one_row ? 1 : n); ++i)
                for (std::int64_t j = 0; j < d; ++j) p.known.push_back((i + j) % 3 != 0);
            const eb::reference::Matrix y(p.points, n, d), w(p.prototypes, k, d);
            for (std::int64_t i = 0; i < n; ++i)
                for (std::int64_t j = 0; j < d; ++j)
                    if (!eb::reference::is_known(p.known, d, one_row ? 0 : i, j))
                        p.points[static_cast<std::size_t>(i * d + j)] = static_cast<T>(NAN);
            const std::int32_t m = std::min(k, 32);
            const auto got = complete(context, p, m, one_row ? Layout{} : Layout{.pad = 3, .offset = 1});

            auto visible = p;
            visible.points.assign(y.values.begin(), y.values.end());
            const unsigned want = Want::best | Want::free_energies;
            auto one_thread = eb::Context::cpu({.threads = 1});
            const auto inference = solve(one_thread, visible, want, m);
            EXPECT_TRUE(same_bits(got.labels, inference.best_labels));
            EXPECT_TRUE(same_bits(got.energies, inference.best_energies));
            EXPECT_TRUE(same_bits(got.free_energies, inference.free_energies));
            const auto there = complete(one_thread, p, m);
            EXPECT_TRUE(same_bits(got.probabilities, there.probabilities));
            EXPECT_TRUE(same_bits(got.mean, there.mean));

            const auto exact = eb::reference::energies(y, w, p.known);
            const auto probabilities = eb::reference::probabilities(exact, p.beta);
            const auto mean = eb::reference::mean(probabilities, w);
            const double steps = (d / 16.0 + 8) * 16 + k;
            for (std::int64_t i = 0; i < n; ++i) {
                const auto row = static_cast<std::size_t>(i);
                double sum = 0;
                for (std::int32_t c = 0; c < m; ++c) {
                    const auto at = static_cast<std::size_t>(i * m + c);
                    EXPECT_NEAR(static_cast<double>(got.probabilities[at]), probabilities(i, got.labels[at]),
                                tolerance<T>(steps, 1));
                    sum += static_cast<double>(got.probabilities[at]);
                    for (std::int64_t j = 0; j < d; ++j) {
                        const bool known = eb::reference::is_known(p.known, d, one_row ? 0 : i, j);
                        const auto value = static_cast<T>(known ? y(i, j) : w(got.labels[at], j));
                        EXPECT_EQ(got.points[at * static_cast<std::size_t>(d) + static_cast<std::size_t>(j)], value);
                    }
                }
                if (k == m) {
                    EXPECT_NEAR(sum, 1, tolerance<T>(steps, 1));
                }
                for (std::int64_t j = 0; j < d; ++j) {
                    const T value = got.mean[row * static_cast<std::size_t>(d) + static_cast<std::size_t>(j)];
                    if (eb::reference::is_known(p.known, d, one_row ? 0 : i, j))
                        EXPECT_EQ(static_cast<double>(value), y(i, j));
                    else
                        EXPECT_NEAR(static_cast<double>(value), mean(i, j), tolerance<T>(steps, 5));
                }
            }
        }
}

// By hand: two candidates of equal first coordinate, and a third far away.
CUEBM_TEST(Uses, CompleteByHand) {
    const auto context = backend.make();
    const Problem<T> p{.n = 1,
                       .k = 3,
                       .d = 2,
                       .points = {static_cast<T>(0.25), static_cast<T>(NAN)},
                       .prototypes = {0, 5, 1, -5, 9, 9},
                       .known = {1, 0},
                       .beta = 2};
    const auto got = complete(context, p, 2);
    const double a = std::exp(-2 * 0.0625), b = std::exp(-2 * 0.5625), c = std::exp(-2 * 76.5625), z = a + b + c;
    EXPECT_EQ(got.labels, (std::vector<std::int32_t>{0, 1}));
    EXPECT_EQ(got.points, (std::vector<T>{static_cast<T>(0.25), 5, static_cast<T>(0.25), -5}));
    EXPECT_TRUE(close_to(got.probabilities, {a / z, b / z}, 8, 1));
    EXPECT_TRUE(close_to(got.mean, {0.25, (5 * a - 5 * b + 9 * c) / z}, 8, 5));
    EXPECT_TRUE(close_to(got.free_energies, {-std::log(z) / 2}, 8, 1));
}

// Probabilities of a far point: two equal prototypes have half each.
CUEBM_TEST(Uses, CompleteFromFarAway) {
    const auto context = backend.make();
    const Problem<T> p{
        .n = 1, .k = 2, .d = 2, .points = {4000, 0}, .prototypes = {0, 5, 0, -5}, .known = {1, 0}, .beta = 1};
    const auto got = complete(context, p, 2);
    EXPECT_TRUE(close_to(got.probabilities, {0.5, 0.5}, 8, 1));
    EXPECT_TRUE(close_to(got.mean, {4000, 0}, 8, 1));
}

// Another prototype than the nearest, or an energy that is not 0 on a prototype.
CUEBM_TEST(Uses, ProjectAtZeroTemperatureIsTheNearestPrototype) {
    const auto context = backend.make();
    for (const auto& [n, k, d] : {std::tuple{1, 1, 1}, {65, 33, 17}, {130, 5, 64}}) {
        const auto p = normal_problem<T>(n, k, d);
        const auto got = project(context, p, 1000, 1e-6);
        const auto labels =
            eb::reference::lowest(eb::reference::canonical_energies(p.points, p.prototypes, n, k, d), k, 1);
        std::vector<T> nearest;
        for (const auto label : labels)
            nearest.insert(nearest.end(), p.prototypes.begin() + label * d, p.prototypes.begin() + (label + 1) * d);
        EXPECT_TRUE(same_bits(got.points, nearest));
        EXPECT_TRUE(same_bits(got.energies, std::vector<T>(static_cast<std::size_t>(n), T(0))));
        EXPECT_EQ(got.iterations, 0);
        EXPECT_EQ(got.status, eb::Status::converged);
    }
}

// A step that raises F_beta, is not that of mean shift, or differs between backends; a limit that is not kept or told.
CUEBM_TEST(Uses, ProjectNeverRaisesTheFreeEnergy) {
    const auto context = backend.make();
    for (const double beta : {0.3, 2.0}) {
        auto p = normal_problem<T>(70, 20, 3);
        p.beta = beta;
        const eb::reference::Matrix w(p.prototypes, 20, 3);
        eb::reference::Matrix y(p.points, 70, 3);
        const auto energies_at = [&] { return eb::reference::free_energies(eb::reference::energies(y, w), beta); };
        auto before = energies_at();
        const auto one_thread = eb::Context::cpu({.threads = 1});
        for (int iterations = 1; iterations <= 6; ++iterations) {
            const auto got = project(context, p, iterations, 0);
            y = eb::reference::project(y, w, beta);
            EXPECT_TRUE(close_to(got.points, y.values, 300, 4));
            const auto now = energies_at();
            for (std::size_t i = 0; i < now.size(); ++i) {
                EXPECT_LE(now[i], before[i] + 1e-12);
                EXPECT_NEAR(static_cast<double>(got.energies[i]), now[i], tolerance<T>(300, 1 + std::abs(now[i])));
            }
            before = now;
            EXPECT_EQ(got.iterations, iterations);
            EXPECT_EQ(got.status, eb::Status::iteration_limit);
            const auto there = project(one_thread, p, iterations, 0);
            EXPECT_TRUE(same_bits(got.points, there.points));
            EXPECT_TRUE(same_bits(got.energies, there.energies));
        }
    }
}

// A descent that stops where the gradient is not 0.
CUEBM_TEST(Uses, ProjectEndsAtAStationaryPoint) {
    const auto context = backend.make();
    auto p = normal_problem<T>(70, 20, 3);
    p.beta = 3;
    const bool is_float = sizeof(T) == sizeof(float);
    const auto got = project(context, p, 5000, is_float ? 1e-6 : 1e-10);
    EXPECT_EQ(got.status, eb::Status::converged);
    EXPECT_GT(got.iterations, 3);
    const auto gradient = eb::reference::point_gradients({got.points, 70, 3}, {p.prototypes, 20, 3},
                                                         std::vector<double>(70, 1.0), p.beta);
    for (const double value : gradient.values) EXPECT_NEAR(value, 0, is_float ? 1e-4 : 1e-8);
}

// Norms whose squares overflow: then no step was small enough, or any was.
CUEBM_TEST(Uses, ProjectAmongHugePrototypes) {
    if (sizeof(T) == sizeof(float)) GTEST_SKIP() << "squares of floats fit in double";
    const auto context = backend.make();
    const auto ended = [&](double size, double tolerance) {
        Problem<T> p;
        const double unit = size * 0x1p-50;
        p.n = 2, p.k = 3, p.d = 1;
        p.points = {static_cast<T>(size + 3 * unit), static_cast<T>(size + 5 * unit)};
        p.prototypes = {static_cast<T>(size), static_cast<T>(size + unit), static_cast<T>(size + 7 * unit)};
        p.beta = 0.02 / (unit * unit);
        const auto got = project(context, p, 1000, tolerance);
        EXPECT_EQ(got.status, eb::Status::converged);
        std::vector<double> places;
        for (const T point : got.points) places.push_back((static_cast<double>(point) - size) / unit);
        return std::tuple(got.iterations, places);
    };
    for (const double tolerance : {0.0, 1e-16}) EXPECT_EQ(ended(0x1p531, tolerance), ended(0x1p331, tolerance));
}

// A model that was never fitted, called a matrix of no rows; a model's prototypes that are not taken.
CUEBM_TEST(Uses, TakeAModel) {
    auto context = backend.make();
    const auto y = context.copy(eb::view(normal<T>(30 * 2, 1), 30, 2));
    const auto model = eb::kmeans::fit(context, y.view(), eb::kmeans::FitOptions<T>{.k = 3, .seed = 1});
    EXPECT_EQ(eb::to_host(context, eb::kmeans::predict(context, model, y)), eb::to_host(context, model.labels));
    eb::Stream stream(context);
    const auto nearest = eb::kmeans::project(stream, model, {.points = y});
    const auto energies = eb::kmeans::transform(stream, model, nearest.points);
    stream.wait();
    EXPECT_TRUE(same_bits(eb::to_host(context, nearest.energies), std::vector<T>(30, T(0))));
    EXPECT_EQ(energies.cols(), 3);
    const eb::kmeans::Model<T> none{};
    try {
        (void)eb::kmeans::predict(context, none, y);
        ADD_FAILURE() << "accepted";
    } catch (const eb::InvalidArgument& error) {
        EXPECT_EQ(error.argument(), "model");
    }
}
