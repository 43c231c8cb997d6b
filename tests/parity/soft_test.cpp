// kmeans::fit_soft(): EM in double, its limit, annealing, and the same bits on every backend.
#include <algorithm>

#include <cuebm/error.hpp>
#include <cuebm/kmeans_soft.hpp>

#include "support/backends.hpp"
#include "support/fitted.hpp"

namespace eb = cuebm;
using namespace cuebm::test;
using eb::kmeans::SoftOptions;
using eb::kmeans::Start;

CUEBM_SUITE(SoftFit);

namespace {

template <class T>
struct Got {
    std::vector<T> prototypes, free_energies;
    std::vector<double> weights;
    double objective = 0;
    int iterations = 0;
    eb::Status status = eb::Status::converged;
};

template <class T>
Got<T> fit_soft(const eb::Context& context, const std::vector<T>& y, std::int64_t n, std::int64_t d,
                SoftOptions<T> options, const std::vector<T>& weights = {}) {
    const Placed<T> points(context, y, n, d, {.pad = 1, .offset = 1});
    const Placed<T> weight(context, weights, static_cast<std::int64_t>(weights.size()), 1);
    if (!weights.empty()) options.weights = weight.vector();
    const auto m = eb::kmeans::fit_soft(context, eb::MatrixView<const T>(points.view()), options);
    EXPECT_TRUE(same_bits(points.host(), y));
    return {eb::to_host(context, m.prototypes),
            eb::to_host(context, m.free_energies),
            eb::to_host(context, m.weights),
            m.objective,
            m.iterations,
            m.status};
}

template <class T>
SoftOptions<T> given(const std::vector<T>& start, std::int64_t k, std::int64_t d, double beta) {
    return {.k = k, .start = Start::given, .prototypes = eb::view(start, k, d), .beta = beta, .tolerance = 0};
}

}  // namespace

// Probabilities of other prototypes, weights that are left out, free energies of the prototypes before the update.
CUEBM_TEST(SoftFit, IterationsInDouble) {
    const auto context = backend.make();
    const std::int64_t n = 50, d = 3, k = 4;
    const auto y = normal<T>(n * d, 1), start = normal<T>(k * d, 2);
    std::vector<T> weights;
    for (std::int64_t i = 0; i < n; ++i) weights.push_back(static_cast<T>(i % 3));
    const eb::reference::Matrix points(y, n, d);
    eb::reference::Matrix w(start, k, d);
    const double beta = 0.8;
    for (int iterations = 1; iterations <= 3; ++iterations) {
        const auto p = eb::reference::probabilities(eb::reference::energies(points, w), beta);
        for (std::int64_t z = 0; z < k; ++z)
            for (std::int64_t j = 0; j < d; ++j) {
                double sum = 0, all = 0;
                for (std::int64_t i = 0; i < n; ++i) {
                    const double share = static_cast<double>(i % 3) * p(i, z);
                    sum += share * points(i, j);
                    all += share;
                }
                w(z, j) = sum / all;
            }
        auto options = given(start, k, d, beta);
        options.max_iterations = iterations;
        const auto got = fit_soft(context, y, n, d, options, weights);
        EXPECT_EQ(got.iterations, iterations);
        EXPECT_EQ(got.status, eb::Status::iteration_limit);
        EXPECT_TRUE(close_to(got.prototypes, w.values, 500, 1));
        const auto f = eb::reference::free_energies(eb::reference::energies(points, w), beta);
        EXPECT_TRUE(close_to(got.free_energies, f, 500, 10));
        double objective = 0;
        for (std::size_t i = 0; i < f.size(); ++i) objective += static_cast<double>(weights[i]) * f[i];
        EXPECT_NEAR(got.objective, objective, tolerance<T>(500, 10.0 * static_cast<double>(n)));
    }
}

// A step that is not EM's. At fixed beta the objective may rise by rounding alone, eps n times the size of an energy.
CUEBM_TEST(SoftFit, NeverRisesAtFixedBeta) {
    const auto context = backend.make();
    const std::int64_t n = 120, d = 4;
    const auto y = blobs<T>(n, d, 3);
    for (const double beta : {0.003, 0.1, 2.0}) {
        std::vector<double> objective;
        SoftOptions<T> options{.k = 5, .seed = 3, .beta = beta, .max_iterations = 30, .tolerance = 0};
        options.progress = [&](const eb::kmeans::SoftProgress& p) { objective.push_back(p.objective); };
        const auto got = fit_soft(context, y, n, d, options);
        objective.push_back(got.objective);
        double size = 1;
        for (const T f : got.free_energies) size = std::max(size, std::abs(static_cast<double>(f)));
        for (std::size_t i = 1; i < objective.size(); ++i)
            EXPECT_LE(objective[i], objective[i - 1] + tolerance<T>(4, static_cast<double>(n) * size));
    }
}

// Where every probability rounds to 0 or 1 the sums are Lloyd's, bit for bit.
CUEBM_TEST(SoftFit, IsLloydAtLargeBeta) {
    auto context = backend.make();
    const std::int64_t n = 90, d = 5, k = 3;
    const auto y = blobs<T>(n, d, k);
    const std::vector<T> start(y.begin(), y.begin() + k * d);
    const auto soft = fit_soft(context, y, n, d, given(start, k, d, 1e6));
    const auto hard =
        fit(context, y, n, d, {.k = k, .start = Start::given, .prototypes = eb::view(start, k, d), .tolerance = 0});
    EXPECT_TRUE(same_bits(soft.prototypes, hard.prototypes));
    EXPECT_TRUE(same_bits(soft.free_energies, hard.energies));
    EXPECT_EQ(soft.status, eb::Status::converged);
    EXPECT_EQ(soft.weights, std::vector<double>(k, 30));
}

// Annealing that keeps equal prototypes together, or that goes on from a poor start: one blob has two prototypes and
// two blobs share one. Below the first critical beta all prototypes are the mean.
CUEBM_TEST(SoftFit, AnnealingForgetsItsStart) {
    auto context = backend.make();
    const std::int64_t n = 120, k = 3;
    auto y = normal<T>(n, 7, 0, 0.5);
    for (std::int64_t i = 0; i < n; ++i)
        y[static_cast<std::size_t>(i)] += static_cast<T>(i % 3 == 0 ? 0 : i % 3 == 1 ? 40 : 50);
    const std::vector<T> start{-1, 1, 45};
    auto options = given(start, k, 1, 20.0);
    options.tolerance = SoftOptions<T>{}.tolerance;
    const auto trapped = fit_soft(context, y, n, 1, options);
    options.beta_start = 1e-4;
    const auto annealed = fit_soft(context, y, n, 1, options);
    const auto best = fit(context, y, n, 1, {.k = k, .seed = 1, .n_init = 4});
    EXPECT_GT(trapped.objective, 10 * best.inertia);
    EXPECT_NEAR(annealed.objective, best.inertia, 0.1 * best.inertia);

    auto cold = given(start, k, 1, 1e-4);  // the variance is 466: 1 / (2 var) is 1e-3
    cold.tolerance = 1e-10;
    cold.max_iterations = 3000;
    const auto one = fit_soft(context, y, n, 1, cold);
    double mean = 0;
    for (const T value : y) mean += static_cast<double>(value) / static_cast<double>(n);
    for (const T w : one.prototypes) EXPECT_NEAR(static_cast<double>(w), mean, 0.05);
}

// Shares that do not add up to 1, as they did where F_beta was rounded at the size of the energies, here 10^6 to 10^7.
CUEBM_TEST(SoftFit, SharesOfLargeEnergies) {
    const auto context = backend.make();
    const std::vector<T> y{0, 1000, 2000, 3000, 5000, 9000}, start{4000, 4000, 4000};
    auto options = given(start, 3, 1, 1.0);
    options.max_iterations = 1;
    const auto got = fit_soft(context, y, 6, 1, options);
    for (const double weight : got.weights) EXPECT_NEAR(weight, 2, 1e-5);
}

// A schedule that jumps, overshoots or stops short.
CUEBM_TEST(SoftFit, Schedule) {
    const auto context = backend.make();
    const auto y = normal<T>(40, 1);
    std::vector<double> betas;
    SoftOptions<T> options{.k = 3, .beta = 1, .beta_start = 0.125, .factor = 2.5, .max_iterations = 2, .tolerance = 0};
    options.progress = [&](const eb::kmeans::SoftProgress& p) {
        EXPECT_EQ(p.iteration, static_cast<int>(betas.size()) + 1);
        betas.push_back(p.beta);
    };
    (void)fit_soft(context, y, 20, 2, options);
    EXPECT_EQ(betas, (std::vector<double>{0.125, 0.125, 0.3125, 0.3125, 0.78125, 0.78125, 1, 1}));
}

// Bits that depend on the backend.
CUEBM_TEST(SoftFit, SameBits) {
    const auto context = backend.make();
    const std::int64_t n = 70, d = 6;
    const auto y = blobs<T>(n, d, 4);
    const SoftOptions<T> options{.k = 4, .seed = 5, .beta = 0.5, .beta_start = 0.004, .factor = 3, .max_iterations = 8};
    const auto got = fit_soft(context, y, n, d, options);
    const auto wanted = fit_soft(eb::Context::cpu({.threads = 1}), y, n, d, options);
    EXPECT_TRUE(same_bits(got.prototypes, wanted.prototypes));
    EXPECT_TRUE(same_bits(got.free_energies, wanted.free_energies));
    EXPECT_TRUE(same_bits(got.weights, wanted.weights));
    EXPECT_EQ(got.objective, wanted.objective);
    EXPECT_EQ(got.iterations, wanted.iterations);
}

// A cancelled fit whose parts do not belong together; arguments out of range.
CUEBM_TEST(SoftFit, CancelledOrRefused) {
    const auto context = backend.make();
    const auto y = normal<T>(40, 1);
    std::stop_source stop;
    SoftOptions<T> options{.k = 3, .beta = 4, .beta_start = 0.1, .tolerance = 0};
    options.cancel = stop.get_token();
    options.progress = [&](const eb::kmeans::SoftProgress& p) {
        if (p.iteration == 3) stop.request_stop();
    };
    const auto got = fit_soft(context, y, 20, 2, options);
    EXPECT_EQ(got.status, eb::Status::cancelled);
    EXPECT_EQ(got.iterations, 3);
    const auto f = eb::reference::free_energies(eb::reference::energies({y, 20, 2}, {got.prototypes, 3, 2}), 0.1);
    EXPECT_TRUE(close_to(got.free_energies, f, 100, 30));
    stop.request_stop();
    const auto points = context.copy(eb::view(y, 20, 2));
    const auto unbegun = eb::kmeans::fit_soft(context, points, {.k = 3, .beta = 4, .cancel = stop.get_token()});
    EXPECT_EQ(unbegun.iterations, 0);
    EXPECT_EQ(eb::to_host(context, unbegun.weights), std::vector<double>(3));
    const auto refused = [&](SoftOptions<T> o) -> std::string {
        try {
            (void)fit_soft(context, y, 20, 2, o);
        } catch (const eb::InvalidArgument& error) {
            return error.argument();
        }
        return "accepted";
    };
    EXPECT_EQ(refused({.k = 21}), "k");
    EXPECT_EQ(refused({.k = 2, .beta = 0}), "beta");
    EXPECT_EQ(refused({.k = 2, .beta = eb::infinity}), "beta");
    EXPECT_EQ(refused({.k = 2, .beta = 1, .beta_start = 2}), "beta_start");
    EXPECT_EQ(refused({.k = 2, .factor = 1}), "factor");
    EXPECT_EQ(refused({.k = 2, .perturbation = -1}), "perturbation");
    EXPECT_EQ(refused({.k = 2, .max_iterations = 0}), "max_iterations");
    EXPECT_EQ(refused({.k = 2, .tolerance = -1}), "tolerance");
    EXPECT_EQ(refused({.k = 2, .start = Start::given}), "prototypes");
}
