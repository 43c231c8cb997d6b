// Short points, a point a lane: the same bits as the direct path for every shape, on every instruction set.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <cuebm/cuebm.hpp>

#include "cpu/assign.hpp"
#include "cpu/isa.hpp"
#include "unit/screening.hpp"

namespace eb = cuebm;
using namespace eb::test;

namespace {

struct SmallProblem {
    std::string name;
    std::int64_t n, k, d;
    Values points, prototypes;
    std::int64_t point_stride = d, output_stride = 1;
};

struct SmallAnswer {
    std::vector<std::int32_t> labels;
    Values energies;
    std::vector<std::int64_t> bad;  // the first bad row of each block; blocks differ in size between paths
    std::int64_t first_bad() const {
        for (const std::int64_t row : bad)
            if (row != eb::cpu::no_bad_row) return row;
        return eb::cpu::no_bad_row;
    }
};

bool same(const SmallAnswer& a, const SmallAnswer& b) {
    return a.labels == b.labels && a.energies.size() == b.energies.size() &&
           std::memcmp(a.energies.data(), b.energies.data(), a.energies.size() * sizeof(float)) == 0 &&
           a.first_bad() == b.first_bad();
}

// Gaps between outputs hold -7, and have to keep it.
SmallAnswer solve(const SmallProblem& p, const eb::cpu::Isa& isa, const char* path, bool labels = true,
                  bool energies = true) {
    SmallAnswer answer;
    const auto places = static_cast<std::size_t>(p.n * p.output_stride);
    answer.labels.assign(places, -7);
    answer.energies.assign(places, -7);
    eb::Assign<float> task{.points = {p.points.data(), p.n, p.d, p.point_stride, {}},
                           .prototypes = {p.prototypes.data(), p.k, p.d, p.d, {}}};
    if (labels) task.labels = {answer.labels.data(), p.n, p.output_stride, {}};
    if (energies) task.energies = {answer.energies.data(), p.n, p.output_stride, {}};
    const auto plan = eb::cpu::plan(task, isa, 1, path);
    EXPECT_EQ(plan.small, path == std::string("small") && p.d <= isa.kernels->small_depth);
    std::vector<std::byte> scratch(plan.scratch_bytes + 256);
    auto* aligned = scratch.data() + (256 - reinterpret_cast<std::uintptr_t>(scratch.data()) % 256) % 256;
    eb::cpu::AssignRun<float> run(plan, task, aligned);
    const auto each = [](std::int64_t tasks, const auto& body) {
        for (std::int64_t t = 0; t < tasks; ++t) body(t, 0);
    };
    run.run(
        each, [](std::int64_t) {}, [&](std::int64_t bad) { answer.bad.push_back(bad); });
    return answer;
}

void expect_the_same(const SmallProblem& p) {
    for (const auto& isa : eb::cpu::available_isas())
        for (const auto& [labels, energies] : {std::pair{true, true}, {true, false}, {false, true}}) {
            const auto small = solve(p, isa, "small", labels, energies),
                       direct = solve(p, isa, "direct", labels, energies);
            EXPECT_TRUE(same(small, direct))
                << p.name << ": " << p.n << " x " << p.d << ", k " << p.k << " on " << isa.kernels->name
                << ", first bad row " << small.first_bad() << ", direct " << direct.first_bad();
        }
}

// Few values a coordinate: many energies are equal, and the lower index has to win.
Values lattice(std::mt19937& generator, std::int64_t size) {
    Values values(static_cast<std::size_t>(size));
    for (auto& x : values) x = static_cast<float>(generator() % 3);
    return values;
}

// Pairs of prototypes that differ in the sign of a coordinate which is nearly 0 in all points.
SmallProblem ties_of_signs(std::mt19937& generator, std::int64_t n, std::int64_t k, std::int64_t d) {
    SmallProblem p{"near ties", n, k, d, draw(generator, n * d), draw(generator, k * d)};
    for (std::int64_t z = 0; z + 1 < k; z += 2)
        for (std::int64_t j = 0; j < d; ++j) {
            const float w = p.prototypes[static_cast<std::size_t>(z * d + j)];
            p.prototypes[static_cast<std::size_t>((z + 1) * d + j)] = j == d - 1 ? -w : w;
        }
    for (std::int64_t i = 1; i <= n; ++i)
        p.points[static_cast<std::size_t>(i * d - 1)] = 1e-8f * static_cast<float>(generator() % 64);
    return p;
}

}  // namespace

// Additions in another order, an accumulator that is left out or met twice; padded coordinates and lanes; ties.
TEST(AssignSmall, EqualsTheDirectPathForEveryDepth) {
    std::mt19937 generator(1);
    for (std::int64_t d = 1; d <= 33; ++d) {
        const auto few = [&](std::uint32_t most) { return static_cast<std::int64_t>(1 + generator() % most); };
        const std::int64_t n = few(200), k = few(70);
        expect_the_same({"random", n, k, d, draw(generator, n * d), draw(generator, k * d)});
        expect_the_same({"lattice", n, k, d, lattice(generator, n * d), lattice(generator, k * d)});
        expect_the_same(ties_of_signs(generator, n, k, d));
    }
}

// A tile that is not full, blocks that meet, one prototype, more prototypes than a byte or a cache line counts.
TEST(AssignSmall, EqualsTheDirectPathForEveryShape) {
    std::mt19937 generator(2);
    for (const std::int64_t n : {1, 3, 4, 63, 64, 65, 1023, 1025, 2100})
        for (const std::int64_t d : {1, 2, 3, 7})
            expect_the_same({"points", n, 5, d, draw(generator, n * d), draw(generator, 5 * d)});
    for (const std::int64_t k : {1, 2, 15, 16, 17, 300, 5000})
        expect_the_same({"prototypes", 70, k, 2, lattice(generator, 140), draw(generator, k * 2)});
    for (const std::int64_t d : {1, 2, 3, 4, 6}) {
        SmallProblem strided{"strides", 100, 9, d, draw(generator, 1100), draw(generator, 9 * d)};
        strided.point_stride = 11;
        strided.output_stride = 3;
        expect_the_same(strided);
        strided.point_stride = 0;  // one row, n times
        expect_the_same(strided);
    }
}

// Squares that underflow or overflow; a limit that lets an energy that overflows pass unreported.
TEST(AssignSmall, EqualsTheDirectPathForEveryMagnitude) {
    std::mt19937 generator(3);
    for (const std::int64_t d : {1, 2, 5, 16, 19, 32})
        for (const float scale : {0.0f, 1e-44f, 1e-40f, 1e-22f, 1e-19f, 1e10f, 0x1p57f, 0x1p59f, 0x1p60f, 0x1p61f,
                                  0x1p62f, 0x1p63f, 0x1p100f}) {
            const auto title = "scale " + std::to_string(std::ilogb(scale));
            expect_the_same({title, 70, 20, d, draw(generator, 70 * d, scale), draw(generator, 20 * d, scale)});
            expect_the_same({title + " of points", 70, 20, d, draw(generator, 70 * d, scale), draw(generator, 20 * d)});
            expect_the_same(
                {title + " of prototypes", 70, 20, d, draw(generator, 70 * d), draw(generator, 20 * d, scale)});
        }
    // The nearest prototype is near, and one other is so far that its energy overflows for some points alone.
    SmallProblem far{"far", 200, 20, 3, draw(generator, 600, 0x1p57f), draw(generator, 60)};
    for (const float coordinate : {0x1.fffp58f, 0x1p63f, 0x1.fffffep63f, 0x1p64f}) {
        far.prototypes[58] = coordinate;
        expect_the_same(far);
    }
}

// Bad rows that are missed, or reported otherwise; their neighbours, which must not suffer.
TEST(AssignSmall, ReportsTheRowsThatTheDirectPathReports) {
    std::mt19937 generator(4);
    for (const float bad : {float(NAN), -float(NAN), float(INFINITY), -float(INFINITY), 1e30f}) {
        for (const std::int64_t d : {1, 3, 16, 31}) {
            const SmallProblem good{"bad", 1200, 11, d, draw(generator, 1200 * d), draw(generator, 11 * d)};
            for (const std::int64_t row : {0, 1023, 1199}) {
                SmallProblem p = good;
                for (const std::int64_t r : {row, std::int64_t{1199}})
                    p.points[static_cast<std::size_t>(r * d + d - 1)] = bad;
                expect_the_same(p);
                const auto answer = solve(p, eb::cpu::available_isas().back(), "small");
                EXPECT_EQ(answer.first_bad(), row);
                EXPECT_TRUE(std::isfinite(bad) || answer.labels[static_cast<std::size_t>(row)] == 0);
            }
            SmallProblem p = good;
            p.prototypes[static_cast<std::size_t>(10 * d)] = bad;
            expect_the_same(p);
        }
    }
}
