// The kernels of chains: see chains_tiles.hpp.
#define CUEBM_ISA avx2
#include "cpu/chains_tiles.hpp"

namespace cuebm::cpu {

extern constexpr ChainsKernels chains_avx2 = avx2::chains_table();

}  // namespace cuebm::cpu
