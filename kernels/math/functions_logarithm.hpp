// ln x, ln (1 + x) and ln (1 + e^x) over a lane, for every float or double. Numbers are scaled by a power of two into
// [2/3, 4/3), where |m - 1| <= 1/3; ln (1 + f) there is one polynomial, minimax in relative error (Remez), and there is
// no division. Errors: logarithm <= 1.2 ulp (float and double), log_one_plus 1.9, log1p_exp 2.0 and 2.1;
// in float of all arguments, in double of grids (tests/unit/function_errors_test.cpp).
#pragma once

#include "math/functions_exponential.hpp"

namespace cuebm::math {

template <class T>
struct LogarithmConstants;
template <>
struct LogarithmConstants<float> {
    static constexpr std::uint32_t two_thirds = 0x3f2aaaab, exponent_mask = 0xff800000;
    static constexpr float ln2_of_exponent = 0.69314718f * 0x1p-23f;  // for an exponent where its bits are
    static constexpr float least_normal = 0x1p-126f, scale = 0x1p24f;
    static constexpr float lift_bits = 0x1p-103f;  // the number with bits 24 << 23
};
template <>
struct LogarithmConstants<double> {
    static constexpr std::uint64_t two_thirds = 0x3fe5555555555555, exponent_mask = 0xfff0000000000000;
    static constexpr double least_normal = 0x1p-1022, scale = 0x1p54;
    static constexpr double lift_bits = 0x1p-969;  // the number with bits 54 << 52
};

// e ln 2 + ln (1 + f) for |f| <= 1/3 and e of 2^e, given by its bits at an exponent's place.
template <class R>
CUEBM_MATH R logarithm_of_parts(R f, typename LaneTraits<R>::Unsigned exponent) {
    using T = typename LaneTraits<R>::Scalar;
    using Bits = typename LaneTraits<R>::Bits;
    using C = LogarithmConstants<T>;
    const R square = f * f;
    if constexpr (sizeof(T) == 4) {
        const R p = polynomial(f, square, -0.499999374f, 0.333331972f, -0.250078142f, 0.200112388f, -0.164159462f,
                               0.139949724f, -0.153888136f, 0.140295833f);
        return fused(from_integer(Bits(exponent)), R{} + C::ln2_of_exponent, fused(p, square, f));
    } else {
        const R p =
            polynomial(f, square, -0.49999999999999956, 0.33333333333333132, -0.25000000000029443, 0.20000000000083865,
                       -0.16666666660893145, 0.14285714273450315, -0.12500000514494841, 0.11111112007234876,
                       -0.099999749391003104, 0.09090871348924337, -0.083340632637858333, 0.076932903477232445,
                       -0.071296206294982248, 0.066503768597562463, -0.063999675735640582, 0.060537513751829974,
                       -0.045347806749089753, 0.041675127871097853, -0.086950795048846924, 0.085131621110290712);
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
    const Unsigned bits = Unsigned(to_bits(x)), exponent = (bits - C::two_thirds) & C::exponent_mask;
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
// |x| >= 1/3. So does N. Juffa's log1pf (Stack Overflow 39821367); e is chosen by the rounded sum.
template <class R>
CUEBM_MATH R log_one_plus_of_finite(R x) {
    using T = typename LaneTraits<R>::Scalar;
    using Bits = typename LaneTraits<R>::Bits;
    using Unsigned = typename LaneTraits<R>::Unsigned;
    using C = LogarithmConstants<T>;
    const Unsigned sum = Unsigned(to_bits(x + T(1))), exponent = (sum - C::two_thirds) & C::exponent_mask;
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
