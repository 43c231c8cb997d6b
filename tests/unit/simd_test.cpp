// Every instruction set gives the same bits.
#include <cmath>
#include <cstdint>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <cuebm/cuebm.hpp>

#include "cpu/isa.hpp"
#include "cpu/pack.hpp"
#include "unit/screening.hpp"

namespace eb = cuebm;
using namespace eb::test;

namespace {

// Every output of assign, in one string of bytes.
template <class T>
std::string everything(bool hide) {
    constexpr std::int64_t n = 71, k = 53, d = 45, m = 7;
    std::mt19937 generator(5);
    std::normal_distribution<double> normal;
    std::vector<T> y(n * d), w(k * d), energies(n), free(n), best_energies(n * m), all(n * k);
    for (auto* values : {&y, &w})
        for (auto& x : *values) x = static_cast<T>(normal(generator));
    std::vector<std::uint8_t> known(n * d);
    for (auto& x : known) x = generator() % 3 != 0;
    std::vector<std::int32_t> labels(n), best(n * m);
    auto context = eb::Context::cpu({.threads = 1});
    eb::Assign<T> task{.points = eb::view(std::as_const(y), n, d),
                       .prototypes = eb::view(std::as_const(w), k, d),
                       .labels = eb::view(labels),
                       .energies = eb::view(energies),
                       .best_labels = eb::view(best, n, m),
                       .best_energies = eb::view(best_energies, n, m),
                       .all_energies = eb::view(all, n, k),
                       .free_energies = eb::view(free),
                       .beta = 0.3};
    if (hide) task.known = eb::view(std::as_const(known), n, d);
    eb::assign(context, task);
    std::string bytes;
    const auto append = [&](const auto& values) {
        bytes.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(values[0]));
    };
    append(labels), append(energies), append(best), append(best_energies), append(all), append(free);
    return bytes;
}

}  // namespace

// A result that is rounded twice: to double, then to float.
TEST(Simd, FusedByDoublesIsRoundedOnce) {
    std::mt19937 generator(6);
    const auto any = [&] {
        const auto bits = static_cast<std::int32_t>(generator());
        switch (generator() % 4) {
            case 0: return eb::math::from_bits(bits);                                    // any float, NaN too
            case 1: return eb::math::from_bits((bits & ~0x7f800000) | 0x3f800000);       // in +-[1, 2)
            case 2: return eb::math::from_bits(bits & ~0x7f000000);                      // denormal, or nearly
            default: return std::ldexp(static_cast<float>(bits % 17), bits >> 24 & 63);  // few bits: ties
        }
    };
    for (int trial = 0; trial < 200000; ++trial) {
        eb::math::FloatPack a{}, b{}, c{};
        constexpr int width = sizeof a / sizeof(float);
        for (int l = 0; l < width; ++l) a[l] = any(), b[l] = any(), c[l] = any();
        const auto got = eb::math::fused_by_doubles(a, b, c);
        for (int l = 0; l < width; ++l) {
            const float wanted = std::fma(a[l], b[l], c[l]), one = got[l];
            if (std::isnan(wanted))
                EXPECT_TRUE(std::isnan(one));
            else
                EXPECT_EQ(eb::math::to_bits(one), eb::math::to_bits(wanted)) << a[l] << " " << b[l] << " " << c[l];
        }
    }
}

// A pack that contracts, reassociates or rounds twice; a butterfly that adds in another order.
TEST(Simd, EveryInstructionSetGivesTheSameBits) {
    std::string first[4];
    for_each_isa([&](const auto& isa) {
        const std::string now[4] = {everything<float>(false), everything<float>(true), everything<double>(false),
                                    everything<double>(true)};
        for (int c = 0; c < 4; ++c) {
            if (first[c].empty()) first[c] = now[c];
            EXPECT_TRUE(first[c] == now[c]) << isa.kernels->name << " case " << c;
        }
    });
}

// A choice that is ignored, or a message that does not help.
TEST(Simd, TheEnvironmentChooses) {
    for_each_isa([&](const auto& isa) {
        const auto name = eb::Context::cpu({.threads = 1}).properties().name;
        EXPECT_EQ(name, "CPU (" + eb::cpu::describe(isa) + ", 1 thread)");
    });
    using Case = std::pair<const char*, const char*>;
    for (const auto& [variable, one] :
         {Case{"CUEBM_ISA", "base"}, Case{"CUEBM_ASSIGN", "direct"}, Case{"CUEBM_BOUNDS", "always"}}) {
        const ScopedVariable forced(variable, "sse9");
        try {
            (void)eb::Context::cpu();
            FAIL() << "accepted";
        } catch (const eb::InvalidArgument& error) {
            EXPECT_EQ(error.argument(), variable);
            EXPECT_NE(std::string(error.what()).find("sse9"), std::string::npos);
            EXPECT_NE(std::string(error.what()).find(one), std::string::npos);
        }
    }
}
