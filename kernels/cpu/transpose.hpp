// Square blocks of rows as columns, in registers: W rounds' worth of interleaving, W lanes a pack.
#pragma once

#include "cpu/pack.hpp"

namespace cuebm::cpu::CUEBM_ISA {
namespace {

template <class T>
inline constexpr int pack_lanes = CUEBM_PACK_BYTES / static_cast<int>(sizeof(T));

// a0 b0 a1 b1 ... of the low or the high halves.
template <bool High, class Pack>
CUEBM_MATH Pack interleave(Pack a, Pack b) {
    constexpr int lanes = CUEBM_PACK_BYTES / static_cast<int>(sizeof(a[0])), n = lanes, h = High ? lanes / 2 : 0;
    if constexpr (lanes == 16)
        return __builtin_shufflevector(a, b, h, n + h, h + 1, n + h + 1, h + 2, n + h + 2, h + 3, n + h + 3, h + 4,
                                       n + h + 4, h + 5, n + h + 5, h + 6, n + h + 6, h + 7, n + h + 7);
    else if constexpr (lanes == 8)
        return __builtin_shufflevector(a, b, h, n + h, h + 1, n + h + 1, h + 2, n + h + 2, h + 3, n + h + 3);
    else if constexpr (lanes == 4)
        return __builtin_shufflevector(a, b, h, n + h, h + 1, n + h + 1);
    else
        return __builtin_shufflevector(a, b, h, n + h);
}

// rows[i] lane j <-> rows[j] lane i.
template <class T>
CUEBM_MATH void transpose(typename math::PackOf<T>::Type (&rows)[pack_lanes<T>]) {
    using Pack = typename math::PackOf<T>::Type;
    constexpr int lanes = pack_lanes<T>;
#pragma GCC unroll 4
    for (int round = 1; round < lanes; round *= 2) {
        Pack next[lanes];
#pragma GCC unroll 8
        for (int i = 0; i < lanes / 2; ++i) {
            next[2 * i] = interleave<false>(rows[i], rows[i + lanes / 2]);
            next[2 * i + 1] = interleave<true>(rows[i], rows[i + lanes / 2]);
        }
#pragma GCC unroll 16
        for (int i = 0; i < lanes; ++i) rows[i] = next[i];
    }
}

// The first `count` < lanes elements, and zeros; nothing behind them is touched.
CUEBM_MATH math::FloatPack load_part(const float* from, int count) {
#if defined(__AVX512F__)
    return math::FloatPack(_mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << count) - 1), from));
#elif defined(__AVX2__)
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return math::FloatPack(_mm256_maskload_ps(from, _mm256_cmpgt_epi32(_mm256_set1_epi32(count), lane)));
#else
    math::FloatPack x{};
    for (int l = 0; l < count; ++l) x[l] = from[l];
    return x;
#endif
}
CUEBM_MATH math::DoublePack load_part(const double* from, int count) {
#if defined(__AVX512F__)
    return math::DoublePack(_mm512_maskz_loadu_pd(static_cast<__mmask8>((1u << count) - 1), from));
#else
    math::DoublePack x{};
    for (int l = 0; l < count; ++l) x[l] = from[l];
    return x;
#endif
}
CUEBM_MATH void store_part(float* to, math::FloatPack x, int count) {
#if defined(__AVX512F__)
    _mm512_mask_storeu_ps(to, static_cast<__mmask16>((1u << count) - 1), __m512(x));
#elif defined(__AVX2__)
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    _mm256_maskstore_ps(to, _mm256_cmpgt_epi32(_mm256_set1_epi32(count), lane), __m256(x));
#else
    for (int l = 0; l < count; ++l) to[l] = x[l];
#endif
}
CUEBM_MATH void store_part(double* to, math::DoublePack x, int count) {
#if defined(__AVX512F__)
    _mm512_mask_storeu_pd(to, static_cast<__mmask8>((1u << count) - 1), __m512d(x));
#else
    for (int l = 0; l < count; ++l) to[l] = x[l];
#endif
}

// Row l of `to` is column l of columns [d x lanes], for the first `count` of them.
template <class T>
void store_rows(const T* columns, std::int64_t pitch, int d, int count, T* to, std::int64_t stride) {
    using Pack = typename math::PackOf<T>::Type;
    constexpr int lanes = pack_lanes<T>;
    for (int l = 0; l < count; l += lanes) {
        const int rows = count - l < lanes ? count - l : lanes;
        for (int j = 0; j < d; j += lanes) {
            const int part = d - j < lanes ? d - j : lanes;
            Pack block[lanes];
#pragma GCC unroll 16
            for (int i = 0; i < lanes; ++i) block[i] = math::load(columns + (i < part ? j + i : j) * pitch + l);
            transpose<T>(block);
#pragma GCC unroll 16
            for (int i = 0; i < lanes; ++i) {
                if (i >= rows) break;
                if (part == lanes)
                    math::store(to + (l + i) * stride + j, block[i]);
                else
                    store_part(to + (l + i) * stride + j, block[i], part);
            }
        }
    }
}

}  // namespace
}  // namespace cuebm::cpu::CUEBM_ISA
