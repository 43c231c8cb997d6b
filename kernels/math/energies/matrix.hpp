// Products of a matrix and a lane's coordinates, eight rows at a time: a coordinate is loaded once for eight products.
// Each sum is one chain of fused multiply-adds, in the order of the coordinates or of the rows.
#pragma once

#include "math/lane_memory.hpp"

namespace cuebm::math {

inline constexpr int rows_at_once = 8;

// Coordinate j of eight rows, side by side: on a GPU two loads of 16 bytes of floats serve eight products.
template <class T>
struct alignas(16) EightOf {
    T row[rows_at_once];
};
// Rows `first` to first + 7, a multiple of 8, of a matrix in the order [rows / 8][d][8]: grouped_rows() of
// src/energy_node.cpp. Behind its end lies the last row again.
template <class T>
CUEBM_MATH const EightOf<T>* eight_rows(const T* matrix, int first, int d) {
    return reinterpret_cast<const EightOf<T>*>(matrix) + static_cast<std::int64_t>(first / rows_at_once) * d;
}
// On a GPU a copy, which is 16 bytes a load; a CPU broadcasts from memory.
#if defined(__CUDA_ARCH__)
template <class T>
using EightHere = const EightOf<T>;
#else
template <class T>
using EightHere = const EightOf<T>&;
#endif
// Elements of such a matrix.
CUEBM_MATH constexpr std::int64_t grouped_size(std::int64_t rows, std::int64_t d) {
    return (rows + rows_at_once - 1) / rows_at_once * rows_at_once * d;
}

// sums_r += sum_j row_r(j) x(j)
template <class R, class T, class X>
CUEBM_MATH void add_products(const EightOf<T>* eight, int d, X x, R (&sums)[rows_at_once]) {
    for (int j = 0; j < d; ++j) {
        EightHere<T> here = eight[j];
        const R value = x(j);
#pragma GCC unroll 8
        for (int r = 0; r < rows_at_once; ++r) sums[r] = fused(spread<R>(here.row[r]), value, sums[r]);
    }
}

// to_j += sum_r row_r(j) factors_r
template <class R, class T>
CUEBM_MATH void add_transposed(const EightOf<T>* eight, int d, const R (&factors)[rows_at_once], Coordinates<R> to) {
    for (int j = 0; j < d; ++j) {
        EightHere<T> here = eight[j];
        R sum = to[j];
#pragma GCC unroll 8
        for (int r = 0; r < rows_at_once; ++r) sum = fused(spread<R>(here.row[r]), factors[r], sum);
        to.set(j, sum);
    }
}

}  // namespace cuebm::math
