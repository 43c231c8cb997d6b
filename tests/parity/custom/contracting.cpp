// Built with contraction, for the test that it is refused.
#include <cuebm/custom.hpp>

struct Contracting {
    static constexpr int dimension = 1, parameters = 0;
    template <class Number>
    static Number value(const cuebm::custom::Point<Number>& x) {
        return x[0] * x[0];
    }
};
CUEBM_CUSTOM_ENERGY(Contracting)
