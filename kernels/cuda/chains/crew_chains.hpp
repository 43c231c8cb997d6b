// Which chains are run by warps, and how: crew_chains.cu, crew_nuts.cu.
#pragma once

#include "cuda/chains/chains.cuh"
#include "cuda/queue.hpp"
#include "energy_node.hpp"

namespace cuebm::cuda {

template <class T>
struct CrewLaunch {
    ChainsKernel<T> kernel = nullptr;  // null: a thread has a chain
    int crews = 0;                     // of a block
    std::size_t shared_bytes = 0;      // 0: its columns are in scratch
};

// For more coordinates than a crew has members, energies of crew_ops alone, and a diagonal mass.
template <class T>
CrewLaunch<T> crew_launch(const detail::OwnedProgram<T>& program, const math::Transition<T>& transition,
                          bool metropolis, const DeviceProperties& properties);

template <class T>
ChainsKernel<T> crew_nuts_kernel();

}  // namespace cuebm::cuda
