// Who works on a lane's coordinates: one that does all of it; or, in a file that includes cuda/crew.cuh before anything
// else, a crew of 32 that share one chain, coordinate j the work of member j mod 32.
#pragma once

#include "math/platform.hpp"

namespace cuebm::math {

inline constexpr int warp_lanes = 32;

#if !defined(CUEBM_CREW)
constexpr int crew_size = 1;
CUEBM_MATH int crew_member() { return 0; }
// What every member has written is there for all.
CUEBM_MATH void crew_wait() {}
#endif

// body(j) for each of d coordinates, which does not ask for what another j has written.
template <class Body>
CUEBM_MATH void for_coordinates(int d, const Body& body) {
    crew_wait();
    for (int j = crew_member(); j < d; j += crew_size) body(j);
    crew_wait();
}

// What one member does for all.
template <class Body>
CUEBM_MATH void by_one_member(const Body& body) {
    crew_wait();
    if (crew_member() == 0) body();
    crew_wait();
}

}  // namespace cuebm::math
