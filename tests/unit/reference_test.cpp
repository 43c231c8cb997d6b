// The reference itself, by hand and by finite differences: who tests the tests.
#include <gtest/gtest.h>

#include "reference/assign.hpp"
#include "support/data.hpp"

namespace reference = cuebm::reference;
using reference::Matrix;

// Energies, order, ties, masks.
TEST(Reference, EnergiesByHand) {
    const Matrix y(std::vector<double>{0, 3}, 1, 2), w(std::vector<double>{4, 0, 0, 3, 0, 3}, 3, 2);
    EXPECT_EQ(reference::energies(y, w).values, (std::vector<double>{25, 0, 0}));
    EXPECT_EQ(reference::energies(y, w, {1, 0}).values, (std::vector<double>{16, 0, 0}));
    EXPECT_EQ(reference::lowest(std::vector<double>{25, 0, 0}, 3, 3), (std::vector<std::int32_t>{1, 2, 0}));
    EXPECT_EQ(reference::lowest(std::vector<double>{2, 1, 1, 2}, 2, 1), (std::vector<std::int32_t>{1, 0}));
}

// F_beta of equal energies, its limits, and probabilities that sum to 1.
TEST(Reference, FreeEnergiesByHand) {
    const Matrix e(std::vector<double>{2, 2, 2, 2}, 1, 4), far(std::vector<double>{1, 1e6}, 1, 2);
    EXPECT_DOUBLE_EQ(reference::free_energies(e, 3)[0], 2 - std::log(4) / 3);
    EXPECT_EQ(reference::free_energies(far, 1)[0], 1);
    EXPECT_EQ(reference::free_energies(far, INFINITY)[0], 1);
    EXPECT_EQ(reference::probabilities(e, INFINITY).values, (std::vector<double>{1, 0, 0, 0}));
    double sum = 0;
    for (const double p : reference::probabilities(e, 3).values) sum += p;
    EXPECT_DOUBLE_EQ(sum, 1);
}

// Closed forms that are not the gradients of F_beta.
TEST(Reference, GradientsAreThoseOfFiniteDifferences) {
    const auto points = cuebm::test::normal<double>(5 * 3, 1), prototypes = cuebm::test::normal<double>(4 * 3, 2);
    const Matrix y(points, 5, 3), w(prototypes, 4, 3);
    const std::vector<double> weights{1, 0, 2, 0.5, 3};
    const double beta = 0.8, h = 1e-5;
    const auto value = [&](const Matrix& a, const Matrix& b) {
        const auto f = reference::free_energies(reference::energies(a, b), beta);
        return std::inner_product(f.begin(), f.end(), weights.begin(), 0.0);
    };
    for (std::size_t j = 0; j < y.values.size(); ++j) {
        Matrix up = y, down = y;
        up.values[j] += h;
        down.values[j] -= h;
        EXPECT_NEAR(reference::point_gradients(y, w, weights, beta).values[j],
                    (value(up, w) - value(down, w)) / (2 * h), 1e-8);
    }
    for (std::size_t j = 0; j < w.values.size(); ++j) {
        Matrix up = w, down = w;
        up.values[j] += h;
        down.values[j] -= h;
        EXPECT_NEAR(reference::prototype_gradients(y, w, weights, beta).values[j],
                    (value(y, up) - value(y, down)) / (2 * h), 1e-8);
    }
}

// Means by weight, an empty prototype that keeps its value, an inertia that a step of Lloyd's lowers.
TEST(Reference, UpdateByHand) {
    const Matrix y(std::vector<double>{0, 4, 10}, 3, 1), w(std::vector<double>{1, 9, 100}, 3, 1);
    EXPECT_EQ(reference::update(y, {0, 0, 1}, {1, 3, 2}, w).values, (std::vector<double>{3, 10, 100}));
    EXPECT_EQ(reference::lloyd(y, w, {1, 3, 2}).values, (std::vector<double>{3, 10, 100}));
    EXPECT_EQ(reference::inertia(y, w, {1, 3, 2}), 1 + 27 + 2);
    EXPECT_EQ(reference::inertia(y, reference::lloyd(y, w, {1, 3, 2}), {1, 3, 2}), 9 + 3);
    EXPECT_EQ(reference::project(y, w, INFINITY).values, (std::vector<double>{1, 1, 9}));
}
