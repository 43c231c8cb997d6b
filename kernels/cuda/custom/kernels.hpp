// The kernel that runs a program: built in, or for a program with users' own energies compiled at run time.
#pragma once

#include <string>
#include <vector>

#include "cuda/custom/program_source.hpp"

namespace cuebm::cuda {

// `name`: in cuebm::cuda, with Element for the type of data. From memory, else from disk, else by NVRTC, in seconds.
// For energies that do not compile throws InvalidArgument of the API's `function`; DeviceError without NVRTC.
void* compiled_kernel(const char* function, const ProgramSource& source, const char* name, int capability);

template <class T, class Data>
auto kernel_of(const detail::OwnedProgram<T>& program, int capability, void (*built_in)(Data), const char* header,
               const char* name) {
    if (program.customs.empty()) return built_in;
    const char* const element = sizeof(T) == sizeof(double) ? "double" : "float";
    std::uint64_t ops = 0;
    for (const auto& step : program.steps) ops |= std::uint64_t{1} << static_cast<int>(step.op);
    return reinterpret_cast<void (*)(Data)>(
        compiled_kernel(program.function, {program.customs, ops, header, element}, name, capability));
}

}  // namespace cuebm::cuda
