// The banana as a user would write it, with a gradient of its own and without: what calls and forward differentiation
// cost beside the built-in one.
#include <cuebm/custom.hpp>

struct BananaByForwardSlopes {
    static constexpr int dimension = 2, parameters = 2;  // scale, curvature
    template <class Number>
    static Number value(const cuebm::custom::Point<Number>& x) {
        return 0.5 * (square(x[0] * (1.0 / x.parameter(0))) + square(off(x)));
    }
    template <class Number>
    static Number off(const cuebm::custom::Point<Number>& x) {
        return x[1] - x.parameter(1) * (square(x[0]) - x.parameter(0) * x.parameter(0));
    }
};
CUEBM_CUSTOM_ENERGY(BananaByForwardSlopes)

struct BananaWithGradient : BananaByForwardSlopes {
    template <class Number>
    static void gradient(const cuebm::custom::Point<Number>& x, const cuebm::custom::Gradient<Number>& to) {
        const double over = 1 / (x.parameter(0) * x.parameter(0));
        const Number slope = off(x);
        to.add(0, x[0] * (over - 2.0 * x.parameter(1) * slope));
        to.add(1, slope);
    }
};
CUEBM_CUSTOM_ENERGY(BananaWithGradient)
