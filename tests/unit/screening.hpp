// What the tests of screening share: problems whose scores tie but for rounding, and labels by a way that is forced.
#pragma once

#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <cuebm/cuebm.hpp>

#include "cpu/assign.hpp"
#include "cpu/isa.hpp"
#include "support/backends.hpp"
#include "support/data.hpp"

namespace cuebm::test {

using Values = std::vector<float>;

struct ScreeningProblem {
    std::string name;
    std::int64_t n, k, d;
    Values points, prototypes;
};

inline Values draw(std::mt19937& generator, std::int64_t size, float scale = 1, float shift = 0) {
    std::normal_distribution<float> normal;
    Values values(static_cast<std::size_t>(size));
    for (auto& x : values) x = shift + scale * normal(generator);
    return values;
}

// Points on the bisectors of pairs of prototypes, off them by a few roundings: every score is a tie but for rounding.
inline ScreeningProblem near_ties(std::mt19937& generator, std::int64_t n, std::int64_t k, std::int64_t d, float scale,
                                  float off = 3e-7f) {
    ScreeningProblem p{
        "near ties at " + std::to_string(scale), n, k, d, draw(generator, n * d), draw(generator, k * d)};
    std::uniform_real_distribution<float> jitter(-off, off);
    for (std::int64_t z = 0; z + 1 < k; z += 2)  // w_{z + 1} is w_z with the first coordinate negated
        for (std::int64_t j = 0; j < d; ++j) {
            const float w = p.prototypes[static_cast<std::size_t>(z * d + j)];
            p.prototypes[static_cast<std::size_t>((z + 1) * d + j)] = j == 0 ? -w : w;
        }
    for (std::int64_t i = 0; i < n; ++i) p.points[static_cast<std::size_t>(i * d)] = jitter(generator);
    for (auto* values : {&p.points, &p.prototypes})
        for (auto& x : *values) x *= scale;
    return p;
}

struct ScreeningAnswer {
    std::vector<std::int32_t> labels;
    Values energies;
};

inline Assign<float> task_of(const ScreeningProblem& p, ScreeningAnswer& answer) {
    answer.labels.assign(static_cast<std::size_t>(p.n), -1);
    answer.energies.assign(static_cast<std::size_t>(p.n), -1);
    return {.points = view(p.points, p.n, p.d),
            .prototypes = view(p.prototypes, p.k, p.d),
            .labels = view(answer.labels),
            .energies = view(answer.energies)};
}

inline ScreeningAnswer solve(const ScreeningProblem& p, const char* path, bool energies = true,
                             bool check_finite = true) {
    const ScopedVariable forced("CUEBM_ASSIGN", path);
    ScreeningAnswer answer;
    auto task = task_of(p, answer);
    if (!energies) task.energies = {};
    task.check_finite = check_finite;
    auto context = Context::cpu({.threads = 2});
    EXPECT_EQ(explain(context, task).substr(0, 6) == "direct", std::string(path) == "direct");
    assign(context, task);
    return answer;
}

// Once for each way of screening that this CPU has, on each instruction set.
inline void for_each_screen(const std::function<void(const cpu::Isa&, const cpu::ScreenKernels&)>& body) {
    for (const auto& isa : cpu::available_isas())
        for (const auto* screen : isa.screens) {
            const ScopedVariable forced("CUEBM_ISA", isa.kernels->name);
            SCOPED_TRACE(std::string(isa.kernels->name) + " " + screen->name);
            body(isa, *screen);
        }
}

inline void for_each_isa(const std::function<void(const cpu::Isa&)>& body) {
    for (const auto& isa : cpu::available_isas()) {
        const ScopedVariable forced("CUEBM_ISA", isa.kernels->name);
        SCOPED_TRACE(isa.kernels->name);
        body(isa);
    }
}

}  // namespace cuebm::test
