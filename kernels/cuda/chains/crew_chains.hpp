// Which chains are run by warps, and how: crew_chains.cu.
#pragma once

#include "cuda/chains/chains.cuh"
#include "cuda/queue.hpp"
#include "energy_node.hpp"

namespace cuebm::cuda {

template <class T>
struct CrewLaunch {
    ChainsKernel<T> kernel = nullptr;  // null: a thread has a chain
    int crews = 0;                     // of a block
    std::size_t shared_bytes = 0;
};

// For more coordinates than a crew has members, energies of crew_ops alone, a diagonal mass, and no trees.
template <class T>
CrewLaunch<T> crew_launch(const detail::OwnedProgram<T>& program, const math::Transition<T>& transition,
                          bool metropolis, const DeviceProperties& properties);

}  // namespace cuebm::cuda
