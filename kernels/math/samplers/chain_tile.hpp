// The chains that a thread works on: one on a GPU, of which it may have a share, a tile of packs on the CPU; and what
// all transitions share.
#pragma once

#include "math/functions_exponential.hpp"
#include "math/lane_memory.hpp"
#include "math/normal.hpp"
#include "math/samplers/transition.hpp"

namespace cuebm::math {

// The numbers of a chain, each an array over chains: pointers in the backends, Coordinates in a transition.
template <class Array>
struct ChainNumbers {
    static constexpr int count = 12;
    Array value;                         // the energy at the point
    Array energy, acceptance, diverged;  // of the last transition: H where it ended, its probability, 0 or 1
    Array leaves, depth;                 // the same, of NUTS
    Array slope;                         // the same, of ChEES: see hamiltonian.hpp
    Array accepted, divergences;         // sums of acceptance and diverged over transitions
    Array accepted_rest;                 // what rounding took of the first
    Array leapfrogs, deepest;            // of NUTS: the sum of leaves, and transitions that ended for their depth alone

    template <class Function>
    CUEBM_MATH_MEMBER auto map(Function f) const {
        return ChainNumbers<decltype(f(value))>{f(value),       f(energy),        f(acceptance), f(diverged),
                                                f(leaves),      f(depth),         f(slope),      f(accepted),
                                                f(divergences), f(accepted_rest), f(leapfrogs),  f(deepest)};
    }
};
// Sums in float of 3e5 probabilities about 0.996 were too large by 5e-4: what is lost has one sign.
template <class R>
CUEBM_MATH void add_acceptance(const ChainNumbers<Coordinates<R>>& numbers, R probability) {
    const R before = numbers.accepted[0], sum = before + probability;
    numbers.accepted.set(0, sum);
    numbers.accepted_rest.set(0, numbers.accepted_rest[0] + (probability - (sum - before)));
}

// All chains in memory: coordinate j of chain c is element (c / 64, j, c % 64).
template <class T>
struct ChainState {
    T *x, *gradient;           // [tiles x d x 64]
    ChainNumbers<T*> numbers;  // [tiles x 64]
};

// A chain's state is its point, with the gradient of the energy there, and its numbers; the rest is scratch of a
// transition.
template <class R>
struct ChainTile {
    Coordinates<R> x, gradient;  // [d]
    ChainNumbers<Coordinates<R>> numbers;
    Coordinates<R> proposal, proposal_gradient, momentum;  // [d]
};
template <class R>
CUEBM_MATH ChainTile<R> pack_of(const ChainTile<R>& tile, int p) {
    return {pack_of(tile.x, p),
            pack_of(tile.gradient, p),
            tile.numbers.map([p](Coordinates<R> number) { return pack_of(number, p); }),
            pack_of(tile.proposal, p),
            pack_of(tile.proposal_gradient, p),
            pack_of(tile.momentum, p)};
}

// An energy that grows by more than this along a trajectory is a divergence, as in Stan.
inline constexpr int divergence_limit = 1000;

// Leapfrog steps of transition `step`, the same for all chains: spread over 1 to 2 leapfrogs - 1, by Philox or by the
// van der Corput sequence in base 2.
template <class T>
CUEBM_MATH int leapfrogs_of(const Transition<T>& t, std::uint32_t step) {
    if (t.spread == TrajectorySpread::fixed) return t.leapfrogs;
    return spread_leapfrogs(t.leapfrogs, t.spread == TrajectorySpread::jittered
                                             ? random_block(t.length_key, 0, step, 0).word[0]
                                             : van_der_corput(step + 1));
}

// Do d normal numbers leave two words of their last block? The accept step takes the first of these, and needs no block
// of its own. A crew, each of whose members has other blocks, has more coordinates.
template <class R>
CUEBM_MATH bool normals_leave_words(int d) {
    return NormalBlock<R>::count == 4 && d <= warp_lanes && (d % 4 == 1 || d % 4 == 2);
}

// z_j, standard normal numbers of a pack of chains, given to use(j, z_j): a pair is made only if it is wanted. The step
// may differ from lane to lane (CounterWord). Returns the word that they leave, if normals_leave_words(): else nothing
// that means anything.
template <class R, class Step, class Use>
CUEBM_MATH typename LaneTraits<R>::Unsigned for_normals(PhiloxKey key, LaneIndex<R> index, Step step, int d, Use use) {
    typename LaneTraits<R>::Unsigned left{};
    constexpr int count = NormalBlock<R>::count;
    const auto use_block = [&](const NormalBlock<R>& block, int first) {
#pragma GCC unroll 4
        for (int i = 0; i < count; ++i)
            if (i + 1 < count || first + i < d) use(first + i, block.value[i]);
    };
    int first = crew_member() * count;  // a crew shares the blocks
    for (; crew_size == 1 && first + 2 * count - 1 <= d; first += 2 * count) {
        const auto two = random_normals_twice<R>(key, index, step, static_cast<std::uint32_t>(first / count));
        use_block(two.first, first);
        use_block(two.second, first + count);
    }
    for (; first < d; first += crew_size * count) {
        const auto block = philox_of_lanes(index.low, index.high, step, static_cast<std::uint32_t>(first / count), key);
#pragma GCC unroll 2
        for (int i = 0; i < count; i += 2) {
            if (first + i >= d) continue;
            R normals[2];
            normal_pair_of_block(block, i, normals[0], normals[1]);
            use(first + i, normals[0]);
            if (first + i + 1 < d) use(first + i + 1, normals[1]);
        }
        left = block.word[2];
    }
    crew_wait();
    return left;
}

// Where a chain starts: uniform in (-spread, spread).
template <class R, class T>
CUEBM_MATH R start_coordinate(PhiloxKey key, LaneIndex<R> index, std::uint32_t attempt, int j, T spread_of_start) {
    const auto block = random_block<R>(key, index, attempt, static_cast<std::uint32_t>(j));
    R uniform;
    if constexpr (sizeof(T) == sizeof(float))
        uniform = uniform_open<R>(block.word[0]);
    else
        uniform = uniform_open<R>(join_words(block.word[0], block.word[1]));
    return fused(uniform, spread<R>(T(2) * spread_of_start), spread<R>(-spread_of_start));
}

// min(1, exp(change)); 0 of NaN and of infinity, which comes of an energy of -infinity that no chain would leave.
template <class R, class T>
CUEBM_MATH R acceptance_of(R change) {
    const auto possible = change < static_cast<T>(__builtin_inf());
    return select(possible, exponential_of_nonpositive(select(change < T(0), change, R{})), R{});
}

// Keeps the proposal with probability exp(change), change = H before - H after; NaN and infinity keep nothing. Adds up
// what is counted, and selects the state. Without a trajectory a large step up is no divergence, but these two are.
// `left`: of for_normals().
template <class R, class T>
CUEBM_MATH void accept(const Transition<T>& t, const ChainTile<R>& tile, LaneIndex<R> index, std::uint32_t step,
                       typename LaneTraits<R>::Unsigned left, R value, R before, R after, bool with_gradient) {
    const R change = before - after;
    const R probability = acceptance_of<R, T>(change);
    R uniform;
    if constexpr (sizeof(T) == sizeof(float)) {
        if (!normals_leave_words<R>(t.d)) left = random_block<R>(t.accept_key, index, step, 0).word[0];
        uniform = uniform_open<R>(left);
    } else {
        const auto block = random_block<R>(t.accept_key, index, step, 0);
        uniform = uniform_open<R>(join_words(block.word[0], block.word[1]));
    }
    const auto kept = uniform < probability;
    const R least_change = spread<R>(with_gradient ? T(-divergence_limit) : static_cast<T>(-__builtin_inf()));
    const auto followed = (change >= least_change) & (change < static_cast<T>(__builtin_inf()));
    const R diverged = select(followed, R{}, spread<R>(T(1)));
    const auto& numbers = tile.numbers;
    numbers.acceptance.set(0, probability);
    add_acceptance(numbers, probability);
    numbers.diverged.set(0, diverged);
    numbers.divergences.set(0, numbers.divergences[0] + diverged);
    numbers.energy.set(0, select(kept, after, before));
    numbers.value.set(0, select(kept, value, numbers.value[0]));
    for_coordinates(t.d, [&](int j) { tile.x.set(j, select(kept, tile.proposal[j], tile.x[j])); });
    if (!with_gradient) return;
    for_coordinates(t.d,
                    [&](int j) { tile.gradient.set(j, select(kept, tile.proposal_gradient[j], tile.gradient[j])); });
}

}  // namespace cuebm::math
