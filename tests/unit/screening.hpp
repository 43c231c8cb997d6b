// What the tests of screening share: problems that are hard for it, and labels by a way that is forced.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <tuple>
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

// Constant rows near midpoints of prototypes: products repeat, and so does the rounding of their sum, in one direction.
// These scores come nearest to the bound.
inline ScreeningProblem biased(std::mt19937& generator, std::int64_t n, std::int64_t k, std::int64_t d) {
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

// Hard data of all kinds, of at least `least_k` prototypes.
inline std::vector<ScreeningProblem> screening_problems(std::int64_t least_k = 1) {
    std::mt19937 generator(1);
    std::vector<ScreeningProblem> all;
    const auto add = [&](const char* name, std::int64_t n, std::int64_t k, std::int64_t d, float scale = 1,
                         float shift = 0) -> ScreeningProblem& {
        k = std::max(k, least_k);
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
    const std::int64_t even_k = std::max<std::int64_t>(64, least_k), odd_k = std::max<std::int64_t>(65, least_k);
    all.push_back(biased(generator, 100, even_k, 500));
    for (const float scale : {1e-19f, 1e-10f, 1.0f, 1e10f, 1e17f})
        for (const std::int64_t d : {2, 37, 200}) all.push_back(near_ties(generator, 60, odd_k, d, scale));
    return all;
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
