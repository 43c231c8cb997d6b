// Random numbers and functions over packs of AVX-512.
#include "random_table.hpp"

extern constexpr bench::RandomTable bench::random_avx512 = {"avx512", Loops<math::FloatPack>::table(),
                                                            Loops<math::DoublePack>::table()};
