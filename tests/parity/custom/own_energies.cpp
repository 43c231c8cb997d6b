// Energies as a user writes them, for custom_energy_test.cpp.
#include <cuebm/custom.hpp>

using cuebm::custom::Gradient;
using cuebm::custom::Point;

// gaussian() with mean 0, operation by operation.
struct OwnGaussian {
    static constexpr int dimension = 0, parameters = -1;
    template <class Number>
    static Number value(const Point<Number>& x) {
        Number sum = 0.0;
        for (int j = 0; j < x.size(); ++j) sum = fused(x[j] * Number(x.parameter(j)), x[j], sum);
        return 0.5 * sum;
    }
    template <class Number>
    static void gradient(const Point<Number>& x, const Gradient<Number>& to) {
        for (int j = 0; j < x.size(); ++j) to.add(j, x[j] * x.parameter(j));
    }
};
CUEBM_CUSTOM_ENERGY(OwnGaussian)

// Every function that there is.
struct OwnMixture {
    static constexpr int dimension = 5, parameters = 0;
    template <class Number>
    static Number value(const Point<Number>& x) {
        const Number a = x[0], b = x[1], c = x[2], d = x[3], e = x[4];
        const Number positive = 1.0 + square(a);
        Number sum = exp(-b) / positive + log(positive) - sqrt(positive + 2.0 * b * b) + log1p(square(c));
        sum = sum + sigmoid(a * b) * log1p_exp(c) + sinpi(d / 3.0) * cospi(e - d) + abs(e) * 0.25;
        sum = sum + fused(a, b, c * d) - 3.0 / (2.0 + cospi(c)) + max(a, b) * min(c, 0.5) - (1.0 - d) * (e - 2.0);
        return sum + select(b < 0.0, b * b * b, 1.0 / (1.0 + b * b)) + select(c >= d, Number(0.5), -a);
    }
};
CUEBM_CUSTOM_ENERGY(OwnMixture)

struct Abyss {  // x^2 / 2, and beyond 1 no bottom
    static constexpr int dimension = 1, parameters = 0;
    template <class Number>
    static Number value(const cuebm::custom::Point<Number>& x) {
        return select(x[0] > 1, Number(-__builtin_inf()), 0.5 * x[0] * x[0]);
    }
};
CUEBM_CUSTOM_ENERGY(Abyss)

struct Edge {  // the same, and beyond 1 NaN, but a slope that is finite
    static constexpr int dimension = 1, parameters = 0;
    template <class Number>
    static Number value(const Point<Number>& x) {
        return select(x[0] > 1, log(1.0 - x[0]), 0.5 * x[0] * x[0]);
    }
};
CUEBM_CUSTOM_ENERGY(Edge)

struct Cliff {  // the slope is NaN too
    static constexpr int dimension = 1, parameters = 0;
    template <class Number>
    static Number value(const Point<Number>& x) {
        return select(x[0] > 1, sqrt(1.0 - x[0]), 0.5 * x[0] * x[0]);
    }
};
CUEBM_CUSTOM_ENERGY(Cliff)

struct Wall {  // infinity, with a slope of 0
    static constexpr int dimension = 1, parameters = 0;
    template <class Number>
    static Number value(const Point<Number>& x) {
        return select(x[0] > 1, Number(__builtin_inf()), 0.5 * x[0] * x[0]);
    }
};
CUEBM_CUSTOM_ENERGY(Wall)
