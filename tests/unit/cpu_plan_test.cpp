// The plan says what runs on a CPU, and how much memory it takes.
#include <cmath>
#include <cstdint>
#include <string>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include <cuebm/cuebm.hpp>

#include "cpu/assign.hpp"
#include "cpu/isa.hpp"
#include "unit/screening.hpp"

namespace eb = cuebm;
using namespace eb::test;

namespace {

// What a plan chooses: the name of a screen, small or direct.
std::string way_of(const eb::cpu::Isa& isa, std::int64_t n, std::int64_t k, std::int64_t d, const char* path = "") {
    float some;
    std::int32_t label;
    const eb::Assign<float> task{
        .points = {&some, n, d, d, {}}, .prototypes = {&some, k, d, d, {}}, .labels = {&label, n, 1, {}}};
    const auto plan = eb::cpu::plan(task, isa, 1, path);
    return plan.small ? "small" : plan.screen ? plan.screen->name : "direct";
}

}  // namespace

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

// A limit that is off by one, or another path's; sums of bytes that overflow; an order that is not the fastest first.
// Screens have the names of others, so that every machine looks at all limits.
TEST(Plan, TakesTheWayOfTheShape) {
    using eb::cpu::ScreenFormat;
    const auto named = [](const char* name, ScreenFormat format) {
        auto screen = eb::cpu::screen_base;
        screen.name = name;
        screen.format = format;
        return screen;
    };
    const auto amx = named("amx", ScreenFormat::bf16), int8 = named("int8", ScreenFormat::int8),
               fp32 = named("fp32", ScreenFormat::fp32), bf16 = named("bf16", ScreenFormat::bf16);
    auto kernels = eb::cpu::assign_base;
    kernels.small_depth = 32;  // as with FMA
    const auto isa_of = [&](const std::vector<const eb::cpu::ScreenKernels*>& screens) {
        return eb::cpu::Isa{&kernels, &eb::cpu::sums_base, &eb::cpu::energy_base, &eb::cpu::chains_base, screens};
    };
    const auto with_amx = isa_of({&amx, &int8, &fp32, &bf16}), with_int8 = isa_of({&int8, &fp32, &bf16}),
               with_fp32 = isa_of({&fp32});
    const auto ways = [&](std::int64_t n, std::int64_t k, std::int64_t d) {
        return way_of(with_amx, n, k, d) + " " + way_of(with_int8, n, k, d) + " " + way_of(with_fp32, n, k, d);
    };
    constexpr std::int64_t depth = 1 << 20;
    const std::string fastest = "amx int8 fp32", amx_alone = "amx fp32 fp32", fp32_alone = "fp32 fp32 fp32",
                      small = "small small small", direct = "direct direct direct";
    EXPECT_EQ(ways(1000, 3, 256), direct);  // enough prototypes and points, and what can be screened at all
    EXPECT_EQ(ways(1000, 4, 256), fastest);
    EXPECT_EQ(ways(31, 100, 256), direct);
    EXPECT_EQ(ways(32, 100, 256), fastest);
    EXPECT_EQ(ways(32, 4, depth), amx_alone);
    EXPECT_EQ(ways(32, 4, depth + 1), direct);
    EXPECT_EQ(ways(1000, 4, 63), fp32_alone);  // amx: d, or d k
    EXPECT_EQ(ways(1000, 4, 64), amx_alone);
    EXPECT_EQ(ways(1000, 65, 63), fp32_alone);
    EXPECT_EQ(ways(1000, 128, 32), amx_alone);
    EXPECT_EQ(ways(1000, 4, 255), amx_alone);  // int8: d, or d and d k
    EXPECT_EQ(ways(1000, 127, 64), amx_alone);
    EXPECT_EQ(ways(1000, 128, 64), fastest);
    EXPECT_EQ(ways(1000, 200, 63), amx_alone);
    EXPECT_EQ(ways(1000, 4, 65536), fastest);  // sums of bytes
    EXPECT_EQ(ways(1000, 4, 65537), amx_alone);
    EXPECT_EQ(way_of(with_int8, 1000, 4, 65537, "int8"), "direct");
    EXPECT_EQ(ways(1, 1, 4), small);  // d; d and k; d k; and the most coordinates that it takes
    EXPECT_EQ(ways(1000, 5000, 4), small);
    EXPECT_EQ(ways(1000, 513, 5), fp32_alone);
    EXPECT_EQ(ways(1000, 512, 8), small);
    EXPECT_EQ(ways(1000, 513, 8), amx_alone);
    EXPECT_EQ(ways(1000, 200, 9), fp32_alone);
    EXPECT_EQ(ways(1000, 64, 16), small);
    EXPECT_EQ(ways(1000, 65, 16), fp32_alone);
    EXPECT_EQ(ways(1000, 32, 32), small);
    EXPECT_EQ(ways(1000, 31, 33), fp32_alone);
    EXPECT_EQ(way_of(isa_of({&int8, &bf16, &fp32}), 1000, 64, 64), "bf16");  // where it is the faster of the two
#if defined(__x86_64__)
    const std::string fastest_first = __builtin_cpu_is("amd") ? "int8, bf16, fp32" : "amx, int8, fp32, bf16";
#else
    const std::string fastest_first = "fp32";
#endif
    for (const auto& isa : eb::cpu::available_isas()) {
        std::size_t last = 0;
        for (const auto* screen : isa.screens) {
            const auto at = fastest_first.find(screen->name);
            EXPECT_TRUE(at != std::string::npos && at >= last) << screen->name;
            last = at;
        }
    }
}
