// Screening is exact, and its bound is needed.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <cuebm/cuebm.hpp>

#include "cpu/assign.hpp"
#include "cpu/screen_kernels.hpp"
#include "math/screening.hpp"
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

// A bound of lower bounds that is too low: N^2 not shrunk, the margin or the floor left out, the scale forgotten, an
// infinite energy that becomes NaN. N as packing computes it, against exact squares.
TEST(Screening, AnEnergyBoundsTheLowerBoundsOfItsEquals) {
    std::mt19937 generator(3);
    for (const std::int64_t d : {1, 2, 37, 1000, 1 << 20})
        for (const float size : {1e-42f, 1e-38f, 1e-22f, 1e-19f, 1e-3f, 1.0f, 1e17f, 1e18f})
            for (const double scale : {0x1p-60, 1.0, 0x1p60}) {
                const auto y = draw(generator, d, size);
                float squares = 0;
                long double exact = 0;
                for (const float x : y) {
                    const float scaled = x * static_cast<float>(scale);
                    squares += scaled * scaled;
                    exact += static_cast<long double>(scaled) * static_cast<long double>(scaled);
                }
                const float norm =
                    std::sqrt(squares + eb::math::screening_norm_floor(d)) * eb::math::screening_norm_growth(d);
                if (!(norm <= 0x1p62f)) continue;
                const auto line = eb::math::screening_line(
                    {.coordinates = d, .fp32 = true, .smallest = 0x1p-149, .scale = scale, .largest_norm = 1});
                const float margin = line.spread * norm * norm + line.floor;
                const auto unscaled = static_cast<float>(exact / scale / scale);
                for (const float energy : {0.0f, 1e-45f, 0.25f * unscaled, unscaled, 4 * unscaled}) {
                    if (!std::isfinite(energy)) continue;
                    const auto wanted = (static_cast<long double>(energy) * scale * scale - exact) / 2 + margin;
                    const float highest =
                        eb::math::screening_highest(energy, static_cast<float>(scale), norm,
                                                    eb::math::screening_distances(d).shrink, margin, line.floor);
                    EXPECT_GE(static_cast<long double>(highest), wanted) << d << ' ' << size << ' ' << scale;
                    // Nor so high that it says nothing.
                    const auto slack = 1e-5L * static_cast<long double>(d + 20) * (exact + std::fabs(wanted)) +
                                       4 * static_cast<long double>(margin) + 1e-38L;
                    EXPECT_LE(static_cast<long double>(highest), wanted + slack) << d << ' ' << size << ' ' << scale;
                }
                EXPECT_EQ(eb::math::screening_highest(eb::infinity, static_cast<float>(scale), norm, 1, margin, 0),
                          eb::infinity);
            }
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
            EXPECT_EQ(direct.labels, solve(p, screen->name, false).labels) << n << " " << k << " " << d;
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

// Norms of another row, which is a bound that fails for some data alone; rows beyond the last that are written.
TEST(Screening, PackedRowsHaveTheirOwnNorms) {
    constexpr std::int64_t n = 53, d = 37;
    std::mt19937 generator(5);
    Values points = draw(generator, n * d);
    for (std::int64_t i = 0; i < n; ++i)
        for (std::int64_t j = 0; j < d; ++j)
            points[static_cast<std::size_t>(i * d + j)] *= std::ldexp(1.0f, static_cast<int>(i * 7 % 31 - 15));
    const Values shift(64);
    for_each_screen([&](const auto&, const auto& screen) {
        const std::int64_t rows = (n + screen.tile_points - 1) / screen.tile_points * screen.tile_points;
        std::vector<std::uint32_t> words(static_cast<std::size_t>(rows * 64));
        Values norms(static_cast<std::size_t>(rows + 16), -1), residuals = norms, steps = norms;
        eb::cpu::Screen constants{};
        constants.shift = shift.data();
        constants.scale = 1;
        constants.words_a_row = 64;
        constants.bound.norm_growth = eb::math::screening_norm_growth(d);
        constants.bound.norm_floor = eb::math::screening_norm_floor(d);
        eb::cpu::AssignData<float> task{};
        task.points = {points.data(), d, eb::ElementType::float32};
        task.d = d;
        std::vector<std::byte> scratch(4096);
        screen.pack(task, constants, {words.data(), norms.data(), residuals.data(), steps.data(), {}}, 0, n,
                    scratch.data());
        for (std::int64_t i = 0; i < rows; ++i) {
            double square = 0;
            for (std::int64_t j = 0; j < d; ++j)
                square +=
                    std::pow(static_cast<double>(points[static_cast<std::size_t>(std::min(i, n - 1) * d + j)]), 2);
            const double norm = std::sqrt(square);
            EXPECT_GE(norms[static_cast<std::size_t>(i)], norm) << i;
            EXPECT_LE(norms[static_cast<std::size_t>(i)], norm * (1 + 1e-4)) << i;
            const bool rounds = screen.format != eb::cpu::ScreenFormat::fp32;
            EXPECT_GE(residuals[static_cast<std::size_t>(i)], rounds ? norm * 1e-5 : 0) << i;
            EXPECT_LE(residuals[static_cast<std::size_t>(i)], rounds ? norm * 0.03 : 0) << i;
        }
        for (std::int64_t i = rows; i < rows + 16; ++i)
            EXPECT_TRUE(norms[static_cast<std::size_t>(i)] == -1 && residuals[static_cast<std::size_t>(i)] == -1) << i;
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
                EXPECT_EQ(direct.labels, solve(p, screen.name, false, false).labels);
            }
            if (!std::isfinite(bad)) {
                EXPECT_NE(report(prototypes, "direct").find("prototypes"), std::string::npos);
                EXPECT_EQ(solve(points, screen.name, true, false).labels[77], 0);
            }
        }
    });
}
