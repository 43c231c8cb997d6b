// The mathematics over packs of AVX2 and FMA.
#include "unit/lanes_table.hpp"

static bool runs_here() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }

extern constexpr Lanes lanes_avx2 = {"@I@", runs_here, Evaluation<cuebm::math::FloatPack>::table(),
                                     Evaluation<cuebm::math::DoublePack>::table()};
