// Which instruction set's kernels run: chosen once, when a CPU context is made.
#pragma once

#include <string>
#include <vector>

#include "cpu/assign_kernels.hpp"
#include "cpu/chains_kernels.hpp"
#include "cpu/energy_kernels.hpp"
#include "cpu/screen_kernels.hpp"
#include "cpu/sums_kernels.hpp"

namespace cuebm::cpu {

struct Isa {
    const AssignKernels* kernels;
    const SumsKernels* sums;
    const EnergyKernels* energy;
    const ChainsKernels* chains;
    std::vector<const ScreenKernels*> screens;  // the preferred one first
};

// What this CPU can run, best last; the base is always there.
std::vector<Isa> available_isas();

// The best of them, or the one that the environment's CUEBM_ISA names; throws InvalidArgument if it names another.
Isa choose_isa();

// "avx512", "base without FMA: exact but slow"
std::string describe(const Isa& isa);

}  // namespace cuebm::cpu
