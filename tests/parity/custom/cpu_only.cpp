// Does not compile for a GPU, for the test of what is said then.
#include <cuebm/custom.hpp>

struct CpuOnly {
    static constexpr int dimension = 1, parameters = 0;
    template <class Number>
    static Number value(const cuebm::custom::Point<Number>& x) {
#if defined(CUEBM_PROGRAM_OPS)
#error "only the CPU has this"
#endif
        return x[0];
    }
};
CUEBM_CUSTOM_ENERGY(CpuOnly)
