// ln x, ln (1 + x) and ln (1 + e^x) over a lane, for every float or double. Numbers are scaled by a power of two into
// [3/4, 3/2), where ln (1 + f) is one polynomial, minimax in relative error (Remez); there is no division. Errors, in
// float of all arguments, in double of grids (tests/unit/function_errors_test.cpp): logarithm <= 1.4 ulp, log_one_plus
// 1.5, log1p_exp 2.01 (float) and 1.8 (double).
#pragma once

#include "math/functions_exponential.hpp"

namespace cuebm::math {

template <class T>
struct LogarithmConstants;
template <>
struct LogarithmConstants<float> {
    static constexpr std::uint32_t three_quarters = 0x3f400000, exponent_mask = 0xff800000;
    static constexpr float ln2_of_exponent = 0.69314718f * 0x1p-23f;  // for an exponent where its bits are
    static constexpr float least_normal = 0x1p-126f, scale = 0x1p24f;
    static constexpr float lift_bits = 0x1p-103f;  // the number with bits 24 << 23
};
template <>
struct LogarithmConstants<double> {
    static constexpr std::uint64_t three_quarters = 0x3fe8000000000000, exponent_mask = 0xfff0000000000000;
    static constexpr double least_normal = 0x1p-1022, scale = 0x1p54;
    static constexpr double lift_bits = 0x1p-969;  // the number with bits 54 << 52
};

// e ln 2 + ln (1 + f) for f in [-1/4, 1/2) and e of 2^e, given by its bits at an exponent's place.
template <class R>
CUEBM_MATH R logarithm_of_parts(R f, typename LaneTraits<R>::Unsigned exponent) {
    using T = typename LaneTraits<R>::Scalar;
    using Bits = typename LaneTraits<R>::Bits;
    using C = LogarithmConstants<T>;
    const R square = f * f;
    if constexpr (sizeof(T) == 4) {
        const R p = polynomial(f, square, -0.500000596f, 0.333335489f, -0.24993442f, 0.199770734f, -0.168228f,
                               0.149839491f, -0.120675184f, 0.0541338846f);
        return fused(from_integer(Bits(exponent)), R{} + C::ln2_of_exponent, fused(p, square, f));
    } else {
        const R p =
            polynomial(f, square, -0.49999999999999972, 0.33333333333333948, -0.25000000000019557, 0.19999999999815793,
                       -0.16666666662761384, 0.14285714301428484, -0.12500000349311252, 0.11111110794318417,
                       -0.09999983773790215, 0.090908897900762842, -0.083337318872247448, 0.076934779665913014,
                       -0.071384202013540884, 0.066423024172311246, -0.062491923522144312, 0.060872362009223177,
                       -0.059772307521160729, 0.050743533020033239, -0.029353391587201256, 0.0080565398157823633);
        // Not every instruction set converts integers of 64 bits or shifts in their sign: e + 2048 as the low bits of
        // 2^52.
        constexpr WordOf<R> bias = WordOf<R>{2048} << 52, large = 0x4330000000000000;
        const R e = from_bits(Bits(((exponent + bias) >> 52) | large)) - (0x1p52 + 2048);
        using F = FunctionConstants<double>;
        return fused(e, R{} + F::ln2_high, fused(e, R{} + F::ln2_low, fused(p, square, f)));
    }
}

// ln x for finite, normal x > 0, less what it was `lifted` by: the exponent of a power of two, where its bits are.
template <class R>
CUEBM_MATH R logarithm_of_normal(R x, typename LaneTraits<R>::Unsigned lifted = typename LaneTraits<R>::Unsigned{}) {
    using T = typename LaneTraits<R>::Scalar;
    using Bits = typename LaneTraits<R>::Bits;
    using Unsigned = typename LaneTraits<R>::Unsigned;
    using C = LogarithmConstants<T>;
    const Unsigned bits = Unsigned(to_bits(x)), exponent = (bits - C::three_quarters) & C::exponent_mask;
    return logarithm_of_parts(from_bits(Bits(bits - exponent)) - T(1), exponent - lifted);
}

// ln x, of subnormal numbers too: -infinity of 0, NaN of what is below.
template <class R>
CUEBM_MATH R logarithm(R x) {
    using T = typename LaneTraits<R>::Scalar;
    using Unsigned = typename LaneTraits<R>::Unsigned;
    using C = LogarithmConstants<T>;
    constexpr T infinity = static_cast<T>(__builtin_inf()), nan = static_cast<T>(__builtin_nan(""));
    const auto subnormal = x < C::least_normal;
    const Unsigned lifted = Unsigned(to_bits(select(subnormal, R{} + C::lift_bits, R{})));
    const R inside = logarithm_of_normal(select(subnormal, x * C::scale, x), lifted);
    const R finite = select(x < infinity, inside, R{} + infinity);
    return select(x > T(0), finite, select(x < T(0), R{} + nan, select(x == x, R{} - infinity, x)));
}

// ln (1 + x) for finite x > -1. 2^-e (1 + x) - 1 is 2^-e x + (2^-e - 1), where the first product is exact: e is 0 or
// |x| >= 1/4. Nor does the sum round for e = 1 and e = -1, where it would show. So does N. Juffa's log1pf (Stack
// Overflow 39821367); e is chosen by the rounded sum.
template <class R>
CUEBM_MATH R log_one_plus_of_finite(R x) {
    using T = typename LaneTraits<R>::Scalar;
    using Bits = typename LaneTraits<R>::Bits;
    using Unsigned = typename LaneTraits<R>::Unsigned;
    using C = LogarithmConstants<T>;
    const Unsigned sum = Unsigned(to_bits(x + T(1))), exponent = (sum - C::three_quarters) & C::exponent_mask;
    // 4 2^-e: 2^-e alone is subnormal for the largest x.
    constexpr WordOf<R> four = static_cast<WordOf<R>>(FunctionConstants<T>::bias + 2)
                               << FunctionConstants<T>::mantissa_bits;
    const R scale = from_bits(Bits(four - exponent));
    const R f = from_bits(Bits(Unsigned(to_bits(x)) - exponent)) + fused(scale, R{} + T(0.25), R{} - T(1));
    return logarithm_of_parts(f, exponent);
}

// ln (1 + x), accurate near 0: -infinity of -1, NaN of what is below.
template <class R>
CUEBM_MATH R log_one_plus(R x) {
    using T = typename LaneTraits<R>::Scalar;
    constexpr T infinity = static_cast<T>(__builtin_inf()), nan = static_cast<T>(__builtin_nan(""));
    const R finite = select(x < infinity, log_one_plus_of_finite(x), R{} + infinity);
    return select(x > T(-1), finite, select(x < T(-1), R{} + nan, select(x == x, R{} - infinity, x)));
}

// ln (1 + e^x), which neither overflows nor loses its lower tail; 0 where e^x is below the smallest normal number.
template <class R>
CUEBM_MATH R log1p_exp(R x) {
    using T = typename LaneTraits<R>::Scalar;
    const R small = exponential_of_nonpositive(negative_magnitude(x));
    return select(x < T(0), R{}, x) + log_one_plus_of_finite(small);  // NaN stays in the first
}

}  // namespace cuebm::math
