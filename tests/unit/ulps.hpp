// How far a number is off, in units of its last place.
#pragma once

#include <cmath>
#include <limits>

namespace cuebm::test {

// In units of the last place of the wanted number. Results below the smallest normal may be 0.
template <class T>
double ulps(T got, long double wanted) {
    using Limits = std::numeric_limits<T>;
    const long double size = std::abs(wanted);
    if (size < static_cast<long double>(Limits::min())) return std::abs(got) <= Limits::min() ? 0 : INFINITY;
    const long double ulp = std::ldexp(1.0L, std::ilogb(wanted) + 1 - Limits::digits);
    const auto error = static_cast<double>(std::abs(static_cast<long double>(got) - wanted) / ulp);
    return std::isnan(error) ? INFINITY : error;
}

}  // namespace cuebm::test
