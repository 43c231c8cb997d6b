// Compiles run_by_crews, whose functions of math/ share their work in a warp, and says when it runs.
#include "cuda/chains/crew_chains.cuh"

#include <algorithm>

#include "cuda/chains/crew_chains.hpp"

namespace cuebm::cuda {

template <class T>
CrewLaunch<T> crew_launch(const detail::OwnedProgram<T>& program, const math::Transition<T>& transition,
                          bool metropolis, const DeviceProperties& properties) {
    const bool known = std::all_of(program.steps.begin(), program.steps.end(), [](const math::EnergyStep<T>& step) {
        return (math::crew_ops >> static_cast<int>(step.op) & 1) != 0;
    });
    // As many coordinates as are summed in order need no crew, and would be summed by each member.
    if (!known || program.d <= math::crew_size || transition.max_depth > 0 || transition.factor != nullptr) return {};
    const std::size_t room = std::min(chain_shared_bytes(0), properties.shared_bytes),
                      crew = static_cast<std::size_t>(crew_elements(program.d, program.scratch_rows)) * sizeof(T);
    if (crew > room) return {};
    const int crews = std::min(static_cast<int>(room / crew), crew_threads / math::crew_size);
    return {metropolis ? run_by_crews<false, T> : run_by_crews<true, T>, crews, crew * static_cast<std::size_t>(crews)};
}
template CrewLaunch<float> crew_launch(const detail::OwnedProgram<float>&, const math::Transition<float>&, bool,
                                       const DeviceProperties&);
template CrewLaunch<double> crew_launch(const detail::OwnedProgram<double>&, const math::Transition<double>&, bool,
                                        const DeviceProperties&);

}  // namespace cuebm::cuda
