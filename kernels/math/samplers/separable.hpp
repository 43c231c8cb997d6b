// Trajectories of a diagonal Gaussian, whose coordinates do not see each other: each stays in registers from its first
// half kick to the last whole one, and moves about its mean, two multiply-adds a step. Within a sum the same energy
// moves as all others do, with other last bits. Singled out because it is the energy that samplers are compared by:
// docs/design/chains.md has what it gains.
#pragma once

#include "math/energy_program.hpp"
#include "math/samplers/chain_tile.hpp"

namespace cuebm::math {

// The one step of such an energy; null: another energy.
template <class T>
CUEBM_MATH const EnergyStep<T>* separable_step(const EnergyProgram<T>& program) {
    if constexpr (!is_built(EnergyOp::gaussian_diagonal)) return nullptr;
    return program.length == 1 && program.steps[0].op == EnergyOp::gaussian_diagonal ? program.steps : nullptr;
}

// Count coordinates from j on, of AtOnce packs from `pack` on.
template <int Count, int AtOnce, class R, class T>
CUEBM_MATH void move_coordinates(const Transition<T>& t, T scale, const T* mean, const T* precision,
                                 const ChainTile<R>& tile, int leapfrogs, int j, int pack) {
    constexpr int elements = Count * AtOnce;
    R off[elements], p[elements], kick[Count], drift[Count];  // off: x less its mean
    const R half_kick = spread<R>(T(-0.5) * t.step_size);
#pragma GCC unroll 8
    for (int c = 0; c < Count; ++c) {  // spread before they are multiplied: a number in memory is spread for nothing
        kick[c] = (spread<R>(precision[j + c]) * scale) * -t.step_size;
        drift[c] = spread<R>(t.inverse_mass[j + c]) * t.step_size;
    }
#pragma GCC unroll 8
    for (int i = 0; i < elements; ++i) {
        const int c = i / AtOnce;
        const auto from = pack_of(tile, pack + i % AtOnce);
        p[i] = fused(from.gradient[j + c], half_kick, from.momentum[j + c]);
        off[i] = fused(p[i], drift[c], from.x[j + c] - mean[j + c]);
    }
    for (int l = 1; l < leapfrogs; ++l) {
#pragma GCC unroll 8
        for (int i = 0; i < elements; ++i) {
            p[i] = fused(off[i], kick[i / AtOnce], p[i]);
            off[i] = fused(p[i], drift[i / AtOnce], off[i]);
        }
    }
#pragma GCC unroll 8
    for (int i = 0; i < elements; ++i) {
        const int at = j + i / AtOnce;
        const auto to = pack_of(tile, pack + i % AtOnce);
        const R x = off[i] + mean[at];
        to.proposal.set(at, x);
        to.momentum.set(at, p[i]);
        to.proposal_gradient.set(at, (x - mean[at]) * (spread<R>(precision[at]) * scale));
    }
}

// All leapfrog steps but the last half kick, from the tile's point, and the gradient at their end.
template <int Packs, class R, class T>
CUEBM_MATH void separable_trajectory(const Transition<T>& t, const EnergyStep<T>& step, const T* parameters,
                                     const ChainTile<R>& tile, int leapfrogs) {
    // Chains of dependent operations: two of latency 4 start in a cycle. 8 against 4 on a Xeon with AVX-512, d =
    // 10: 1.3 times as fast at 50 leapfrog steps, within noise at 10 (by hand, not recorded).
    constexpr int chains_at_once = crew_size > 1 ? 1 : 8;
    constexpr int packs = Packs < chains_at_once ? Packs : chains_at_once, coordinates = chains_at_once / packs;
    static_assert(Packs % packs == 0);
    const T *mean = parameters + step.parameters, *precision = mean + step.d;
    if constexpr (crew_size > 1) {
        for_coordinates(step.d,
                        [&](int j) { move_coordinates<1, 1>(t, step.scale, mean, precision, tile, leapfrogs, j, 0); });
    } else {
        for (int pack = 0; pack < Packs; pack += packs) {
            int j = 0;
            for (; j + coordinates <= step.d; j += coordinates)
                move_coordinates<coordinates, packs>(t, step.scale, mean, precision, tile, leapfrogs, j, pack);
            for (; j < step.d; ++j)
                move_coordinates<1, packs>(t, step.scale, mean, precision, tile, leapfrogs, j, pack);
        }
    }
}

}  // namespace cuebm::math
