// The scores of a tile of points and a panel of prototypes, and what is kept of them: for each point and each of 16
// classes of prototypes the two least lower bounds, with the number of the prototype in the low bits of the score, so
// that no index register is needed.
#pragma once

#include "cpu/screen_format.hpp"

namespace cuebm::cpu::CUEBM_ISA {
namespace {

struct alignas(64) Best {
    float least[screen_classes], second[screen_classes];
};

CUEBM_INLINE void start(Best& best) {
    for (int l = 0; l < screen_classes; ++l) best.least[l] = best.second[l] = 2 * screen_absent;
}

CUEBM_INLINE Pack least_of(Pack a, Pack b) {
#if defined(__AVX512F__)
    return Pack(_mm512_min_ps(__m512(a), __m512(b)));
#elif defined(__AVX2__)
    return Pack(_mm256_min_ps(__m256(a), __m256(b)));
#else
    return a < b ? a : b;
#endif
}
CUEBM_INLINE Pack most_of(Pack a, Pack b) {
#if defined(__AVX512F__)
    return Pack(_mm512_max_ps(__m512(a), __m512(b)));
#elif defined(__AVX2__)
    return Pack(_mm256_max_ps(__m256(a), __m256(b)));
#else
    return a < b ? b : a;
#endif
}

// The rows of a block, whose tiles may be gathered: row i of the tiles is row which[i] of the block.
struct BlockRows {
    const std::int32_t* which;
    const float *slopes, *steps;
    Best* best;
    float* lows;  // the least lower bound in the panel just met, where it is wanted
};

// Prototypes of class `first` and on, as many as a register holds, have these scores. Returns their lower bounds.
CUEBM_INLINE Pack note(const Columns& c, Pack score, float slope, Best& best, std::int64_t first) {
    Pack lower = math::product_sum(math::broadcast(-slope), c.norms, score);
    lower = math::from_bits((math::to_bits(lower) & c.kept_bits) | c.id);
    const Pack m = math::load(best.least + first);
    math::store(best.second + first, least_of(math::load(best.second + first), most_of(m, lower)));
    math::store(best.least + first, least_of(m, lower));
    return lower;
}

CUEBM_INLINE float least_in(Pack x) {
#if defined(__AVX512F__)
    return _mm512_reduce_min_ps(__m512(x));
#else
    float least = x[0];
    for (int l = 1; l < width; ++l) least = x[l] < least ? x[l] : least;
    return least;
#endif
}

// Fills the registers: 14 x 2 accumulators, 2 packs of prototypes and 1 of points are 31 of 32; 6 x 2 make 15 of 16.
template <class F>
struct VectorTile {
    using Format = F;
    static constexpr int points = math::pack_registers == 32 ? 14 : 6, panel = 2 * width;
    static constexpr int group = 4;  // words of a row that lie together: 16 bytes, so that packing needs no transpose
    static constexpr int tiles_a_block = 4;

    static void begin() {}
    static void end() {}

    // Some tiles of points meet a panel. `ahead`: as many lines of 64 bytes to each tile and 4 words of what the next
    // block will read, which may still be in memory.
    template <bool lows>
    CUEBM_INLINE void meet(const Screen& screen, const std::uint32_t* y, std::int64_t tiles, std::int64_t number,
                           const BlockRows& rows, const char* ahead) {
        for (std::int64_t t = 0; t < tiles; ++t, ahead += screen.words_a_row * 16)
            meet_tile<lows>(screen, y + t * screen.words_a_row * points, number, rows, rows.which + t * points, ahead);
    }

private:
    template <bool lows>
    __attribute__((noinline)) static void meet_tile(const Screen& screen, const std::uint32_t* y, std::int64_t number,
                                                    const BlockRows& rows, const std::int32_t* which,
                                                    const char* ahead) {
        const std::uint32_t* w = screen.words + number * screen.words_a_row * panel;
        typename Format::Sum sums[points][2] = {};
        for (std::int64_t g = 0; g < screen.words_a_row; g += group) {
            __builtin_prefetch(ahead, 0, 2);
            ahead += 64;
#pragma GCC unroll 4
            for (int q = 0; q < group; ++q) {
                Words w0, w1;
                __builtin_memcpy(&w0, w + q * panel, sizeof w0);
                __builtin_memcpy(&w1, w + q * panel + width, sizeof w1);
#pragma GCC unroll 14
                for (int i = 0; i < points; ++i) {
                    Words v = Words{} + static_cast<std::int32_t>(y[group * i + q]);
#if defined(__AVX512F__)
                    asm("" : "+v"(v));  // one broadcast for both products, not a memory operand in each
#endif
                    sums[i][0] = Format::multiply_add(sums[i][0], v, w0);
                    sums[i][1] = Format::multiply_add(sums[i][1], v, w1);
                }
            }
            y += group * points;
            w += group * panel;
        }
        Pack least[lows ? points : 1];
#pragma GCC unroll 2
        for (int u = 0; u < 2; ++u) {
            const std::int64_t z = number * panel + u * width;
            const Columns c = columns(screen, z);
#pragma GCC unroll 14
            for (int i = 0; i < points; ++i) {
                const std::int32_t r = which[i];
                const Pack score = Format::score(sums[i][u], c, rows.steps[r]);
                const Pack lower = note(c, score, rows.slopes[r], rows.best[r], z % screen_classes);
                if constexpr (lows) least[i] = u == 0 ? lower : least_of(least[i], lower);
            }
        }
        if constexpr (lows)
            for (int i = 0; i < points; ++i) rows.lows[which[i]] = least_in(least[i]);
    }
};

}  // namespace
}  // namespace cuebm::cpu::CUEBM_ISA
