// Hamiltonian Monte Carlo (R. M. Neal, "MCMC using Hamiltonian dynamics", Handbook of Markov Chain Monte Carlo, 2011),
// and what it contains: with one leapfrog step MALA (G. O. Roberts and R. L. Tweedie, Bernoulli 2, 1996), and without
// its accept step ULA.
//
//   p ~ N(0, M);   p -= e/2 dE(x);   L times: x += e p / M, p -= e dE(x), but for the last e/2
//   accept with probability exp(H before - H after),   H = E(x) + 1/2 p' p / M
#pragma once

#include "math/samplers/chain_tile.hpp"
#include "math/samplers/dense_mass.hpp"
#include "math/samplers/separable.hpp"

namespace cuebm::math {

// sums_p += 1/2 p' p / M of each pack, of momenta(pack, j). All packs together where the sum is in order: theirs are
// independent chains of additions.
template <int Packs, class R, class T, class Momenta>
CUEBM_MATH void add_kinetic_energies(const Transition<T>& t, Momenta momenta, R (&sums)[Packs]) {
    R squares[Packs] = {};
    const auto add = [&](int p, int j, R sum) {
        const R momentum = momenta(p, j);
        return fused(momentum * t.inverse_mass[j], momentum, sum);
    };
    if (Packs > 1 && t.d <= warp_lanes) {
        for (int j = 0; j < t.d; ++j)
#pragma GCC unroll 4
            for (int p = 0; p < Packs; ++p) squares[p] = add(p, j, squares[p]);
    } else {
        for (int p = 0; p < Packs; ++p)
            squares[p] = sum_coordinates<R>(t.d, [&](int j, R sum) { return add(p, j, sum); });
    }
    for (int p = 0; p < Packs; ++p) sums[p] = fused(squares[p], spread<R>(T(0.5)), sums[p]);
}

// p -= size * gradient; x += step_size p / M, for all packs: a coefficient is spread once, and memory is read in order.
template <int Packs, class R, class T>
CUEBM_MATH void kick_and_drift(const Transition<T>& t, T size, Coordinates<R> gradient, Coordinates<R> momentum,
                               Coordinates<R> from, Coordinates<R> to) {
    if (is_dense(t)) {
        for (int p = 0; p < Packs; ++p) {
            kick_dense(t, spread<R>(-size), pack_of(gradient, p), pack_of(momentum, p));
            drift_dense(t, spread<R>(t.step_size), pack_of(momentum, p), pack_of(from, p), pack_of(to, p));
        }
        return;
    }
    for_coordinates(t.d, [&](int j) {
        const R kick = spread<R>(-size), drift = spread<R>(t.step_size * t.inverse_mass[j]);
#pragma GCC unroll 4
        for (int p = 0; p < Packs; ++p) {
            const R moved = fused(pack_of(gradient, p)[j], kick, pack_of(momentum, p)[j]);
            pack_of(momentum, p).set(j, moved);
            pack_of(to, p).set(j, fused(moved, drift, pack_of(from, p)[j]));
        }
    });
}

// The slope of ChEES by time, but for a factor: of (|x' - c|^2 - |x - c|^2)^2 for a trajectory from x to x', where its
// momentum is the tile's, about the centre c. It counts with the acceptance probability.
template <class R, class T>
CUEBM_MATH R chees_slope(const Transition<T>& t, const ChainTile<R>& tile, R acceptance) {
    const auto from_centre = [&](Coordinates<R> at, int j) { return at[j] - spread<R>(t.centre[j]); };
    const R before = sum_coordinates<R>(t.d, [&](int j, R sum) {
        const R off = from_centre(tile.x, j);
        return fused(off, off, sum);
    });
    const R after = sum_coordinates<R>(t.d, [&](int j, R sum) {
        const R off = from_centre(tile.proposal, j);
        return fused(off, off, sum);
    });
    const R away = sum_coordinates<R>(t.d, [&](int j, R sum) {
        const R speed =
            is_dense(t) ? speed_dense(t, tile.momentum, j) : tile.momentum[j] * spread<R>(t.inverse_mass[j]);
        return fused(from_centre(tile.proposal, j), speed, sum);
    });
    const R slope = acceptance * ((after - before) * away);
    return select(slope - slope == T(0), slope, R{});  // of one that diverged too far to be squared
}

// `energy` has value(x, values), gradient(x, gradient) and both(x, gradient, values), of the whole tile, and its
// program(). index: of each pack.
template <int Packs, class R, class Energy, class T>
CUEBM_MATH void hamiltonian_transition(const Transition<T>& t, const ChainTile<R>& tile,
                                       const LaneIndex<R> (&index)[Packs], std::uint32_t step, const Energy& energy) {
    R before[Packs];
    typename LaneTraits<R>::Unsigned left[Packs];
    for (int p = 0; p < Packs; ++p) {
        const auto momentum = pack_of(tile.momentum, p);
        left[p] = for_normals<R>(t.momentum_key, index[p], step, t.d,
                                 [&](int j, R normal) { momentum.set(j, normal * t.mass_root[j]); });
        before[p] = pack_of(tile.numbers.value, p)[0];
    }
    add_kinetic_energies(
        t, [&](int p, int j) { return pack_of(tile.momentum, p)[j]; }, before);
    const int leapfrogs = leapfrogs_of(t, step);
    R values[Packs];
    const auto* step_of_energy = t.factor == nullptr ? separable_step(energy.program()) : nullptr;
    if (step_of_energy != nullptr) {
        separable_trajectory<Packs>(t, *step_of_energy, energy.program().parameters, tile, leapfrogs);
        energy.value(tile.proposal, values);
    } else {
        kick_and_drift<Packs>(t, T(0.5) * t.step_size, tile.gradient, tile.momentum, tile.x, tile.proposal);
        for (int l = 1; l < leapfrogs; ++l) {
            energy.gradient(tile.proposal, tile.proposal_gradient);
            kick_and_drift<Packs>(t, t.step_size, tile.proposal_gradient, tile.momentum, tile.proposal, tile.proposal);
        }
        energy.both(tile.proposal, tile.proposal_gradient, values);
    }
    R after[Packs];
    if (t.adjusted) {
        for (int p = 0; p < Packs; ++p) after[p] = values[p];
        R kick = spread<R>(T(-0.5) * t.step_size);
        if (is_dense(t) || t.centre != nullptr) {  // then the last momenta are wanted themselves
            for (int p = 0; p < Packs; ++p) {
                const auto momentum = pack_of(tile.momentum, p), gradient = pack_of(tile.proposal_gradient, p);
                if (is_dense(t))
                    kick_dense(t, kick, gradient, momentum);
                else
                    for_coordinates(t.d, [&](int j) { momentum.set(j, fused(gradient[j], kick, momentum[j])); });
            }
            kick = R{};
        }
        add_kinetic_energies(
            t,
            [&](int p, int j) {
                return fused(pack_of(tile.proposal_gradient, p)[j], kick, pack_of(tile.momentum, p)[j]);
            },
            after);
    } else {  // taken, unless its energy is not finite: infinity less itself is NaN
        for (int p = 0; p < Packs; ++p) after[p] = before[p] = values[p];
    }
    for (int p = 0; p < Packs; ++p) {
        const auto pack = pack_of(tile, p);
        R slope{};
        if (t.centre != nullptr) slope = chees_slope(t, pack, acceptance_of<R, T>(before[p] - after[p]));
        pack.numbers.slope.set(0, slope);
        accept(t, pack, index[p], step, left[p], values[p], before[p], after[p], true);
        if (!t.adjusted) pack.numbers.energy.set(0, pack.numbers.value[0]);  // also where the step was not taken
    }
}

}  // namespace cuebm::math
