// What a backend must do for the starts of K-means: how far rows are from the prototypes chosen so far, and draws of
// rows by that. Part of the seam (assign_operations.hpp). Potentials are int64 fixed point, so that no draw depends on
// the order of a sum; all stays on the device.
#pragma once

#include <cstdint>

#include <cuebm/view.hpp>

#include "math/philox.hpp"

namespace cuebm::detail {

inline constexpr std::int64_t potential_block = 1024;  // rows of a sum that draws search in
inline constexpr int most_candidates = 32;

struct PotentialTotal {
    double largest;           // weight_i closest_i
    double scale;             // math::fixed_point_scale(largest, n)
    std::int64_t sum;         // of all weight_i closest_i in fixed point
    std::int64_t column;      // of the candidate that choose() chose
    std::int64_t overflowed;  // not 0 once a weight_i closest_i was not finite; then sums are 0
    std::int64_t selected;    // rows that select() found
};

template <class T>
struct Potential {
    VectorView<T> closest;        // [n]: the energy to the nearest prototype so far
    VectorView<const T> weights;  // [n]; absent: all 1
    std::int32_t* owners;         // [n]: which prototype that is
    std::int64_t* blocks;         // [ceil(n / potential_block)]: fixed-point sums of weight_i closest_i
    PotentialTotal* total;
};

// closest_i becomes the lesser of itself and energies(i, column), the total's column where there are several; then
// largest, scale and sums.
template <class T>
struct Fold {
    Potential<T> of;
    MatrixView<const T> energies;           // [n x m]; absent: all 1
    VectorView<const std::int32_t> labels;  // [n], for the owners: label + first_label
    std::int32_t first_label;
    bool replace;  // there is no prototype so far
};

// rows[c]: the row that the random word falls on, with probability weight_i closest_i; any row where all are 0.
template <class T>
struct Draw {
    Potential<T> of;
    std::uint64_t words[most_candidates];
    int count;
    std::int64_t* rows;  // [count]
};

// energies(i, c) = ||y_i - w_c||^2, canonical, of m candidates; or any value from closest_i on, infinity too, where the
// energy is not below closest_i.
template <class T>
struct Candidates {
    Potential<T> of;                 // with owners: the number of a row of `chosen`
    PointsView<T> points;            // [n x d], finite
    MatrixView<const T> prototypes;  // [m x d], finite; zeros behind each row to a multiple of 16
    MatrixView<const T> chosen;      // [z x d], likewise: the prototypes so far; absent: the owners mean others
    MatrixView<T> apart;             // [z x m], scratch
    MatrixView<T> energies;          // [n x m]
};

// Of m candidates, that which leaves the least sum_i weight_i min(closest_i, energies(i, c)), the first of equals: its
// number to the total's column, its row to `chosen`.
template <class T>
struct Choose {
    Potential<T> of;
    MatrixView<const T> energies;  // [n x m], m <= most_candidates
    const std::int64_t* rows;      // [m]
    std::int64_t* potentials;      // [m], scratch
    std::int64_t* chosen;          // [1]
};

// Every row by itself, with probability min(1, expected weight_i closest_i / sum): the rows in any order, and in the
// total how many there are. Those beyond `capacity` are counted alone.
template <class T>
struct Select {
    Potential<T> of;
    math::PhiloxKey key;
    std::uint32_t step, draw;  // with the row: the counter of its random word
    std::int64_t expected;
    std::int64_t* rows;  // [capacity]
    std::int64_t capacity;
};

}  // namespace cuebm::detail
