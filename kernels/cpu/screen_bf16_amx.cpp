// Screening in bf16 with the tiles of AMX.
#define CUEBM_ISA amx
#include "cpu/screen.hpp"
#include "cpu/screen_amx.hpp"

namespace cuebm::cpu {

extern constexpr ScreenKernels screen_amx = amx::table<amx::AmxTile>("amx", "amx");

}  // namespace cuebm::cpu
