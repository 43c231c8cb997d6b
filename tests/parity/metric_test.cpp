// assign() by the inner product and by the cosine: bit for bit as their definitions are written out here, on every
// backend, and near the obvious loops in double.
#include <tuple>

#include <cuebm/error.hpp>
#include <cuebm/kmeans.hpp>

#include "support/assign_problem.hpp"
#include "support/backends.hpp"

namespace eb = cuebm;
using namespace cuebm::test;
using eb::Metric;

CUEBM_SUITE(MetricOf);

namespace {

constexpr std::tuple<int, int, int> few_shapes[] = {{1, 1, 1},    {17, 15, 16}, {33, 31, 1},
                                                    {65, 63, 64}, {130, 33, 5}, {5, 40, 300}};

// The tree of docs/design/canonical-energy.md.
template <class T>
T tree(const T (&s)[16]) {
    const auto four = [&](int i) { return (s[i] + s[i + 8]) + (s[i + 4] + s[i + 12]); };
    return (four(0) + four(2)) + (four(1) + four(3));
}

// 0 - sum_j y_j w_j over the known coordinates: fma, 16 interleaved accumulators, the tree.
template <class T>
std::vector<T> products(const Problem<T>& p) {
    std::vector<T> result;
    for (std::int64_t i = 0; i < p.n; ++i)
        for (std::int64_t z = 0; z < p.k; ++z) {
            T s[16] = {};
            for (std::int64_t j = 0; j < p.d; ++j)
                if (eb::reference::is_known(p.known, p.d, i, j))
                    s[j % 16] = std::fma(p.points[static_cast<std::size_t>(i * p.d + j)],
                                         p.prototypes[static_cast<std::size_t>(z * p.d + j)], s[j % 16]);
            result.push_back(T(0) - tree(s));
        }
    return result;
}

// Rows at unit length: the root of the sum of squares in double, of values scaled by a power of two.
template <class T>
std::vector<T> units(std::vector<T> rows, std::int64_t d) {
    for (auto row = rows.begin(); row != rows.end(); row += d) {
        double largest = 0, s[16] = {};
        for (std::int64_t j = 0; j < d; ++j) largest = std::max(largest, std::abs(static_cast<double>(row[j])));
        const double scale = std::exp2(std::clamp(-std::ilogb(largest) - 1, -1000, 1000));
        for (std::int64_t j = 0; j < d; ++j)
            s[j % 16] += static_cast<double>(row[j]) * scale * (static_cast<double>(row[j]) * scale);
        const double off = std::abs(tree(s) / scale / scale - 1);
        if (off <= 2 * static_cast<double>(std::numeric_limits<T>::epsilon()) +
                       (static_cast<double>(d) / 8 + 8) * std::numeric_limits<double>::epsilon())
            continue;
        const double length = std::sqrt(tree(s));
        for (std::int64_t j = 0; j < d; ++j) row[j] = static_cast<T>(static_cast<double>(row[j]) * scale / length);
    }
    return rows;
}

template <class T>
std::vector<T> cosines(const Problem<T>& p) {
    auto e = eb::reference::canonical_energies(units(p.points, p.d), units(p.prototypes, p.d), p.n, p.k, p.d);
    for (auto& value : e) value /= 2;
    return e;
}

template <class T>
Answers<T> solve(const eb::Context& context, const Problem<T>& p, Metric metric, unsigned want, std::int64_t m,
                 Layout layout = {}) {
    const OnDevice<T> there(context, p, want, m, layout);
    auto task = there.task();
    task.metric = metric;
    eb::assign(context, task);
    return there.answers(p);
}

template <class T>
void expect_all(const eb::Context& context, const Problem<T>& p, Metric metric, const std::vector<T>& wanted) {
    const std::int64_t m = std::min<std::int64_t>(p.k, 4);
    const auto order = eb::reference::lowest(wanted, p.k, m);
    const auto got = solve(context, p, metric, everything, m, {.pad = 3, .offset = 1});
    EXPECT_TRUE(same_bits(got.all_energies, wanted));
    EXPECT_TRUE(same_bits(got.best_labels, order));
    for (std::int64_t i = 0; i < p.n; ++i)
        for (std::int64_t c = 0; c < m; ++c) {
            const auto label = order[static_cast<std::size_t>(i * m + c)];
            const T energy = wanted[static_cast<std::size_t>(i * p.k + label)];
            EXPECT_EQ(got.best_energies[static_cast<std::size_t>(i * m + c)], energy);
            if (c > 0) continue;
            EXPECT_EQ(got.labels[static_cast<std::size_t>(i)], label);
            EXPECT_EQ(got.energies[static_cast<std::size_t>(i)], energy);
        }
    EXPECT_TRUE(
        same_bits(solve(context, p, metric, Want::labels, 1).labels, got.labels));  // alone as beside the others
    const auto one_thread = solve(eb::Context::cpu({.threads = 1}), p, metric, Want::free_energies, 1);
    EXPECT_TRUE(same_bits(got.free_energies, one_thread.free_energies));
    const auto f = eb::reference::free_energies({wanted, p.n, p.k}, p.beta);
    double size = 1;
    for (const T value : wanted) size = std::max(size, std::abs(static_cast<double>(value)));
    EXPECT_TRUE(close_to(got.free_energies, f, 16 + static_cast<double>(p.k), size + 10 / p.beta));
}

}  // namespace

// A wrong sign, an argmax, a tie to the higher index, a term that is not canonical, an output that forgets the metric,
// a mask that hides the wrong coordinates; a screen of squared distances that takes the task.
CUEBM_TEST(MetricOf, InnerProducts) {
    const auto context = backend.make();
    for (const auto& [n, k, d] : few_shapes) {
        SCOPED_TRACE(testing::Message() << "n " << n << ", k " << k << ", d " << d);
        auto p = normal_problem<T>(n, k, d);
        p.beta = 0.5;
        if (k > 20) std::copy_n(p.prototypes.begin() + 3 * d, d, p.prototypes.begin() + 17 * d);  // a tie
        expect_all(context, p, Metric::inner_product, products(p));
        eb::reference::Matrix e(n, k);  // and the definition itself is right
        const auto exact = products(p);
        for (std::int64_t i = 0; i < n; ++i)
            for (std::int64_t z = 0; z < k; ++z)
                for (std::int64_t j = 0; j < d; ++j)
                    e(i, z) -= static_cast<double>(p.points[static_cast<std::size_t>(i * d + j)]) *
                               static_cast<double>(p.prototypes[static_cast<std::size_t>(z * d + j)]);
        EXPECT_TRUE(close_to(exact, e.values, static_cast<double>(d) / 16 + 5, static_cast<double>(d)));
        for (std::int64_t u = 0; u < n * d; ++u) p.known.push_back(u % 3 != 1);
        auto hidden = p;
        for (std::size_t u = 0; u < p.known.size(); ++u)
            if (p.known[u] == 0) hidden.points[u] = std::numeric_limits<T>::infinity();
        expect_all(context, hidden, Metric::inner_product, products(p));
    }
}

// A product that overflows below: -infinity is less than everything, and must be an error.
CUEBM_TEST(MetricOf, InnerProductsThatOverflow) {
    auto context = backend.make();
    auto p = normal_problem<T>(20, 3, 2);
    p.points[2 * 7] = 1000;
    p.prototypes[0] = std::numeric_limits<T>::max() / 16;
    try {
        (void)solve(context, p, Metric::inner_product, Want::labels, 1);
        FAIL() << "no error";
    } catch (const eb::DataError& error) {
        EXPECT_EQ(error.row(), 7);
        EXPECT_NE(error.problem().find("overflow"), std::string::npos);
    }
}

// A length that overflows or underflows; a scale that is not a power of two; energies that are not halved, or twice;
// a chunk that writes the rows of another.
CUEBM_TEST(MetricOf, Cosines) {
    const auto context = backend.make();
    for (const auto& [n, k, d] : few_shapes) {
        SCOPED_TRACE(testing::Message() << "n " << n << ", k " << k << ", d " << d);
        auto p = normal_problem<T>(n, k, d);
        p.beta = 3;
        for (std::int64_t i = 0; i < n; ++i) {
            const T by = i % 3 == 0   ? std::numeric_limits<T>::max() / 16
                         : i % 3 == 1 ? std::numeric_limits<T>::min()
                                      : 1;
            for (std::int64_t j = 0; j < d; ++j) p.points[static_cast<std::size_t>(i * d + j)] *= by;
        }
        expect_all(context, p, Metric::cosine, cosines(p));
        auto unit = p;  // normalising twice is normalising once
        unit.points = units(p.points, d);
        EXPECT_TRUE(same_bits(units(unit.points, d), unit.points));
        expect_all(context, unit, Metric::cosine, cosines(p));
        const eb::reference::Matrix y(p.points, n, d), w(p.prototypes, k, d);
        eb::reference::Matrix e(n, k);
        for (std::int64_t i = 0; i < n; ++i)
            for (std::int64_t z = 0; z < k; ++z) {
                double yw = 0, yy = 0, ww = 0;
                const double largest =
                    std::abs(*std::max_element(y.values.begin() + i * d, y.values.begin() + (i + 1) * d,
                                               [](double a, double b) { return std::abs(a) < std::abs(b); }));
                for (std::int64_t j = 0; j < d; ++j) {
                    const double v = y(i, j) / largest;
                    yw += v * w(z, j), yy += v * v, ww += w(z, j) * w(z, j);
                }
                e(i, z) = 1 - yw / std::sqrt(yy * ww);
            }
        EXPECT_TRUE(close_to(cosines(p), e.values, static_cast<double>(d) / 16 + 24, 2));
    }
}

// Rows of zeros, NaN, and masks: said by name and row; prototypes before points. Points past the first chunk too.
CUEBM_TEST(MetricOf, BadCosines) {
    auto context = backend.make();
    const auto error_of = [&](const Problem<T>& p) -> std::string {
        try {
            (void)solve(context, p, Metric::cosine, Want::labels, 1);
        } catch (const eb::DataError& error) {
            return error.argument() + " " + std::to_string(error.row()) + " " + error.problem();
        } catch (const eb::InvalidArgument& error) {
            return error.argument();
        }
        return "accepted";
    };
    const auto good = normal_problem<T>(20, 3, 4);
    EXPECT_EQ(error_of(good), "accepted");
    auto p = good;
    std::fill_n(p.points.begin() + 11 * 4, 4, T(0));
    EXPECT_EQ(error_of(p).substr(0, 22), "points 11 is all zeros");
    p.points[4 * 5] = std::numeric_limits<T>::quiet_NaN();
    EXPECT_EQ(error_of(p).substr(0, 23), "points 5 holds NaN or i");
    std::fill_n(p.prototypes.begin() + 4, 4, T(0));
    EXPECT_EQ(error_of(p).substr(0, 25), "prototypes 1 is all zeros");
    p.prototypes[8] = std::numeric_limits<T>::infinity();
    EXPECT_EQ(error_of(p).substr(0, 25), "prototypes 1 is all zeros");
    p = good;
    p.known = {1, 1, 0, 1};
    EXPECT_EQ(error_of(p), "known");
    auto task = OnDevice<T>(context, good, Want::labels).task();
    task.metric = static_cast<Metric>(9);
    EXPECT_THROW(eb::assign(context, task), eb::InvalidArgument);
}

// A chunk of unit points that is lost, doubled or misplaced: rows of 64 KiB, so that 4096 of them are a chunk.
TEST_F(OnCpu, CosinesInChunks) {
    auto context = eb::Context::cpu();
    const std::int64_t n = 70000, d = 256;  // chunks of 65,536 floats rows
    auto p = normal_problem<float>(n, 3, d);
    const auto got = solve(context, p, Metric::cosine, Want::labels | Want::energies, 1);
    for (const std::int64_t i : {std::int64_t{0}, std::int64_t{65535}, std::int64_t{65536}, n - 1}) {
        Problem<float> row{.n = 1, .k = 3, .d = d, .points = {}, .prototypes = p.prototypes};
        row.points.assign(p.points.begin() + i * d, p.points.begin() + (i + 1) * d);
        const auto alone = solve(context, row, Metric::cosine, Want::labels | Want::energies, 1);
        EXPECT_EQ(got.energies[static_cast<std::size_t>(i)], alone.energies[0]);
        EXPECT_EQ(got.labels[static_cast<std::size_t>(i)], alone.labels[0]);
    }
    std::fill_n(p.points.begin() + 65540 * d, d, 0.0f);
    try {
        (void)solve(context, p, Metric::cosine, Want::labels, 1);
        FAIL() << "no error";
    } catch (const eb::DataError& error) {
        EXPECT_EQ(error.row(), 65540);
    }
}

// predict() and transform() that forget the metric.
CUEBM_TEST(MetricOf, PredictAndTransform) {
    auto context = backend.make();
    const auto p = normal_problem<T>(40, 5, 7);
    const auto y = context.copy(eb::view(p.points, 40, 7)), w = context.copy(eb::view(p.prototypes, 5, 7));
    for (const auto& [metric, wanted] :
         {std::pair{Metric::inner_product, products(p)}, std::pair{Metric::cosine, cosines(p)}}) {
        EXPECT_TRUE(same_bits(eb::to_host(context, eb::kmeans::transform(context, w, y, metric)), wanted));
        EXPECT_TRUE(same_bits(eb::to_host(context, eb::kmeans::predict(context, w, y, metric)),
                              eb::reference::lowest(wanted, 5, 1)));
    }
}
