// e^x and the logistic function over a lane, for every float or double. The polynomials are minimax in relative error
// (Remez), of the least degree for these errors, in float of all arguments, in double of grids
// (tests/unit/function_errors_test.cpp): exponential <= 1.1 ulp, sigmoid 1.7.
#pragma once

#include "math/functions.hpp"
#include "math/functions_basic.hpp"

namespace cuebm::math {

template <class T>
struct ExponentialRange;
template <>
struct ExponentialRange<float> {  // e^x is normal from least to most
    static constexpr float least = -87.33654022216796875f, most = 88.722831726074219f;
};
template <>
struct ExponentialRange<double> {
    static constexpr double least = -708.39641853226408, most = 709.78271289338397;
};

// e^f for |f| <= ln 2 / 2.
template <class R>
CUEBM_MATH R exponential_near_zero(R f) {
    using T = typename LaneTraits<R>::Scalar;
    const R square = f * f;
    R p;
    if constexpr (sizeof(T) == 4)
        p = polynomial(f, square, 0.49999994f, 0.166665167f, 0.0416681021f, 0.00836919714f, 0.00138390379f);
    else
        p = polynomial(f, square, 0.50000000000000111, 0.1666666666666641, 0.04166666666653044, 0.0083333333334964857,
                       0.0013888888943575609, 0.0001984126950252986, 2.4801493140039239e-05, 2.7557589655714301e-06,
                       2.7630237773941487e-07, 2.499912262151338e-08);
    return fused(p, square, f) + T(1);
}

// x = n ln 2 + f: e^f, and n in the highest bits of a word, where an exponent is.
template <class R>
struct ExponentialParts {
    R value;
    typename LaneTraits<R>::Unsigned exponent;
};
template <class R>
CUEBM_MATH ExponentialParts<R> exponential_parts(R x) {
    using T = typename LaneTraits<R>::Scalar;
    using C = FunctionConstants<T>;
    const R shifted = fused(x, R{} + C::log2_e, R{} + C::round);
    const R n = shifted - C::round;
    R f = fused(n, R{} - C::ln2_high, x);
    f = fused(n, R{} - C::ln2_low, f);
    return {exponential_near_zero(f), typename LaneTraits<R>::Unsigned(to_bits(shifted)) << C::mantissa_bits};
}

// e^x. Results below the smallest normal number are 0, those above the largest infinity; NaN stays.
template <class R>
CUEBM_MATH R exponential(R x) {
    using T = typename LaneTraits<R>::Scalar;
    using Bits = typename LaneTraits<R>::Bits;
    using Unsigned = typename LaneTraits<R>::Unsigned;
    using Range = ExponentialRange<T>;
    const ExponentialParts<R> parts = exponential_parts(x);
    // Adding to the exponent reaches 2^128 times a value below 1, which a product with a power of two could not.
    const R inside = from_bits(Bits(Unsigned(to_bits(parts.value)) + parts.exponent));
    const R not_above = select(x <= Range::most, inside, x + static_cast<T>(__builtin_inf()));  // NaN stays NaN
    return select(x < Range::least, R{}, not_above);
}

// e^x for x <= 0 as above.
template <class R>
CUEBM_MATH R exponential_of_nonpositive(R x) {
    using T = typename LaneTraits<R>::Scalar;
    using Bits = typename LaneTraits<R>::Bits;
    using C = FunctionConstants<T>;
    const ExponentialParts<R> parts = exponential_parts(x);
    constexpr WordOf<R> one = static_cast<WordOf<R>>(C::bias) << C::mantissa_bits;
    const R inside = parts.value * from_bits(Bits(parts.exponent + one));
    return select(x < ExponentialRange<T>::least, R{}, inside);
}

// 1 / (1 + e^-x). The lower tail is accurate in relative terms too, down to the smallest normal number; the upper
// tail's distance from 1 is sigmoid(-x).
template <class R>
CUEBM_MATH R sigmoid(R x) {
    using T = typename LaneTraits<R>::Scalar;
    const R t = exponential_of_nonpositive(negative_magnitude(x));
    const auto negative = x < T(0);
    const R part = select(negative, t, R{} + T(1)) / (t + T(1));
    // t / (1 + t) = t - t * part: of the two roundings in `part` only t times as much is left.
    return select(negative, fused(R{} - t, part, t), part);
}

}  // namespace cuebm::math
