// What is wrong in data, and how kernels say so: a word of a queue, of which the least that is reported stays.
#pragma once

#include "math/platform.hpp"

namespace cuebm::detail {

enum Problem : int {
    points_not_finite = 1,
    prototypes_not_finite,
    weights_not_valid,
    energy_overflow,
    label_out_of_range,
    weight_too_small,
    points_without_length,
    prototypes_without_length,
};

inline constexpr std::uint64_t no_problem = ~std::uint64_t{0};

// The least word that is reported stays: bad prototypes before all else, since they spoil the energies of every row;
// then the lowest row.
CUEBM_MATH std::uint64_t status_word(std::int64_t row, int problem) {
    const bool first = problem == prototypes_not_finite || problem == prototypes_without_length;
    const std::uint64_t later = first ? 0 : 1;
    return later << 62 | static_cast<std::uint64_t>(row) << 8 | static_cast<std::uint64_t>(problem);
}
CUEBM_MATH std::int64_t status_row(std::uint64_t word) {
    return static_cast<std::int64_t>(word & ~(std::uint64_t{1} << 62)) >> 8;
}

// The word that a report of a row `by` further on gives; prototypes are not counted so.
CUEBM_MATH std::uint64_t with_row_offset(std::uint64_t word, std::int64_t by) {
    return (word >> 62 & 1) == 0 ? word : word + (static_cast<std::uint64_t>(by) << 8);
}

}  // namespace cuebm::detail
