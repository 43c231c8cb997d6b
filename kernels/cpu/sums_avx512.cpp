// Sums over points for AVX-512.
#define CUEBM_ISA avx512
#include "cpu/sums_table.hpp"

namespace cuebm::cpu {

extern constexpr SumsKernels sums_avx512 = avx512::sums_table();

}  // namespace cuebm::cpu
