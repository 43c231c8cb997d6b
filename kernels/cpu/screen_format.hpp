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

// Sums over a row of (y')^2 and (y' - yq)^2, and the step of an integer format.
struct RowSums {
    float square, rest, step;
};

CUEBM_INLINE float sum_of(Pack x) {
    float sum = 0;
    for (int l = 0; l < width; ++l) sum += x[l];
    return sum;
}

// y' = (y - shift) * scale of coordinates [j, j + width); zeros beyond d. Copies of what a Screen holds: stores through
// pointers might alias its members.
struct Shifting {
    const float *y, *shift;
    float scale;
    std::int64_t d;

    CUEBM_INLINE_MEMBER Pack operator()(std::int64_t j) const {
        // Rows follow each other, and the hardware stops fetching ahead at the end of a page.
        __builtin_prefetch(y + j + 1024, 0, 3);
#if defined(__AVX512F__)
        const std::int64_t left = d - j;
        const auto there = static_cast<__mmask16>(left >= 16 ? 0xffff : left > 0 ? (1 << left) - 1 : 0);
        const Pack v = Pack(_mm512_maskz_loadu_ps(there, y + j));
#else
        Pack v = {};
        if (d - j >= width)
            v = math::load(y + j);
        else
            for (int l = 0; l < static_cast<int>(d - j); ++l) v[l] = y[j + l];
#endif
        return (v - math::load(shift + j)) * scale;  // the shift is 0 beyond d
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

struct Fp32 {
    static constexpr ScreenFormat format = ScreenFormat::fp32;
    using Sum = Pack;
    CUEBM_INLINE Sum multiply_add(Sum sum, Words y, Words w) {
#if defined(__AVX512F__)  // g++ 12 left to itself copies and spills accumulators
        asm("vfmadd231ps %1, %2, %0" : "+v"(sum) : "v"(y), "v"(w));
        return sum;
#else
        return math::product_sum(Pack(y), Pack(w), sum);
#endif
    }
    CUEBM_INLINE Pack score(Sum sum, const Columns& c, float) { return c.half_squares - sum; }
    CUEBM_INLINE RowSums round(const Shifting& shifted, std::int64_t words_a_row, std::uint32_t* words) {
        Pack squares = {};
        for (std::int64_t j = 0; j < words_a_row; j += width) {
            const Pack v = shifted(j);
            squares = math::product_sum(v, v, squares);
            __builtin_memcpy(words + j, &v, sizeof v);
        }
        return {sum_of(squares), 0, 1};
    }
};

#if defined(__AVX512F__) && (defined(__AVX512BF16__) || defined(__AMX_BF16__) || defined(__AMXBF16__))
// y' to bf16, to nearest; what is denormal there becomes 0, as the instructions would take it. Two vectors of 16.
CUEBM_INLINE __m512i to_bf16(Pack v) {  // in the upper half of each word
    const __m512i bits = __m512i(v);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    const __m512i rounded = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), odd);
    const __mmask16 normal = _mm512_test_epi32_mask(rounded, _mm512_set1_epi32(0x7f800000));
    return _mm512_maskz_and_epi32(normal, rounded, _mm512_set1_epi32(static_cast<int>(0xffff0000)));
}

struct Bf16 {
    static constexpr ScreenFormat format = ScreenFormat::bf16;
    using Sum = Pack;
#if defined(__AVX512BF16__)
    CUEBM_INLINE Sum multiply_add(Sum sum, Words y, Words w) {
        return Pack(_mm512_dpbf16_ps(__m512(sum), __m512bh(y), __m512bh(w)));
    }
#endif
    CUEBM_INLINE Pack score(Sum sum, const Columns& c, float) { return c.half_squares - sum; }
    CUEBM_INLINE RowSums round(const Shifting& shifted, std::int64_t words_a_row, std::uint32_t* words) {
        Pack squares = {}, rests = {};
        for (std::int64_t j = 0; j < 2 * words_a_row; j += 16) {
            const Pack v = shifted(j);
            const __m512i q = to_bf16(v);
            const Pack rest = v - Pack(q);
            squares = math::fused(v, v, squares);
            rests = math::fused(rest, rest, rests);
            _mm256_storeu_si256(reinterpret_cast<__m256i*>(words + j / 2),
                                _mm512_cvtepi32_epi16(_mm512_srli_epi32(q, 16)));
        }
        return {sum_of(squares), sum_of(rests), 1};
    }
};
#endif

#if defined(__AVX512VNNI__)
// y' to a step times an integer of 8 bits, stored plus 128 since the instruction wants one factor without a sign.
struct Int8 {
    static constexpr ScreenFormat format = ScreenFormat::int8;
    using Sum = __m512i;
    CUEBM_INLINE Sum multiply_add(Sum sum, Words y, Words w) {
        return _mm512_dpbusd_epi32(sum, __m512i(y), __m512i(w));
    }
    CUEBM_INLINE Pack score(Sum sum, const Columns& c, float step) {
        const __m512i product = _mm512_sub_epi32(sum, __m512i(c.offsets));
        return Pack(_mm512_fnmadd_ps(_mm512_cvtepi32_ps(product), __m512(c.steps * step), __m512(c.half_squares)));
    }
    CUEBM_INLINE RowSums round(const Shifting& shifted, std::int64_t words_a_row, std::uint32_t* words) {
        __m512 top = _mm512_setzero_ps();
        for (std::int64_t j = 0; j < shifted.d; j += 16) top = _mm512_max_ps(top, _mm512_abs_ps(__m512(shifted(j))));
        float step = _mm512_reduce_max_ps(top) / 127;
        if (!(step >= 0x1p-126f && step < __builtin_inff())) step = 1;
        const __m512 inverse = _mm512_set1_ps(1 / step);
        const __m512i least = _mm512_set1_epi32(-127), most = _mm512_set1_epi32(127);
        Pack squares = {}, rests = {};
        for (std::int64_t j = 0; j < 4 * words_a_row; j += 16) {
            const Pack v = shifted(j);
            const __m512i q =
                _mm512_min_epi32(most, _mm512_max_epi32(least, _mm512_cvtps_epi32(_mm512_mul_ps(__m512(v), inverse))));
            const Pack rest = v - Pack(_mm512_cvtepi32_ps(q)) * step;
            squares = math::fused(v, v, squares);
            rests = math::fused(rest, rest, rests);
            _mm_storeu_si128(reinterpret_cast<__m128i*>(words + j / 4),
                             _mm_xor_si128(_mm512_cvtepi32_epi8(q), _mm_set1_epi8(char(0x80))));
        }
        return {sum_of(squares), sum_of(rests), step};
    }
};
#endif

}  // namespace
}  // namespace cuebm::cpu::CUEBM_ISA
