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

// Elements e = j Packs + p of the tile's arrays, which lie one behind the other, Count of them at once.
template <int Count, int Packs, class R, class T>
CUEBM_MATH void move_elements(const Transition<T>& t, T scale, const T* mean, const T* precision,
                              const ChainTile<R>& tile, int leapfrogs, int first) {
    R off[Count], p[Count], kick[Count], drift[Count];  // off: x less its mean
    const R half_kick = spread<R>(T(-0.5) * t.step_size);
#pragma GCC unroll 8
    for (int i = 0; i < Count; ++i) {
        const int j = (first + i) / Packs;
        const auto pack = pack_of(tile, (first + i) % Packs);
        kick[i] = spread<R>(-t.step_size * (scale * precision[j]));
        drift[i] = spread<R>(t.step_size * t.inverse_mass[j]);
        p[i] = fused(pack.gradient[j], half_kick, pack.momentum[j]);
        off[i] = fused(p[i], drift[i], pack.x[j] - mean[j]);
    }
    for (int l = 1; l < leapfrogs; ++l) {
#pragma GCC unroll 8
        for (int i = 0; i < Count; ++i) {
            p[i] = fused(off[i], kick[i], p[i]);
            off[i] = fused(p[i], drift[i], off[i]);
        }
    }
#pragma GCC unroll 8
    for (int i = 0; i < Count; ++i) {
        const int j = (first + i) / Packs, pack = (first + i) % Packs;
        const R x = off[i] + mean[j];
        pack_of(tile.proposal, pack).set(j, x);
        pack_of(tile.momentum, pack).set(j, p[i]);
        pack_of(tile.proposal_gradient, pack).set(j, (x - mean[j]) * (scale * precision[j]));
    }
}

// All leapfrog steps but the last half kick, from the tile's point, and the gradient at their end.
template <int Packs, class R, class T>
CUEBM_MATH void separable_trajectory(const Transition<T>& t, const EnergyStep<T>& step, const T* parameters,
                                     const ChainTile<R>& tile, int leapfrogs) {
    // Chains of dependent operations: two of latency 4 start in a cycle. 8 against 4 on a Xeon with AVX-512, d =
    // 10: 1.3 times as fast at 50 leapfrog steps, within noise at 10 (by hand, not recorded).
    constexpr int at_once = 8;
    const T *mean = parameters + step.parameters, *precision = mean + step.d;
    const int elements = step.d * Packs;
    if constexpr (crew_size > 1)
        return for_coordinates(
            elements, [&](int j) { move_elements<1, Packs>(t, step.scale, mean, precision, tile, leapfrogs, j); });
    int first = 0;
    for (; first + at_once <= elements; first += at_once)
        move_elements<at_once, Packs>(t, step.scale, mean, precision, tile, leapfrogs, first);
    for (; first < elements; ++first) move_elements<1, Packs>(t, step.scale, mean, precision, tile, leapfrogs, first);
}

}  // namespace cuebm::math
