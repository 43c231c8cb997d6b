// Random-walk Metropolis (N. Metropolis and others, Journal of Chemical Physics 21, 1953): x' = x + e z / sqrt(M), z
// standard normal, accepted with probability exp(E(x) - E(x')).
#pragma once

#include "math/samplers/chain_tile.hpp"
#include "math/samplers/dense_mass.hpp"

namespace cuebm::math {

// `energy` has value(x, values), of the whole tile.
template <int Packs, class R, class Energy, class T>
CUEBM_MATH void metropolis_transition(const Transition<T>& t, const ChainTile<R>& tile,
                                      const LaneIndex<R> (&index)[Packs], std::uint32_t step, const Energy& energy) {
    typename LaneTraits<R>::Unsigned left[Packs];
    for (int p = 0; p < Packs; ++p) {
        const auto from = pack_of(tile.x, p), to = pack_of(tile.proposal, p);
        const auto normals = pack_of(tile.momentum, p);
        left[p] = for_normals<R>(t.momentum_key, index[p], step, t.d, [&](int j, R normal) {
            if (is_dense(t))
                normals.set(j, normal);
            else
                to.set(j, fused(normal, spread<R>(t.step_size / t.mass_root[j]), from[j]));
        });
        if (is_dense(t)) drift_dense(t, spread<R>(t.step_size), normals, from, to);
    }
    R values[Packs];
    energy.value(tile.proposal, values);
    for (int p = 0; p < Packs; ++p) {
        const auto pack = pack_of(tile, p);
        accept(t, pack, index[p], step, left[p], values[p], pack.numbers.value[0], values[p], false);
    }
}

}  // namespace cuebm::math
