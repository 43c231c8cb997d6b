// F_beta = -1/beta log sum_k exp(-beta E_k), online: one pass over the energies, which need not be stored.
// Prototype k belongs to class k mod 16; the classes are joined by one fixed tree, so that a pack of any width
// and half a warp give the same bits.
#pragma once

#include "math/canonical.hpp"
#include "math/functions.hpp"

namespace cuebm::math {

// sum = sum of exp(-beta (E - least)) over the energies seen.
template <class R>
struct FreeEnergy {
    R least;
    R sum;
};

template <class R>
CUEBM_MATH FreeEnergy<R> free_energy_start() {
    using T = typename LaneTraits<R>::Scalar;
    return {R{} + static_cast<T>(__builtin_inf()), R{}};
}

// Joins two sums; either may be empty (least = infinity, sum = 0).
template <class R, class T>
CUEBM_MATH FreeEnergy<R> free_energy_join(FreeEnergy<R> a, FreeEnergy<R> b, T beta) {
    const R gap = a.least - b.least;
    const auto b_lower = gap > T(0);
    const R distance = select(b_lower, R{} - gap, gap);
    R factor = exp_nonpositive(distance * beta);
    factor = select(gap == gap, factor, R{});  // both empty: infinity - infinity
    return {select(b_lower, b.least, a.least),
            select(b_lower, fused(a.sum, factor, b.sum), fused(b.sum, factor, a.sum))};
}

template <class R, class T>
CUEBM_MATH FreeEnergy<R> free_energy_add(FreeEnergy<R> a, R energy, T beta) {
    // An absent prototype has energy infinity and adds nothing.
    const R one = select(energy < static_cast<T>(__builtin_inf()), R{} + T(1), R{});
    return free_energy_join(a, FreeEnergy<R>{energy, one}, beta);
}

// F_beta - min_k E_k <= 0. Added to the least energy it is F_beta, and where energies are large most of it is rounded
// off.
template <class T>
CUEBM_MATH T free_energy_gap(FreeEnergy<T> a, T beta) {
    return T(0) - log_positive(a.sum) / beta;
}

// The 16 classes to one, by the tree of canonical.hpp.
template <class T>
CUEBM_MATH FreeEnergy<T> free_energy_of_classes(const T (&least)[canonical_lanes], const T (&sum)[canonical_lanes],
                                                T beta) {
    FreeEnergy<T> s[canonical_lanes];
    for (int i = 0; i < canonical_lanes; ++i) s[i] = {least[i], sum[i]};
    for (int half = canonical_lanes / 2; half >= 1; half /= 2)
        for (int i = 0; i < half; ++i) s[i] = free_energy_join(s[i], s[i + half], beta);
    return s[0];
}

// p_k = exp(-beta (E_k - F_beta)), at most 1, with F_beta = least + gap. With a gap of 0: p_k / max p.
template <class R, class T>
CUEBM_MATH R probability(R energy, T least, T gap, T beta) {
    const R x = ((R{} + least - energy) + gap) * beta;
    return exp_nonpositive(select(x > T(0), R{}, x));
}

}  // namespace cuebm::math
