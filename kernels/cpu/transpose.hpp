// Square blocks of rows as columns, in registers: W rounds' worth of interleaving, W lanes a pack.
#pragma once

#include <type_traits>

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

#if defined(__AVX512F__)
// columns[i] lane r = rows[r * stride + i] for i < 4 and r < count; other lanes are anything. Four rows by four columns
// are put together as they are loaded, in place of half of transpose()'s shuffles, of which these processors do one a
// cycle.
CUEBM_MATH void load_four_columns(const float* rows, std::int64_t stride, int count, math::FloatPack (&columns)[4]) {
    __m512 part[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
        const float* const row = rows + (i < count ? i : 0) * stride;
        part[i] = _mm512_castps128_ps512(_mm_loadu_ps(row));
        if (i + 4 < count) part[i] = _mm512_mask_broadcast_f32x4(part[i], 0x00f0, _mm_loadu_ps(row + 4 * stride));
        if (i + 8 < count) part[i] = _mm512_mask_broadcast_f32x4(part[i], 0x0f00, _mm_loadu_ps(row + 8 * stride));
        if (i + 12 < count) part[i] = _mm512_mask_broadcast_f32x4(part[i], 0xf000, _mm_loadu_ps(row + 12 * stride));
    }
    math::FloatPack pairs[4];
#pragma GCC unroll 2
    for (int i = 0; i < 2; ++i) {
        const math::FloatPack a(part[2 * i]), b(part[2 * i + 1]);
        pairs[i] = __builtin_shufflevector(a, b, 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29);
        pairs[i + 2] = __builtin_shufflevector(a, b, 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31);
    }
#pragma GCC unroll 2
    for (int i = 0; i < 2; ++i) {
        const math::FloatPack a = pairs[2 * i], b = pairs[2 * i + 1];
        columns[2 * i] = __builtin_shufflevector(a, b, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29);
        columns[2 * i + 1] = __builtin_shufflevector(a, b, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31);
    }
}
#endif

// Every other lane of a and then of b, from lane Odd on.
template <int Odd, class Pack>
CUEBM_MATH Pack every_other(Pack a, Pack b) {
    constexpr int lanes = CUEBM_PACK_BYTES / static_cast<int>(sizeof(a[0])), o = Odd;
    if constexpr (lanes == 16)
        return __builtin_shufflevector(a, b, o, o + 2, o + 4, o + 6, o + 8, o + 10, o + 12, o + 14, o + 16, o + 18,
                                       o + 20, o + 22, o + 24, o + 26, o + 28, o + 30);
    else if constexpr (lanes == 8)
        return __builtin_shufflevector(a, b, o, o + 2, o + 4, o + 6, o + 8, o + 10, o + 12, o + 14);
    else if constexpr (lanes == 4)
        return __builtin_shufflevector(a, b, o, o + 2, o + 4, o + 6);
    else
        return __builtin_shufflevector(a, b, o, o + 2);
}

// Of zero and finite x 0, else NaN.
template <class Pack>
CUEBM_MATH Pack zero_if_finite(Pack zero, Pack x) {
#if defined(__FMA__)
    return math::fused(x, Pack{}, zero);
#else
    return zero + x * Pack{};
#endif
}

// A pack of short rows, one behind the other, as d columns, and back; d is a power of two. With the bits of (row,
// column) as an index, a round turns them by one. `zero` remains so in lanes that are finite.
template <int d, class T, class Pack>
CUEBM_MATH void columns_of_rows(const T* rows, T* columns, std::int64_t pitch, Pack& zero) {
    Pack block[d];
#pragma GCC unroll 8
    for (int i = 0; i < d; ++i) block[i] = math::load(rows + i * pack_lanes<T>);
#pragma GCC unroll 3
    for (int round = 1; round < d; round *= 2) {
        Pack next[d];
#pragma GCC unroll 4
        for (int i = 0; i < d / 2; ++i) {
            next[i] = every_other<0>(block[2 * i], block[2 * i + 1]);
            next[i + d / 2] = every_other<1>(block[2 * i], block[2 * i + 1]);
        }
#pragma GCC unroll 8
        for (int i = 0; i < d; ++i) block[i] = next[i];
    }
#pragma GCC unroll 8
    for (int i = 0; i < d; ++i) {
        zero = zero_if_finite(zero, block[i]);
        math::store(columns + i * pitch, block[i]);
    }
}
template <int d, class T>
CUEBM_MATH void rows_of_columns(const T* columns, std::int64_t pitch, T* rows) {
    using Pack = typename math::PackOf<T>::Type;
    Pack block[d];
#pragma GCC unroll 8
    for (int i = 0; i < d; ++i) block[i] = math::load(columns + i * pitch);
#pragma GCC unroll 3
    for (int round = 1; round < d; round *= 2) {
        Pack next[d];
#pragma GCC unroll 4
        for (int i = 0; i < d / 2; ++i) {
            next[2 * i] = interleave<false>(block[i], block[i + d / 2]);
            next[2 * i + 1] = interleave<true>(block[i], block[i + d / 2]);
        }
#pragma GCC unroll 8
        for (int i = 0; i < d; ++i) block[i] = next[i];
    }
#pragma GCC unroll 8
    for (int i = 0; i < d; ++i) math::store(rows + i * pack_lanes<T>, block[i]);
}
// use(d) as a constant, where rows of d elements have such a way.
template <class Use>
CUEBM_MATH bool if_short(int d, const Use& use) {
    switch (d) {
        case 1: use(std::integral_constant<int, 1>{}); return true;
        case 2: use(std::integral_constant<int, 2>{}); return true;
        case 4: use(std::integral_constant<int, 4>{}); return true;
        case 8: use(std::integral_constant<int, 8>{}); return true;
        default: return false;
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

#if defined(__AVX512F__)
// A pack of rows of three, one behind the other.
CUEBM_MATH void columns_of_triples(const float* rows, float* columns, std::int64_t pitch) {
    const math::FloatPack a = math::load(rows), b = math::load(rows + 16), c = math::load(rows + 32);
    const auto x = __builtin_shufflevector(a, b, 0, 3, 6, 9, 12, 15, 18, 21, 24, 27, 30, 0, 0, 0, 0, 0);
    const auto y = __builtin_shufflevector(a, b, 1, 4, 7, 10, 13, 16, 19, 22, 25, 28, 31, 0, 0, 0, 0, 0);
    const auto z = __builtin_shufflevector(a, b, 2, 5, 8, 11, 14, 17, 20, 23, 26, 29, 0, 0, 0, 0, 0, 0);
    math::store(columns, __builtin_shufflevector(x, c, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 17, 20, 23, 26, 29));
    math::store(columns + pitch, __builtin_shufflevector(y, c, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 18, 21, 24, 27, 30));
    math::store(columns + 2 * pitch,
                __builtin_shufflevector(z, c, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 19, 22, 25, 28, 31));
}

// Row l of `to` is column l of columns [d x lanes], for a pack of them.
CUEBM_MATH void store_pack(const float* columns, std::int64_t pitch, int d, float* to, std::int64_t stride) {
    for (int j = 0; j < d; j += 16)
        for (int l = 0; l < 16; l += 4) {
            math::FloatPack rows[4];
            if (d - j >= 16) {
                load_four_columns(columns + j * pitch + l, pitch, 16, rows);
#pragma GCC unroll 4
                for (int i = 0; i < 4; ++i) math::store(to + (l + i) * stride + j, rows[i]);
            } else {
                load_four_columns(columns + j * pitch + l, pitch, d - j, rows);
#pragma GCC unroll 4
                for (int i = 0; i < 4; ++i) store_part(to + (l + i) * stride + j, rows[i], d - j);
            }
        }
}
#endif

// Row l of `to` is column l of columns [d x lanes], for the first `count` of them.
template <class T>
void store_rows(const T* columns, std::int64_t pitch, int d, int count, T* to, std::int64_t stride) {
    using Pack = typename math::PackOf<T>::Type;
    constexpr int lanes = pack_lanes<T>;
    for (int l = 0; l < count; l += lanes) {
        const int rows = count - l < lanes ? count - l : lanes;
        if (stride == d && rows == lanes &&
            if_short(d, [&](auto short_d) { rows_of_columns<short_d>(columns + l, pitch, to + l * stride); }))
            continue;
#if defined(__AVX512F__)
        if constexpr (sizeof(T) == sizeof(float))
            if (rows == lanes) {
                store_pack(columns + l, pitch, d, to + l * stride, stride);
                continue;
            }
#endif
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

// Stores that pass the caches by, so that a line is not read before it is written. `to` is aligned to a pack.
template <class T>
void stream_to(T* to, const T* from, std::int64_t count) {
    constexpr int lanes = pack_lanes<T>;
    std::int64_t at = 0;
    for (; at + lanes <= count; at += lanes) {
        const auto pack = math::load(from + at);
#if defined(__AVX512F__)
        _mm512_stream_si512(reinterpret_cast<__m512i*>(to + at), __m512i(pack));
#elif defined(__AVX2__)
        _mm256_stream_si256(reinterpret_cast<__m256i*>(to + at), __m256i(pack));
#elif defined(__SSE2__)
        _mm_stream_si128(reinterpret_cast<__m128i*>(to + at), __m128i(pack));
#else
        math::store(to + at, pack);
#endif
    }
    for (; at < count; ++at) to[at] = from[at];
}
// Before others may read what was streamed.
CUEBM_MATH void end_of_stream() {
#if defined(__SSE2__)
    _mm_sfence();
#endif
}

}  // namespace
}  // namespace cuebm::cpu::CUEBM_ISA
