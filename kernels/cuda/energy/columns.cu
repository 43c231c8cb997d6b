// Compiles evaluate_columns beside evaluate_rows.
#include "cuda/energy/evaluate.cuh"

namespace cuebm::cuda {

template <class T>
EvaluateKernel<T> columns_kernel(bool gradient) {
    return gradient ? evaluate_columns<true, T> : evaluate_columns<false, T>;
}
template EvaluateKernel<float> columns_kernel(bool);
template EvaluateKernel<double> columns_kernel(bool);

}  // namespace cuebm::cuda
