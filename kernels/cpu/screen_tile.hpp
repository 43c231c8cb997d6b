// The scores of a tile of points and a panel of prototypes, and what is kept of them: for each point and each of 16
// classes of prototypes the two least lower bounds, with the prototype's slot / 16 in the low bits of the score, so
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

// What will be read next and may still be in memory: lines of 64 bytes, fetched a few at a time while products are
// made.
struct Fetch {
    const char *at, *end;
    std::int64_t stride;  // of which so many bytes are new each time; at most the lines

    // Without a branch: with one, g++ 12 makes two loops of products of one, and spills.
    template <int lines>
    CUEBM_INLINE_MEMBER void some() {
#pragma GCC unroll 8
        for (int l = 0; l < lines; ++l) __builtin_prefetch(at + 64 * l, 0, 2);
        at = at < end ? at + stride : at;
    }
};

// The lower bounds of some prototypes, from their scores; each with what tells its slot in the low bits.
CUEBM_INLINE Pack lower_bounds(const Columns& c, Pack score, float slope) {
#if defined(__AVX2__) && !defined(__AVX512F__)
    const Pack lower(_mm256_fnmadd_ps(_mm256_set1_ps(slope), __m256(c.norms), __m256(score)));
#else
    const Pack lower = math::product_sum(math::broadcast(-slope), c.norms, score);
#endif
    return math::from_bits((math::to_bits(lower) & c.kept_bits) | c.id);
}

// These are of class `first` and on, as many as a register holds.
CUEBM_INLINE void note(Pack lower, Best& best, std::int64_t first) {
    const Pack least = math::load(best.least + first), second = math::load(best.second + first);
    math::store(best.least + first, least_of(least, lower));
    math::store(best.second + first, least_of(second, most_of(least, lower)));
}
// Two packs of the same classes, so that what is kept is looked at once. Returns the lesser of each two.
CUEBM_INLINE Pack note_both(Pack a, Pack b, Best& best) {
    const Pack least = math::load(best.least), second = math::load(best.second);
    const Pack low = least_of(a, b), high = most_of(a, b);
    math::store(best.least, least_of(least, low));
    math::store(best.second, least_of(least_of(second, high), most_of(least, low)));
    return low;
}

#if defined(__AVX512F__)
// Lane i: the least of row i; see fold_rows().
CUEBM_INLINE Pack least_of_rows(const float* rows, int stride) {
    return fold_rows(rows, stride, [](Pack a, Pack b) { return least_of(a, b); });
}
// lows[which[i]] = the least of row i < count; `rows` is as for least_of_rows.
template <int count>
CUEBM_INLINE void write_least(const float (*rows)[16], const std::int32_t* which, float* lows) {
    alignas(64) float least[16];
    math::store(least, least_of_rows(rows[0], 16));
    for (int i = 0; i < count; ++i) lows[which[i]] = least[i];
}
#else
CUEBM_INLINE float least_in(Pack x) {
#if defined(__AVX2__)
    const __m128 four = _mm_min_ps(_mm256_castps256_ps128(__m256(x)), _mm256_extractf128_ps(__m256(x), 1));
    const __m128 two = _mm_min_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_min_ss(two, _mm_movehdup_ps(two)));
#else
    float least = x[0];
    for (int l = 1; l < width; ++l) least = x[l] < least ? x[l] : least;
    return least;
#endif
}
template <int count>
CUEBM_INLINE void write_least(const float (*rows)[width], const std::int32_t* which, float* lows) {
    for (int i = 0; i < count; ++i) lows[which[i]] = least_in(math::load(rows[i]));
}
#endif

// Fills the registers: 14 x 2 accumulators, 2 packs of prototypes and 1 of points are 31 of 32; 6 x 2 make 15 of 16.
template <class F>
struct VectorTile {
    using Format = F;
    using Sum = typename F::Sum;
    static constexpr int points = math::pack_registers == 32 ? 14 : 6, panel = 2 * width;
    // Words of a row that lie together: what a register of coordinates becomes, so that packing is plain stores, but at
    // most 8. With 16 a tile's words came from more lines at once: fp32, d >= 64 and k >= 256, 0.92 to 0.95 of the
    // speed while others kept the processor busy, 1.00 to 1.05 else (calls in turn; a Xeon, family 6, model 207).
    static constexpr int group = width / values_a_word(F::format) < 8 ? width / values_a_word(F::format) : 8;
    static constexpr int tiles_a_block = 4, together = 4;  // together: meet all panels before the others do
    static constexpr bool fetches_rows = true;             // of points that are not packed yet
    static constexpr int fetched_words = 4,
                         fetched_lines = 2 * values_a_word(F::format);  // lines for each so many words

    static void begin() {}
    static void end() {}

    // Some tiles of points meet a panel. One call for all, not one for each, made this 5% faster at d = 64 with AVX2.
    template <bool lows>
    __attribute__((noinline)) static void meet(const Screen& screen, const std::uint32_t* y, std::int64_t tiles,
                                               std::int64_t panel_index, const BlockRows& rows, Fetch& next) {
        const std::int64_t words = screen.words_a_row, first = panel_index * panel;
        const std::uint32_t* const w = screen.words + first * words;
        const Columns c[2] = {columns(screen, first), columns(screen, first + width)};
        Fetch fetch = next;  // a copy: stores might alias it
        for (std::int64_t t = 0; t < tiles; ++t) {
            Sum sums[points][2];
#pragma GCC unroll 14
            for (int i = 0; i < points; ++i) sums[i][0] = Format::begin(c[0]), sums[i][1] = Format::begin(c[1]);
            add_products(w, y + t * words * points, words, fetch, sums);
            note_tile<lows>(c, sums, first % screen_classes, rows, rows.which + t * points);
        }
        next = fetch;
    }

private:
    CUEBM_INLINE void add_products(const std::uint32_t* w, const std::uint32_t* y, std::int64_t words, Fetch& fetch,
                                   Sum (&sums)[points][2]) {
        for (std::int64_t g = 0; g < words; g += group, y += group * (points - 1))
#pragma GCC unroll 1
            for (int step = 0; step < group; step += fetched_words, y += fetched_words, w += fetched_words * panel) {
                fetch.some<fetched_lines>();
#pragma GCC unroll 4
                for (int q = 0; q < fetched_words; ++q) {
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
            }
    }

    template <bool lows>
    CUEBM_INLINE void note_tile(const Columns (&c)[2], const Sum (&sums)[points][2], std::int64_t first_class,
                                const BlockRows& rows, const std::int32_t* which) {
        alignas(64) float low[lows ? 16 : 1][width];
        if constexpr (width < screen_classes) {
#pragma GCC unroll 14
            for (int i = 0; i < points; ++i) {
                const std::int32_t r = which[i];
                const float step = rows.steps[r], slope = rows.slopes[r];
                const Pack a = lower_bounds(c[0], Format::score(sums[i][0], c[0], step), slope),
                           b = lower_bounds(c[1], Format::score(sums[i][1], c[1], step), slope);
                note(a, rows.best[r], first_class);
                note(b, rows.best[r], first_class + width);
                if constexpr (lows) math::store(low[i], least_of(a, b));
            }
        } else {
            Pack lower[points][2];
#pragma GCC unroll 2
            for (int u = 0; u < 2; ++u)
#pragma GCC unroll 14
                for (int i = 0; i < points; ++i) {
                    const std::int32_t r = which[i];
                    lower[i][u] = lower_bounds(c[u], Format::score(sums[i][u], c[u], rows.steps[r]), rows.slopes[r]);
                }
#pragma GCC unroll 14
            for (int i = 0; i < points; ++i) {
                const Pack both = note_both(lower[i][0], lower[i][1], rows.best[which[i]]);
                if constexpr (lows) math::store(low[i], both);
            }
        }
        if constexpr (lows) write_least<points>(low, which, rows.lows);
    }
};

}  // namespace
}  // namespace cuebm::cpu::CUEBM_ISA
