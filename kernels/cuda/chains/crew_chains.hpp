// The kernels in which a warp has a chain, of files of their own.
#pragma once

#include "cuda/chains/chains.cuh"

namespace cuebm::cuda {

template <class T>
ChainsKernel<T> crew_kernel(bool metropolis);
template <class T>
ChainsKernel<T> crew_nuts_kernel();

}  // namespace cuebm::cuda
