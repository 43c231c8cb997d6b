// A block of points while it is screened: how it is packed, and which prototypes may win a point.
#pragma once

#include "cpu/screen_tile.hpp"

namespace cuebm::cpu::CUEBM_ISA {
namespace {

// A block of tiles meets each panel while the panel is near; it is as much as a thread takes at a time.
template <class Tile>
constexpr int block_points = Tile::tiles_a_block* Tile::points;

// What is known of a point after some chunks of prototypes.
struct Known {
    float least_upper;  // no canonical winner has a lower bound above it
    float energy;       // the least canonical energy so far, of `slot`; infinity: not computed
    std::int32_t slot;
    std::int32_t likely;          // the slot with the least lower bound of a chunk
    bool all;                     // any prototype may be the winner
    std::uint16_t some, crowded;  // classes with a candidate, and with several
};

// What a thread needs for a block. The row behind the last is nobody's: it fills tiles of gathered rows.
template <class Tile>
struct alignas(64) Block {
    static constexpr int size = block_points<Tile>, stride = bounds_stride(size), padded = stride + 16;
    Best best[padded];
    float slopes[padded], margins[padded];  // the bound is slope * R + margin
    float norms[padded], residual_norms[padded], steps[padded], lows[padded];
    float least[padded];                                               // of a row's lower bounds
    float upper[padded], own_panel_lower[padded], thresholds[padded];  // of distances: screen_bounds.hpp
    std::int32_t all_rows[size], which[padded + Tile::points];
    std::int32_t own[padded];   // the panel of a row's last label
    std::int32_t idle[padded];  // all bits: keeps its label without meeting any prototype
    Known known[size];
    std::int32_t open[size];      // rows with candidates whose energies are needed
    std::int64_t given_up[size];  // rows of which too little is known
};

CUEBM_INLINE Pack root(Pack x) {
#if defined(__AVX512F__)
    return Pack(_mm512_sqrt_ps(__m512(x)));
#else
    Pack r{};
    for (int l = 0; l < width; ++l) r[l] = __builtin_sqrtf(x[l]);
    return r;
#endif
}

// to[0 .. count) = x. Not a memcpy of that size, which g++ 12 makes `rep movs`: 5% of the time of labels of 200,000 x
// 64, k = 64, by hand.
CUEBM_INLINE void store_some(float* to, Pack x, std::int64_t count) {
#if defined(__AVX512F__)
    _mm512_mask_storeu_ps(to, static_cast<__mmask16>((1u << count) - 1), __m512(x));
#else
    if (count == width)
        math::store(to, x);
    else
        for (std::int64_t i = 0; i < count; ++i) to[i] = x[i];
#endif
}

// Rows [first, last) rounded into tiles, with bounds of their norms; the last tile repeats the last row.
template <class Tile>
CUEBM_INLINE void pack_rows(const AssignData<float>& task, const Screen& screen, const PackedPoints& to,
                            std::int64_t first, std::int64_t last, bool rows_are_fetched, float* row) {
    using Format = typename Tile::Format;
    // Coordinates. From memory rows come in time 4 KiB ahead, beyond which the hardware itself fetches only within a
    // page; rows that are near need a few lines. In labels of 200,000 x 64, k = 64 1024 instead of 128 cost 8%.
    const std::int64_t ahead = rows_are_fetched ? 128 : 1024;
    const std::int64_t rows = (last - first + Tile::points - 1) / Tile::points * Tile::points;
    const std::int64_t words = screen.words_a_row;
    const ScreenBound& bound = screen.bound;
    const auto norms_of = [&](const float(&sums)[width][width]) {
        const Pack squares = fold_rows(sums[0], width, [](Pack a, Pack b) { return a + b; });
        return root(squares + bound.norm_floor) * bound.norm_growth;
    };
    alignas(64) float squares[width][width], rests[width][width], steps[width];
    std::int64_t in_tile = 0;
    std::uint32_t* tile = to.words;
    for (std::int64_t at = 0; at < rows; at += width) {
        const std::int64_t some = rows - at < width ? rows - at : width;
        const auto shifted = [&](std::int64_t r) {
            const std::int64_t i = first + at + r;
            const float* y = row_of(task.points, i < last ? i : last - 1, task.d, row);
            return Shifting{y, screen.shift, screen.scale, task.d, ahead};
        };
        if constexpr (Format::has_steps) {
            for (std::int64_t r = 0; r < some; ++r) math::store(squares[r], Format::largest(shifted(r)));
            const Pack all = Format::steps(fold_rows(squares[0], width, most_of));
            math::store(steps, all);
            store_some(to.steps + at, all, some);
        }
        for (std::int64_t r = 0; r < some; ++r) {
            const RowSums sums =
                Format::round(shifted(r), words, Format::has_steps ? steps[r] : 1,
                              Place<Tile::group, Tile::group * Tile::points>{tile + in_tile * Tile::group});
            math::store(squares[r], sums.squares);
            if constexpr (Format::format != ScreenFormat::fp32) math::store(rests[r], sums.rests);
            if (++in_tile == Tile::points) in_tile = 0, tile += words * Tile::points;
        }
        const Pack norms = norms_of(squares);
        Pack residuals{};
        if constexpr (Format::format != ScreenFormat::fp32) {
            residuals = norms_of(rests);
            residuals += (norms + residuals) * 0x1p-22f;  // y' - yq was rounded, too
        }
        store_some(to.norms + at, norms, some);
        store_some(to.residual_norms + at, residuals, some);
    }
}

CUEBM_INLINE unsigned classes_at_most(const float* x, float bar) {  // one bit a class
#if defined(__AVX512F__)
    return _mm512_cmp_ps_mask(_mm512_loadu_ps(x), _mm512_set1_ps(bar), _CMP_LE_OQ);
#else
    unsigned bits = 0;
#pragma GCC unroll 4
    for (int l = 0; l < screen_classes; l += width)
        bits |= math::lane_bits(math::load(x + l) <= math::broadcast(bar)) << l;
    return bits;
#endif
}

// block.least: of all classes, for rows up to a multiple of 16.
template <class Tile>
CUEBM_INLINE void find_least(std::int64_t rows, Block<Tile>& block) {
#if defined(__AVX512F__)
    constexpr int stride = sizeof(Best) / sizeof(float);
    for (std::int64_t i = 0; i < rows; i += 16)
        math::store(block.least + i, least_of_rows(block.best[i].least, stride));
#else
    for (std::int64_t i = 0; i < rows; ++i) {
        const float* classes = block.best[i].least;
        Pack least = math::load(classes);
#pragma GCC unroll 4
        for (int l = width; l < screen_classes; l += width) least = least_of(least, math::load(classes + l));
        block.least[i] = least_in(least);
    }
#endif
}

CUEBM_INLINE std::int64_t number_of(const Screen& screen, std::int64_t slot) {
    return screen.order == nullptr ? slot : screen.order[slot];
}
CUEBM_INLINE std::int64_t slot_of(const Screen& screen, std::int64_t chunk, float lower, int of_class) {
    return chunk + (math::to_bits(lower) & screen.id_mask) * screen_classes + of_class;
}

// Which of the chunk's prototypes may win: mostly one, and then no energy is needed. Returns whether some are needed;
// without a branch, as which rows those are cannot be foretold.
CUEBM_INLINE bool look(const Screen& screen, std::int64_t chunk, const Best& best, float least, float slope,
                       float margin, bool energy_wanted, Known& point) {
    if (point.all) return false;
    const std::int64_t slot =
        slot_of(screen, chunk, least, __builtin_ctz(classes_at_most(best.least, least) | 1u << screen_classes));
    const float upper = least + 2 * (slope * screen.norms[slot] + margin) * (1 + 0x1p-10f);
    const float least_upper = upper < point.least_upper ? upper : point.least_upper;
    const unsigned some = classes_at_most(best.least, least_upper), crowded = classes_at_most(best.second, least_upper);
    point.least_upper = least_upper;
    point.likely = static_cast<std::int32_t>(slot);
    if (!energy_wanted) point.slot = static_cast<std::int32_t>(slot);
    return (some != 0) & (energy_wanted | (crowded != 0) | ((some & (some - 1)) != 0));
}

// The labels of rows that one prototype wins even where all had the largest norm, if that is all that is wanted;
// returns how many rows are open. Most rows are sure, and this is much less than look().
template <class Tile>
CUEBM_INLINE std::int64_t look_quickly(const Screen& screen, std::int64_t rows, Block<Tile>& block) {
    alignas(64) float bars[Block<Tile>::padded];
    for (std::int64_t i = 0; i < rows; i += width) {
        const Pack least = math::load(block.least + i),
                   bound = math::load(block.slopes + i) * screen.largest_norm + math::load(block.margins + i);
        math::store(bars + i, least + bound * (2 * (1 + 0x1p-10f)));
    }
    std::int64_t open = 0;
    for (std::int64_t i = 0; i < rows; ++i) {
        const unsigned some = classes_at_most(block.best[i].least, bars[i]),
                       crowded = classes_at_most(block.best[i].second, bars[i]);
        Known& point = block.known[i];
        point.slot =
            static_cast<std::int32_t>(slot_of(screen, 0, block.least[i], __builtin_ctz(some | 1u << screen_classes)));
        block.open[open] = static_cast<std::int32_t>(i);
        open += (some == 0) | ((some & (some - 1)) != 0) | (crowded != 0);  // none: the bar is NaN
    }
    return open;
}

}  // namespace
}  // namespace cuebm::cpu::CUEBM_ISA
