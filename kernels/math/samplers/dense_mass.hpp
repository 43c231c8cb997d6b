// Moves with a dense mass. M^-1 = L L', and momenta are kept as r = L' p, standard normal: then kinetic energies and
// the U-turn's criterion v' rho are those of unit mass, and only what touches x and its gradient sees L. d^2 / 2
// operations each, in the order of sum_coordinates().
#pragma once

#include "math/lane_memory.hpp"
#include "math/samplers/transition.hpp"

namespace cuebm::math {

// r += size L' gradient
template <class R, class T>
CUEBM_MATH void kick_dense(const Transition<T>& t, R size, Coordinates<R> gradient, Coordinates<R> momentum) {
    const std::int64_t d = t.d;
    for (int j = 0; j < t.d; ++j) {
        const R slope = sum_coordinates<R>(
            t.d - j, [&](int i, R sum) { return fused(gradient[j + i], spread<R>(t.factor[(j + i) * d + j]), sum); });
        momentum.set(j, fused(slope, size, momentum[j]));
    }
}

// (L r)_i
template <class R, class T>
CUEBM_MATH R speed_dense(const Transition<T>& t, Coordinates<R> momentum, int i) {
    const T* const row = t.factor + std::int64_t{i} * t.d;
    return sum_coordinates<R>(i + 1, [&](int j, R sum) { return fused(momentum[j], spread<R>(row[j]), sum); });
}

// to = from + size L r; `to` may be `from`.
template <class R, class T>
CUEBM_MATH void drift_dense(const Transition<T>& t, R size, Coordinates<R> momentum, Coordinates<R> from,
                            Coordinates<R> to) {
    for (int i = 0; i < t.d; ++i) to.set(i, fused(speed_dense(t, momentum, i), size, from[i]));
}

}  // namespace cuebm::math
