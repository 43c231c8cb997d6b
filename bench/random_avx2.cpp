// Random numbers and functions over packs of AVX2 and FMA.
#include "random_table.hpp"

extern constexpr bench::RandomTable bench::random_avx2 = {"avx2", Loops<math::FloatPack>::table(),
                                                          Loops<math::DoublePack>::table()};
