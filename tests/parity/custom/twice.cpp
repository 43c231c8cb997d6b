// One name for two energies, for the test that it is refused.
#include <cuebm/custom.hpp>

#define TWICE(number)                                                \
    namespace number {                                               \
    struct Twice {                                                   \
        static constexpr int dimension = 1, parameters = 0;          \
        template <class Number>                                      \
        static Number value(const cuebm::custom::Point<Number>& x) { \
            return x[0];                                             \
        }                                                            \
    };                                                               \
    CUEBM_CUSTOM_ENERGY(Twice)                                       \
    }
TWICE(first)
TWICE(second)
