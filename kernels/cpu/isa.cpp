// See isa.hpp.
#include "cpu/isa.hpp"

#include <cstdlib>

#if defined(CUEBM_X86)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include <cuebm/error.hpp>

namespace cuebm::cpu {
namespace {

#if defined(CUEBM_X86)
// Linux gives a process the registers of AMX when it asks for them (its Documentation/arch/x86/xstate.rst).
bool amx_is_granted() {
    unsigned a = 0, b = 0, c = 0, d = 0;
    constexpr unsigned bf16 = 1u << 22, tile = 1u << 24;
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0 || (d & bf16) == 0 || (d & tile) == 0) return false;
    if (!__builtin_cpu_supports("avx512bf16")) return false;  // which rounds the points
    constexpr long ask = 0x1023, tile_data = 18;
    return syscall(SYS_arch_prctl, ask, tile_data) == 0;
}

// Fastest first. Of one core, in GFLOP/s: on a Zen 5 fp32 270, bf16 510, int8 1080; on a Xeon with AMX fp32 239, bf16
// 120, int8 947, and amx 3400.
std::vector<const ScreenKernels*> avx512_screens() {
    std::vector<const ScreenKernels*> screens;
    if (amx_is_granted()) screens.push_back(&screen_amx);
    if (__builtin_cpu_supports("avx512vnni")) screens.push_back(&screen_int8);
    const bool has_bf16 = __builtin_cpu_supports("avx512bf16"), bf16_is_fast = __builtin_cpu_is("amd");
    if (has_bf16 && bf16_is_fast) screens.push_back(&screen_bf16);
    screens.push_back(&screen_avx512);
    if (has_bf16 && !bf16_is_fast) screens.push_back(&screen_bf16);
    return screens;
}
#endif

}  // namespace

std::vector<Isa> available_isas() {
    std::vector<Isa> isas{{&assign_base, &sums_base, &energy_base, &chains_base, {&screen_base}}};
#if defined(CUEBM_X86)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        isas.push_back({&assign_avx2, &sums_avx2, &energy_avx2, &chains_avx2, {&screen_avx2}});
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("fma"))
        isas.push_back({&assign_avx512, &sums_avx512, &energy_avx512, &chains_avx512, avx512_screens()});
#endif
    return isas;
}

Isa choose_isa() {
    auto isas = available_isas();
    const char* wanted = std::getenv("CUEBM_ISA");
    if (wanted == nullptr || *wanted == '\0') return isas.back();
    std::string names;
    for (auto& isa : isas) {
        if (std::string(isa.kernels->name) == wanted) return isa;
        names += (names.empty() ? "" : ", ") + std::string(isa.kernels->name);
    }
    throw InvalidArgument("Context::cpu", "CUEBM_ISA", wanted, "one that this CPU has: " + names);
}

std::string describe(const Isa& isa) {
    const std::string name = isa.kernels->name;
    return isa.kernels->fma ? name : name + " without FMA: exact but slow";
}

}  // namespace cuebm::cpu
