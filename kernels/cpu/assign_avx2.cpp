// The kernels of assign for AVX2 and FMA.
#define CUEBM_ISA avx2
#include "cpu/assign_table.hpp"

namespace cuebm::cpu {

extern constexpr AssignKernels assign_avx2 = avx2::table("avx2");

}  // namespace cuebm::cpu
