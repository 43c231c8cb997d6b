// exp and log over a lane, in float and double: the same bits on every device. Those of the free energy; newer ones,
// for all arguments and quicker, are in functions_exponential.hpp, functions_logarithm.hpp and functions_circular.hpp.
// Errors, measured by tests/unit/functions_test.cpp against a wider type: exp_nonpositive <= 1.2 ulp (float) and 1.2
// ulp (double), log_positive <= 2 ulp in both.
#pragma once

#include "math/lane.hpp"

namespace cuebm::math {

template <class T>
struct FunctionConstants;
template <>
struct FunctionConstants<float> {
    static constexpr int mantissa_bits = 23, bias = 127;
    static constexpr std::int32_t mantissa_mask = 0x7fffff, half_bits = 0x3f000000;
    static constexpr float round = 12582912.0f;  // 1.5 * 2^23: adding it leaves the nearest integer low
    static constexpr float log2_e = 1.442695040888963f, ln2_high = 0.693359375f, ln2_low = -2.12194440e-4f;
    static constexpr float least = -87.0f;  // exp below it is taken as 0: e^-87 = 1.6e-38
    static constexpr int exp_degree = 7, atanh_terms = 6;
};
template <>
struct FunctionConstants<double> {
    static constexpr int mantissa_bits = 52, bias = 1023;
    static constexpr std::int64_t mantissa_mask = 0xfffffffffffff, half_bits = 0x3fe0000000000000;
    static constexpr double round = 6755399441055744.0;  // 1.5 * 2^52
    static constexpr double log2_e = 1.4426950408889634074, ln2_high = 6.93147180369123816490e-01,
                            ln2_low = 1.90821492927058770002e-10;
    static constexpr double least = -708.0;
    static constexpr int exp_degree = 13, atanh_terms = 12;
};

// e^x for x <= 0, -infinity included; results under e^-87 (float) or e^-708 (double) are 0; NaN stays.
// x = n ln 2 + f, |f| <= ln 2 / 2, and the Taylor polynomial of e^f.
template <class R>
CUEBM_MATH R exp_nonpositive(R x) {
    using T = typename LaneTraits<R>::Scalar;
    using Bits = typename LaneTraits<R>::Bits;
    using C = FunctionConstants<T>;
    const auto tiny = x < C::least;
    const R y = select(tiny, R{} + C::least, x);
    const R shifted = fused(y, R{} + C::log2_e, R{} + C::round);
    const R n = shifted - C::round;
    R f = fused(n, R{} - C::ln2_high, y);
    f = fused(n, R{} - C::ln2_low, f);
    T factorial = 1;  // a constant after unrolling
    for (int i = 2; i <= C::exp_degree; ++i) factorial *= static_cast<T>(i);
    R p = R{} + T(1) / factorial;
#pragma GCC unroll 16
    for (int i = C::exp_degree; i >= 1; --i) {
        factorial /= static_cast<T>(i);
        p = fused(p, f, R{} + T(1) / factorial);
    }
    const Bits exponent =
        (to_bits(shifted) << C::mantissa_bits) + (static_cast<decltype(C::half_bits)>(C::bias) << C::mantissa_bits);
    return select(tiny, R{}, p * from_bits(exponent));
}

// ln x for finite, normal x > 0: x = 2^e m with m in [sqrt 1/2, sqrt 2), and ln m = 2 atanh((m - 1) / (m + 1)).
template <class R>
CUEBM_MATH R log_positive(R x) {
    using T = typename LaneTraits<R>::Scalar;
    using Bits = typename LaneTraits<R>::Bits;
    using C = FunctionConstants<T>;
    const Bits bits = to_bits(x);
    R e = from_integer((bits >> C::mantissa_bits) - (C::bias - 1));
    R m = from_bits((bits & C::mantissa_mask) | C::half_bits);  // in [1/2, 1)
    const auto low = m < T(0.70710678118654752440);
    m = select(low, m + m, m);
    e = select(low, e - T(1), e);
    const R s = (m - T(1)) / (m + T(1));
    const R z = s * s;
    R p = R{} + T(1) / static_cast<T>(2 * C::atanh_terms + 1);
#pragma GCC unroll 16
    for (int i = C::atanh_terms - 1; i >= 1; --i) p = fused(p, z, R{} + T(1) / static_cast<T>(2 * i + 1));
    const R twice = s + s;
    R y = fused(twice * z, p, e * C::ln2_low);
    y = y + twice;
    return fused(e, R{} + C::ln2_high, y);
}

}  // namespace cuebm::math
