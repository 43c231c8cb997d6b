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
    for (const auto start : {Start::plus_plus, Start::random, Start::parallel})
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

// k-means|| whose candidates are not drawn from by energy. The mean of 6 starts must be near that of greedy k-means++.
CUEBM_TEST(KMeansStart, ParallelIsBetterThanRandom) {
    auto context = backend.make();
    const auto y = blobs<T>(120, 2, 8);
    std::map<Start, double> mean;
    for (const auto start : {Start::plus_plus, Start::parallel, Start::random})
        for (std::uint64_t seed = 0; seed < 6; ++seed)
            mean[start] += start_of(context, y, 120, 2, {.k = 8, .seed = seed, .start = start}).inertia / 6;
    EXPECT_LT(mean[Start::parallel], mean[Start::random] / 3);
    EXPECT_LT(mean[Start::parallel], 1.5 * mean[Start::plus_plus]);
}

// k-means|| that selects fewer rows than k and stops, takes a row twice, or one of weight 0; starts of n_init that are
// all the same; prototypes that are lost where fewer points are distinct than k.
CUEBM_TEST(KMeansStart, ParallelOfFewPoints) {
    auto context = backend.make();
    const auto y = normal<T>(60 * 2, 4);
    const auto all = start_of(context, y, 60, 2, {.k = 60, .seed = 3, .start = Start::parallel});
    const auto every = rows_of(all.prototypes, y, 2);
    EXPECT_EQ(std::set<std::int64_t>(every.begin(), every.end()).size(), 60u);
    EXPECT_EQ(all.inertia, 0);
    std::vector<T> weights;
    for (int i = 0; i < 60; ++i) weights.push_back(static_cast<T>(i % 2));
    for (const std::int64_t k : {1, 5, 30}) {
        const auto rows = rows_of(
            start_of(context, y, 60, 2, {.k = k, .seed = 5, .start = Start::parallel}, weights).prototypes, y, 2);
        for (const auto row : rows) EXPECT_EQ(row % 2, 1);
        EXPECT_EQ(std::set<std::int64_t>(rows.begin(), rows.end()).size(), rows.size());
    }
    // Each is as far as all before it together: a round selects a few, and the others are left for k-means++.
    std::vector<T> powers;
    for (int i = 0; i < 20; ++i) powers.push_back(static_cast<T>(std::exp2(2 * i)));
    EXPECT_EQ(start_of(context, powers, 20, 1, {.k = 20, .seed = 1, .start = Start::parallel}).inertia, 0);
    std::vector<T> twins;  // 7 distinct points, each 9 times
    for (int i = 0; i < 63; ++i) twins.push_back(static_cast<T>(i % 7));
    EXPECT_EQ(start_of(context, twins, 63, 1, {.k = 7, .seed = 1, .start = Start::parallel}).inertia, 0);
    const auto fewer = fit(context, twins, 63, 1, {.k = 10, .seed = 1, .start = Start::parallel});
    EXPECT_EQ(fewer.prototypes.size(), 10u);
    EXPECT_EQ(fewer.status, eb::Status::too_few_distinct);
    const auto blob = blobs<T>(90, 2, 9);
    const auto one = fit(context, blob, 90, 2, {.k = 9, .seed = 2, .start = Start::parallel});
    const auto five = fit(context, blob, 90, 2, {.k = 9, .seed = 2, .start = Start::parallel, .n_init = 5});
    EXPECT_LE(five.inertia, one.inertia);
}

// Rounds that do not select by energy miss 3 far points of 100 (each round of 1 in 50 rows would, in 3 of 4 starts);
// with k = 2 all starts must find them. Candidates whose weight is forgotten: with k = 1 the prototype is a far point
// in 3 of 100 starts, not in 3 of 4; 20 starts have a mean of 0.6 of them, and more than 5 in fewer than one of 10^4.
CUEBM_TEST(KMeansStart, ParallelFindsFewFarPoints) {
    auto context = backend.make();
    auto y = normal<T>(100, 7, 0, 0.01);
    for (const std::size_t far : {11u, 50u, 83u}) y[far] += T(100);
    int chosen = 0;
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        if (seed < 5) {
            EXPECT_LT(start_of(context, y, 100, 1, {.k = 2, .seed = seed, .start = Start::parallel}).inertia, 10);
        }
        chosen += start_of(context, y, 100, 1, {.k = 1, .seed = seed, .start = Start::parallel}).prototypes[0] > 50;
    }
    EXPECT_LE(chosen, 5);
}

// A candidate whose row is left at a partial sum that is too low, or not looked at to its end: d beyond the first look,
// and a tail of coordinates. On a GPU energies are always whole.
CUEBM_TEST(KMeansStart, PlusPlusOfWideRows) {
    auto context = backend.make();
    auto one_thread = eb::Context::cpu({.threads = 1});
    for (const std::int64_t d : {129, 300}) {
        const auto y = blobs<T>(70, d, 5);
        const auto f = start_of(context, y, 70, d, {.k = 12, .seed = 2});
        expect_same(start_of(one_thread, y, 70, d, {.k = 12, .seed = 2}), f);
        const auto rows = rows_of(f.prototypes, y, d);
        EXPECT_EQ(std::set<std::int64_t>(rows.begin(), rows.end()).size(), 12u);
    }
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
