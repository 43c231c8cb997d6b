// From one call to the next with the same points: lower bounds of the distance of each point to each panel, less what
// the panel's prototypes have moved, tell which panels a point need not meet, and which points need nothing
// (docs/design/screening.md). Triangle inequalities as in C. Elkan, "Using the triangle inequality to accelerate
// k-means", ICML 2003; groups of prototypes as in Y. Ding et al., "Yinyang K-means", ICML 2015.
#pragma once

#include "cpu/screen_settle.hpp"

namespace cuebm::cpu::CUEBM_ISA {
namespace {

CUEBM_INLINE Pack magnitude(Pack x) { return most_of(x, Pack{} - x); }

// Distances by |y' - w'|^2 = |y'|^2 + 2 s, from bounds of the score s, rounded down and up.
CUEBM_INLINE Pack distance_lower_bound(const Screen& screen, Pack norm, Pack low, Pack margin) {
    const Pack square = norm * norm;
    const Pack x =
        square * screen.bound.norm_shrink + 2.0f * low - 4.0f * margin - (square + magnitude(low)) * 0x1p-20f;
    return root(most_of(x, Pack{})) * (1 - 0x1p-21f);
}
CUEBM_INLINE Pack distance_upper_bound(const Screen& screen, const KeptBounds& kept, Pack norm, Pack high) {
    const Pack square = norm * norm;
    const Pack x = square + 2.0f * high + (square + magnitude(high)) * 0x1p-20f;
    return root(most_of(x, Pack{})) * kept.growth + (norm + screen.largest_norm) * kept.slack;
}

CUEBM_INLINE Words load_words(const std::int32_t* from) {
    Words x;
    __builtin_memcpy(&x, from, sizeof x);
    return x;
}
CUEBM_INLINE void store_words(void* to, Words x) { __builtin_memcpy(to, &x, sizeof x); }
CUEBM_INLINE Pack lowered(Pack bound, Pack by) {
    const Pack x = bound - by;
    return x - magnitude(x) * 0x1p-22f;
}

// What the prototypes' moves leave of the bounds, and which rows are idle: nothing can beat their label.
template <class Tile>
CUEBM_INLINE void age_bounds(const Screen& screen, const KeptBounds& kept, const PackedPoints& points,
                             std::int64_t first, std::int64_t rows, Block<Tile>& block) {
    alignas(64) float around[Block<Tile>::padded];  // the most that any prototype of the label's panel has moved
    for (std::int64_t i = 0; i < rows; ++i) {
        const std::int32_t slot = kept.slots[first + i];
        block.own[i] = slot / Tile::panel;
        block.upper[i] = kept.upper[first + i] + kept.drifts[slot];
        block.own_panel_lower[i] = kept.own_panel_lower[first + i];
        around[i] = kept.panel_drifts[block.own[i]];
    }
    for (std::int64_t i = 0; i < rows; i += width) {
        const Pack upper = math::load(block.upper + i);
        const Pack raised = upper + upper * 0x1p-22f;
        const Pack thresholds =
            raised * kept.growth + (math::load(points.norms + i) + screen.largest_norm) * kept.slack;
        const Pack own_panel_lower = lowered(math::load(block.own_panel_lower + i), math::load(around + i));
        math::store(block.upper + i, raised);
        math::store(block.thresholds + i, thresholds);
        math::store(block.own_panel_lower + i, own_panel_lower);
        store_words(block.idle + i, own_panel_lower > thresholds);
    }
    float* lower = kept.lower + first / block.size * block.stride * screen.panels;
    for (std::int64_t p = 0; p < screen.panels; ++p, lower += block.stride) {
        const Pack drift = math::broadcast(kept.panel_drifts[p]);
        const Words panel_index = Words{} + static_cast<std::int32_t>(p);
        for (std::int64_t i = 0; i < rows; i += width) {
            const Pack left = lowered(math::load(lower + i), drift);
            math::store(lower + i, left);
            const Words far = left > math::load(block.thresholds + i), own = load_words(block.own + i) == panel_index;
            store_words(block.idle + i, load_words(block.idle + i) & (far | own));
        }
    }
}

// Rows that must meet panel p, in block.which; returns how many.
template <class Tile>
CUEBM_INLINE std::int64_t choose_rows(std::int64_t p, const float* lower, std::int64_t rows, Block<Tile>& block) {
    const Words panel_index = Words{} + static_cast<std::int32_t>(p);
    std::int64_t count = 0;
    for (std::int64_t i = 0; i < rows; i += width) {
        const Words far = math::load(lower + i) > math::load(block.thresholds + i);
        const Words skipped = load_words(block.idle + i) | (far & (load_words(block.own + i) != panel_index));
        unsigned bits = math::lane_bits(~skipped);
        if (rows - i < width) bits &= (1u << (rows - i)) - 1;
#if defined(__AVX512F__)
        const __m512i index = _mm512_add_epi32(_mm512_set1_epi32(static_cast<int>(i)),
                                               _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
        // Not a compressing store, which is slow on Zen 4.
        _mm512_storeu_si512(block.which + count, _mm512_maskz_compress_epi32(static_cast<__mmask16>(bits), index));
        count += __builtin_popcount(bits);
#else
        for (; bits != 0; bits &= bits - 1) block.which[count++] = static_cast<std::int32_t>(i) + __builtin_ctz(bits);
#endif
    }
    return count;
}

// Copies rows of a block's tiles into tiles of their own. What the last has room for is left as it is: nobody's rows.
template <class Tile>
CUEBM_INLINE std::int64_t gather(const PackedPoints& points, std::int64_t words, std::int64_t count, Block<Tile>& block,
                                 std::uint32_t* to) {
    constexpr std::int64_t rows_ahead = 6;  // their first use comes from memory
    const auto row = [&](std::int64_t c) {
        const std::int64_t r = block.which[c];
        return points.words + (r / Tile::points * words * Tile::points + r % Tile::points * Tile::group);
    };
    for (std::int64_t c = 0; c < count; ++c) {
        const std::uint32_t *from = row(c), *ahead = row(c + rows_ahead < count ? c + rows_ahead : count - 1);
        std::uint32_t* place = to + (c / Tile::points * words * Tile::points + c % Tile::points * Tile::group);
        for (std::int64_t w = 0; w < words; w += Tile::group) {
            __builtin_prefetch(ahead + w * Tile::points, 0, 3);
            __builtin_memcpy(place + w * Tile::points, from + w * Tile::points, sizeof(std::uint32_t) * Tile::group);
        }
    }
    const std::int64_t tiles = (count + Tile::points - 1) / Tile::points;
    for (std::int64_t c = count; c < tiles * Tile::points; ++c) block.which[c] = block.size;
    return tiles;
}

// Each row meets the panels that may hold its winner. `space` has room for a block's words.
template <class Tile>
CUEBM_INLINE void meet_needed(const Screen& screen, const PackedPoints& points, std::int64_t first,
                              std::int64_t count_all, Fetch& next, Block<Tile>& block, std::uint32_t* space) {
    const KeptBounds& kept = points.bounds;
    const std::int64_t tiles = (count_all + Tile::points - 1) / Tile::points, rows = tiles * Tile::points;
    const bool aged = kept.drifts != nullptr;
    for (std::int64_t i = 0; i < block.stride; ++i) block.idle[i] = 0;
    start(block.best[block.size]);
    block.slopes[block.size] = 0;
    block.steps[block.size] = 1;
    if (aged) {
        age_bounds(screen, kept, points, first, rows, block);
        for (std::int64_t i = count_all; i < block.stride; ++i) block.idle[i] = -1;  // nobody's, or the last row again
    }
    for (std::int64_t i = 0; i < rows; ++i)
        if (block.idle[i] == 0) start(block.best[i]);  // nobody looks at the others
    std::int64_t met = 0;
    std::int64_t clean = 0;  // gathered tiles without what memory held before
    Tile::begin();
    for (std::int64_t p = 0; p < screen.panels; ++p) {
        float* lower = kept.lower + (first / block.size * screen.panels + p) * block.stride;
        const std::int64_t count = aged ? choose_rows(p, lower, rows, block) : rows;
        if (count == 0) continue;
        met += count;
        const bool most = 8 * count > 7 * rows;  // copying the others would cost more
        for (std::int64_t i = 0; i < block.stride; ++i) block.lows[i] = 2 * screen_absent;
        const BlockRows where{most ? block.all_rows : block.which, block.slopes, block.steps, block.best, block.lows};
        // Products of nobody's rows are slow where these are denormal; other formats take them as 0, or have none.
        const std::int64_t needed = most ? 0 : (count + Tile::points - 1) / Tile::points;
        if (Tile::Format::format == ScreenFormat::fp32 && needed > clean) {
            const std::int64_t words = screen.words_a_row * Tile::points;
            for (std::int64_t w = (needed - 1) * words; w < needed * words; w += width) store_words(space + w, Words{});
            clean = needed;
        }
        const std::int64_t gathered = most ? 0 : gather(points, screen.words_a_row, count, block, space);
        Tile::template meet<true>(screen, most ? points.words : space, most ? tiles : gathered, p, where, next);
        for (std::int64_t i = 0; i < rows; i += width) {
            const Pack low = math::load(block.lows + i), old = math::load(lower + i);
            const Pack now =
                distance_lower_bound(screen, math::load(points.norms + i), low, math::load(block.margins + i));
            const auto seen = low < math::broadcast(1.5f * screen_absent);
            math::store(lower + i, math::select(seen, now, old));
        }
    }
    kept.met[first / block.size] = static_cast<std::int32_t>(met);
    Tile::end();
}

// What this call has learnt of distances to labels, for the next one. Idle rows get their old label.
template <class Tile>
CUEBM_INLINE void keep_bounds(const AssignData<float>& task, const Screen& screen, const PackedPoints& points,
                              std::int64_t first, std::int64_t count, Block<Tile>& block, float* padded) {
    const KeptBounds& kept = points.bounds;
    alignas(64) float highest[Block<Tile>::padded];  // of the score of the label
    for (std::int64_t i = 0; i < count; ++i) {
        Known& point = block.known[i];
        highest[i] = point.least_upper;
        if (block.idle[i] != 0) {
            point.slot = kept.slots[first + i];
            if (task.energies != nullptr) settle_one(task, screen, first + i, point, padded);
            continue;
        }
        if (point.all) continue;
        Best& best = block.best[i];
        float& own = best.least[point.slot % screen_classes];
        if (slot_of(screen, 0, own, point.slot % screen_classes) == point.slot)
            own = best.second[point.slot % screen_classes];
    }
    find_least<Tile>(count, block);
    for (std::int64_t i = 0; i < count; i += width) {
        const auto idle = load_words(block.idle + i);
        if (!math::any(~idle)) continue;
        const Pack norm = math::load(points.norms + i);
        const Pack upper = distance_upper_bound(screen, kept, norm, math::load(highest + i));
        const Pack own_panel_lower =
            distance_lower_bound(screen, norm, math::load(block.least + i), math::load(block.margins + i));
        math::store(block.upper + i, math::select(idle, math::load(block.upper + i), upper));
        math::store(block.own_panel_lower + i,
                    math::select(idle, math::load(block.own_panel_lower + i), own_panel_lower));
    }
    for (std::int64_t i = 0; i < count; ++i) {
        const bool unknown = block.known[i].all && block.idle[i] == 0;
        kept.upper[first + i] = unknown ? __builtin_inff() : block.upper[i];
        kept.own_panel_lower[first + i] = unknown ? 0 : block.own_panel_lower[i];
    }
    // Rows that fill the last tile repeat the last: they need nothing of their own.
    for (std::int64_t i = count; i % Tile::points != 0; ++i)
        kept.upper[first + i] = __builtin_inff(), kept.own_panel_lower[first + i] = 0;
}

}  // namespace
}  // namespace cuebm::cpu::CUEBM_ISA
