// A block of points while it is screened: how it is packed, which prototypes may win a point, and how canonical
// energies decide between them.
#pragma once

#include "cpu/pack_tree.hpp"
#include "cpu/screen_tile.hpp"
#include "math/screening.hpp"

namespace cuebm::cpu::CUEBM_ISA {
namespace {

// A block of tiles meets each panel while the panel is near; it is as much as a thread takes at a time.
template <class Tile>
constexpr int block_points = Tile::tiles_a_block* Tile::points;

// A point with this many crowded classes is better off with the canonical energies of all prototypes.
constexpr int most_crowded = 4;

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

// Pairs of a row and a prototype whose canonical energies are computed side by side, since a sum waits for the one
// before.
constexpr int pairs_together = math::pack_registers == 32 ? 4 : 2;

// The canonical energies of pairs, or values above `closest` where all of them are above it: a partial sum of squares
// never falls when a coordinate is added, in rounded arithmetic too, nor does the tree over the lanes. Rows are padded.
template <int count>
CUEBM_INLINE void pair_energies(const float* const* y, const float* const* w, std::int64_t depth, float closest,
                                float* energies) {
    constexpr int parts = math::canonical_lanes / width;
    constexpr std::int64_t between_looks = 128;  // coordinates; not tuned
    Pack sums[count][parts] = {};
    for (std::int64_t j = 0;;) {
        const std::int64_t end = depth - j < between_looks ? depth : j + between_looks;
        for (; j < end; j += math::canonical_lanes)
#pragma GCC unroll 4
            for (int p = 0; p < parts; ++p)
#pragma GCC unroll 4
                for (int c = 0; c < count; ++c) {
                    const Pack t = math::load(y[c] + j + p * width) - math::load(w[c] + j + p * width);
                    sums[c][p] = math::fused(t, t, sums[c][p]);
                }
        bool above = true;
#pragma GCC unroll 4
        for (int c = 0; c < count; ++c) {
            energies[c] = math::tree_sum_of_packs(sums[c]);
            above &= energies[c] > closest;
        }
        if (j >= depth || above) return;
    }
}

// Row i, padded with zeros if it must be; `space` has room for it.
CUEBM_INLINE const float* padded_row(const AssignData<float>& task, std::int64_t i, float* space) {
    if (task.d == task.depth) return row_of(task.points, i, task.d, space);
    copy_row(task.points, i, task.d, space);
    for (std::int64_t j = task.d; j < task.depth; ++j) space[j] = 0;
    return space;
}

CUEBM_INLINE const float* prototype(const AssignData<float>& task, const Screen& screen, std::int64_t slot) {
    return task.prototypes + number_of(screen, slot) * task.depth;
}

// The canonical energy of a label that is known.
CUEBM_INLINE void settle_one(const AssignData<float>& task, const Screen& screen, std::int64_t i, Known& point,
                             float* space) {
    const float *y = padded_row(task, i, space), *w = prototype(task, screen, point.slot);
    pair_energies<1>(&y, &w, task.depth, __builtin_inff(), &point.energy);
}

// Orders candidates by their energy, which is not negative, and then by their number.
CUEBM_INLINE std::uint64_t rank_of(float energy, std::int64_t number) {
    std::uint32_t bits;
    __builtin_memcpy(&bits, &energy, sizeof bits);
    return std::uint64_t{bits} << 32 | static_cast<std::uint32_t>(number);
}
CUEBM_INLINE float energy_of(std::uint64_t rank) {
    const auto bits = static_cast<std::uint32_t>(rank >> 32);
    float energy;
    __builtin_memcpy(&energy, &bits, sizeof energy);
    return energy;
}

// A candidate of known energy. Which is best cannot be foretold, so there is no branch on it.
CUEBM_INLINE void compete(const Screen& screen, std::int64_t slot, float energy, Known& point) {
    const std::uint64_t rank = rank_of(energy, number_of(screen, slot)),
                        least = rank_of(point.energy, number_of(screen, point.slot));
    point.energy = energy_of(rank < least ? rank : least);
    point.slot = rank < least ? static_cast<std::int32_t>(slot) : point.slot;
}

// The energy of the likely winner of each open row. `space` has room for as many rows as are taken together.
template <class Tile>
CUEBM_INLINE void settle_likely(const AssignData<float>& task, const Screen& screen, std::int64_t first,
                                std::int64_t open, Block<Tile>& block, float* space) {
    for (std::int64_t o = 0; o < open; o += pairs_together) {
        const float *y[pairs_together], *w[pairs_together];
        Known* points[pairs_together];
        float energies[pairs_together];
#pragma GCC unroll 4
        for (int c = 0; c < pairs_together; ++c) {
            const std::int64_t i = block.open[o + c < open ? o + c : open - 1];  // the last one more than once
            points[c] = &block.known[i];
            y[c] = padded_row(task, first + i, space + c * task.depth);
            w[c] = prototype(task, screen, points[c]->likely);
        }
        pair_energies<pairs_together>(y, w, task.depth, __builtin_inff(), energies);
#pragma GCC unroll 4
        for (int c = 0; c < pairs_together; ++c) compete(screen, points[c]->likely, energies[c], *points[c]);
    }
}

// Which prototypes may still win, now that an energy is known: it says more than a score and a bound of its error.
// Returns whether there are any but the likely one.
CUEBM_INLINE bool look_again(const Screen& screen, const Best& best, float norm, float margin, Known& point) {
    const ScreenBound& bound = screen.bound;
    const float highest =
        math::screening_highest(point.energy, screen.scale, norm, bound.norm_shrink, margin, bound.floor);
    const float bar = highest < point.least_upper ? highest : point.least_upper;
    const unsigned crowded = classes_at_most(best.second, bar), known = 1u << point.likely % screen_classes;
    const unsigned some = classes_at_most(best.least, bar) & ~(known & ~crowded);
    point.some = static_cast<std::uint16_t>(some);
    point.crowded = static_cast<std::uint16_t>(crowded);
    point.all = __builtin_popcount(crowded) > most_crowded;
    return (some != 0) & !point.all;
}

// The canonical energies of a chunk's other candidates, a few at a time. `space` has room for a row.
CUEBM_INLINE void settle(const AssignData<float>& task, const Screen& screen, std::int64_t chunk, std::int64_t i,
                         const Best& best, Known& point, float* space) {
    const std::int64_t end = screen.k - chunk < screen_chunk ? screen.k : chunk + screen_chunk;
    const float *y[pairs_together], *w[pairs_together];
    std::int64_t slots[pairs_together];
    int count = 0;
    y[0] = padded_row(task, i, space);
    for (int c = 1; c < pairs_together; ++c) y[c] = y[0];
    const auto decide = [&] {
        float energies[pairs_together];
        for (int c = count; c < pairs_together; ++c) w[c] = w[0];
        pair_energies<pairs_together>(y, w, task.depth, point.energy, energies);
        for (int c = 0; c < count; ++c) compete(screen, slots[c], energies[c], point);
        count = 0;
    };
    const auto enter = [&](std::int64_t slot) {
        if (!(screen.half_squares[slot] < screen_absent)) return;
        slots[count] = slot;
        w[count++] = prototype(task, screen, slot);
        if (count == pairs_together) decide();
    };
    for (unsigned left = point.some; left != 0; left &= left - 1) {
        const int l = __builtin_ctz(left);
        if ((point.crowded >> l & 1) == 0) {
            enter(slot_of(screen, chunk, best.least[l], l));
            continue;
        }
        for (std::int64_t z = chunk + l; z < end; z += screen_classes) enter(z);
    }
    if (count > 0) decide();
}

}  // namespace
}  // namespace cuebm::cpu::CUEBM_ISA
