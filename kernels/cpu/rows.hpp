// How kernels read points: a row at a time, as values of T, however they are stored. Conversions are exact, so a kernel
// gives the bits that it would give on a copy in T. Every file that includes this has its own copies, in its own
// instruction set (docs/design/simd.md).
#pragma once

#include <cstdint>

#include <cuebm/view.hpp>

#include "math/number.hpp"

#if defined(__AVX512BW__) && defined(__AVX512VL__)
#include <immintrin.h>
#endif

namespace cuebm::cpu {

// [n x d] points, element (i, j) at i * stride + j of an array of `type`. For T = double that is float64. The stride of
// a single row is d: its view's says nothing and may be anything.
template <class T>
struct Rows {
    const void* data;
    std::int64_t stride;
    ElementType type;
};

template <class T>
CUEBM_MATH Rows<T> rows_of(const PointsView<T>& points) {
    return {points.data, points.rows > 1 ? points.stride : points.cols, points.type};
}

#define CUEBM_CONVERSION [[gnu::noinline, maybe_unused]] static

CUEBM_CONVERSION void floats_of_uint8(const std::uint8_t* from, std::int64_t d, float* to) {
    for (std::int64_t j = 0; j < d; ++j) to[j] = static_cast<float>(from[j]);
}
CUEBM_CONVERSION void floats_of_bfloat16(const std::uint16_t* from, std::int64_t d, float* to) {
    for (std::int64_t j = 0; j < d; ++j) to[j] = math::float_of_bfloat16(from[j]);
}
CUEBM_CONVERSION void floats_of_half(const std::uint16_t* from, std::int64_t d, float* to) {
#if defined(__AVX512BW__) && defined(__AVX512VL__)
    for (std::int64_t j = 0; j < d; j += 16) {
        const auto there = static_cast<__mmask16>(d - j < 16 ? (1u << (d - j)) - 1 : 0xffffu);
        const __m256i halves = _mm256_maskz_loadu_epi16(there, from + j);
        _mm512_mask_storeu_ps(to + j, there, _mm512_maskz_cvtph_ps(there, halves));
    }
#else
    for (std::int64_t j = 0; j < d; ++j) to[j] = math::float_of_half(from[j]);
#endif
}

// to[0 .. d) = row i.
CUEBM_MATH void copy_row(const Rows<double>& rows, std::int64_t i, std::int64_t d, double* to) {
    const double* row = static_cast<const double*>(rows.data) + i * rows.stride;
    for (std::int64_t j = 0; j < d; ++j) to[j] = row[j];
}
CUEBM_MATH void copy_row(const Rows<float>& rows, std::int64_t i, std::int64_t d, float* to) {
    const std::int64_t first = i * rows.stride;
    if (rows.type == ElementType::float32) {
        const float* row = static_cast<const float*>(rows.data) + first;
        for (std::int64_t j = 0; j < d; ++j) to[j] = row[j];
    } else if (rows.type == ElementType::uint8) {
        floats_of_uint8(static_cast<const std::uint8_t*>(rows.data) + first, d, to);
    } else if (rows.type == ElementType::float16) {
        floats_of_half(static_cast<const std::uint16_t*>(rows.data) + first, d, to);
    } else {
        floats_of_bfloat16(static_cast<const std::uint16_t*>(rows.data) + first, d, to);
    }
}

// Row i, d values: where it lies if it is stored in T, else converted into scratch [d].
CUEBM_MATH const double* row_of(const Rows<double>& rows, std::int64_t i, std::int64_t, double*) {
    return static_cast<const double*>(rows.data) + i * rows.stride;
}
CUEBM_MATH const float* row_of(const Rows<float>& rows, std::int64_t i, std::int64_t d, float* scratch) {
    if (rows.type == ElementType::float32) return static_cast<const float*>(rows.data) + i * rows.stride;
    copy_row(rows, i, d, scratch);
    return scratch;
}

// Whether row_of() needs its scratch.
template <class T>
CUEBM_MATH bool is_converted(const Rows<T>& rows) {
    return rows.type != (sizeof(T) == sizeof(float) ? ElementType::float32 : ElementType::float64);
}

}  // namespace cuebm::cpu
