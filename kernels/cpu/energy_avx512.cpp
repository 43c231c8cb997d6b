// The kernels of energies: see energy_tiles.hpp.
#define CUEBM_ISA avx512
#include "cpu/energy_tiles.hpp"

namespace cuebm::cpu {

extern constexpr EnergyKernels energy_avx512 = avx512::energy_table();

}  // namespace cuebm::cpu
