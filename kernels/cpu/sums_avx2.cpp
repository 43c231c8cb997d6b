// Sums over points for AVX2 and FMA.
#define CUEBM_ISA avx2
#include "cpu/sums_table.hpp"

namespace cuebm::cpu {

extern constexpr SumsKernels sums_avx2 = avx2::sums_table();

}  // namespace cuebm::cpu
