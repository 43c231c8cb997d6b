// kmeans::fit_balanced(): the sizes hold, the labels are the best of all that keep them (against every labelling, and
// against optimality of exchanges), and nothing rises.
#include <algorithm>
#include <functional>

#include <cuebm/error.hpp>
#include <cuebm/kmeans_balanced.hpp>

#include "support/backends.hpp"
#include "support/fitted.hpp"

namespace eb = cuebm;
using namespace cuebm::test;
using eb::kmeans::BalancedOptions;
using eb::kmeans::Start;

CUEBM_SUITE(Balanced);

namespace {

template <class T>
Fitted<T> fit_balanced(const eb::Context& context, const std::vector<T>& y, std::int64_t n, std::int64_t d,
                       const BalancedOptions<T>& options) {
    const Placed<T> points(context, y, n, d, {.pad = 1, .offset = 1});
    const auto m = eb::kmeans::fit_balanced(context, eb::MatrixView<const T>(points.view()), options);
    EXPECT_TRUE(same_bits(points.host(), y));
    return {.prototypes = eb::to_host(context, m.prototypes),
            .energies = eb::to_host(context, m.energies),
            .labels = eb::to_host(context, m.labels),
            .inertia = m.inertia,
            .iterations = m.iterations,
            .empty_clusters = m.empty_clusters,
            .status = m.status};
}

std::vector<std::int64_t> sizes_of(const std::vector<std::int32_t>& labels, std::int64_t k) {
    std::vector<std::int64_t> sizes(static_cast<std::size_t>(k));
    for (const auto label : labels) ++sizes[static_cast<std::size_t>(label)];
    return sizes;
}

template <class T>
void expect_sizes(const Fitted<T>& f, std::int64_t k, std::int64_t least, std::int64_t most) {
    for (const auto size : sizes_of(f.labels, k)) {
        EXPECT_GE(size, least);
        EXPECT_LE(size, most);
    }
}

// The least sum of energies over every labelling of n points that keeps the sizes.
double least_of_all(const eb::reference::Matrix& e, std::int64_t least, std::int64_t most) {
    std::vector<std::int64_t> sizes(static_cast<std::size_t>(e.cols));
    double best = eb::infinity;
    const std::function<void(std::int64_t, double)> label = [&](std::int64_t i, double sum) {
        if (i == e.rows) {
            const bool kept = std::all_of(sizes.begin(), sizes.end(), [&](std::int64_t s) { return s >= least; });
            if (kept) best = std::min(best, sum);
            return;
        }
        for (std::int64_t z = 0; z < e.cols; ++z) {
            auto& size = sizes[static_cast<std::size_t>(z)];
            if (size == most) continue;
            ++size;
            label(i + 1, sum + e(i, z));
            --size;
        }
    };
    label(0, 0);
    return best;
}

}  // namespace

// Labels that are not the best: a path that is not the shortest, a point moved twice, lower bounds that spoil what the
// upper ones made; a greedy rule.
CUEBM_TEST(Balanced, BestOfEveryLabelling) {
    const auto context = backend.make();
    for (const auto& [k, least, most] : {std::tuple{3, 3, 3}, {3, 0, 5}, {3, 2, 9}, {2, 4, 5}, {4, 1, 3}, {4, 2, 9}})
        for (unsigned seed = 0; seed < 6; ++seed) {
            SCOPED_TRACE(testing::Message() << "k " << k << ", sizes " << least << " to " << most << ", seed " << seed);
            const std::int64_t n = 9, d = 2;
            const auto y = normal<T>(n * d, seed + 1, 1, 1), start = normal<T>(k * d, seed + 100, 0, 2);
            const eb::reference::Matrix points(y, n, d);
            const auto f = fit_balanced<T>(context, y, n, d,
                                           {.k = k,
                                            .start = Start::given,
                                            .prototypes = eb::view(start, k, d),
                                            .min_size = least,
                                            .max_size = most,
                                            .max_iterations = 2});
            const auto e = eb::reference::energies(points, {f.prototypes, k, d});
            const double best = least_of_all(e, least, most);
            EXPECT_NEAR(f.inertia, best, tolerance<T>(20, best));
            expect_sizes(f, k, least, most);
        }
}

// Sizes that are broken where many points must move, an objective that rises, prototypes that are not the means of
// their points, energies of other labels, bits that depend on the backend; an exchange of two points that would pay.
CUEBM_TEST(Balanced, ManyPoints) {
    const auto context = backend.make();
    const std::int64_t n = 203, d = 3, k = 6;
    auto y = blobs<T>(n, d, 3);  // fewer blobs than clusters, and all in one for the last
    for (std::int64_t i = 0; i < 100; ++i) std::copy_n(y.begin() + (i % 7) * d, d, y.begin() + i * d);
    std::vector<double> objective;
    BalancedOptions<T> options{.k = k, .seed = 4};
    options.progress = [&](const eb::kmeans::Progress& p) { objective.push_back(p.inertia); };
    const auto f = fit_balanced(context, y, n, d, options);
    expect_sizes(f, k, 33, 34);
    EXPECT_EQ(f.status, eb::Status::converged);
    EXPECT_EQ(objective.size(), static_cast<std::size_t>(f.iterations));
    for (std::size_t i = 1; i < objective.size(); ++i)
        EXPECT_LE(objective[i], objective[i - 1] * (1 + tolerance<T>(16, 1)));
    const eb::reference::Matrix points(y, n, d), w(f.prototypes, k, d);
    const auto means = eb::reference::update(points, f.labels, std::vector<double>(n, 1), w);
    EXPECT_TRUE(close_to(f.prototypes, means.values, 8, 40));
    const auto e = eb::reference::energies(points, w);
    double sum = 0;
    for (std::int64_t i = 0; i < n; ++i) {
        const auto label = f.labels[static_cast<std::size_t>(i)];
        EXPECT_NEAR(static_cast<double>(f.energies[static_cast<std::size_t>(i)]), e(i, label), tolerance<T>(20, 4000));
        sum += static_cast<double>(f.energies[static_cast<std::size_t>(i)]);
        for (std::int64_t h = 0; h < i; ++h) {
            const auto other = f.labels[static_cast<std::size_t>(h)];
            EXPECT_GE(e(i, other) + e(h, label) - e(i, label) - e(h, other), -tolerance<T>(40, 4000));
        }
    }
    EXPECT_NEAR(f.inertia, sum, tolerance<double>(static_cast<double>(n), sum));
    options.progress = {};
    expect_same(fit_balanced(eb::Context::cpu({.threads = 1}), y, n, d, options), f);
}

// Where the sizes do not bind, it is Lloyd's iteration.
CUEBM_TEST(Balanced, IsLloydWhereSizesDoNotBind) {
    auto context = backend.make();
    const std::int64_t n = 90, d = 4, k = 3;
    const auto y = blobs<T>(n, d, k);
    const std::vector<T> start(y.begin(), y.begin() + k * d);
    const auto balanced =
        fit_balanced<T>(context, y, n, d, {.k = k, .start = Start::given, .prototypes = eb::view(start, k, d)});
    const auto lloyd =
        fit(context, y, n, d, {.k = k, .start = Start::given, .prototypes = eb::view(start, k, d), .tolerance = 0});
    EXPECT_TRUE(same_bits(balanced.prototypes, lloyd.prototypes));
    EXPECT_TRUE(same_bits(balanced.labels, lloyd.labels));
    EXPECT_TRUE(same_bits(balanced.energies, lloyd.energies));
}

// Sizes that cannot be kept are accepted; a cancelled fit breaks them; bad rows.
CUEBM_TEST(Balanced, RefusedOrCancelled) {
    const auto context = backend.make();
    auto y = normal<T>(20, 1);
    const auto refused = [&](const BalancedOptions<T>& o) -> std::string {
        try {
            (void)fit_balanced(context, y, 10, 2, o);
        } catch (const eb::InvalidArgument& error) {
            return error.argument();
        }
        return "accepted";
    };
    EXPECT_EQ(refused({.k = 3}), "accepted");
    EXPECT_EQ(refused({.k = 3, .min_size = 4}), "min_size");
    EXPECT_EQ(refused({.k = 3, .min_size = -2}), "min_size");
    EXPECT_EQ(refused({.k = 3, .max_size = 3}), "max_size");
    EXPECT_EQ(refused({.k = 3, .min_size = 0, .max_size = 10}), "accepted");
    EXPECT_EQ(refused({.k = 3, .max_size = -5}), "max_size");
    EXPECT_EQ(refused({.k = 11}), "k");
    const std::vector<T> uneven{0, 0, 0, 0, 100, 100};  // one bound leaves the other side free
    expect_sizes(fit_balanced(context, uneven, 6, 1, {.k = 2, .max_size = 4}), 2, 2, 4);
    expect_sizes(fit_balanced(context, uneven, 6, 1, {.k = 2, .min_size = 2}), 2, 2, 4);
    EXPECT_EQ(refused({.k = 3, .max_iterations = 0}), "max_iterations");
    EXPECT_EQ(refused({.k = 3, .start = Start::given}), "prototypes");
    std::stop_source stop;
    stop.request_stop();
    BalancedOptions<T> options{.k = 3, .seed = 1};
    options.cancel = stop.get_token();
    const auto f = fit_balanced(context, y, 10, 2, options);
    EXPECT_EQ(f.status, eb::Status::cancelled);
    expect_sizes(f, 3, 3, 4);
    y[7] = std::numeric_limits<T>::infinity();
    try {
        (void)fit_balanced<T>(context, y, 10, 2, {.k = 3});
        FAIL() << "no error";
    } catch (const eb::DataError& error) {
        EXPECT_EQ(error.row(), 3);
    }
}
