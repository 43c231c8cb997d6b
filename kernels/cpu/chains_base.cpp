// The kernels of chains: see chains_tiles.hpp and chains_nuts.hpp.
#define CUEBM_ISA base
#include "cpu/chains_nuts.hpp"

namespace cuebm::cpu {

extern constexpr ChainsKernels chains_base = base::chains_table();

}  // namespace cuebm::cpu
