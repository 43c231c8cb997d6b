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
    if (!known || program.d <= math::crew_size || transition.factor != nullptr) return {};
    constexpr int most_crews = crew_threads / math::crew_size;
    const auto d = program.d, scratch = program.scratch_rows;
    const std::size_t room = std::min(chain_shared_bytes(0), properties.shared_bytes);
    if (transition.max_depth > 0) {
        const std::size_t bytes =
            static_cast<std::size_t>(most_crews * chain_rows(d, scratch, transition.max_depth)) * sizeof(T);
        return {crew_nuts_kernel<T>(), most_crews, bytes <= room ? bytes : 0};
    }
    const std::size_t crew = static_cast<std::size_t>(crew_elements(d, scratch)) * sizeof(T);
    if (crew > room) return {};
    const int crews = std::min(static_cast<int>(room / crew), most_crews);
    return {metropolis ? run_by_crews<false, T> : run_by_crews<true, T>, crews, crew * static_cast<std::size_t>(crews)};
}
template CrewLaunch<float> crew_launch(const detail::OwnedProgram<float>&, const math::Transition<float>&, bool,
                                       const DeviceProperties&);
template CrewLaunch<double> crew_launch(const detail::OwnedProgram<double>&, const math::Transition<double>&, bool,
                                        const DeviceProperties&);

}  // namespace cuebm::cuda
