// Compiles run_nuts_by_crews beside the other samplers.
#include "cuda/chains/crew_nuts.cuh"

#include "cuda/chains/crew_chains.hpp"

namespace cuebm::cuda {

template <class T>
ChainsKernel<T> crew_nuts_kernel() {
    return run_nuts_by_crews<T>;
}
template ChainsKernel<float> crew_nuts_kernel();
template ChainsKernel<double> crew_nuts_kernel();

}  // namespace cuebm::cuda
