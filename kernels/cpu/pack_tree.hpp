// math::tree_sum() of 16 accumulators that lie in packs: a pack is halved where the tree adds 8, 4, 2 and 1 apart.
#pragma once

#include "cpu/pack.hpp"
#include "math/canonical.hpp"

namespace cuebm::math {

template <int... i>
struct Lanes {};
template <int n, int... i>
struct CountLanes : CountLanes<n - 1, n - 1, i...> {};
template <int... i>
struct CountLanes<0, i...> {
    using Type = Lanes<i...>;
};

// The sum is in lane 0.
template <int apart, class P, int... i>
CUEBM_MATH P add_lanes(P x, Lanes<i...> lanes) {
    if constexpr (apart == 0)
        return x;
    else
        return add_lanes<apart / 2>(
            x + __builtin_shufflevector(x, x, ((i + apart) % static_cast<int>(sizeof...(i)))...), lanes);
}

template <class P, int parts>
CUEBM_MATH typename LaneTraits<P>::Scalar tree_sum_of_packs(const P (&a)[parts]) {
    constexpr int width = canonical_lanes / parts;
    P s[parts];
#pragma GCC unroll 8
    for (int p = 0; p < parts; ++p) s[p] = a[p];
#pragma GCC unroll 8
    for (int half = parts / 2; half >= 1; half /= 2)
        for (int p = 0; p < half; ++p) s[p] = s[p] + s[p + half];
    return add_lanes<width / 2>(s[0], typename CountLanes<width>::Type{})[0];
}

}  // namespace cuebm::math
