// A second file of energies, for custom_energy_test.cpp.
#include <cuebm/custom.hpp>

using cuebm::custom::Gradient;
using cuebm::custom::Point;

// banana(), differentiated for its author.
struct OwnBanana {
    static constexpr int dimension = 0, parameters = 2;
    template <class Number>
    static Number value(const Point<Number>& x) {
        const double scale = x.parameter(0), curvature = x.parameter(1);
        const Number off = x[1] - curvature * (square(x[0]) - scale * scale);
        Number sum = square(x[0] / scale) + square(off);
        for (int j = 2; j < x.size(); ++j) sum = sum + square(x[j]);
        return 0.5 * sum;
    }
};
CUEBM_CUSTOM_ENERGY(OwnBanana)

// The same of three coordinates, with a gradient that comes in parts.
struct OwnBananaOfThree : OwnBanana {
    static constexpr int dimension = 3;
    template <class Number>
    static void gradient(const Point<Number>& x, const Gradient<Number>& to) {
        const double scale = x.parameter(0), curvature = x.parameter(1);
        const Number off = x[1] - curvature * (square(x[0]) - scale * scale);
        to.add(0, x[0] / (scale * scale));
        to.add(1, off);
        to.add(0, -2.0 * curvature * (off * x[0]));
        to.add(2, x[2]);
    }
};
CUEBM_CUSTOM_ENERGY(OwnBananaOfThree)
