// The plan says what runs on a CPU, and how much memory it takes.
#include <cmath>
#include <cstdint>
#include <string>
#include <tuple>

#include <gtest/gtest.h>

#include <cuebm/cuebm.hpp>

#include "cpu/assign.hpp"
#include "cpu/isa.hpp"
#include "unit/screening.hpp"

namespace eb = cuebm;
using namespace eb::test;

// More memory than kmeans.hpp says that a fit keeps.
TEST(Plan, KeptMemoryIsAsPromised) {
    float some;
    std::int32_t label;
    for_each_screen([&](const auto& isa, const auto& screen) {
        for (const auto& [n, k, d] : {std::tuple{1, 1, 1},
                                      {57, 8, 1},
                                      {100000, 128, 16},
                                      {100000, 256, 16},
                                      {100000, 512, 16},
                                      {9000, 4096, 300}}) {
            const eb::Assign<float> task{
                .points = {&some, n, d, d, {}}, .prototypes = {&some, k, d, d, {}}, .labels = {&label, n, 1, {}}};
            const auto plan = eb::cpu::plan(task, isa, 1, screen.name);
            const auto bytes = eb::detail::layout_bytes<eb::cpu::KeptPoints>(plan, n, k, d);
            const double row = std::ceil(d * 4.0 / eb::cpu::values_a_word(screen.format) / 64) * 64;
            const double promised = (n + 127) * (7 * row / 3 + 24) + 4.0 * (k + 1) * (d + 64) + 4096;
            EXPECT_LE(static_cast<double>(bytes), promised) << n << " " << k << " " << d;
        }
    });
}

// A plan that screens what cannot be screened, or that explains what does not run.
TEST(Plan, SaysWhatRuns) {
    const eb::cpu::Isa isa{&eb::cpu::assign_base,
                           &eb::cpu::sums_base,
                           &eb::cpu::energy_base,
                           &eb::cpu::chains_base,
                           {&eb::cpu::screen_base}};
    const auto& screen = eb::cpu::screen_base;
    float some;
    double wide;
    std::int32_t label;
    std::uint8_t byte = 1;
    const eb::Assign<float> task{
        .points = {&some, 1000, 40, 40, {}}, .prototypes = {&some, 100, 40, 40, {}}, .labels = {&label, 1000, 1, {}}};
    const auto plan = eb::cpu::plan(task, isa, 3, "");
    EXPECT_EQ(plan.screen, &screen);
    EXPECT_EQ(plan.text(), "screened fp32, " + std::to_string(screen.tile_points) + " x " +
                               std::to_string(screen.panel) + " tiles, base");
    EXPECT_EQ(plan.depth, 48);
    EXPECT_EQ(plan.rows, 112);
    EXPECT_GT(plan.scratch_bytes, 3 * plan.slot_bytes);
    const auto direct = [&](auto change, const char* path = "fp32") {
        auto changed = task;
        change(changed);
        const auto p = eb::cpu::plan(changed, isa, 3, path);
        return p.screen == nullptr && p.text().substr(0, 12) == "direct fp32,";
    };
    EXPECT_TRUE(direct([](auto&) {}, "direct"));
    EXPECT_TRUE(direct([&](auto& t) { t.prototypes.rows = 2; }, ""));
    EXPECT_FALSE(direct([&](auto& t) { t.prototypes.rows = 2; }));
    EXPECT_TRUE(direct([&](auto& t) { t.points.rows = 5; }, ""));
    EXPECT_TRUE(direct([&](auto& t) { t.known = {&byte, 1, 40, 40, {}}; }));
    EXPECT_TRUE(direct([&](auto& t) { t.best_labels = {&label, 1000, 2, 2, {}}; }));
    EXPECT_TRUE(direct([&](auto& t) { t.all_energies = {&some, 1000, 100, 100, {}}; }));
    EXPECT_TRUE(direct([&](auto& t) { t.free_energies = {&some, 1000, 1, {}}; }));
    EXPECT_TRUE(direct([&](auto& t) { t.points.cols = t.prototypes.cols = (1 << 20) + 1; }));
    const eb::Assign<double> fp64{
        .points = {&wide, 1000, 40, 40, {}}, .prototypes = {&wide, 100, 40, 40, {}}, .labels = {&label, 1000, 1, {}}};
    EXPECT_EQ(eb::cpu::plan(fp64, isa, 1, "fp32").text().substr(0, 12), "direct fp64,");
}
