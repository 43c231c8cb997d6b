// The mathematics over packs of what the compiler's flags give, and of one number.
#include "unit/lanes_table.hpp"

static bool runs_here() { return true; }

extern constexpr Lanes lanes_base = {"@I@", runs_here, Evaluation<cuebm::math::FloatPack>::table(),
                                     Evaluation<cuebm::math::DoublePack>::table()};
extern constexpr Lanes lanes_scalar = {"scalar", runs_here, Evaluation<float>::table(), Evaluation<double>::table()};
