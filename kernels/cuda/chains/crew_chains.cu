// Compiles run_by_crews, whose functions of math/ share their work in a warp.
#include "cuda/chains/crew_chains.cuh"

#include "cuda/chains/crew_chains.hpp"

namespace cuebm::cuda {

template <class T>
ChainsKernel<T> crew_kernel(bool metropolis) {
    return metropolis ? run_by_crews<false, T> : run_by_crews<true, T>;
}
template ChainsKernel<float> crew_kernel(bool);
template ChainsKernel<double> crew_kernel(bool);

}  // namespace cuebm::cuda
