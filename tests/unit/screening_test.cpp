// Screening is exact, and its bound is needed.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include <cuebm/cuebm.hpp>

#include "cpu/assign.hpp"
#include "unit/screening.hpp"

namespace eb = cuebm;
using namespace eb::test;

namespace {

// Constant rows near midpoints of prototypes: products repeat, and so does the rounding of their sum, in one direction.
// These scores come nearest to the bound.
ScreeningProblem biased(std::mt19937& generator, std::int64_t n, std::int64_t k, std::int64_t d) {
    ScreeningProblem p{"roundings that add up", n, k, d, {}, {}};
    std::uniform_real_distribution<float> uniform(0.5f, 1.5f), exponent(-8, -4);
    std::vector<float> values;
    for (std::int64_t z = 0; z < k / 2; ++z) values.push_back(uniform(generator));
    std::sort(values.begin(), values.end());
    for (std::int64_t z = 0; z < k; ++z) {  // with both signs, so that their mean is 0
        const float value = values[static_cast<std::size_t>(z / 2)];
        p.prototypes.insert(p.prototypes.end(), static_cast<std::size_t>(d), z % 2 == 0 ? value : -value);
    }
    for (std::int64_t i = 0; i < n; ++i) {
        const auto z = static_cast<std::size_t>(i) % (values.size() - 1);
        const float off = std::pow(10.0f, exponent(generator)) * (i % 2 == 0 ? 1.0f : -1.0f);
        p.points.insert(p.points.end(), static_cast<std::size_t>(d), (values[z] + values[z + 1]) / 2 + off);
    }
    return p;
}

std::vector<ScreeningProblem> problems() {
    std::mt19937 generator(1);
    std::vector<ScreeningProblem> all;
    const auto add = [&](const char* name, std::int64_t n, std::int64_t k, std::int64_t d, float scale = 1,
                         float shift = 0) -> ScreeningProblem& {
        all.push_back({name, n, k, d, draw(generator, n * d, scale, shift), draw(generator, k * d, scale, shift)});
        return all.back();
    };
    for (const auto& [n, k, d] : {std::tuple{1, 1, 1}, {57, 33, 3}, {100, 300, 17}, {61, 64, 64}, {20, 31, 1000}})
        add("random", n, k, d);
    add("more prototypes than meet a block at a time", 70, 9000, 6);  // twice 4096, and some
    auto& twins = add("a second chunk that repeats the first", 40, 4096 + 50, 20);
    for (std::size_t i = 4096 * 20; i < twins.prototypes.size(); ++i)
        twins.prototypes[i] = twins.prototypes[i - 4096 * 20];
    // The winner is one of ten in a class, all within the bound.
    auto& crowded = add("one class of nearly equal prototypes", 90, 160, 40);
    std::uniform_real_distribution<float> little(-1e-6f, 1e-6f);
    for (std::size_t z = 5; z < 160; z += 16)
        for (std::size_t j = 0; j < 40; ++j)
            crowded.prototypes[z * 40 + j] = crowded.prototypes[5 * 40 + j] * (1 + little(generator));
    for (std::size_t i = 0; i < 90; ++i)
        for (std::size_t j = 0; j < 40; ++j)
            crowded.points[i * 40 + j] = crowded.prototypes[(5 + i % 10 * 16) * 40 + j] * (1 + little(generator));
    // The winner is one of two, whose places in a panel are 16 apart.
    auto& pairs = add("pairs of nearly equal prototypes in a class", 160, 160, 40);
    for (std::size_t z = 0; z < 160; ++z)
        if (z % 32 >= 16)
            for (std::size_t j = 0; j < 40; ++j)
                pairs.prototypes[z * 40 + j] = pairs.prototypes[(z - 16) * 40 + j] * (1 + little(generator));
    for (std::size_t v = 0; v < pairs.points.size(); ++v)
        pairs.points[v] = pairs.prototypes[v] * (1 + little(generator));
    // Norms of points are as nothing: what errs is the prototypes' own.
    auto& centred = add("points in the middle of prototypes of one length", 100, 128, 200);
    for (std::size_t z = 0; z < 128; ++z) {
        double square = 0;
        auto* w = &centred.prototypes[z * 200];
        if (z % 2 == 1)
            for (std::size_t j = 0; j < 200; ++j) w[j] = -w[j - 200];  // so that the mean is 0
        for (std::size_t j = 0; j < 200; ++j) square += static_cast<double>(w[j]) * static_cast<double>(w[j]);
        for (std::size_t j = 0; j < 200; ++j) w[j] = static_cast<float>(static_cast<double>(w[j]) / std::sqrt(square));
    }
    for (auto& x : centred.points) x *= 1e-9f;
    add("far from the origin", 113, 50, 20, 1e-2f, 1e4f);
    add("huge", 60, 40, 30, 1e18f / 6);
    add("beyond the screen, not overflowing", 60, 40, 30, 1e18f);
    add("denormal", 60, 40, 30, 1e-40f);
    add("squares that underflow", 60, 40, 30, 1e-22f);
    add("all zero", 20, 40, 5, 0);
    auto& duplicates = add("100 copies of 3 prototypes", 50, 300, 7);
    for (std::size_t i = 3 * 7; i < duplicates.prototypes.size(); ++i)
        duplicates.prototypes[i] = duplicates.prototypes[i - 21];
    auto& equal = add("points equal to prototypes", 80, 40, 9);
    for (std::size_t i = 0; i < equal.points.size(); ++i) equal.points[i] = equal.prototypes[i % (40 * 9)];
    auto& feature = add("one feature 1e6 times the rest", 80, 100, 12);
    for (auto* values : {&feature.points, &feature.prototypes})
        for (std::size_t i = 5; i < values->size(); i += 12) (*values)[i] *= 1e6f;
    auto& outlier = add("one prototype far away", 80, 100, 12);
    for (std::size_t i = 0; i < 12; ++i) outlier.prototypes[12 * 70 + i] = 1e15f;
    auto& far = add("points far from all prototypes", 80, 100, 12, 1e3f);  // canonical energies are tied by rounding
    for (auto& x : far.prototypes) x *= 1e-6f;
    all.push_back(biased(generator, 100, 64, 500));
    for (const float scale : {1e-19f, 1e-10f, 1.0f, 1e10f, 1e17f})
        for (const std::int64_t d : {2, 37, 200}) all.push_back(near_ties(generator, 60, 65, d, scale));
    return all;
}

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
    const auto all = problems();
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
