// The kernels of chains: see chains_tiles.hpp and chains_nuts.hpp.
#define CUEBM_ISA avx512
#include "cpu/chains_nuts.hpp"

namespace cuebm::cpu {

extern constexpr ChainsKernels chains_avx512 = avx512::chains_table();

}  // namespace cuebm::cpu
