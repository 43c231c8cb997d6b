// Random numbers and functions over packs of what the compiler's flags give.
#include "random_table.hpp"

extern constexpr bench::RandomTable bench::random_base = {"base", Loops<math::FloatPack>::table(),
                                                          Loops<math::DoublePack>::table()};
