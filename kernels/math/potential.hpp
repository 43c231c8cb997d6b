// The draws of k-means++ and k-means|| as integer arithmetic: the same on every device.
#pragma once

#include "math/fixed_point.hpp"
#include "math/random_streams.hpp"

namespace cuebm::math {

// weight * energy in fixed point; 0 for what is negative or NaN.
CUEBM_MATH std::int64_t potential(double weight, double energy, double scale) {
    const double value = weight * energy;
    return value > 0 ? to_fixed(value, scale) : 0;
}

// Whether a row with this part of the sum is selected, with probability min(1, expected part / sum): the word scaled to
// the sum is below expected part, of 128 bits.
CUEBM_MATH bool is_selected(std::uint64_t word, std::int64_t part, std::int64_t sum, std::int64_t expected) {
    const std::uint64_t at = scale_down(word, static_cast<std::uint64_t>(sum));
    const auto e = static_cast<std::uint64_t>(expected), p = static_cast<std::uint64_t>(part);
    return scale_down(e, p) != 0 || at < e * p;
}

}  // namespace cuebm::math
