// How a fit starts: scikit-learn's kmeans_plusplus by what it promises, and the law of its draws.
#include <map>

#include "support/backends.hpp"
#include "support/fitted.hpp"

namespace eb = cuebm;
using namespace cuebm::test;
using eb::kmeans::Start;

CUEBM_SUITE(KMeansStart);

namespace {

template <class T>
std::vector<std::int64_t> rows_of(const std::vector<T>& prototypes, const std::vector<T>& y, std::int64_t d) {
    std::vector<std::int64_t> rows;
    for (auto w = prototypes.begin(); w != prototypes.end(); w += d) {
        std::int64_t row = -1;
        for (auto p = y.begin(); p != y.end() && row < 0; p += d)
            if (std::equal(p, p + d, w)) row = (p - y.begin()) / d;
        rows.push_back(row);
    }
    return rows;
}

}  // namespace

// Prototypes that are no rows of the data, one row twice, a start that differs from run to run or between backends.
CUEBM_TEST(KMeansStart, kmeans_plusplus) {
    auto context = backend.make();
    auto one_thread = eb::Context::cpu({.threads = 1});
    const auto y = normal<T>(130 * 3, 1);
    for (const auto start : {Start::plus_plus, Start::random})
        for (const std::int64_t k : {1, 2, 33}) {
            const eb::kmeans::FitOptions<T> options{.k = k, .seed = 11, .start = start};
            const auto f = start_of(context, y, 130, 3, options);
            ASSERT_EQ(f.prototypes.size(), static_cast<std::size_t>(k * 3));
            const auto rows = rows_of(f.prototypes, y, 3);
            EXPECT_EQ(std::count(rows.begin(), rows.end(), -1), 0);
            EXPECT_EQ(std::set<std::int64_t>(rows.begin(), rows.end()).size(), rows.size());
            expect_same(start_of(context, y, 130, 3, options), f);
            expect_same(start_of(one_thread, y, 130, 3, options), f);
            EXPECT_EQ(f.status, eb::Status::cancelled);
            EXPECT_EQ(f.iterations, 0);
            expect_belonging_together(f, y, 130, 3);
            auto other = options;
            other.seed = 12;
            if (k == 33) {
                EXPECT_NE(start_of(context, y, 130, 3, other).prototypes, f.prototypes);
            }
        }
}

// Draws that do not look at the energies: on blobs the potential must be far below that of random rows. The mean of 20
// starts; random rows miss blobs, each at a cost of hundreds of times the noise.
CUEBM_TEST(KMeansStart, PlusPlusIsBetterThanRandom) {
    auto context = backend.make();
    const auto y = blobs<T>(120, 2, 8);
    double plus_plus = 0, random = 0;
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        plus_plus += start_of(context, y, 120, 2, {.k = 8, .seed = seed}).inertia / 20;
        random += start_of(context, y, 120, 2, {.k = 8, .seed = seed, .start = Start::random}).inertia / 20;
    }
    EXPECT_LT(plus_plus, random / 3);
}

// A row of weight 0 that is chosen; weights that the draws do not look at.
CUEBM_TEST(KMeansStart, sample_weight_zero) {
    auto context = backend.make();
    const auto y = normal<T>(60 * 2, 4);
    std::vector<T> weights;
    for (int i = 0; i < 60; ++i) weights.push_back(static_cast<T>(i % 2));
    for (std::uint64_t seed = 0; seed < 10; ++seed)
        for (const auto row : rows_of(start_of(context, y, 60, 2, {.k = 8, .seed = seed}, weights).prototypes, y, 2))
            EXPECT_EQ(row % 2, 1);
}

// The laws below depend on no backend: the bits above are equal.

// A first row that is not uniform by weight; a second that is not drawn by weight times energy, with greedy choice of
// the best of 2 + floor(ln 2) = 2. The exact law by enumeration; the statistic of Pearson has mean f and standard error
// sqrt(2 f) for f degrees of freedom, and must lie within 5 of them.
TEST_F(OnCpu, PlusPlusDrawsByItsLaw) {
    auto context = eb::Context::cpu({.threads = 1});
    const std::vector<double> y{0, 1, 3, 7, 8}, weights{1, 2, 1, 1, 3};
    const auto energy = [&](std::size_t i, std::size_t z) { return (y[i] - y[z]) * (y[i] - y[z]); };
    std::map<std::pair<std::int64_t, std::int64_t>, double> law;
    for (std::size_t first = 0; first < 5; ++first) {
        double total = 0;
        for (std::size_t i = 0; i < 5; ++i) total += weights[i] * energy(i, first);
        const auto potential = [&](std::size_t second) {
            double sum = 0;
            for (std::size_t i = 0; i < 5; ++i) sum += weights[i] * std::min(energy(i, first), energy(i, second));
            return sum;
        };
        for (std::size_t a = 0; a < 5; ++a)
            for (std::size_t b = 0; b < 5; ++b) {
                const double p = weights[a] * energy(a, first) / total * weights[b] * energy(b, first) / total;
                const std::size_t second = potential(b) < potential(a) ? b : a;
                law[{first, second}] += weights[first] / 8 * p;
            }
    }
    const int draws = 1500;
    std::map<std::pair<std::int64_t, std::int64_t>, int> counts;
    for (std::uint64_t seed = 0; seed < draws; ++seed) {
        const auto f = start_of(context, y, 5, 1, {.k = 2, .seed = seed}, weights);
        const auto rows = rows_of(f.prototypes, y, 1);
        ++counts[{rows[0], rows[1]}];
    }
    // Pairs with fewer than five expected draws are joined to one class.
    double statistic = 0, rare = 0;
    int classes = 0, rare_count = 0;
    for (const auto& [pair, p] : law) {
        const double wanted = p * draws;
        if (wanted < 5) {
            rare += wanted;
            rare_count += counts[pair];
            continue;
        }
        ++classes;
        statistic += (counts[pair] - wanted) * (counts[pair] - wanted) / wanted;
    }
    if (rare > 0) ++classes, statistic += (rare_count - rare) * (rare_count - rare) / rare;
    const double freedom = classes - 1;
    EXPECT_GT(classes, 6);
    EXPECT_LT(statistic, freedom + 5 * std::sqrt(2 * freedom));
}

// Random rows that are not uniform, of any size of subset: each of 7 rows is in 3 of 7 subsets. The count of a row has
// mean 3/7 draws and standard error sqrt(draws 3/7 4/7), and must lie within 5 of them.
TEST_F(OnCpu, RandomRowsAreUniform) {
    auto context = eb::Context::cpu({.threads = 1});
    const std::vector<float> y{0, 1, 2, 3, 4, 5, 6};
    std::map<std::int64_t, int> counts;
    const int draws = 1000;
    for (std::uint64_t seed = 0; seed < draws; ++seed) {
        const auto f = start_of(context, y, 7, 1, {.k = 3, .seed = seed, .start = Start::random});
        for (const auto row : rows_of(f.prototypes, y, 1)) ++counts[row];
    }
    for (std::int64_t row = 0; row < 7; ++row)
        EXPECT_NEAR(counts[row], draws * 3 / 7.0, 5 * std::sqrt(draws * 12 / 49.0)) << row;
}

// A subsample (of more than 2^16 rows) that is not of the data, takes the first rows alone, or blames its own row.
TEST_F(OnCpu, SubsampleIsOfTheWhole) {
    auto context = eb::Context::cpu();
    const std::int64_t n = 200000;
    std::vector<float> y;
    for (std::int64_t i = 0; i < n; ++i) y.push_back(static_cast<float>(i));
    const auto f = start_of(context, y, n, 1, {.k = 40, .seed = 1});
    float largest = 0;
    std::set<float> distinct;
    for (const float w : f.prototypes) {
        EXPECT_EQ(w, std::floor(w));
        largest = std::max(largest, w);
        distinct.insert(w);
    }
    EXPECT_EQ(distinct.size(), 40u);
    EXPECT_GT(largest, 150000.0f);
}
