// Packs of unsigned integers, the words of a lane's random numbers; included by pack.hpp.
#pragma once

#include "math/lane.hpp"

namespace cuebm::math {

CUEBM_MATH FloatPackBits has_bit(FloatPackWords word, std::uint32_t bit) {
    return FloatPackBits((word & bit) != FloatPackWords{});
}
CUEBM_MATH DoublePackBits has_bit(DoublePackWords word, std::uint64_t bit) {
    return DoublePackBits((word & bit) != DoublePackWords{});
}

// a ^ b ^ c and a ^ (b & mask) are one instruction of AVX-512, which g++ 12 does not make of them.
CUEBM_MATH FloatPackWords exclusive_or(FloatPackWords a, FloatPackWords b, std::uint32_t c) {
#if defined(__AVX512F__)
    return FloatPackWords(
        _mm512_ternarylogic_epi32(__m512i(a), __m512i(b), _mm512_set1_epi32(static_cast<int>(c)), 0x96));
#else
    return a ^ b ^ c;
#endif
}
CUEBM_MATH DoublePackWords exclusive_or(DoublePackWords a, DoublePackWords b, std::uint32_t c) {
#if defined(__AVX512F__)
    return DoublePackWords(
        _mm512_ternarylogic_epi64(__m512i(a), __m512i(b), _mm512_set1_epi64(static_cast<long long>(c)), 0x96));
#else
    return a ^ b ^ std::uint64_t{c};
#endif
}
CUEBM_MATH FloatPack flip_sign(FloatPack x, FloatPackWords word) {
#if defined(__AVX512F__)
    return FloatPack(_mm512_ternarylogic_epi32(__m512i(x), __m512i(word), _mm512_set1_epi32(INT32_MIN), 0x78));
#else
    return FloatPack(FloatPackWords(x) ^ (word & 0x80000000u));
#endif
}
CUEBM_MATH DoublePack flip_sign(DoublePack x, DoublePackWords word) {
#if defined(__AVX512F__)
    return DoublePack(_mm512_ternarylogic_epi64(__m512i(x), __m512i(word), _mm512_set1_epi64(INT64_MIN), 0x78));
#else
    return DoublePack(DoublePackWords(x) ^ (word & 0x8000000000000000u));
#endif
}

// Instructions multiply every other word. With blends: even and odd words. With 128 bits: the lower and the upper half
// of a pack, as SSE2 has no blend.
CUEBM_MATH void multiply_words(std::uint32_t a, FloatPackWords word, FloatPackWords& high, FloatPackWords& low) {
#if defined(__AVX512F__)
    const __m512i factor = _mm512_set1_epi32(static_cast<int>(a));
    const __m512i even = _mm512_mul_epu32(factor, __m512i(word));
    const __m512i odd = _mm512_mul_epu32(factor, _mm512_srli_epi64(__m512i(word), 32));
    high = FloatPackWords(_mm512_mask_shuffle_epi32(odd, 0x5555, even, _MM_PERM_DDBB));
    low = FloatPackWords(_mm512_mask_shuffle_epi32(even, 0xaaaa, odd, _MM_PERM_CCAA));
#elif defined(__AVX2__)
    const __m256i factor = _mm256_set1_epi32(static_cast<int>(a));
    const __m256i even = _mm256_mul_epu32(factor, __m256i(word));
    const __m256i odd = _mm256_mul_epu32(factor, _mm256_srli_epi64(__m256i(word), 32));
    high = FloatPackWords(_mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xaa));
    low = FloatPackWords(_mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xaa));
#elif defined(__SSE2__)
    const __m128i factor = _mm_set1_epi32(static_cast<int>(a)), x = __m128i(word);
    const __m128 lower = __m128(_mm_mul_epu32(factor, _mm_unpacklo_epi32(x, x)));
    const __m128 upper = __m128(_mm_mul_epu32(factor, _mm_unpackhi_epi32(x, x)));
    high = FloatPackWords(_mm_shuffle_ps(lower, upper, _MM_SHUFFLE(3, 1, 3, 1)));
    low = FloatPackWords(_mm_shuffle_ps(lower, upper, _MM_SHUFFLE(2, 0, 2, 0)));
#elif defined(__aarch64__)
    const uint32x4_t x = uint32x4_t(word);
    const uint32x4_t lower = vreinterpretq_u32_u64(vmull_n_u32(vget_low_u32(x), a));
    const uint32x4_t upper = vreinterpretq_u32_u64(vmull_n_u32(vget_high_u32(x), a));
    high = FloatPackWords(vuzp2q_u32(lower, upper));
    low = FloatPackWords(vuzp1q_u32(lower, upper));
#else
    for (int l = 0; l < CUEBM_PACK_BYTES / 4; ++l) {
        const std::uint64_t product = std::uint64_t{a} * word[l];
        high[l] = static_cast<std::uint32_t>(product >> 32);
        low[l] = static_cast<std::uint32_t>(product);
    }
#endif
}
// Of the low halves; the high half of `low` is the product's, too.
CUEBM_MATH void multiply_words(std::uint32_t a, DoublePackWords word, DoublePackWords& high, DoublePackWords& low) {
#if defined(__AVX512F__)
    low = DoublePackWords(_mm512_mul_epu32(_mm512_set1_epi32(static_cast<int>(a)), __m512i(word)));
#elif defined(__AVX2__)
    low = DoublePackWords(_mm256_mul_epu32(_mm256_set1_epi32(static_cast<int>(a)), __m256i(word)));
#elif defined(__SSE2__)
    low = DoublePackWords(_mm_mul_epu32(_mm_set1_epi32(static_cast<int>(a)), __m128i(word)));
#elif defined(__aarch64__)
    low = DoublePackWords(vmull_n_u32(vmovn_u64(uint64x2_t(word)), a));
#else
    low = (word & 0xffffffffu) * a;
#endif
    high = low >> 32;
}
CUEBM_MATH DoublePackWords join_words(DoublePackWords low, DoublePackWords high) {
#if defined(__AVX512F__)
    return DoublePackWords(_mm512_mask_shuffle_epi32(__m512i(low), 0xaaaa, __m512i(high), _MM_PERM_CCAA));
#else
    return (low & 0xffffffffu) | (high << 32);
#endif
}

CUEBM_MATH FloatPackWords lane_numbers(FloatPackWords n) {
    for (unsigned l = 0; l < CUEBM_PACK_BYTES / 4; ++l) n[l] = l;
    return n;
}
CUEBM_MATH DoublePackWords lane_numbers(DoublePackWords n) {
    for (unsigned l = 0; l < CUEBM_PACK_BYTES / 8; ++l) n[l] = l;
    return n;
}

}  // namespace cuebm::math
