// An energy's program on the device.
#pragma once

#include <vector>

#include "cuda/queue.hpp"
#include "energy_node.hpp"
#include "workspace.hpp"

namespace cuebm::cuda {

template <class T>
struct ProgramLayout {
    ProgramLayout(detail::Carver& carver, const detail::OwnedProgram<T>& program)
        : steps(carver.take<math::EnergyStep<T>>(static_cast<std::int64_t>(program.steps.size()))),
          parameters(carver.take<T>(static_cast<std::int64_t>(program.parameters.size()))),
          indices(carver.take<std::int32_t>(static_cast<std::int64_t>(program.indices.size()))) {}
    math::EnergyStep<T>* steps;
    T* parameters;
    std::int32_t* indices;
};

// Pageable memory has been read when a copy returns.
template <class T>
math::EnergyProgram<T> upload(CudaQueue& queue, const detail::OwnedProgram<T>& program, const ProgramLayout<T>& to) {
    const auto copy = [&](const auto& from, auto* target) {
        const std::size_t bytes = from.size() * sizeof(from[0]);
        const Device device{Device::Kind::cuda, queue.device()};
        if (bytes > 0) queue.copy({from.data(), target, 1, bytes, bytes, bytes, Device{}, device});
    };
    copy(program.steps, to.steps);
    copy(program.parameters, to.parameters);
    copy(program.indices, to.indices);
    auto view = program.view();
    view.steps = to.steps;
    view.parameters = to.parameters;
    view.indices = to.indices;
    return view;
}

}  // namespace cuebm::cuda
