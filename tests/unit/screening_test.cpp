// Screening is exact, and its bound is needed.
#include <cmath>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <cuebm/cuebm.hpp>

#include "cpu/assign.hpp"
#include "unit/screening.hpp"

namespace eb = cuebm;
using namespace eb::test;

namespace {

// The screened kernel alone, with a bound that is too small or too wide.
std::vector<std::int32_t> labels_with_bound(const ScreeningProblem& p, const eb::cpu::Isa& isa,
                                            const eb::cpu::ScreenKernels& screen, float factor) {
    ScreeningAnswer answer;
    auto task = task_of(p, answer);
    task.energies = {};
    const auto plan = eb::cpu::plan(task, isa, 1, screen.name);
    std::vector<std::byte> scratch(plan.scratch_bytes + 256);
    auto* aligned = scratch.data() + (256 - reinterpret_cast<std::uintptr_t>(scratch.data()) % 256) % 256;
    eb::cpu::AssignRun<float> run(plan, task, aligned, nullptr, nullptr, factor);
    const auto each = [](std::int64_t tasks, const auto& body) {
        for (std::int64_t t = 0; t < tasks; ++t) body(t, 0);
    };
    run.run(
        each, [](std::int64_t) {}, [](std::int64_t) {});
    return answer.labels;
}

}  // namespace

// A bound that misses one source of rounding, a candidate that is dropped, a tail of a tile or panel, a tie that goes
// to a higher index.
TEST(Screening, EqualsTheDirectPathBitForBit) {
    const auto all = screening_problems();
    for_each_screen([&](const auto&, const auto& screen) {
        for (const auto& p : all) {
            SCOPED_TRACE(p.name);
            const auto direct = solve(p, "direct"), screened = solve(p, screen.name);
            EXPECT_EQ(direct.labels, screened.labels);
            EXPECT_TRUE(same_bits(direct.energies, screened.energies));
            EXPECT_EQ(direct.labels, solve(p, screen.name, false).labels);
        }
    });
}

// Random shapes: every remainder of the tiles.
TEST(Screening, EqualsTheDirectPathForAllShapes) {
    const auto isa = eb::cpu::available_isas().back();
    const ScopedVariable forced("CUEBM_ISA", isa.kernels->name);
    std::mt19937 generator(2);
    for (int trial = 0; trial < 100; ++trial) {
        const auto random = [&](int most) { return std::uniform_int_distribution<std::int64_t>(1, most)(generator); };
        const std::int64_t n = random(130), k = random(100), d = random(trial % 5 == 0 ? 300 : 40);
        const ScreeningProblem p =
            trial % 2 == 0 ? near_ties(generator, n, k, d, 1)
                           : ScreeningProblem{"random", n, k, d, draw(generator, n * d), draw(generator, k * d)};
        const auto direct = solve(p, "direct");
        for (const auto* screen : isa.screens) {
            const auto screened = solve(p, screen->name);
            EXPECT_EQ(direct.labels, screened.labels) << screen->name << " " << n << " " << k << " " << d;
            EXPECT_TRUE(same_bits(direct.energies, screened.energies)) << n << " " << k << " " << d;
        }
    }
}

// That the tests above have teeth: without the bound the same kernel gives wrong labels, on every instruction set.
TEST(Screening, WithoutItsBoundLabelsAreWrong) {
    std::mt19937 generator(3);
    const ScreeningProblem ties = near_ties(generator, 200, 64, 60, 1, 1e-5f), hard = biased(generator, 300, 64, 600);
    // In two dimensions nothing averages out what bf16 and int8 round away.
    const ScreeningProblem rounded = near_ties(generator, 5000, 64, 2, 1, 1e-2f);
    // Random data need no bound in fp32. Scaled until their energies are denormal they need its floor, and nothing
    // else.
    const ScreeningProblem random{"random", 200, 40, 30, draw(generator, 6000), draw(generator, 1200)};
    ScreeningProblem denormal = random;
    for (auto* values : {&denormal.points, &denormal.prototypes})
        for (auto& x : *values) x *= 0x1p-75f;
    const auto right = solve(ties, "direct").labels, hard_right = solve(hard, "direct").labels,
               rounded_right = solve(rounded, "direct").labels, random_right = solve(random, "direct").labels,
               denormal_right = solve(denormal, "direct").labels;
    for_each_screen([&](const auto& isa, const auto& screen) {
        EXPECT_EQ(labels_with_bound(ties, isa, screen, 1), right);
        EXPECT_EQ(labels_with_bound(ties, isa, screen, 1000), right);  // everything is a candidate
        EXPECT_NE(labels_with_bound(ties, isa, screen, 0), right);
        EXPECT_EQ(labels_with_bound(hard, isa, screen, 1), hard_right);
        EXPECT_EQ(labels_with_bound(denormal, isa, screen, 1), denormal_right);
        if (screen.format == eb::cpu::ScreenFormat::fp32) {
            EXPECT_NE(labels_with_bound(hard, isa, screen, 0.02f), hard_right);
            EXPECT_EQ(labels_with_bound(random, isa, screen, 0), random_right);
            EXPECT_NE(labels_with_bound(denormal, isa, screen, 0), denormal_right);
        } else {
            EXPECT_EQ(labels_with_bound(rounded, isa, screen, 1), rounded_right);
            EXPECT_NE(labels_with_bound(rounded, isa, screen, 0.25f), rounded_right);
        }
    });
}

// Bad data that is reported otherwise, or not at all, where points are screened.
TEST(Screening, ReportsBadDataAsTheDirectPathDoes) {
    std::mt19937 generator(4);
    const ScreeningProblem good{"", 200, 40, 10, draw(generator, 2000), draw(generator, 400)};
    const auto report = [](const ScreeningProblem& p, const char* path) {
        try {
            solve(p, path);
        } catch (const eb::DataError& error) {
            return std::string(error.what());
        }
        return std::string("none");
    };
    for_each_screen([&](const auto&, const auto& screen) {
        for (const float bad : {float(NAN), float(INFINITY), -float(INFINITY), 1e30f}) {
            auto points = good, prototypes = good;
            points.points[1503] = points.points[777] = bad;
            prototypes.prototypes[399] = prototypes.prototypes[251] = bad;
            EXPECT_NE(report(points, "direct").find("77"), std::string::npos) << report(points, "direct");
            for (const auto& p : {points, prototypes}) {
                EXPECT_NE(report(p, "direct"), "none");
                EXPECT_EQ(report(p, "direct"), report(p, screen.name));
                const auto direct = solve(p, "direct", true, false), screened = solve(p, screen.name, true, false);
                EXPECT_EQ(direct.labels, screened.labels);
                EXPECT_TRUE(same_bits(direct.energies, screened.energies));
            }
            if (!std::isfinite(bad)) {
                EXPECT_NE(report(prototypes, "direct").find("prototypes"), std::string::npos);
                EXPECT_EQ(solve(points, screen.name, true, false).labels[77], 0);
            }
        }
    });
}
