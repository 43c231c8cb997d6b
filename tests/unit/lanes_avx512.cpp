// The mathematics over packs of AVX-512.
#include "unit/lanes_table.hpp"

static bool runs_here() {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("fma");
}

extern constexpr Lanes lanes_avx512 = {"@I@", runs_here, Evaluation<cuebm::math::FloatPack>::table(),
                                       Evaluation<cuebm::math::DoublePack>::table()};
