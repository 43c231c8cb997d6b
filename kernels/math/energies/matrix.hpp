// Products of a matrix and a lane's coordinates, eight rows at a time: a coordinate is loaded once for eight products.
// Each sum is one chain of fused multiply-adds, in the order of the coordinates or of the rows.
#pragma once

#include "math/lane_memory.hpp"

namespace cuebm::math {

inline constexpr int rows_at_once = 8;

// Rows first to first + Count - 1 of a matrix of `rows` rows of d; behind its end, the last one again.
template <class T, int Count>
struct MatrixRows {
    const T* row[Count];
};
template <int Count = rows_at_once, class T>
CUEBM_MATH MatrixRows<T, Count> rows_from(const T* matrix, int first, int rows, int d) {
    MatrixRows<T, Count> some;
#pragma GCC unroll 8
    for (int r = 0; r < Count; ++r)
        some.row[r] = matrix + static_cast<std::int64_t>(first + r < rows ? first + r : rows - 1) * d;
    return some;
}

// sums_r += sum_j row_r(j) x(j)
template <class R, class T, class X>
CUEBM_MATH void add_products(const MatrixRows<T, rows_at_once>& eight, int d, X x, R (&sums)[rows_at_once]) {
    for (int j = 0; j < d; ++j) {
        const R value = x(j);
#pragma GCC unroll 8
        for (int r = 0; r < rows_at_once; ++r) sums[r] = fused(spread<R>(eight.row[r][j]), value, sums[r]);
    }
}

// to_j += sum_r row_r(j) factors_r
template <class R, class T>
CUEBM_MATH void add_transposed(const MatrixRows<T, rows_at_once>& eight, int d, const R (&factors)[rows_at_once],
                               Coordinates<R> to) {
    for (int j = 0; j < d; ++j) {
        R sum = to[j];
#pragma GCC unroll 8
        for (int r = 0; r < rows_at_once; ++r) sum = fused(spread<R>(eight.row[r][j]), factors[r], sum);
        to.set(j, sum);
    }
}

}  // namespace cuebm::math
