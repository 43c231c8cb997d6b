// Two moons, after U1 of D. J. Rezende and S. Mohamed, Variational inference with normalizing flows (2015): a ring,
// thinned where it is far from x_0 = -2 and 2. Parameters: radius, width, and the moons' extent (0.6 there).
//   E(x) = 1/2 ((|x| - radius) / width)^2 - log(exp(-1/2 ((x_0 - 2) / extent)^2) + exp(-1/2 ((x_0 + 2) / extent)^2))
// No gradient is written: it is found by forward differentiation.
#include <cuebm/custom.hpp>

struct TwoMoons {
    static constexpr int dimension = 2, parameters = 3;
    template <class Number>
    static Number value(const cuebm::custom::Point<Number>& x) {
        const double radius = x.parameter(0), width = x.parameter(1), extent = x.parameter(2);
        const Number off_ring = (sqrt(square(x[0]) + square(x[1])) - radius) / width;
        const Number right = -0.5 * square((x[0] - 2.0) / extent), left = -0.5 * square((x[0] + 2.0) / extent);
        // log(e^r + e^l) = r + log(1 + e^(l - r)): nothing overflows, and no logarithm is of 0.
        return 0.5 * square(off_ring) - right - log1p_exp(left - right);
    }
};
CUEBM_CUSTOM_ENERGY(TwoMoons)
