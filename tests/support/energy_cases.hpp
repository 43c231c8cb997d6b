// Each building block and each way of composing them, with its formula: what tests of energies and of samplers run
// over.
#pragma once

#include <string>
#include <vector>

#include <cuebm/energy.hpp>

#include "reference/energy.hpp"
#include "support/data.hpp"

namespace cuebm::test {

struct EnergyCase {
    std::string name;
    Energy energy;
    reference::EnergyFunction formula;
    double spread = 1;   // of points that are typical of it
    bool smooth = true;  // else differences across a kink are not its gradient
};

inline energy::Table table(const std::vector<double>& values, std::int64_t cols) {
    return view(values, static_cast<std::int64_t>(values.size()) / cols, cols);
}

inline std::vector<double> positive(std::int64_t size, unsigned seed) {
    auto values = normal<double>(size, seed);
    for (double& value : values) value = 0.2 + std::abs(value);
    return values;
}

// A' A + identity.
inline std::vector<double> positive_definite(std::int64_t d, unsigned seed) {
    const auto a = normal<double>(d * d, seed, 0, 0.5);
    std::vector<double> p(a.size());
    const auto size = static_cast<std::size_t>(d);
    for (std::size_t i = 0; i < size; ++i)
        for (std::size_t j = 0; j < size; ++j) {
            p[i * size + j] = i == j ? 1 : 0;
            for (std::size_t k = 0; k < size; ++k) p[i * size + j] += a[k * size + i] * a[k * size + j];
        }
    return p;
}

inline std::vector<EnergyCase> energy_cases() {
    namespace r = reference;
    using reference::Point;
    std::vector<EnergyCase> cases;
    const auto add = [&](std::string name, Energy e, r::EnergyFunction formula, double spread = 1, bool smooth = true) {
        cases.push_back({std::move(name), std::move(e), std::move(formula), spread, smooth});
    };
    for (const std::int64_t d : {1, 10, 33, 70}) {  // a sum in order, in two and in three rounds
        const auto mean = normal<double>(d, 1), p = positive(d, 2);
        add("gaussian" + std::to_string(d), energy::gaussian({.mean = mean, .precision = p}),
            [=](const Point& x) { return r::gaussian(x, mean, p); });
    }
    for (const std::int64_t d : {1, 7, 8, 35}) {
        const auto mean = normal<double>(d, 3), p = positive_definite(d, 4);
        add("gaussian_full" + std::to_string(d), energy::gaussian({.mean = mean, .precision_matrix = table(p, d)}),
            [=](const Point& x) { return r::gaussian(x, mean, p); });
    }
    for (const std::int64_t k : {1, 3, 9}) {
        const std::int64_t d = k == 9 ? 40 : 2;
        const auto weights = positive(k, 5), means = normal<double>(k * d, 6, 0, 2), p = positive(k * d, 7);
        add(
            "mixture" + std::to_string(k),
            energy::mixture({.weights = weights, .means = table(means, d), .precisions = table(p, d)}),
            [=](const Point& x) { return r::mixture(x, weights, means, p); }, 2);
        const auto w = normal<double>(k * d, 8);
        add("kmeans" + std::to_string(k), energy::kmeans({.prototypes = table(w, d), .beta = 0.7}),
            [=](const Point& x) { return r::kmeans(x, w, 0.7); });
    }
    add(
        "banana2", energy::banana(), [](const Point& x) { return r::banana(x, 10, 0.03); }, 8);
    add(
        "banana5", energy::banana({.dimension = 5, .scale = 2, .curvature = -0.3}),
        [](const Point& x) { return r::banana(x, 2, -0.3); }, 2);
    add("rosenbrock2", energy::rosenbrock(), [](const Point& x) { return r::rosenbrock(x, 100); });
    add("rosenbrock40", energy::rosenbrock({.dimension = 40, .steepness = 5}),
        [](const Point& x) { return r::rosenbrock(x, 5); });
    add("funnel10", energy::funnel(), [](const Point& x) { return r::funnel(x, 3); });
    add("funnel40", energy::funnel({.dimension = 40, .scale = 2}), [](const Point& x) { return r::funnel(x, 2); });
    add("ring2", energy::ring(), [](const Point& x) { return r::ring(x, 2, 0.25); });
    add("ring35", energy::ring({.dimension = 35, .radius = 6, .width = 1}),
        [](const Point& x) { return r::ring(x, 6, 1); });
    add("double_well1", energy::double_well(), [](const Point& x) { return r::double_well(x, 4, 1); });
    add("double_well4", energy::double_well({.dimension = 4, .height = 2, .separation = 1.5}),
        [](const Point& x) { return r::double_well(x, 2, 1.5); });
    for (const std::int64_t n : {1, 13, 300}) {  // less than eight rows, a part of eight, two blocks
        const std::int64_t d = n == 300 ? 20 : 3;
        const auto features = normal<double>(n * d, 9), targets = normal<double>(n, 10);
        auto outcomes = targets;
        for (double& t : outcomes) t = t > 0 ? 1 : 0;
        const std::string size = std::to_string(n);
        add("logistic" + size, energy::logistic({.features = table(features, d), .outcomes = outcomes, .prior_sd = 2}),
            [=](const Point& x) { return r::logistic(x, features, outcomes, 2); });
        add("linear" + size,
            energy::linear({.features = table(features, d), .targets = targets, .noise_sd = 1.5, .prior_sd = 3}),
            [=](const Point& x) { return r::linear(x, features, targets, 1.5, 3); });
        add(
            "sparse" + size, energy::sparse({.dictionary = table(features, d), .signal = targets, .lambda = 0.3}),
            [=](const Point& x) { return r::sparse(x, features, targets, 0.3); }, 1, false);
    }
    const energy::EightSchools schools;
    for (const bool centred : {false, true})
        add(
            centred ? "eight_schools_centred" : "eight_schools", energy::eight_schools({.centred = centred}),
            [=](const Point& x) { return r::eight_schools(x, schools.effects, schools.errors, centred); }, 2);
    const auto effects = normal<double>(40, 15, 0, 10), errors = positive(40, 16);  // more than are summed in order
    for (const bool centred : {false, true})
        add(
            centred ? "forty_schools_centred" : "forty_schools",
            energy::eight_schools({.effects = effects, .errors = errors, .centred = centred}),
            [=](const Point& x) { return r::eight_schools(x, effects, errors, centred); }, 2);

    // Compositions, by the formulas of their parts.
    const auto p3 = positive(3, 11), zero3 = std::vector<double>(3, 0.0), m3 = normal<double>(9, 12);
    const Energy wide = energy::gaussian({.precision = p3});
    const auto wide_formula = [=](const Point& x) { return r::gaussian(x, zero3, p3); };
    add("sum", 0.5 * energy::banana({.dimension = 3, .scale = 2, .curvature = 0.1}) + 3 * wide + wide,
        [=](const Point& x) { return 0.5L * r::banana(x, 2, 0.1) + 4 * wide_formula(x); });
    const auto scaled = [](const Point& x, const std::vector<double>& a, const std::vector<double>& b) {
        Point y;
        for (std::size_t j = 0; j < x.size(); ++j) y.push_back(r::Real(a[j]) * x[j] + r::Real(b[j]));
        return y;
    };
    add("affine", energy::affine(energy::rosenbrock({.dimension = 3, .steepness = 4}), {.scale = p3, .shift = zero3}),
        [=](const Point& x) { return r::rosenbrock(scaled(x, p3, zero3), 4); });
    const auto a32 = normal<double>(6, 13), b3 = normal<double>(3, 14);
    add("affine_matrix",
        2 * energy::affine(wide + energy::ring({.dimension = 3}), {.matrix = table(a32, 2), .shift = b3}),
        [=](const Point& x) {
            auto y = r::product(a32, x);
            for (std::size_t j = 0; j < 3; ++j) y[j] += r::Real(b3[j]);
            return 2 * (wide_formula(y) + r::ring(y, 2, 0.25L));
        });
    add("clamp",
        energy::clamp(energy::banana({.dimension = 4, .scale = 2, .curvature = 0.2}),
                      {.known = {0, 1, 0, 1}, .values = {9, 0.5, 9, -1}}),
        [=](const Point& x) {
            return r::banana({x[0], 0.5L, x[1], -1}, 2, 0.2);
        });
    using energy::Support;
    const Energy inner = energy::gaussian({.mean = {1, 2, 3, 4, 5, 6}, .precision = {1, 2, 1, 0.5, 1, 0.1}});
    add("constrain",
        0.7 * energy::constrain(inner, {Support::real(), Support::above(-1), Support::below(2), Support::interval(1, 5),
                                        Support::positive(), Support::ordered()}),
        [](const Point& u) {
            const r::Real s = 1 / (1 + std::exp(-u[3])), fourth = std::exp(u[4]);
            const Point x{u[0], -1 + std::exp(u[1]), 2 - std::exp(u[2]), 1 + 4 * s, fourth, fourth + std::exp(u[5])};
            const r::Real jacobian = u[1] + u[2] + std::log(4 * s * (1 - s)) + u[4] + u[5];
            return 0.7L * (r::gaussian(x, {1, 2, 3, 4, 5, 6}, {1, 2, 1, 0.5, 1, 0.1}) - jacobian);
        });
    add("clamp_of_constrain",
        energy::clamp(energy::constrain(wide, {Support::positive(), Support::ordered(), Support::real()}),
                      {.known = {0, 1, 0}, .values = {0, 0.3, 0}}),
        [=](const Point& u) {
            const r::Real first = std::exp(u[0]);
            return wide_formula({first, first + std::exp(r::Real(0.3)), u[1]}) - u[0] - r::Real(0.3);
        });
    return cases;
}

}  // namespace cuebm::test
