// See isa.hpp.
#include "cpu/isa.hpp"

#include <cstdlib>

#include <cuebm/error.hpp>

namespace cuebm::cpu {

std::vector<const AssignKernels*> available_isas() {
    std::vector<const AssignKernels*> isas{&assign_base};
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) isas.push_back(&assign_avx2);
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("fma"))
        isas.push_back(&assign_avx512);
#endif
    return isas;
}

const AssignKernels& choose_isa() {
    const auto isas = available_isas();
    const char* wanted = std::getenv("CUEBM_ISA");
    if (wanted == nullptr || *wanted == '\0') return *isas.back();
    std::string names;
    for (const auto* isa : isas) {
        if (std::string(isa->name) == wanted) return *isa;
        names += (names.empty() ? "" : ", ") + std::string(isa->name);
    }
    throw InvalidArgument("Context::cpu", "CUEBM_ISA", wanted, "one that this CPU has: " + names);
}

std::string describe(const AssignKernels& isa) {
    return isa.fma ? isa.name : std::string(isa.name) + " without FMA: exact but slow";
}

}  // namespace cuebm::cpu
