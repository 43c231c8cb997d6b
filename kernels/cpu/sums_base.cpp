// Sums over points for what the compiler's flags give.
#define CUEBM_ISA base
#include "cpu/sums_table.hpp"

namespace cuebm::cpu {

extern constexpr SumsKernels sums_base = base::sums_table();

}  // namespace cuebm::cpu
