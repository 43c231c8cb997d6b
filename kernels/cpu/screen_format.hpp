// The number formats that scores are computed in: how a row is rounded and packed into words of 32 bits, and how words
// are multiplied and added. Included by one file for each format and instruction set, before screen.hpp.
#pragma once

#include "cpu/pack.hpp"
#include "cpu/screen_kernels.hpp"

namespace cuebm::cpu::CUEBM_ISA {
namespace {

#define CUEBM_INLINE static inline __attribute__((always_inline, unused))
#define CUEBM_INLINE_MEMBER inline __attribute__((always_inline))

using Pack = math::FloatPack;
using Words = math::FloatPackBits;  // as many words as a register holds
constexpr int width = static_cast<int>(sizeof(Pack) / sizeof(float));

// Sums over a row of (y')^2 and (y' - yq)^2, still to be added over the lanes.
struct RowSums {
    Pack squares, rests;
};
CUEBM_INLINE void add_squares(Pack v, Pack rest, RowSums& sums) {
    sums.squares = math::product_sum(v, v, sums.squares);
    sums.rests = math::product_sum(rest, rest, sums.rests);
}
CUEBM_INLINE RowSums sum_of(const RowSums& a, const RowSums& b) { return {a.squares + b.squares, a.rests + b.rests}; }

#if defined(__AVX512F__)
// Lane i: what `both` makes of all values of row i, of 16 rows of 16. Halves of two registers meet in one, four times.
// `rows` is aligned to 64 bytes, and `stride` a multiple of 16; all 16 rows are read.
template <class F>
CUEBM_INLINE Pack fold_rows(const float* rows, int stride, const F& both) {
    __m512 four[4];
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
        __m512 two[2];
#pragma GCC unroll 2
        for (int h = 0; h < 2; ++h) {
            const __m512 a = _mm512_load_ps(rows + (8 * h + j) * stride),
                         b = _mm512_load_ps(rows + (8 * h + j + 4) * stride);
            two[h] = __m512(both(Pack(_mm512_shuffle_f32x4(a, b, 0x44)), Pack(_mm512_shuffle_f32x4(a, b, 0xee))));
        }
        four[j] = __m512(
            both(Pack(_mm512_shuffle_f32x4(two[0], two[1], 0x88)), Pack(_mm512_shuffle_f32x4(two[0], two[1], 0xdd))));
    }
    const auto zip = [&](__m512 a, __m512 b) {
        return __m512(both(Pack(_mm512_unpacklo_ps(a, b)), Pack(_mm512_unpackhi_ps(a, b))));
    };
    const __m512 even = zip(four[0], four[1]), odd = zip(four[2], four[3]);
    return both(Pack(_mm512_shuffle_ps(even, odd, 0x44)), Pack(_mm512_shuffle_ps(even, odd, 0xee)));
}
#elif defined(__AVX2__)
// The same of 8 rows of 8.
template <class F>
CUEBM_INLINE Pack fold_rows(const float* rows, int stride, const F& both) {
    __m256 four[2];
#pragma GCC unroll 2
    for (int h = 0; h < 2; ++h) {
        __m256 two[2];
#pragma GCC unroll 2
        for (int j = 0; j < 2; ++j) {
            const __m256 a = _mm256_load_ps(rows + (4 * h + 2 * j) * stride),
                         b = _mm256_load_ps(rows + (4 * h + 2 * j + 1) * stride);
            two[j] = __m256(both(Pack(_mm256_unpacklo_ps(a, b)), Pack(_mm256_unpackhi_ps(a, b))));
        }
        four[h] =
            __m256(both(Pack(_mm256_shuffle_ps(two[0], two[1], 0x44)), Pack(_mm256_shuffle_ps(two[0], two[1], 0xee))));
    }
    return both(Pack(_mm256_permute2f128_ps(four[0], four[1], 0x20)),
                Pack(_mm256_permute2f128_ps(four[0], four[1], 0x31)));
}
#else
template <class F>
CUEBM_INLINE Pack fold_rows(const float* rows, int stride, const F& both) {
    const auto column = [&](int l) {
        Pack values{};
        for (int r = 0; r < width; ++r) values[r] = rows[r * stride + l];
        return values;
    };
    Pack folded = column(0);
    for (int l = 1; l < width; ++l) folded = both(folded, column(l));
    return folded;
}
#endif

// y' = (y - shift) * scale of coordinates [j, j + width); zeros beyond d. Copies of what a Screen holds: stores through
// pointers might alias its members.
struct Shifting {
    const float *y, *shift;
    float scale;
    std::int64_t d, ahead;

    // body(j, y', whether this is the second of two packs) for j = 0, width, ... below `end`, which may be beyond d.
    template <class F>
    CUEBM_INLINE_MEMBER void each(std::int64_t end, const F& body) const {
        constexpr int line = 16, together = 2 * width > line ? 2 * width : line;  // coordinates
        const std::int64_t whole = d / width * width;
        const auto shifted = [&](std::int64_t j) { return (math::load(y + j) - math::load(shift + j)) * scale; };
        std::int64_t j = 0;
        for (; j + together <= whole; j += together) {
#pragma GCC unroll 4
            for (int l = 0; l < together; l += width) {
                if (l % line == 0) __builtin_prefetch(y + j + l + ahead, 0, 3);
                body(j + l, shifted(j + l), l / width % 2 != 0);
            }
        }
        for (; j < whole; j += width) {
            __builtin_prefetch(y + j + ahead, 0, 3);
            body(j, shifted(j), false);
        }
        if (whole < d)
            body(whole, (part(whole) - math::load(shift + whole)) * scale, false);  // the shift is 0 beyond d
        for (j = (d + width - 1) / width * width; j < end; j += width) body(j, Pack{}, false);
    }

private:
    CUEBM_INLINE_MEMBER Pack part(std::int64_t j) const {
#if defined(__AVX512F__)
        return Pack(_mm512_maskz_loadu_ps(static_cast<__mmask16>((1 << (d - j)) - 1), y + j));
#else
        Pack v = {};
        for (int l = 0; l < static_cast<int>(d - j); ++l) v[l] = y[j + l];
        return v;
#endif
    }
};

// Where a row's words go: `group` of them together, and the next group `stride` words behind.
template <int group, int stride>
struct Place {
    std::uint32_t* words;

    template <class V>
    CUEBM_INLINE_MEMBER void put(std::int64_t word, V v) const {  // as many as V holds
        constexpr int count = sizeof(V) / sizeof(std::uint32_t), pieces = count > group ? count / group : 1;
        static_assert(stride % group == 0);
        std::uint32_t* to = words + (count >= group ? word * (stride / group) : word / group * stride + word % group);
        if constexpr (pieces == 1) {
            __builtin_memcpy(to, &v, sizeof v);
        } else {
            std::uint32_t all[count];
            __builtin_memcpy(all, &v, sizeof v);
            for (int p = 0; p < pieces; ++p) __builtin_memcpy(to + p * stride, all + p * group, sizeof v / pieces);
        }
    }
};

// What the scores of prototypes [z, z + width) need, in registers.
struct Columns {
    Pack half_squares, norms, steps;
    Words offsets, kept_bits, id;
};
CUEBM_INLINE Columns columns(const Screen& screen, std::int64_t z) {
    Columns c{};
    c.half_squares = math::load(screen.half_squares + z);
    c.norms = math::load(screen.norms + z);
    c.steps = math::load(screen.steps + z);
    __builtin_memcpy(&c.offsets, screen.offsets + z, sizeof c.offsets);
    c.kept_bits = Words{} + ~screen.id_mask;
    c.id = Words{} + static_cast<std::int32_t>(z % screen_chunk / screen_classes);
    return c;
}

// multiply_add() is an instruction by name: left to itself, g++ 12 copies and spills accumulators (int8 then reaches
// 67% of its peak, instead of 86%).
struct Fp32 {
    static constexpr ScreenFormat format = ScreenFormat::fp32;
    static constexpr bool has_steps = false;
    using Sum = Pack;
    CUEBM_INLINE Sum multiply_add(Sum sum, Words y, Words w) {
#if defined(__FMA__)
        asm("vfnmadd231ps %1, %2, %0" : "+v"(sum) : "v"(y), "v"(w));
        return sum;
#else
        return math::product_sum(Pack(y), -Pack(w), sum);
#endif
    }
    CUEBM_INLINE Sum begin(const Columns& c) { return c.half_squares; }
    CUEBM_INLINE Pack score(Sum sum, const Columns&, float) { return sum; }
    template <class P>
    CUEBM_INLINE RowSums round(const Shifting& shifted, std::int64_t words_a_row, float, P place) {
        Pack even = {}, odd = {};  // two chains, since an addition waits for the one before
        shifted.each(words_a_row, [&](std::int64_t j, Pack v, bool is_odd) {
            Pack& squares = is_odd ? odd : even;
            squares = math::product_sum(v, v, squares);
            place.put(j, v);
        });
        return {even + odd, Pack{}};
    }
};

#if defined(__AVX512BF16__)
// Conversion and products take denormal factors as 0. Where there is AMX, there is AVX512_BF16.
struct Bf16 {
    static constexpr ScreenFormat format = ScreenFormat::bf16;
    static constexpr bool has_steps = false;
    using Sum = Pack;
    CUEBM_INLINE Sum multiply_add(Sum sum, Words y, Words w) {
        asm("vdpbf16ps %2, %1, %0" : "+v"(sum) : "v"(y), "v"(w));
        return sum;
    }
    CUEBM_INLINE Sum begin(const Columns&) { return Sum{}; }
    CUEBM_INLINE Pack score(Sum sum, const Columns& c, float) { return c.half_squares - sum; }
    template <class P>
    CUEBM_INLINE RowSums round(const Shifting& shifted, std::int64_t words_a_row, float, P place) {
        RowSums even{}, odd{};
        shifted.each(2 * words_a_row, [&](std::int64_t j, Pack v, bool is_odd) {
            const __m256i q = __m256i(_mm512_cvtneps_pbh(__m512(v)));
            add_squares(v, v - Pack(_mm512_slli_epi32(_mm512_cvtepu16_epi32(q), 16)), is_odd ? odd : even);
            place.put(j / 2, q);
        });
        return sum_of(even, odd);
    }
};
#endif

#if defined(__AVX512VNNI__)
// y' to a step times an integer of 8 bits, stored plus 128 since the instruction wants one factor without a sign.
struct Int8 {
    static constexpr ScreenFormat format = ScreenFormat::int8;
    static constexpr bool has_steps = true;
    using Sum = __m512i;
    CUEBM_INLINE Sum multiply_add(Sum sum, Words y, Words w) {
        asm("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(y), "v"(w));
        return sum;
    }
    CUEBM_INLINE Sum begin(const Columns& c) { return __m512i(Words{} - c.offsets); }
    CUEBM_INLINE Pack score(Sum sum, const Columns& c, float step) {
        return Pack(_mm512_fnmadd_ps(_mm512_cvtepi32_ps(sum), __m512(c.steps * step), __m512(c.half_squares)));
    }
    // The largest |y'| of a row, still to be found over the lanes; and the steps of as many rows.
    CUEBM_INLINE Pack largest(const Shifting& shifted) {
        Pack even = {}, odd = {};
        shifted.each(0, [&](std::int64_t, Pack v, bool is_odd) {
            Pack& top = is_odd ? odd : even;
            top = Pack(_mm512_max_ps(__m512(top), _mm512_abs_ps(__m512(v))));
        });
        return Pack(_mm512_max_ps(__m512(even), __m512(odd)));
    }
    CUEBM_INLINE Pack steps(Pack largest) {
        const Pack step = largest / 127;
        return math::select((step >= 0x1p-126f) & (step < __builtin_inff()), step, Pack{} + 1.0f);
    }
    template <class P>
    CUEBM_INLINE RowSums round(const Shifting& shifted, std::int64_t words_a_row, float step, P place) {
        const __m512 inverse = _mm512_set1_ps(1 / step);
        RowSums even{}, odd{};
        shifted.each(4 * words_a_row, [&](std::int64_t j, Pack v, bool is_odd) {
            // Within [-127, 127], where all is finite; else the norm is not.
            const __m512i q = _mm512_cvtps_epi32(_mm512_mul_ps(__m512(v), inverse));
            add_squares(v, v - Pack(_mm512_cvtepi32_ps(q)) * step, is_odd ? odd : even);
            place.put(j / 4, _mm_xor_si128(_mm512_cvtepi32_epi8(q), _mm_set1_epi8(char(0x80))));
        });
        return sum_of(even, odd);
    }
};
#endif

}  // namespace
}  // namespace cuebm::cpu::CUEBM_ISA
