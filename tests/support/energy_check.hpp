// Values and gradients of an energy's points, and the check of them against its formula and the formula's differences.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "support/energy_cases.hpp"

namespace cuebm::test {

template <class T>
std::vector<T> points_of(const EnergyCase& c, std::int64_t n) {
    return normal<T>(n * c.energy.dimension(), 21, 0, c.spread);
}

template <class T>
struct Evaluated {
    std::vector<T> values, gradients;
};

// Points [n x d], with the outputs in the same layout.
template <class T>
Evaluated<T> evaluated(const Context& context, const Energy& energy, const std::vector<T>& points, Layout layout = {}) {
    const std::int64_t d = energy.dimension(), n = static_cast<std::int64_t>(points.size()) / d;
    const Placed<T> y(context, points, n, d, layout), values(context, n, 1, layout), gradients(context, n, d, layout),
        only_values(context, n, 1, layout), only_gradients(context, n, d, layout);
    energy::evaluate(context, energy, energy::Evaluate<T>{y.view(), values.vector(), gradients.view()});
    energy::evaluate(context, energy, energy::Evaluate<T>{.points = y.view(), .values = only_values.vector()});
    energy::evaluate(context, energy, energy::Evaluate<T>{.points = y.view(), .gradients = only_gradients.view()});
    EXPECT_TRUE(same_bits(only_values.host(), values.host()));  // each alone is what it is beside the other
    EXPECT_TRUE(same_bits(only_gradients.host(), gradients.host()));
    return {values.host(), gradients.host()};
}

// At n points of its spread.
template <class T>
void expect_formula(const Context& context, const EnergyCase& c, std::int64_t n) {
    SCOPED_TRACE(c.name);
    const auto points = points_of<T>(c, n);
    const auto got = evaluated(context, c.energy, points);
    const auto d = static_cast<std::size_t>(c.energy.dimension());
    for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
        const reference::Point x(points.begin() + static_cast<std::ptrdiff_t>(i * d),
                                 points.begin() + static_cast<std::ptrdiff_t>((i + 1) * d));
        const double value = static_cast<double>(c.formula(x));
        EXPECT_NEAR(got.values[i], value, tolerance<T>(60, std::abs(value) + 10)) << "point " << i;
        const auto slopes = reference::gradient(c.formula, x);
        double size = 1;
        for (const auto slope : slopes) size = std::max(size, std::abs(static_cast<double>(slope)));
        for (std::size_t j = 0; j < d; ++j) {
            if (!c.smooth && std::abs(static_cast<double>(x[j])) < 1e-3) continue;
            EXPECT_NEAR(got.gradients[i * d + j], static_cast<double>(slopes[j]),
                        tolerance<T>(200, size + std::abs(value)) + 1e-8 * size)
                << "point " << i << ", coordinate " << j;
        }
    }
}

}  // namespace cuebm::test
