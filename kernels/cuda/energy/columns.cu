// The launch of evaluate_columns; a file of its own, so that it compiles beside evaluate_rows.
#include "cuda/energy/evaluate.cuh"

namespace cuebm::cuda {

template <class T>
void launch_columns(const Launch& how, const PointsData<T>& data) {
    launch(data.gradients.data != nullptr ? evaluate_columns<true, T> : evaluate_columns<false, T>, how, data);
}
template void launch_columns(const Launch&, const PointsData<float>&);
template void launch_columns(const Launch&, const PointsData<double>&);

}  // namespace cuebm::cuda
