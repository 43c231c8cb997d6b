// The draws of k-means++ and k-means|| as integer arithmetic: the same on every device.
#pragma once

#include <limits>

#include "math/fixed_point.hpp"
#include "math/random_streams.hpp"

namespace cuebm::math {

// weight * energy in fixed point; 0 for what is negative or NaN.
CUEBM_MATH std::int64_t potential(double weight, double energy, double scale) {
    const double value = weight * energy;
    return value > 0 ? to_fixed(value, scale) : 0;
}

// A candidate that is twice as far from a row's prototype as the row is cannot be nearer to the row, by the triangle
// inequality: energies from this times the row's on, with room for the rounding of both (docs/design/randomness.md).
template <class T>
T apart_factor(std::int64_t d) {
    const double roundings = static_cast<double>(d) / 16 + 8;
    return static_cast<T>(4 * (1 + 10 * roundings * static_cast<double>(std::numeric_limits<T>::epsilon())));
}
// Squares do not underflow from here on.
template <class T>
inline constexpr T apart_least = std::numeric_limits<T>::min() * T(0x1p40);

// Whether a row's state so far says that a candidate is not below `closest`, its energy to its own prototype.
template <class T>
CUEBM_MATH bool is_apart(T closest, T apart, T factor) {
    const T bar = factor * closest;
    // An energy that overflowed says nothing.
    return closest > apart_least<T> && bar < static_cast<T>(__builtin_inf()) && apart >= bar;
}

// Whether a row with this part of the sum is selected, with probability min(1, expected part / sum): the word scaled to
// the sum is below expected part, of 128 bits.
CUEBM_MATH bool is_selected(std::uint64_t word, std::int64_t part, std::int64_t sum, std::int64_t expected) {
    const std::uint64_t at = scale_down(word, static_cast<std::uint64_t>(sum));
    const auto e = static_cast<std::uint64_t>(expected), p = static_cast<std::uint64_t>(part);
    return scale_down(e, p) != 0 || at < e * p;
}

}  // namespace cuebm::math
