// The kernels of chains: see chains_tiles.hpp and chains_nuts.hpp.
#define CUEBM_ISA avx2
#include "cpu/chains_nuts.hpp"

namespace cuebm::cpu {

extern constexpr ChainsKernels chains_avx2 = avx2::chains_table();

}  // namespace cuebm::cpu
