// The kernels of assign for what the compiler's flags give: SSE2 on x86-64, NEON on aarch64.
#define CUEBM_ISA base
#include "cpu/assign_table.hpp"

namespace cuebm::cpu {

extern constexpr AssignKernels assign_base = base::table("base");

}  // namespace cuebm::cpu
