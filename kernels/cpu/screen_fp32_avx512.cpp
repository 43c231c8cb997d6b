// Screening in fp32 with AVX-512.
#define CUEBM_ISA avx512
#include "cpu/screen.hpp"

namespace cuebm::cpu {

extern constexpr ScreenKernels screen_avx512 = avx512::table<avx512::VectorTile<avx512::Fp32>>("fp32", "avx512");

}  // namespace cuebm::cpu
