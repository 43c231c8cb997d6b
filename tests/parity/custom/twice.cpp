// One name for two energies, for the test that it is refused; built without its file, which a GPU refuses.
#include <cuebm/custom.hpp>

struct Alone {
    static constexpr int dimension = 1, parameters = 0;
    template <class Number>
    static Number value(const cuebm::custom::Point<Number>& x) {
        return x[0];
    }
};
CUEBM_CUSTOM_ENERGY(Alone)

static const bool registered_twice = cuebm::custom::register_energy("Twice", nullptr, &Alone_base, nullptr, nullptr) &&
                                     cuebm::custom::register_energy("Twice", nullptr, &Alone_base, nullptr, nullptr);
