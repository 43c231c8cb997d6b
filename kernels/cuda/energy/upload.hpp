// An energy's program on the device: a small one travels as a kernel's parameter, a large one is copied to scratch.
#pragma once

#include <cstring>

#include "cuda/energy/kernel_program.hpp"
#include "cuda/queue.hpp"
#include "energy_node.hpp"
#include "workspace.hpp"

namespace cuebm::cuda {

template <class T>
struct ProgramBytes {
    explicit ProgramBytes(const detail::OwnedProgram<T>& program)
        : steps(program.steps.size() * sizeof(program.steps[0])),
          parameters(program.parameters.size() * sizeof(T)),
          indices(program.indices.size() * sizeof(std::int32_t)) {}
    std::size_t steps, parameters, indices;
    bool small() const { return steps + parameters + indices <= KernelProgram<T>::most_bytes; }
};

// Where a large one goes.
template <class T>
struct ProgramLayout {
    ProgramLayout(detail::Carver& carver, const detail::OwnedProgram<T>& program) {
        if (ProgramBytes<T>(program).small()) return;
        steps = carver.take<math::EnergyStep<T>>(static_cast<std::int64_t>(program.steps.size()));
        parameters = carver.take<T>(static_cast<std::int64_t>(program.parameters.size()));
        indices = carver.take<std::int32_t>(static_cast<std::int64_t>(program.indices.size()));
    }
    math::EnergyStep<T>* steps = nullptr;
    T* parameters = nullptr;
    std::int32_t* indices = nullptr;
};

template <class T>
KernelProgram<T> upload(CudaQueue& queue, const detail::OwnedProgram<T>& program, const ProgramLayout<T>& to) {
    KernelProgram<T> result{};
    result.of = program.view();
    result.of.steps = to.steps;
    result.of.parameters = to.parameters;
    result.of.indices = to.indices;
    const ProgramBytes<T> bytes(program);
    if (bytes.small()) {
        result.parameter_count = static_cast<std::int32_t>(program.parameters.size());
        unsigned char* place = result.small;
        const auto append = [&](const auto& from, std::size_t size) {
            if (size > 0) std::memcpy(place, from.data(), size);
            place += size;
        };
        append(program.steps, bytes.steps);
        append(program.parameters, bytes.parameters);
        append(program.indices, bytes.indices);
        return result;
    }
    const auto copy = [&](const auto& from, auto* target, std::size_t size) {  // pageable: read when a copy returns
        const Device device{Device::Kind::cuda, queue.device()};
        if (size > 0) queue.copy({from.data(), target, 1, size, size, size, Device{}, device});
    };
    copy(program.steps, to.steps, bytes.steps);
    copy(program.parameters, to.parameters, bytes.parameters);
    copy(program.indices, to.indices, bytes.indices);
    return result;
}

}  // namespace cuebm::cuda
