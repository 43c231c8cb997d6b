// Data that is hard for kernels that screen, on every way of assigning that a GPU has: each must give the canonical
// bits.
#include <cmath>
#include <random>

#include "support/assign_problem.hpp"
#include "support/backends.hpp"

namespace eb = cuebm;
using namespace cuebm::test;

namespace {

struct Named {
    const char* name;
    Problem<float> problem;
};

// Points on the bisectors of pairs of prototypes, off them by about the rounding of float or of bf16.
Problem<float> near_ties(std::int64_t n, std::int64_t k, std::int64_t d, float off, float scale) {
    auto p = normal_problem<float>(n, k, d);
    const auto jitter = normal<float>(n, 3, 0, static_cast<double>(off));
    for (std::int64_t z = 0; z + 1 < k; z += 2)  // w_{z + 1} is w_z with the first coordinate negated
        for (std::int64_t j = 0; j < d; ++j) {
            const float w = p.prototypes[static_cast<std::size_t>(z * d + j)];
            p.prototypes[static_cast<std::size_t>((z + 1) * d + j)] = j == 0 ? -w : w;
        }
    for (std::int64_t i = 0; i < n; ++i)
        p.points[static_cast<std::size_t>(i * d)] = jitter[static_cast<std::size_t>(i)];
    for (auto* values : {&p.points, &p.prototypes})
        for (auto& x : *values) x *= scale;
    return p;
}

std::vector<Named> problems() {
    std::vector<Named> all{
        {"deep", normal_problem<float>(3, 70, 780)},
        {"far from the origin", normal_problem<float>(40, 50, 20, 1e4, 1e-2)},
        {"huge", normal_problem<float>(30, 40, 30, 0, 1e17)},
        {"beyond the screen", normal_problem<float>(20, 40, 12, 0, 1e18)},
        {"squares that underflow", normal_problem<float>(20, 40, 30, 0, 1e-22)},
        {"denormal", normal_problem<float>(20, 40, 30, 0, 1e-40)},
        {"all zero",
         {.n = 20, .k = 40, .d = 5, .points = std::vector<float>(20 * 5), .prototypes = std::vector<float>(40 * 5)}},
        {"near ties in bf16", near_ties(40, 65, 37, 1e-3f, 1)}};
    for (const float scale : {1e-19f, 1e-10f, 1.0f, 1e10f, 1e17f})
        all.push_back({"near ties in float", near_ties(30, 65, 19, 3e-7f, scale)});
    auto& copies = all.emplace_back(Named{"100 copies of 3 prototypes", normal_problem<float>(30, 300, 7)}).problem;
    for (std::size_t i = 3 * 7; i < copies.prototypes.size(); ++i) copies.prototypes[i] = copies.prototypes[i - 21];
    auto& equal = all.emplace_back(Named{"points equal to prototypes", normal_problem<float>(80, 40, 9)}).problem;
    for (std::size_t i = 0; i < equal.points.size(); ++i) equal.points[i] = equal.prototypes[i % (40 * 9)];
    auto& feature = all.emplace_back(Named{"a feature 1e6 times the rest", normal_problem<float>(50, 70, 12)}).problem;
    for (auto* values : {&feature.points, &feature.prototypes})
        for (std::size_t i = 5; i < values->size(); i += 12) (*values)[i] *= 1e6f;
    auto& outlier = all.emplace_back(Named{"a prototype far away", normal_problem<float>(50, 140, 12)}).problem;
    for (std::size_t i = 0; i < 12; ++i) outlier.prototypes[12 * 130 + i] = 1e15f;
    auto& far = all.emplace_back(Named{"points far from all prototypes", normal_problem<float>(50, 70, 12)}).problem;
    for (auto& x : far.points) x *= 1e9f;
    return all;
}

}  // namespace

// A bound that misses a source of rounding, a class that is not scanned, a tie that goes to a higher index, a way that
// data can turn wrong.
class ScreenedDataOn : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(, ScreenedDataOn, testing::Values("direct", "fp32", "tensor", "small"),
                         [](const auto& info) { return std::string(info.param); });
TEST_P(ScreenedDataOn, HasTheCanonicalLabels) {
    const auto all = problems();
    for (const auto& backend : backends()) {
        if (backend.kind != eb::Device::Kind::cuda) continue;  // the CPU's: tests/unit/screening_test.cpp
        const ScopedVariable forced("CUEBM_ASSIGN", GetParam());
        auto context = backend.make();
        for (const auto& [name, problem] : all) {
            SCOPED_TRACE(name);
            const Canonical<float> wanted(problem);
            wanted.expect(solve(context, problem, Want::labels), Want::labels);
            const unsigned both = Want::labels | Want::energies;
            wanted.expect(solve(context, problem, both), both);
        }
    }
}

// A name that is taken for another, or a message that does not help.
TEST(ScreenedData, WaysAreNamed) {
    for (const auto& backend : backends()) {
        if (backend.kind != eb::Device::Kind::cuda) continue;
        for (const char* of_a_cpu : {"bf16", "int8", "amx"}) {
            const ScopedVariable forced("CUEBM_ASSIGN", of_a_cpu);
            EXPECT_NO_THROW((void)backend.make());
        }
        const ScopedVariable forced("CUEBM_ASSIGN", "fast");
        try {
            (void)backend.make();
            FAIL() << "accepted";
        } catch (const eb::DeviceError& error) {
            EXPECT_NE(std::string(error.what()).find("fast: wanted direct, fp32, tensor or small"), std::string::npos)
                << error.what();
        }
    }
}
