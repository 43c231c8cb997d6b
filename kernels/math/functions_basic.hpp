// Signs, order and polynomials over a lane.
#pragma once

#include "math/lane.hpp"

namespace cuebm::math {

// Of equal or unordered numbers, the second.
template <class R>
CUEBM_MATH R maximum(R a, R b) {
    return select(a > b, a, b);
}
template <class R>
CUEBM_MATH R minimum(R a, R b) {
    return select(a < b, a, b);
}

template <class R>
CUEBM_MATH R absolute(R x) {
    using Bits = typename LaneTraits<R>::Bits;
    using Unsigned = typename LaneTraits<R>::Unsigned;
    constexpr WordOf<R> magnitude = static_cast<WordOf<R>>(-1) >> 1;
    return from_bits(Bits(Unsigned(to_bits(x)) & magnitude));
}
// -|x|
template <class R>
CUEBM_MATH R negative_magnitude(R x) {
    using Bits = typename LaneTraits<R>::Bits;
    using Unsigned = typename LaneTraits<R>::Unsigned;
    constexpr WordOf<R> sign = static_cast<WordOf<R>>(1) << (8 * sizeof(WordOf<R>) - 1);
    return from_bits(Bits(Unsigned(to_bits(x)) | sign));
}

// Polynomials, coefficients from the constant one up. Even and odd powers apart: as many multiply-adds as Horner's
// rule, half as long a chain. `square` is x^2.
template <class R, class... T>
CUEBM_MATH R polynomial(R x, R square, T... coefficient) {
    constexpr int terms = sizeof...(T);
    static_assert(terms >= 3);
    const typename LaneTraits<R>::Scalar c[] = {coefficient...};
    R last = R{} + c[terms - 1], other = R{} + c[terms - 2];
#pragma GCC unroll 24
    for (int i = terms - 3; i >= 0; i -= 2) {
        last = fused(last, square, R{} + c[i]);
        if (i >= 1) other = fused(other, square, R{} + c[i - 1]);
    }
    return terms % 2 == 1 ? fused(other, x, last) : fused(last, x, other);
}

// Horner's rule: where a chain's length does not matter, or the polynomial is one in x^2 already.
template <class R, class... T>
CUEBM_MATH R horner(R x, T... coefficient) {
    constexpr int terms = sizeof...(T);
    const typename LaneTraits<R>::Scalar c[] = {coefficient...};
    R p = R{} + c[terms - 1];
#pragma GCC unroll 24
    for (int i = terms - 2; i >= 0; --i) p = fused(p, x, R{} + c[i]);
    return p;
}

}  // namespace cuebm::math
