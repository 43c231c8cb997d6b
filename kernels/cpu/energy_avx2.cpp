// The kernels of energies: see energy_tiles.hpp.
#define CUEBM_ISA avx2
#include "cpu/energy_tiles.hpp"

namespace cuebm::cpu {

extern constexpr EnergyKernels energy_avx2 = avx2::energy_table();

}  // namespace cuebm::cpu
