// Labels and energies by screening: cheap scores of all prototypes, a bound that proves which of them can be the
// canonical argmin (docs/design/screening.md), and canonical energies of these alone.
#pragma once

#include "cpu/screen_bounds.hpp"

namespace cuebm::cpu::CUEBM_ISA {
namespace {

// Where a thread's scratch has what: a Block; its points' words, or later what direct() needs; a few rows.
template <class Tile>
CUEBM_INLINE std::size_t points_bytes(std::int64_t words_a_row, std::size_t direct_bytes) {
    const auto words = sizeof(std::uint32_t) * static_cast<std::size_t>(block_points<Tile> * words_a_row);
    return ((words > direct_bytes ? words : direct_bytes) + 63) / 64 * 64;
}
template <class Tile>
std::size_t scratch_bytes(std::int64_t words_a_row, std::int64_t depth, std::size_t direct_bytes) {
    return sizeof(Block<Tile>) + points_bytes<Tile>(words_a_row, direct_bytes) +
           pairs_together * sizeof(float) * static_cast<std::size_t>(depth);
}

CUEBM_INLINE void prefetch_row(const AssignData<float>& task, std::int64_t i) {
    const auto size = static_cast<std::int64_t>(bytes_of(task.points.type));
    const char* row = static_cast<const char*>(task.points.data) + i * task.points.stride * size;
    for (std::int64_t b = 0; b < task.d * size; b += 64) __builtin_prefetch(row + b, 0, 2);
}

template <class Tile>
CUEBM_INLINE void begin_block(const Screen& screen, const PackedPoints& points, std::int64_t count,
                              Block<Tile>& block) {
    const ScreenBound& bound = screen.bound;
    for (std::int64_t i = 0; i < block.size; ++i) block.all_rows[i] = static_cast<std::int32_t>(i);
    for (std::int64_t i = 0; i < count; i += width) {
        const Pack norm = math::load(points.norms + i);
        math::store(block.slopes + i,
                    bound.per_norm * norm + bound.per_rest * math::load(points.residual_norms + i) + bound.constant);
        math::store(block.margins + i, bound.spread * norm * norm + bound.floor);
    }
    if constexpr (Tile::Format::has_steps)
        if (points.steps != block.steps)
            for (std::int64_t i = 0; i < count; ++i) block.steps[i] = points.steps[i];
    for (std::int64_t i = 0; i < count; ++i) {
        const bool all = !(points.norms[i] <= bound.reach_limit);  // NaN, too
        block.known[i] = {screen_absent, __builtin_inff(), 0, 0, all, 0, 0};
    }
}

// What the next block reads: its words, or, if they are to be packed, its rows from `last` on, if they lie together.
// (Not what lies behind the words in a thread's own scratch: that is another's, and fetching it cost 18%.) Rows are
// spread over all panels; of words that are packed, and may meet few, the first ones fetch as much as they can.
template <class Tile>
CUEBM_INLINE Fetch next_block(const AssignData<float>& task, const Screen& screen, const PackedPoints& points,
                              bool packed, std::int64_t last, std::int64_t tiles) {
    const std::int64_t rows = tiles * Tile::points, words = rows * screen.words_a_row;
    const char* from = reinterpret_cast<const char*>(points.words + words);
    std::int64_t bytes = words * static_cast<std::int64_t>(sizeof(std::uint32_t));
    if (!packed) {
        const std::int64_t row_bytes = task.points.stride * static_cast<std::int64_t>(bytes_of(task.points.type));
        from = static_cast<const char*>(task.points.data) + last * row_bytes;
        bytes = Tile::fetches_rows && task.points.stride < 2 * task.d ? rows * row_bytes : 0;
    }
    constexpr std::int64_t most = 64 * Tile::fetched_lines;
    if (packed) return {from, from + bytes, most};
    const std::int64_t times =
        (screen.k + Tile::panel - 1) / Tile::panel * tiles * (screen.words_a_row / Tile::fetched_words);
    const std::int64_t stride = (bytes + times - 1) / times;
    return {from, from + bytes, stride < most ? stride : most};
}

// The tiles of a block meet a chunk of prototypes.
template <class Tile>
CUEBM_INLINE void meet_chunk(const Screen& screen, const PackedPoints& points, std::int64_t chunk, std::int64_t tiles,
                             Fetch& next, Block<Tile>& block) {
    const std::int64_t tile_words = screen.words_a_row * Tile::points;
    const std::int64_t end = screen.k - chunk < screen_chunk ? screen.k : chunk + screen_chunk;
    for (std::int64_t i = 0; i < tiles * Tile::points; ++i) start(block.best[i]);
    Tile::begin();
    for (std::int64_t t = 0; t < tiles; t += Tile::together) {
        const std::int64_t some = tiles - t < Tile::together ? tiles - t : Tile::together;
        const BlockRows rows{block.all_rows + t * Tile::points, block.slopes, block.steps, block.best, nullptr};
        for (std::int64_t z = chunk; z < end; z += Tile::panel)
            Tile::template meet<false>(screen, points.words + t * tile_words, some, z / Tile::panel, rows, next);
    }
    Tile::end();
}

template <class Tile>
std::int64_t run(const AssignData<float>& task, const Screen& screen, const PackedPoints* packed, std::int64_t first,
                 std::int64_t last, std::byte* scratch) {
    auto& block = *reinterpret_cast<Block<Tile>*>(scratch);
    std::byte* const space = scratch + sizeof(Block<Tile>);
    const std::size_t direct_bytes = screen.direct->direct_scratch(sizeof(float), task.depth, false);
    auto* padded = reinterpret_cast<float*>(space + points_bytes<Tile>(screen.words_a_row, direct_bytes));
    const std::int64_t count = last - first, tiles = (count + Tile::points - 1) / Tile::points;
    PackedPoints points{reinterpret_cast<std::uint32_t*>(space), block.norms, block.residual_norms, block.steps, {}};
    if (packed == nullptr)
        pack_rows<Tile>(task, screen, points, first, last, Tile::fetches_rows, padded);
    else
        points = {packed->words + first * screen.words_a_row, packed->norms + first, packed->residual_norms + first,
                  packed->steps + first, packed->bounds};
    const bool tracked = packed != nullptr && packed->bounds.lower != nullptr;
    begin_block<Tile>(screen, points, tiles * Tile::points, block);
    const bool energy_wanted = task.energies != nullptr || screen.k > screen_chunk;  // chunks compete by energies
    Fetch next = next_block<Tile>(task, screen, points, packed != nullptr, last, tiles);
    for (std::int64_t chunk = 0; chunk < screen.k; chunk += screen_chunk) {
        if (tracked)
            meet_needed<Tile>(screen, points, first, count, next, block, reinterpret_cast<std::uint32_t*>(space));
        else
            meet_chunk<Tile>(screen, points, chunk, tiles, next, block);
        find_least<Tile>(count, block);
        const bool labels_alone = !tracked && !energy_wanted;
        const std::int64_t unsure = labels_alone ? look_quickly<Tile>(screen, count, block) : count;
        std::int64_t open = 0;
        for (std::int64_t u = 0; u < unsure; ++u) {
            const std::int32_t i = labels_alone ? block.open[u] : static_cast<std::int32_t>(u);
            if (tracked && block.idle[i] != 0) continue;
            const bool is_open = look(screen, chunk, block.best[i], block.least[i], block.slopes[i], block.margins[i],
                                      energy_wanted, block.known[i]);
            block.open[open] = i;
            open += is_open;
        }
        if (packed != nullptr)  // rows are not near
            for (std::int64_t o = 0; o < open; ++o) prefetch_row(task, first + block.open[o]);
        settle<Tile>(task, screen, chunk, points.norms, first, open, block, padded);
    }

    if (tracked) keep_bounds<Tile>(task, screen, points, first, count, block, padded);

    std::int32_t* const slots = packed != nullptr ? packed->bounds.slots : nullptr;
    std::int32_t changed = 0;
    std::int64_t unsettled = 0;
    for (std::int64_t i = 0; i < count; ++i) {
        const Known& point = block.known[i];
        if (slots != nullptr && !(tracked && block.idle[i] != 0)) {  // its bounds are still those of its old slot
            const std::int32_t slot = point.all ? 0 : point.slot;
            changed += slot != slots[first + i];
            slots[first + i] = slot;
        }
        if (point.all) {
            block.given_up[unsettled++] = first + i;
            continue;
        }
        if (task.labels != nullptr)
            task.labels[(first + i) * task.labels_stride] = static_cast<std::int32_t>(number_of(screen, point.slot));
        if (task.energies != nullptr) task.energies[(first + i) * task.energies_stride] = point.energy;
    }
    if (slots != nullptr) packed->bounds.changed[first / block.size] = changed;
    // Points of which nothing is known, or too little: every prototype's canonical energy, a tile at a time.
    std::int64_t bad = no_bad_row;
    AssignData<float> rest = task;
    for (std::int64_t g = 0; g < unsettled; g += screen.direct->direct_rows_a_task) {
        const std::int64_t left = unsettled - g, most = screen.direct->direct_rows_a_task;
        rest.rows = block.given_up + g;
        const std::int64_t found = screen.direct->direct_float(rest, 0, left < most ? left : most, space);
        if (bad == no_bad_row) bad = found;
    }
    return bad;
}

template <class Tile>
void pack(const AssignData<float>& task, const Screen& screen, const PackedPoints& to, std::int64_t first,
          std::int64_t last, std::byte* scratch) {
    pack_rows<Tile>(
        task, screen,
        {to.words + first * screen.words_a_row, to.norms + first, to.residual_norms + first, to.steps + first, {}},
        first, last, false, reinterpret_cast<float*>(scratch));
}

template <class Tile>
constexpr ScreenKernels table(const char* name, const char* isa) {
    constexpr int stored = width / values_a_word(Tile::Format::format);  // words, of a register of coordinates
    return {name,
            isa,
            Tile::Format::format,
            Tile::points,
            Tile::panel,
            block_points<Tile>,
            stored > Tile::group ? stored : Tile::group,
            scratch_bytes<Tile>,
            run<Tile>,
            pack<Tile>};
}

}  // namespace
}  // namespace cuebm::cpu::CUEBM_ISA
