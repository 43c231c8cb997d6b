// A warp as the crew of math/crew.hpp. To be included before anything of math/, by files of their own: what they inline
// is other code than in a file without it, so nothing that works on coordinates may be left for the linker to choose
// (functions of math/ are static, members and device functions always inlined).
#pragma once

#include "cuda/device.cuh"
#include "math/platform.hpp"

#define CUEBM_CREW

namespace cuebm::math {

constexpr int crew_size = 32;
#if defined(__CUDA_ARCH__) || defined(CUEBM_EMULATED)
CUEBM_MATH int crew_member() { return static_cast<int>(threadIdx.x) % crew_size; }
CUEBM_MATH void crew_wait() { __syncwarp(); }

// The members' sums: those 16 apart first, then 8, and so on. All of them get it.
template <class T>
CUEBM_MATH T crew_sum(T sum) {
    for (int apart = crew_size / 2; apart >= 1; apart /= 2) sum = sum + __shfl_xor_sync(0xffffffffu, sum, apart);
    return sum;
}
#else  // for the host, where nothing calls them
CUEBM_MATH int crew_member() { return 0; }
CUEBM_MATH void crew_wait() {}
template <class T>
CUEBM_MATH T crew_sum(T sum) {
    return sum;
}
#endif

}  // namespace cuebm::math
