// An energy's program as a kernel gets it, and rows of a matrix.
#pragma once

#include <cstddef>

#include "math/energy_program.hpp"

namespace cuebm::cuda {

// A kernel takes it as __grid_constant__: view() points into the parameter itself.
template <class T>
struct KernelProgram {
    // Each launch copies a kernel's parameters. 4 KiB of them are what every driver takes, and ChainsData needs some
    // 500 bytes beside the program's.
    static constexpr std::size_t most_bytes = 3456;
    math::EnergyProgram<T> of;                    // of a small one without its arrays
    std::int32_t parameter_count;                 // of a small one
    alignas(16) unsigned char small[most_bytes];  // steps, parameters and indices, one behind the other

    CUEBM_MATH_MEMBER math::EnergyProgram<T> view() const {
        auto program = of;
        if (of.steps != nullptr) return program;
        program.steps = reinterpret_cast<const math::EnergyStep<T>*>(small);
        program.parameters = reinterpret_cast<const T*>(program.steps + of.length);
        program.indices = reinterpret_cast<const std::int32_t*>(program.parameters + parameter_count);
        return program;
    }
};

// Row i begins at data + i * stride; null: absent.
template <class T>
struct Rows {
    T* data;
    std::int64_t stride;
};

}  // namespace cuebm::cuda
