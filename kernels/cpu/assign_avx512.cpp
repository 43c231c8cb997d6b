// The kernels of assign for AVX-512 (F, DQ, BW, VL).
#define CUEBM_ISA avx512
#include "cpu/assign_table.hpp"

namespace cuebm::cpu {

extern constexpr AssignKernels assign_avx512 = avx512::table("avx512");

}  // namespace cuebm::cpu
