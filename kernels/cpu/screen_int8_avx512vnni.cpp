// Screening in 8-bit integers with AVX-512 VNNI.
#define CUEBM_ISA avx512vnni
#include "cpu/screen.hpp"

namespace cuebm::cpu {

extern constexpr ScreenKernels screen_int8 =
    avx512vnni::table<avx512vnni::VectorTile<avx512vnni::Int8>>("int8", "avx512");

}  // namespace cuebm::cpu
