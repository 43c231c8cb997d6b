// The kernels of chains: see chains_tiles.hpp.
#define CUEBM_ISA base
#include "cpu/chains_tiles.hpp"

namespace cuebm::cpu {

extern constexpr ChainsKernels chains_base = base::chains_table();

}  // namespace cuebm::cpu
