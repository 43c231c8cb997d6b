// The kernels of energies: see energy_tiles.hpp.
#define CUEBM_ISA base
#include "cpu/energy_tiles.hpp"

namespace cuebm::cpu {

extern constexpr EnergyKernels energy_base = base::energy_table();

}  // namespace cuebm::cpu
