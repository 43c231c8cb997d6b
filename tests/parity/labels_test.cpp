// assign(): labels, energies and the best have the bits of the canonical definition, on every backend and at every
// shape, and are right.
#include <tuple>

#include "support/assign_problem.hpp"
#include "support/backends.hpp"

namespace eb = cuebm;
using namespace cuebm::test;

CUEBM_SUITE(Labels);
CUEBM_CPU_SUITE(LargeLabels);

namespace {

// Sizes around those of tiles, packs and warps, one, and far from any; at most three tiles, for the emulator.
constexpr std::tuple<int, int, int> shapes[] = {
    {1, 1, 1},     {1, 17, 16},   {15, 16, 17}, {16, 15, 31}, {17, 1, 33},   {31, 33, 15},   {32, 64, 16},
    {33, 31, 1},   {63, 65, 32},  {64, 32, 63}, {65, 63, 64}, {100, 100, 5}, {2, 64, 65},    {16, 65, 100},
    {3, 32, 1000}, {130, 129, 2}, {5, 2, 129},  {128, 64, 4}, {129, 65, 7},  {100, 127, 33},
};

}  // namespace

// An edge of a tile that is lost or read past; a screen that drops the winner.
CUEBM_TEST(Labels, OfEveryShape) {
    auto context = backend.make();
    for (const auto& [n, k, d] : shapes) {
        SCOPED_TRACE(testing::Message() << "n " << n << ", k " << k << ", d " << d);
        const auto problem = normal_problem<T>(n, k, d);
        const Canonical<T> wanted(problem);
        for (const unsigned want : {unsigned{Want::labels}, unsigned{Want::energies}, Want::labels | Want::energies})
            wanted.expect(solve(context, problem, want), want);
    }
}

// The same for sizes that take more than three tiles.
CUEBM_TEST(LargeLabels, OfEveryShape) {
    auto context = backend.make();
    for (const auto& [n, k, d] : {std::tuple{1000, 1000, 3}, {1000, 17, 64}, {65, 1000, 33}, {40, 70, 1000}}) {
        SCOPED_TRACE(testing::Message() << "n " << n << ", k " << k << ", d " << d);
        const auto problem = normal_problem<T>(n, k, d);
        const unsigned want = Want::labels | Want::energies;
        expect_canonical(solve(context, problem, want), problem, want);
    }
}

// The m best out of order, a tie that goes to the higher index, one that is lost at a tile's edge; an output that is
// right alone and wrong beside the others.
CUEBM_TEST(Labels, BestAndAllEnergies) {
    auto context = backend.make();
    for (const auto& [n, k, d] : shapes) {
        auto problem = normal_problem<T>(n, k, d);
        problem.beta = 1;
        const Canonical<T> wanted(problem);
        for (const std::int64_t m : {1, 4, 32}) {
            if (m > k) continue;
            SCOPED_TRACE(testing::Message() << "n " << n << ", k " << k << ", d " << d << ", m " << m);
            for (const unsigned want : m == 4 ? std::vector{everything} : std::vector<unsigned>{Want::best})
                wanted.expect(solve(context, problem, want, m), want, m);
        }
        wanted.expect(solve(context, problem, Want::all_energies), Want::all_energies);
    }
}

// A stride taken for the width, a wide load where only the type's own alignment is promised, a write between rows.
CUEBM_TEST(Labels, OfStridedAndBarelyAlignedViews) {
    auto context = backend.make();
    for (const auto& [n, k, d] : {std::tuple{65, 33, 17}, {33, 65, 16}, {10, 70, 64}, {3, 5, 1}})
        for (const Layout layout : {Layout{.pad = 3, .offset = 1}, {.pad = 16, .offset = 0}, {.pad = 0, .offset = 3}}) {
            auto problem = normal_problem<T>(n, k, d);
            problem.beta = 1;
            for (const unsigned want : {everything, unsigned{Want::labels}, Want::labels | Want::energies})
                expect_canonical(solve(context, problem, want, 4, layout), problem, want, 4);
        }
}

// A stride that is used although there is one row: by dividing by it, or in a product that overflows.
CUEBM_TEST(Labels, OfOneRowWhateverItsStride) {
    auto context = backend.make();
    for (const auto& [k, d] : {std::pair{5, 8}, {5, 2}, {70, 100}, {1, 3}}) {
        auto problem = normal_problem<T>(1, k, d);
        problem.beta = 1;
        const Canonical<T> wanted(problem);
        for (const std::int64_t stride : {std::int64_t{0}, std::int64_t{-7}, std::int64_t{1} << 60})
            for (const unsigned want : {everything, Want::labels | Want::energies, unsigned{Want::labels}}) {
                SCOPED_TRACE(testing::Message() << "k " << k << ", d " << d << ", stride " << stride);
                const OnDevice<T> there(context, problem, want);
                auto task = there.task();
                task.points.stride = task.labels.stride = task.energies.stride = stride;
                if (k == 1) task.prototypes.stride = stride;
                eb::assign(context, task);
                wanted.expect(there.answers(problem), want);
            }
    }
}

// A mask that is read with the wrong stride or not at all, a hidden NaN that spreads.
CUEBM_TEST(Labels, OfWhatIsKnown) {
    auto context = backend.make();
    for (const auto& [n, k, d] : {std::tuple{65, 33, 17}, {33, 65, 64}, {70, 5, 1}, {9, 66, 100}})
        for (const int rows : {1, n}) {
            auto problem = normal_problem<T>(n, k, d);
            problem.beta = 1;
            const auto draws = normal<double>(rows * d, 3);
            for (const double draw : draws)
                problem.known.push_back(draw > 0 ? static_cast<std::uint8_t>(1 + rows % 255) : 0);
            const auto visible = problem;
            for (std::int64_t i = 0; i < n; ++i)
                for (std::int64_t j = 0; j < d; ++j)
                    if (!eb::reference::is_known(problem.known, d, rows == 1 ? 0 : i, j))
                        problem.points[static_cast<std::size_t>(i * d + j)] =
                            static_cast<T>(j % 2 == 0 ? NAN : INFINITY);
            for (const Layout layout : {Layout{}, {.pad = 3, .offset = 1}})
                for (const unsigned want : {everything, unsigned{Want::labels}})
                    expect_canonical(solve(context, problem, want, 4, layout), visible, want, 4);
        }
}

// |y|^2 - 2 y w + |w|^2, which cancels far from the origin. Double decides wherever it separates the two best.
CUEBM_TEST(Labels, FarFromTheOrigin) {
    auto context = backend.make();
    const std::int64_t n = 100, k = 100, d = 24;
    auto problem = normal_problem<T>(n, k, d, 0, 1e-2);
    for (auto* values : {&problem.points, &problem.prototypes})
        for (auto& value : *values) value += static_cast<T>(1e4 / std::sqrt(d));
    const auto got = solve(context, problem, Want::labels | Want::energies);
    expect_canonical(got, problem, Want::labels | Want::energies);
    const auto exact = eb::reference::energies({problem.points, n, d}, {problem.prototypes, k, d});
    const auto best = eb::reference::lowest(exact.values, k, 2);
    int separated = 0;
    for (std::int64_t i = 0; i < n; ++i) {
        const auto first = best[static_cast<std::size_t>(2 * i)], second = best[static_cast<std::size_t>(2 * i + 1)];
        if (exact(i, second) - exact(i, first) <= tolerance<T>(2 * (d / 16.0 + 8), exact(i, second))) continue;
        ++separated;
        EXPECT_EQ(got.labels[static_cast<std::size_t>(i)], first) << "row " << i;
    }
    EXPECT_GT(separated, 90);
}

// A tie that goes to a higher index, in any lane or tile; an energy of equal rows that is not 0.
CUEBM_TEST(Labels, DuplicatesGoToTheLowestIndex) {
    auto context = backend.make();
    for (const auto& [copies, distinct, d] : {std::tuple{3, 43, 7}, {129, 1, 16}, {2, 65, 33}, {17, 3, 100}}) {
        auto problem = normal_problem<T>(distinct, distinct, d, 1e4, 1);
        problem.points = problem.prototypes;
        problem.k = copies * distinct;
        for (int c = 1; c < copies; ++c)
            problem.prototypes.insert(problem.prototypes.end(), problem.points.begin(), problem.points.end());
        const std::int64_t m = std::min(copies, 32);
        const auto got = solve(context, problem, Want::labels | Want::energies);
        const auto best = solve(context, problem, Want::best, m);
        for (std::int64_t i = 0; i < distinct; ++i) {
            EXPECT_EQ(got.labels[static_cast<std::size_t>(i)], i);
            EXPECT_EQ(got.energies[static_cast<std::size_t>(i)], T(0));
            for (std::int64_t c = 0; c < m; ++c)
                EXPECT_EQ(best.best_labels[static_cast<std::size_t>(i * m + c)], c * distinct + i);
        }
    }
}

// A tie between different rows that goes to the one looked at first; one that is no tie, since the last coordinates
// differ.
CUEBM_TEST(Labels, OfTiesAreTheLowestIndex) {
    auto context = backend.make();
    const std::int64_t n = 40, k = 20, d = 200;  // at most four classes of a screen have two
    for (const std::int64_t lowest : {2, 15, 16, 19}) {
        auto problem = normal_problem<T>(n, k, d);
        std::fill(problem.points.begin(), problem.points.end(), T(0));
        std::fill(problem.prototypes.begin(), problem.prototypes.end(), T(0));
        for (std::int64_t z = 0; z < k; ++z) {
            problem.prototypes[static_cast<std::size_t>(z * d + z)] = T(1);
            if (z < lowest) problem.prototypes[static_cast<std::size_t>(z * d + d - 1)] = T(0x1p-10);
        }
        const auto got = solve(context, problem, Want::labels | Want::energies);
        for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
            EXPECT_EQ(got.labels[i], lowest) << "row " << i;
            EXPECT_EQ(got.energies[i], T(1));
        }
    }
}

// Flush to zero, whose ties go elsewhere; a norm that overflows where energies do not.
CUEBM_TEST(Labels, OfTinyAndHugeValues) {
    auto context = backend.make();
    const bool is_float = sizeof(T) == sizeof(float);
    const double least = static_cast<double>(std::numeric_limits<T>::denorm_min());
    const double subnormal_energies = is_float ? 1e-20 : 1e-158;
    for (const double scale : {subnormal_energies, 100 * least, is_float ? 1e18 : 1e150}) {
        SCOPED_TRACE(scale);
        const auto problem = normal_problem<T>(65, 40, 17, 0, scale / 4);
        const auto got = solve(context, problem, Want::labels | Want::energies);
        expect_canonical(got, problem, Want::labels | Want::energies);
        const T largest = *std::max_element(got.energies.begin(), got.energies.end());
        EXPECT_EQ(largest > 0, scale != 100 * least);
        EXPECT_EQ(largest > 0 && largest < std::numeric_limits<T>::min(), scale == subnormal_energies);
    }
}

// Prototypes so near to each other that a screen with too small a bound loses the winner.
CUEBM_TEST(Labels, OfNearTies) {
    auto context = backend.make();
    const std::int64_t n = 128, k = 130;
    for (const std::int64_t d : {16, 64, 200}) {
        auto problem = normal_problem<T>(n, k, d);
        const auto jitter = normal<double>(k * d, 4);
        const double eps = static_cast<double>(std::numeric_limits<T>::epsilon());
        for (std::int64_t z = 0; z < k; ++z)
            for (std::int64_t j = 0; j < d; ++j) {
                const auto at = static_cast<std::size_t>(z * d + j);
                const double first = static_cast<double>(problem.prototypes[static_cast<std::size_t>(j)]);
                problem.prototypes[at] = static_cast<T>(first * (1 + 4 * eps * jitter[at]));
            }
        const unsigned want = Want::labels | Want::energies;
        expect_canonical(solve(context, problem, want), problem, want);
    }
}

// Bits that depend on where a chunk begins.
CUEBM_TEST(Labels, OfSlicesAreThoseOfTheWhole) {
    auto context = backend.make();
    const std::int64_t n = 131;
    auto problem = normal_problem<T>(n, 40, 19);
    problem.beta = 0.1;
    const auto whole = solve(context, problem, everything, 4);
    for (const std::int64_t rows : {1, 7, 64, 200}) {
        const OnDevice<T> there(context, problem, everything, 4);
        for (std::int64_t first = 0; first < n; first += rows) {
            const std::int64_t count = std::min(rows, n - first);
            auto task = there.task();
            const auto part = [&](auto vector) {
                return decltype(vector){vector.data + first * vector.stride, count, vector.stride, vector.device};
            };
            task.points = task.points.slice(first, count);
            task.labels = part(task.labels);
            task.energies = part(task.energies);
            task.free_energies = part(task.free_energies);
            task.best_labels = task.best_labels.slice(first, count);
            task.best_energies = task.best_energies.slice(first, count);
            task.all_energies = task.all_energies.slice(first, count);
            eb::assign(context, task);
        }
        const auto got = there.answers(problem);
        EXPECT_TRUE(same_bits(got.labels, whole.labels));
        EXPECT_TRUE(same_bits(got.energies, whole.energies));
        EXPECT_TRUE(same_bits(got.best_labels, whole.best_labels));
        EXPECT_TRUE(same_bits(got.all_energies, whole.all_energies));
        EXPECT_TRUE(same_bits(got.free_energies, whole.free_energies));
    }
}
