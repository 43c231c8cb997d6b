// energy::evaluate() against formulas in long double and their differences, and bit for bit between backends.
#include <limits>

#include "support/backends.hpp"
#include "support/complaint.hpp"
#include "support/energy_cases.hpp"

namespace eb = cuebm;
using namespace cuebm::test;

CUEBM_SUITE_ON(EnergyValues, backends_of_one_path());

namespace {

template <class T>
std::vector<T> points_of(const EnergyCase& c, std::int64_t n) {
    return normal<T>(n * c.energy.dimension(), 21, 0, c.spread);
}

template <class T>
struct Evaluated {
    std::vector<T> values, gradients;
};

template <class T>
Evaluated<T> evaluated(const eb::Context& context, const eb::Energy& energy, const std::vector<T>& points,
                       Layout layout = {}) {
    const std::int64_t d = energy.dimension(), n = static_cast<std::int64_t>(points.size()) / d;
    const Placed<T> y(context, points, n, d, layout), values(context, n, 1, layout), gradients(context, n, d, layout),
        only_values(context, n, 1, layout), only_gradients(context, n, d, layout);
    eb::energy::evaluate(context, energy, eb::energy::Evaluate<T>{y.view(), values.vector(), gradients.view()});
    eb::energy::evaluate(context, energy, eb::energy::Evaluate<T>{.points = y.view(), .values = only_values.vector()});
    eb::energy::evaluate(context, energy,
                         eb::energy::Evaluate<T>{.points = y.view(), .gradients = only_gradients.view()});
    EXPECT_TRUE(same_bits(only_values.host(), values.host()));  // each alone is what it is beside the other
    EXPECT_TRUE(same_bits(only_gradients.host(), gradients.host()));
    return {values.host(), gradients.host()};
}

}  // namespace

// A wrong formula, a wrong gradient, a map's missing Jacobian, a lost weight.
CUEBM_TEST(EnergyValues, FollowTheirFormulas) {
    const auto context = backend.make();
    constexpr std::int64_t n = 5;
    for (const auto& c : energy_cases()) {
        SCOPED_TRACE(c.name);
        const auto points = points_of<T>(c, n);
        const auto got = evaluated(context, c.energy, points);
        const auto d = static_cast<std::size_t>(c.energy.dimension());
        for (std::size_t i = 0; i < n; ++i) {
            const eb::reference::Point x(points.begin() + static_cast<std::ptrdiff_t>(i * d),
                                         points.begin() + static_cast<std::ptrdiff_t>((i + 1) * d));
            const double value = static_cast<double>(c.formula(x));
            EXPECT_NEAR(got.values[i], value, tolerance<T>(60, std::abs(value) + 10)) << "point " << i;
            const auto slopes = eb::reference::gradient(c.formula, x);
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
}

// A tail of a tile or a pack, a stride, a lane that sees its neighbour; another order of addition on a backend.
CUEBM_TEST(EnergyValues, AreTheSameBitsForAnyNumberOfPoints) {
    const auto context = backend.make(), plain = eb::Context::cpu({.threads = 1});
    for (const auto& c : energy_cases()) {
        SCOPED_TRACE(c.name);
        const auto d = static_cast<std::size_t>(c.energy.dimension());
        const auto points = points_of<T>(c, 200);
        const auto wanted = evaluated(plain, c.energy, points);
        for (const std::size_t n : {1u, 3u, 64u, 65u, 200u}) {
            SCOPED_TRACE(n);
            const std::vector<T> some(points.begin(), points.begin() + static_cast<std::ptrdiff_t>(n * d));
            for (const Layout layout : {Layout{}, Layout{.pad = 3, .offset = 1}}) {
                const auto got = evaluated(context, c.energy, some, layout);
                EXPECT_TRUE(same_bits(got.values,
                                      {wanted.values.begin(), wanted.values.begin() + static_cast<std::ptrdiff_t>(n)}));
                EXPECT_TRUE(same_bits(got.gradients, {wanted.gradients.begin(),
                                                      wanted.gradients.begin() + static_cast<std::ptrdiff_t>(n * d)}));
            }
        }
    }
}

// The wrong row, no row, or a good row that is taken for bad.
CUEBM_TEST(EnergyValues, NameTheFirstBadRow) {
    const auto context = backend.make();
    const eb::Energy energy = eb::energy::gaussian({.precision = {1, 1, 1}});
    constexpr auto inf = std::numeric_limits<T>::infinity();
    for (const T bad : {std::numeric_limits<T>::quiet_NaN(), inf, -inf}) {
        auto points = normal<T>(300 * 3, 1);
        points[3 * 133 + 2] = points[3 * 280] = bad;
        const Placed<T> y(context, points, 300, 3), values(context, 300, 1);
        eb::energy::Evaluate<T> task{.points = y.view(), .values = values.vector()};
        EXPECT_EQ(complaint([&] { eb::energy::evaluate(context, energy, task); }), (Complaint{"points", 133}));
        task.check_finite = false;
        eb::energy::evaluate(context, energy, task);
        EXPECT_FALSE(std::isfinite(values.host()[133]));
        EXPECT_TRUE(std::isfinite(values.host()[134]));
    }
    auto points = normal<T>(9, 1);
    points[4] = std::numeric_limits<T>::max();  // its square is infinite, and no error
    const Placed<T> y(context, points, 3, 3), values(context, 3, 1);
    eb::energy::evaluate(context, energy, eb::energy::Evaluate<T>{.points = y.view(), .values = values.vector()});
    EXPECT_EQ(values.host()[1], inf);
    const eb::Energy torn = eb::energy::linear({.features = table({4, -4}, 2), .targets = {0}});  // infinity - infinity
    const std::vector<T> far{1, 1, std::numeric_limits<T>::max(), std::numeric_limits<T>::max()};
    const Placed<T> x(context, far, 2, 2), two(context, 2, 1);
    EXPECT_EQ(complaint([&] {
                  eb::energy::evaluate(context, torn,
                                       eb::energy::Evaluate<T>{.points = x.view(), .values = two.vector()});
              }),
              (Complaint{"points", 1}));
}

// A shape that is not looked at: memory would be overrun.
CUEBM_TEST(EnergyValues, RefuseWrongShapes) {
    const auto context = backend.make();
    const eb::Energy energy = eb::energy::gaussian({.precision = {1, 1, 1}});
    const Placed<T> y(context, normal<T>(12, 1), 4, 3), two(context, 4, 2), values(context, 4, 1), few(context, 3, 1);
    const auto evaluate = [&](const eb::Energy& e, const eb::energy::Evaluate<T>& task) {
        return [&context, e, task] { eb::energy::evaluate(context, e, task); };
    };
    expect_refused("energy", evaluate({}, {.points = y.view(), .values = values.vector()}));
    expect_refused("points", evaluate(energy, {.points = two.view(), .values = values.vector()}));
    expect_refused("values", evaluate(energy, {.points = y.view(), .values = few.vector()}));
    expect_refused("values", evaluate(energy, {.points = y.view()}));
    expect_refused("gradients", evaluate(energy, {.points = y.view(), .gradients = two.view()}));
    expect_refused("gradients", evaluate(energy, {.points = y.view(), .gradients = y.view()}));
    evaluate(energy, {.points = {nullptr, 0, 3, 3, context.device()}})();  // no points: nothing to do
    if constexpr (sizeof(T) == sizeof(float)) {                            // 1e300 is no float
        const eb::Energy far = eb::energy::gaussian({.mean = {1e300}, .precision = {1}});
        const Placed<T> one(context, normal<T>(4, 1), 4, 1);
        expect_refused("energy", evaluate(far, {.points = one.view(), .values = values.vector()}));
    }
}
