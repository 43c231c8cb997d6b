// Screening in bf16 with AVX-512.
#define CUEBM_ISA avx512bf16
#include "cpu/screen.hpp"

namespace cuebm::cpu {

extern constexpr ScreenKernels screen_bf16 =
    avx512bf16::table<avx512bf16::VectorTile<avx512bf16::Bf16>>("bf16", "avx512");

}  // namespace cuebm::cpu
