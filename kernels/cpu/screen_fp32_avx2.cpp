// Screening in fp32 with AVX2 and FMA.
#define CUEBM_ISA avx2
#include "cpu/screen.hpp"

namespace cuebm::cpu {

extern constexpr ScreenKernels screen_avx2 = avx2::table<avx2::VectorTile<avx2::Fp32>>("fp32", "avx2");

}  // namespace cuebm::cpu
