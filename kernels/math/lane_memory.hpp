// The coordinates of a lane in memory: those of neighbouring lanes lie side by side, so that a pack is one load on the
// CPU, and a warp's loads are one line on a GPU.
#pragma once

#include "math/crew.hpp"
#include "math/lane.hpp"

namespace cuebm::math {

// One value in every lane.
template <class R>
CUEBM_MATH R spread(typename LaneTraits<R>::Scalar value) {
    if constexpr (sizeof(R) == sizeof(value))
        return value;
    else
        return value - R{};
}

template <class R>
struct Coordinates {
    using Scalar = typename LaneTraits<R>::Scalar;
    Scalar* data;
    std::int64_t stride;  // elements from one coordinate of a lane to its next

    CUEBM_MATH_MEMBER R operator[](int j) const {
        if constexpr (sizeof(R) == sizeof(Scalar)) {
            return data[j * stride];
        } else {
            R value;
            __builtin_memcpy(&value, data + j * stride, sizeof value);
            return value;
        }
    }
    CUEBM_MATH_MEMBER void set(int j, R value) const {
        if constexpr (sizeof(R) == sizeof(Scalar))
            data[j * stride] = value;
        else
            __builtin_memcpy(data + j * stride, &value, sizeof value);
    }
    CUEBM_MATH_MEMBER Coordinates from(int first) const { return {data + first * stride, stride}; }
};

// Of a tile, packs side by side: element (j, pack p, lane) lies at data[j * stride + p * lanes + lane].
template <class R>
CUEBM_MATH Coordinates<R> pack_of(Coordinates<R> tile, int pack) {
    constexpr int lanes = sizeof(R) / sizeof(typename LaneTraits<R>::Scalar);
    return {tile.data + pack * lanes, tile.stride};
}

// Where a gradient is added up. `first`: nothing is there yet, so that each coordinate's first value is set.
template <class R>
struct GradientCoordinates {
    Coordinates<R> at;
    bool first;

    CUEBM_MATH_MEMBER void add(int j, R value) const { at.set(j, first ? value : at[j] + value); }
    // For a term that adds to a coordinate more than once.
    CUEBM_MATH_MEMBER GradientCoordinates cleared(int d) const {
        if (first) for_coordinates(d, [&](int j) { at.set(j, R{}); });
        return {at, false};
    }
};

// Two sums over the same coordinates.
template <class R>
struct TwoSums {
    R first, second;
    CUEBM_MATH_MEMBER TwoSums operator+(const TwoSums& other) const {
        return {first + other.first, second + other.second};
    }
};

#if defined(CUEBM_CREW)
template <class R>
CUEBM_MATH TwoSums<R> crew_sum(TwoSums<R> sums) {
    return {crew_sum(sums.first), crew_sum(sums.second)};
}
#endif

// A sum over d coordinates, add(j, sum) = sum + term j; R may be TwoSums. In order up to 32 of them. Beyond, in the
// order of a warp that shares them: coordinate j goes to partial sum j mod 32, in order, and those 16 apart are added
// first, then 8, and so on.
template <class R, class Add>
CUEBM_MATH R sum_coordinates(int d, Add add) {
    constexpr int width = warp_lanes;
    R sum{};
    if (d <= width) {  // a crew: each of them all of it, so add() may write nothing
        for (int j = 0; j < d; ++j) sum = add(j, sum);
        return sum;
    }
#if defined(CUEBM_CREW)
    for (int j = crew_member(); j < d; j += crew_size) sum = add(j, sum);
    return crew_sum(sum);
#else
    // Four partial sums at once, 8 apart: one alone is a chain of additions that wait for each other. A binary counter
    // of what is finished: sums of 4, 8 and 16 partial sums wait for their partner.
    R four{}, eight{}, sixteen{};
    int first = 0;  // the bits of `count` in reverse
    for (int count = 0; count < width / 4; ++count) {
        R part[4] = {};
        for (int j = first; j < d; j += width)
#pragma GCC unroll 4
            for (int i = 0; i < 4; ++i)
                if (j + 8 * i < d) part[i] = add(j + 8 * i, part[i]);
        sum = (part[0] + part[2]) + (part[1] + part[3]);
        if ((count & 1) == 0) {
            four = sum;
        } else if (sum = four + sum; (count & 2) == 0) {
            eight = sum;
        } else if (sum = eight + sum; (count & 4) == 0) {
            sixteen = sum;
        } else {
            sum = sixteen + sum;
        }
        int bit = width / 8;
        for (; (first & bit) != 0; bit /= 2) first ^= bit;
        first |= bit;
    }
    return sum;
#endif
}

}  // namespace cuebm::math
