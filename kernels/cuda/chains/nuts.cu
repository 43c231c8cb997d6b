// Compiles run_nuts beside the other samplers.
#include "cuda/chains/nuts.cuh"

namespace cuebm::cuda {

template <class T>
ChainsKernel<T> nuts_kernel() {
    return run_nuts<T>;
}
template ChainsKernel<float> nuts_kernel();
template ChainsKernel<double> nuts_kernel();

}  // namespace cuebm::cuda
