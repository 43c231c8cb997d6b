// The launch of nuts.cuh.
#include "cuda/chains/nuts.cuh"

namespace cuebm::cuda {

template <class T>
void launch_nuts(const Launch& how, const ChainsData<T>& data) {
    launch(run_nuts<T>, how, data);
}
template void launch_nuts(const Launch&, const ChainsData<float>&);
template void launch_nuts(const Launch&, const ChainsData<double>&);

}  // namespace cuebm::cuda
