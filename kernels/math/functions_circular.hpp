// Sine and cosine over a lane, of turns, half turns and words: the reduction to a quarter is exact.
// Errors: <= 1.7 ulp (float, all arguments; of sincos_pi from 2^-125 on, since halves of smaller ones lose bits)
// and 1.6 (double, grids; tests/unit/function_errors_test.cpp).
#pragma once

#include "math/functions.hpp"
#include "math/functions_basic.hpp"

namespace cuebm::math {

// sine and cosine of f quarter turns (f pi / 2), |f| <= 1/2. Polynomials in f^2, minimax in relative error (Remez).
template <class R>
CUEBM_MATH void sincos_near_zero(R f, R& sine, R& cosine) {
    using T = typename LaneTraits<R>::Scalar;
    const R square = f * f;
    if constexpr (sizeof(T) == 4) {
        sine = f * horner(square, 1.57079633f, -0.645963609f, 0.0796814114f, -0.00460483273f);
        cosine = horner(square, 1.0f, -1.23369765f, 0.253602386f, -0.0204145014f);
    } else {
        sine =
            f * horner(square, 1.5707963267948966, -0.64596409750624484, 0.079692626246059897, -0.0046817541325642597,
                       0.00016044115218028984, -3.598647812667243e-06, 5.6344673326424168e-08);
        cosine = horner(square, 1.0, -1.2337005501361553, 0.25366950789996007, -0.020863480735879434,
                        0.00091925995423494558, -2.5200143340521865e-05, 4.655340585174102e-07);
    }
}

// The same, after whole quarter turns: the two highest bits of a word, of which the others do not matter.
template <class R>
CUEBM_MATH void sincos_of_quarters(typename LaneTraits<R>::Unsigned quarters, R f, R& sine, R& cosine) {
    constexpr WordOf<R> quarter = static_cast<WordOf<R>>(1) << (8 * sizeof(WordOf<R>) - 2);
    R s, c;
    sincos_near_zero(f, s, c);
    const auto odd = has_bit(quarters, quarter);
    sine = flip_sign(select(odd, c, s), quarters);
    cosine = flip_sign(select(odd, s, c), quarters + quarter);
}

// sin 2 pi u and cos 2 pi u for |u| <= 2^20 (float) or 2^49.
template <class R>
CUEBM_MATH void sincos_two_pi(R u, R& sine, R& cosine) {
    using T = typename LaneTraits<R>::Scalar;
    using Unsigned = typename LaneTraits<R>::Unsigned;
    using C = FunctionConstants<T>;
    const R shifted = fused(u, R{} + T(4), R{} + C::round);
    const R f = fused(u, R{} + T(4), C::round - shifted);  // exact
    sincos_of_quarters(Unsigned(to_bits(shifted)) << (8 * sizeof(T) - 2), f, sine, cosine);
}

// sin pi x and cos pi x: 0 and 1 of numbers so large that they are all even, NaN of infinity.
template <class R>
CUEBM_MATH void sincos_pi(R x, R& sine, R& cosine) {
    using T = typename LaneTraits<R>::Scalar;
    using C = FunctionConstants<T>;
    constexpr T all_even = static_cast<T>(WordOf<R>{1} << (C::mantissa_bits + 1)),
                rough = sizeof(T) == 4 ? 4096 : 1 << 26;
    const R near = select(absolute(x) < all_even, x, x - x);
    const R multiple = fused(near, R{} + 1 / rough, R{} + C::round) - C::round;
    sincos_two_pi(fused(multiple, R{} - rough, near) * T(0.5), sine, cosine);  // exact, and at most rough / 4
}

// sin and cos of 2 pi word / 2^32 (float, all bits count) or 2 pi word / 2^64 (double, 54 bits count).
template <class R>
CUEBM_MATH void sincos_of_word(typename LaneTraits<R>::Unsigned word, R& sine, R& cosine) {
    using T = typename LaneTraits<R>::Scalar;
    using Bits = typename LaneTraits<R>::Bits;
    using Unsigned = typename LaneTraits<R>::Unsigned;
    constexpr WordOf<R> eighth = static_cast<WordOf<R>>(1) << (8 * sizeof(WordOf<R>) - 3);
    const Unsigned quarters = word + eighth;  // rounds to the nearest quarter
    R f;
    if constexpr (sizeof(T) == 4) {
        f = from_integer(Bits(word << 2)) * 0x1p-32f;
    } else {  // not every instruction set converts 64 bits: 52 of them as the fraction of a number in [1, 2)
        constexpr WordOf<R> one = 0x3ff0000000000000;
        f = from_bits(Bits((quarters << 2 >> 12) | one)) - 1.5;
    }
    sincos_of_quarters(quarters, f, sine, cosine);
}

}  // namespace cuebm::math
