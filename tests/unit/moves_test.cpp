// The CPU's sums of clusters, by every instruction set: private to a thread or sorted, rounded in one way or the other,
// against the definition, one value at a time.
#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include <cuebm/context.hpp>

#include "context_state.hpp"
#include "cpu/fixed_sums.hpp"
#include "cpu/isa.hpp"
#include "cpu_queue.hpp"
#include "math/canonical.hpp"
#include "math/fixed_point.hpp"
#include "support/backends.hpp"
#include "support/data.hpp"

namespace eb = cuebm;
namespace math = cuebm::math;
using namespace cuebm::test;

namespace {

struct Sums {
    std::vector<std::int64_t> sums, counts;
    std::int64_t moved = 0;
    bool operator==(const Sums&) const = default;
};

template <class T>
struct Points {
    std::int64_t n, k, d, stride;
    std::vector<T> y, weights;
    std::vector<std::int32_t> labels, old_labels;
    std::vector<double> scales;

    Points(std::int64_t rows, std::int64_t clusters, std::int64_t columns, std::int64_t pad, bool weighted)
        : n(rows), k(clusters), d(columns), stride(columns + pad), y(normal<T>(rows * (columns + pad), 1)) {
        std::mt19937 generator(2);
        const auto draw = [&](std::int64_t below) { return static_cast<std::int32_t>(generator() % unsigned(below)); };
        for (std::int64_t i = 0; i < n; ++i) {
            // In runs: packs in which nothing moves, and packs in which all do. One cluster gets most of the points.
            labels.push_back(i % 3 == 0 ? draw(k) : 0);
            old_labels.push_back(i / 50 % 3 == 0 ? labels.back() : draw(k + 1) - 1);
            if (weighted) weights.push_back(i % 5 == 0 ? T(0) : T(1 + draw(1000)) / T(64));
        }
        for (std::int64_t j = 0; j <= d; ++j) {
            double most = 0;
            for (std::int64_t i = 0; i < n; ++i) most = std::max(most, std::fabs(value(i, j)));
            scales.push_back(math::fixed_point_scale(most, n));
        }
    }
    double weight(std::int64_t i) const { return weights.empty() ? 1.0 : double(weights[std::size_t(i)]); }
    double value(std::int64_t i, std::int64_t j) const {
        return weight(i) * (j < d ? double(y[std::size_t(i * stride + j)]) : 1.0);
    }
    eb::detail::Accumulate<T> task(Sums& to, std::vector<std::int32_t>& old) const {
        eb::detail::Accumulate<T> task{.points = {y.data(), n, d, stride, {}},
                                       .weights = {},
                                       .labels = {labels.data(), n, 1, {}},
                                       .old_labels = {old.data(), n, 1, {}},
                                       .k = k,
                                       .into = {to.sums.data(), to.counts.data(), scales.data()},
                                       .moved = &to.moved};
        if (!weights.empty()) task.weights = {weights.data(), n, 1, {}};
        return task;
    }
    Sums wanted() const {
        Sums sums{std::vector<std::int64_t>(std::size_t(k * d)), std::vector<std::int64_t>(std::size_t(k)), 0};
        for (std::int64_t i = 0; i < n; ++i) {
            const std::int64_t to = labels[std::size_t(i)], from = old_labels[std::size_t(i)];
            if (to == from) continue;
            ++sums.moved;
            for (std::int64_t j = 0; j <= d; ++j) {
                const std::int64_t fixed = std::llrint(value(i, j) * scales[std::size_t(j)]);
                auto& values = j < d ? sums.sums : sums.counts;
                values[std::size_t(j < d ? to * d + j : to)] += fixed;
                if (from >= 0) values[std::size_t(j < d ? from * d + j : from)] -= fixed;
            }
        }
        return sums;
    }
};

template <class T>
class SumsOfMoves : public testing::Test {};
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(SumsOfMoves, Types);

}  // namespace

// A row that is added twice or to the wrong cluster, not taken away, or rounded otherwise; a tail of columns that is
// left out; a cluster cut between threads; a sort that loses entries. n > 1024 rounds by addition, less by conversion;
// k d of more than 2 MiB is sorted.
TYPED_TEST(SumsOfMoves, AreAsDefined) {
    using T = TypeParam;
    for (const auto& [n, k, d] : {std::tuple{1, 1, 1},
                                  {1500, 7, 1},
                                  {1500, 5, 2},
                                  {1100, 3, 3},
                                  {1029, 9, 4},
                                  {1000, 30, 2},
                                  {1200, 16, 37},
                                  {300, 4, 64},
                                  {700, 2200, 150},
                                  {2000, 400, 700}})
        for (const std::int64_t pad : {0, 3})
            for (const bool weighted : {false, true}) {
                const Points<T> points(n, k, d, pad, weighted);
                const Sums wanted = points.wanted();
                for (const auto& isa : eb::cpu::available_isas())
                    for (const int threads : {1, 3}) {
                        SCOPED_TRACE(testing::Message() << n << " x " << d << ", k " << k << ", pad " << pad
                                                        << (weighted ? ", weighted, " : ", ") << isa.kernels->name
                                                        << ", " << threads << " threads");
                        const ScopedVariable forced("CUEBM_ISA", isa.kernels->name);
                        const auto context = eb::Context::cpu({.threads = threads});
                        const eb::Stream stream(context);
                        auto& queue = *stream.state().queue;
                        const auto& operations = eb::detail::assign_operations<T>(*context.state().backend);
                        Sums got{std::vector<std::int64_t>(wanted.sums.size()),
                                 std::vector<std::int64_t>(wanted.counts.size()), 0};
                        auto old = points.old_labels;
                        const auto task = points.task(got, old);
                        std::vector<std::byte> scratch(operations.scratch_bytes(task) + 256, std::byte{0xff});
                        operations.accumulate(queue, task, scratch.data());
                        queue.wait();
                        EXPECT_TRUE(got == wanted);
                        EXPECT_EQ(old, points.labels);
                    }
            }
}

// Energies of candidates that are left too early, or whose tail is missing: below closest_i they are canonical to the
// last bit, and else they are not below it.
TYPED_TEST(SumsOfMoves, CandidatesAreExactWhereTheyMatter) {
    using T = TypeParam;
    const std::int64_t n = 40;
    for (const std::int64_t d : {1, 15, 16, 17, 128, 129, 300, 784})
        for (const int m : {1, 2, 3, 7}) {
            const std::int64_t depth = (d + 15) / 16 * 16;
            const auto y = normal<T>(n * d, 1), at = normal<T>(m * d, 2), spread = normal<T>(n, 3, 1, 0.3);
            std::vector<T> w(static_cast<std::size_t>(m * depth)), closest;
            for (std::int64_t c = 0; c < m; ++c) std::copy_n(at.begin() + c * d, d, w.begin() + c * depth);
            for (std::int64_t i = 0; i < n; ++i)
                closest.push_back(std::fabs(spread[static_cast<std::size_t>(i)]) * static_cast<T>(2 * d));
            for (const auto& isa : eb::cpu::available_isas()) {
                std::vector<T> got(static_cast<std::size_t>(n * 8), T(-1));
                eb::cpu::of_type<T>(*isa.sums).candidates({.points = y.data(),
                                                           .point_stride = d,
                                                           .d = d,
                                                           .candidates = w.data(),
                                                           .candidate_stride = depth,
                                                           .m = m,
                                                           .closest = closest.data(),
                                                           .closest_stride = 1,
                                                           .energies = got.data(),
                                                           .energies_stride = 8},
                                                          0, n);
                int below = 0;
                for (std::int64_t i = 0; i < n; ++i)
                    for (std::int64_t c = 0; c < m; ++c) {
                        const T bound = closest[static_cast<std::size_t>(i)];
                        const T energy = got[static_cast<std::size_t>(i * 8 + c)];
                        const T whole = math::canonical_energy(&y[static_cast<std::size_t>(i * d)],
                                                               &w[static_cast<std::size_t>(c * depth)], d);
                        EXPECT_EQ(std::min(bound, energy), std::min(bound, whole)) << isa.kernels->name << ", d " << d;
                        below += whole < bound;
                    }
                EXPECT_GT(below, 0);
                EXPECT_LT(below, n * m);
            }
        }
}

namespace {

// What `candidates` gives for rows y [n x d], prototypes chosen so far [z x d] and candidates [m x d] on the CPU, and
// how many candidates it left out; a failure where the least of it and closest_i is not that of the canonical energy.
template <class T>
int skipped_candidates(const std::vector<T>& y, const std::vector<T>& chosen, const std::vector<T>& drawn,
                       std::int64_t d) {
    const auto rows = [&](const std::vector<T>& values) { return static_cast<std::int64_t>(values.size()) / d; };
    const std::int64_t n = rows(y), z = rows(chosen), m = rows(drawn), depth = (d + 15) / 16 * 16;
    const auto padded = [&](const std::vector<T>& values) {
        std::vector<T> result(static_cast<std::size_t>(rows(values) * depth));
        for (std::int64_t r = 0; r < rows(values); ++r)
            std::copy_n(values.begin() + r * d, d, result.begin() + r * depth);
        return result;
    };
    const auto energy = [&](std::int64_t i, const std::vector<T>& w, std::int64_t r) {
        return math::canonical_energy(&y[static_cast<std::size_t>(i * d)], &w[static_cast<std::size_t>(r * d)], d);
    };
    std::vector<T> closest;
    std::vector<std::int32_t> owners;
    for (std::int64_t i = 0; i < n; ++i) {
        std::int64_t owner = 0;
        for (std::int64_t r = 1; r < z; ++r)
            if (energy(i, chosen, r) < energy(i, chosen, owner)) owner = r;
        closest.push_back(energy(i, chosen, owner));
        owners.push_back(static_cast<std::int32_t>(owner));
    }
    const auto so_far = padded(chosen), prototypes = padded(drawn);
    std::vector<T> apart(static_cast<std::size_t>(z * m)), energies(static_cast<std::size_t>(n * m));
    const auto context = eb::Context::cpu({.threads = 1});
    const eb::Stream stream(context);
    auto& queue = *stream.state().queue;
    eb::detail::assign_operations<T>(*context.state().backend)
        .candidates(queue, {.of = {.closest = eb::view(closest),
                                   .weights = {},
                                   .owners = owners.data(),
                                   .blocks = nullptr,
                                   .total = nullptr},
                            .points = eb::view(y, n, d),
                            .prototypes = {prototypes.data(), m, d, depth, {}},
                            .chosen = {so_far.data(), z, d, depth, {}},
                            .apart = eb::view(apart, z, m),
                            .energies = eb::view(energies, n, m)});
    queue.wait();
    int skipped = 0;
    for (std::int64_t i = 0; i < n; ++i)
        for (std::int64_t c = 0; c < m; ++c) {
            const T bound = closest[static_cast<std::size_t>(i)], got = energies[static_cast<std::size_t>(i * m + c)];
            EXPECT_EQ(std::min(bound, got), std::min(bound, energy(i, drawn, c))) << "row " << i << ", candidate " << c;
            skipped += std::isinf(got);
        }
    return skipped;
}

}  // namespace

// A candidate that is left out by the triangle inequality although it is nearer: a factor that is too small.
TYPED_TEST(SumsOfMoves, CandidatesThatAreLeftOutAreNotNearer) {
    using T = TypeParam;
    for (const std::int64_t d : {1, 2, 19, 300})
        for (const double scale : {1e-12, 1.0, 1e15}) {
            const auto centres = normal<T>(12 * d, 7, 0, 10 * scale);
            auto y = normal<T>(200 * d, 8, 0, scale), drawn = normal<T>(7 * d, 9, 0, scale);
            for (std::size_t v = 0; v < y.size(); ++v) y[v] += centres[v % centres.size()];
            for (std::size_t v = 0; v < drawn.size(); ++v) drawn[v] += centres[v];
            EXPECT_GT(skipped_candidates<T>(y, centres, drawn, d), 200) << d << " " << scale;
        }
}

// Distances whose squares overflow, which say nothing: the prototype (.45, -.6) owns (.9, 0), and (.8, .5) is nearer.
TYPED_TEST(SumsOfMoves, CandidatesBeyondOverflowAreLookedAt) {
    using T = TypeParam;
    const T unit = std::sqrt(std::numeric_limits<T>::max());
    const auto at = [&](std::vector<double> values) {
        std::vector<T> result;
        for (const double value : values) result.push_back(static_cast<T>(value) * unit);
        return result;
    };
    EXPECT_EQ(skipped_candidates<T>(at({.9, 0}), at({0, 0, .45, -.6}), at({.8, .5}), 2), 0);
}
