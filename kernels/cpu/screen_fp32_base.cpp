// Screening in fp32 with the compiler's default instructions.
#define CUEBM_ISA base
#include "cpu/screen.hpp"

namespace cuebm::cpu {

extern constexpr ScreenKernels screen_base = base::table<base::VectorTile<base::Fp32>>("fp32", "base");

}  // namespace cuebm::cpu
