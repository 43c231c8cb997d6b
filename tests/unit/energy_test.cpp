// What energies are made of, and what is refused; densities that integrate to what they should.
#include <cmath>
#include <functional>

#include <gtest/gtest.h>

#include <cuebm/array.hpp>
#include <cuebm/energy.hpp>
#include <cuebm/error.hpp>

#include "support/complaint.hpp"
#include "support/energy_cases.hpp"

namespace eb = cuebm;
using namespace cuebm::test;
using eb::energy::Support;

namespace {

// The integral of exp(-E) over [low, high], by the trapezoid rule.
double mass(const eb::Energy& energy, double low, double high) {
    constexpr int steps = 20000;
    std::vector<double> points;
    for (int i = 0; i <= steps; ++i) points.push_back(low + (high - low) * i / steps);
    std::vector<double> values(points.size());
    const auto n = static_cast<std::int64_t>(points.size());
    eb::energy::evaluate(eb::Context::cpu(), energy,
                         eb::energy::Evaluate<double>{.points = eb::view(points, n, 1), .values = eb::view(values)});
    double sum = 0;
    for (std::size_t i = 0; i < values.size(); ++i)
        sum += std::exp(-values[i]) * (i == 0 || i + 1 == values.size() ? 0.5 : 1.0);
    return sum * (high - low) / steps;
}

}  // namespace

// A missing constant of the mixture: weights of components would not be theirs.
TEST(Energy, MixtureIsNormalised) {
    const auto e =
        eb::energy::mixture({.weights = {0.3, 0.7}, .means = table({-2, 3}, 1), .precisions = table({4, 0.25}, 1)});
    EXPECT_NEAR(mass(e, -40, 40), 1, 1e-9);
}

// A Jacobian of the wrong sign or size: the constrained density would be another one.
TEST(Energy, ConstraintsKeepTheMass) {
    const auto normal_above = [](double bound) {
        return 0.5 * std::erfc(bound / std::sqrt(2.0)) * std::sqrt(2 * M_PI);
    };
    const auto e = eb::energy::gaussian({.precision = {1}});
    EXPECT_NEAR(mass(eb::energy::constrain(e, {Support::positive()}), -40, 5), normal_above(0), 1e-6);
    EXPECT_NEAR(mass(eb::energy::constrain(e, {Support::above(0.5)}), -40, 5), normal_above(0.5), 1e-6);
    EXPECT_NEAR(mass(eb::energy::constrain(e, {Support::below(-0.5)}), -40, 5), normal_above(0.5), 1e-6);
    EXPECT_NEAR(mass(eb::energy::constrain(e, {Support::interval(0.5, 2)}), -40, 40),
                normal_above(0.5) - normal_above(2), 1e-6);
}

// A coordinate under another's name, or a bound that is not applied to what people read.
TEST(Energy, NamesGoWithTheirCoordinates) {
    const auto inner = eb::energy::named(eb::energy::gaussian({.precision = {1, 1, 1, 1}}), {"a", "b", "c", "d"});
    const auto bounded = eb::energy::constrain(
        inner, {Support::positive(), Support::ordered(), Support::interval(-1, 1), Support::below(2)});
    const auto e = 2 * eb::energy::clamp(bounded, {.known = {0, 1, 0, 0}, .values = {9, 0.5, 9, 9}});
    EXPECT_EQ(e.dimension(), 3);
    EXPECT_EQ(e.names(), (std::vector<std::string>{"a", "b", "c", "d"}));
    const auto x = e.coordinates({0.1, 0.2, 0.3});
    ASSERT_EQ(x.size(), 4u);
    EXPECT_DOUBLE_EQ(x[0], std::exp(0.1));
    EXPECT_DOUBLE_EQ(x[1], std::exp(0.1) + std::exp(0.5));
    EXPECT_DOUBLE_EQ(x[2], 2 / (1 + std::exp(-0.2)) - 1);
    EXPECT_DOUBLE_EQ(x[3], 2 - std::exp(0.3));
    EXPECT_EQ(e.held(), (std::vector<bool>{false, false, false, false}));  // b is above a, which moves
    EXPECT_EQ(eb::energy::clamp(bounded, {.known = {1, 1, 1, 0}, .values = {0, 0.5, 0, 9}}).held(),
              (std::vector<bool>{true, true, true, false}));
    EXPECT_EQ((e + e).names(), (std::vector<std::string>{"x[1]", "x[2]", "x[3]"}));
    const auto plain = eb::energy::gaussian({.precision = {1, 1}});
    const auto mu = eb::energy::named(plain, {"mu", "tau"}), other = eb::energy::named(plain, {"a", "b"});
    const auto positive = [](const eb::Energy& of) {
        return eb::energy::constrain(of, {Support::positive(), Support::positive()});
    };
    for (const auto& sum : {mu + plain, plain + mu, 0.5 * (plain + 2 * mu) + other, positive(other) + mu,
                            eb::energy::named(positive(plain), {"a", "b"}) + mu, positive(plain + mu)})
        EXPECT_EQ(sum.names(), (std::vector<std::string>{"mu", "tau"})) << sum.text();
    EXPECT_EQ((positive(mu) + plain).names(), (std::vector<std::string>{"x[1]", "x[2]"}));  // theirs are unbounded
    EXPECT_EQ((0.5 * (eb::energy::banana() + eb::energy::ring())).text(), "0.5 (banana(d = 2) + ring(d = 2))");
}

// A precision that is symmetric to rounding alone: the gradient would be of another energy than the value.
TEST(Energy, GaussianIsOfTheSymmetricPart) {
    const auto e = eb::energy::gaussian({.precision_matrix = table({1, 5e-7, -4e-7, 1}, 2)});
    const std::vector<double> point{1, 1000};
    std::vector<double> value(1), gradient(2);
    eb::energy::evaluate(
        eb::Context::cpu(), e,
        eb::energy::Evaluate<double>{
            .points = eb::view(point, 1, 2), .values = eb::view(value), .gradients = eb::view(gradient, 1, 2)});
    EXPECT_NEAR(gradient[0], 1 + 0.5e-7 * 1000, 1e-13);
    EXPECT_NEAR(gradient[1], 1000 + 0.5e-7, 1e-12);
}

// A sum made in a loop: the stack must hold all that walks it, and what would not fit is refused.
TEST(Energy, ManyTermsAreSummedAndTooManyRefused) {
    const auto value_at_2 = [](const eb::Energy& energy) {
        const double x = 2;
        double value = 0;
        eb::energy::evaluate(eb::Context::cpu({.threads = 1}), energy,
                             eb::energy::Evaluate<double>{.points = eb::view(&x, 1, 1), .values = {&value, 1}});
        return value;
    };
    const auto one = eb::energy::gaussian({.precision = {1.0}});
    eb::Energy sum = one, other_way = one, halves = one, nested = one;
    for (int i = 1; i < 5000; ++i) sum = sum + one;
    for (int i = 1; i < 5000; ++i) other_way = one + other_way;
    EXPECT_EQ(value_at_2(sum), 2 * 5000);
    EXPECT_EQ(value_at_2(other_way + sum), 2 * 10'000);
    EXPECT_EQ(sum.names().size(), 1u);
    EXPECT_EQ((one + one + one).text(), one.text() + " + " + one.text() + " + " + one.text());
    for (int i = 0; i < 1000; ++i) nested = 1.0 * nested;
    EXPECT_EQ(value_at_2(nested), 2);
    expect_refused("energy", [&] { (void)(1.0 * nested); });
    expect_refused("energy", [&] { (void)(one + nested); });
    for (int i = 0; i < 14; ++i) halves = halves + halves;
    EXPECT_EQ(value_at_2(halves), 2 * 16'384);
    for (int i = 14; i < 20; ++i) halves = halves + halves;
    expect_refused("energy", [&] { (void)(halves + one); });
}

// A parameter that would give NaN or nonsense later.
TEST(Energy, RefusesBadParameters) {
    namespace en = eb::energy;
    const double nan = std::nan("");
    const auto t = [](std::vector<double> values, std::int64_t cols) { return table(values, cols); };
    expect_refused("precision", [&] { en::gaussian({}); });
    expect_refused("precision", [&] { en::gaussian({.precision = {1, 0}}); });
    expect_refused("precision", [&] { en::gaussian({.precision = {1, nan}}); });
    expect_refused("precision", [&] { en::gaussian({.precision = {1}, .precision_matrix = t({1}, 1)}); });
    expect_refused("mean", [&] { en::gaussian({.mean = {1, 2}, .precision = {1}}); });
    expect_refused("precision_matrix", [&] { en::gaussian({.precision_matrix = t({1, 0.5, 0.4, 1}, 2)}); });
    expect_refused("precision_matrix", [&] { en::gaussian({.precision_matrix = t({1, 0, 0, -1}, 2)}); });
    expect_refused("precision_matrix", [&] { en::gaussian({.precision_matrix = t({1, 2}, 2)}); });
    expect_refused("precision_matrix", [&] { en::gaussian({.precision_matrix = t({1, 2, 2, 1}, 2)}); });
    expect_refused("precision_matrix", [&] { en::gaussian({.precision_matrix = t({1, 1, 1, 1}, 2)}); });
    expect_refused("weights", [&] { en::mixture({.weights = {1, 2}, .means = t({1}, 1)}); });
    expect_refused("weights", [&] { en::mixture({.weights = {0}, .means = t({1}, 1)}); });
    expect_refused("means", [&] { en::mixture({}); });
    expect_refused("precisions", [&] { en::mixture({.means = t({1}, 1), .precisions = t({1, 1}, 2)}); });
    expect_refused("beta", [&] { en::kmeans({.prototypes = t({1}, 1), .beta = 0}); });
    expect_refused("prototypes", [&] { en::kmeans({}); });
    expect_refused("dimension", [&] { en::banana({.dimension = 1}); });
    expect_refused("scale", [&] { en::banana({.scale = -1}); });
    expect_refused("steepness", [&] { en::rosenbrock({.steepness = nan}); });
    expect_refused("dimension", [&] { en::funnel({.dimension = std::int64_t{1} << 40}); });
    expect_refused("radius", [&] { en::ring({.radius = -1}); });
    expect_refused("height", [&] { en::double_well({.height = 0}); });
    expect_refused("outcomes", [&] { en::logistic({.features = t({1, 2}, 1), .outcomes = {0, 0.5}}); });
    expect_refused("outcomes", [&] { en::logistic({.features = t({1, 2}, 1), .outcomes = {0}}); });
    expect_refused("prior_sd", [&] { en::logistic({.features = t({1}, 1), .outcomes = {0}, .prior_sd = 0}); });
    expect_refused("features", [&] { en::logistic({.features = t({nan}, 1), .outcomes = {0}}); });
    const double* nowhere = nullptr;
    expect_refused("features", [&] { en::logistic({.features = eb::view(nowhere, 1, 1), .outcomes = {0}}); });
    en::Table torn = t({1, 2}, 2);
    torn.rows = 1000;
    expect_refused("prototypes", [&] { en::kmeans({.prototypes = torn}); });
    expect_refused("noise_sd", [&] { en::linear({.features = t({1}, 1), .targets = {0}, .noise_sd = 0}); });
    expect_refused("errors", [&] { en::eight_schools({.effects = {1}, .errors = {1, 2}}); });
    expect_refused("lambda", [&] { en::sparse({.dictionary = t({1}, 1), .signal = {0}, .lambda = -1}); });
    const auto e = en::gaussian({.precision = {1, 1}});
    expect_refused("energy", [&] { (void)(e + en::gaussian({.precision = {1}})); });
    expect_refused("energy", [&] { (void)(e + eb::Energy{}); });
    expect_refused("beta", [&] { (void)(0.0 * e); });
    expect_refused("beta", [&] { (void)(nan * e); });
    expect_refused("scale", [&] { en::affine(e, {}); });
    expect_refused("scale", [&] { en::affine(e, {.scale = {1}}); });
    expect_refused("matrix", [&] { en::affine(e, {.matrix = t({1, 2, 3}, 1)}); });
    expect_refused("shift", [&] { en::affine(e, {.scale = {1, 1}, .shift = {nan, 0}}); });
    expect_refused("known", [&] { en::clamp(e, {.known = {1, 1}, .values = {0, 0}}); });
    expect_refused("known", [&] { en::clamp(e, {.known = {1}, .values = {0, 0}}); });
    expect_refused("values", [&] { en::clamp(e, {.known = {1, 0}, .values = {nan, 0}}); });
    expect_refused("supports", [&] { en::constrain(e, {Support::ordered(), Support::real()}); });
    expect_refused("supports", [&] { en::constrain(e, {Support::interval(1, 1), Support::real()}); });
    expect_refused("supports", [&] { en::constrain(e, {Support::interval(-1e308, 1e308), Support::real()}); });
    expect_refused("supports", [&] { en::constrain(e, {Support::positive()}); });
    expect_refused("names", [&] { en::named(e, {"a"}); });
    for (const char* name : {"a", "", "b\nc", "b,c", "\"b\"", "b c", "b[2]"})
        expect_refused("names", [&] { en::named(e, {"a", name}); });
    expect_refused("energy", [&] { (void)eb::Energy{}.dimension(); });
    expect_refused("point", [&] { (void)e.coordinates({1}); });
}
