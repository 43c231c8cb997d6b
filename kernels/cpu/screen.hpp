// Labels and energies by screening: cheap scores of all prototypes, a bound that proves which of them can be the
// canonical argmin (docs/design/screening.md), and canonical energies of these alone.
#pragma once

#include "cpu/screen_tile.hpp"
#include "math/canonical.hpp"

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
    float energy;       // the least canonical energy so far, of `label`; infinity: not computed
    std::int32_t label;
    bool all;                     // any prototype may be the winner
    bool open;                    // this chunk has several candidates
    std::uint16_t some, crowded;  // classes with a candidate, and with several
};

// What a thread needs for a block.
template <class Tile>
struct alignas(64) Block {
    static constexpr int size = block_points<Tile>;
    Best best[size];
    float slopes[size], margins[size];  // the bound is slope * R + margin
    float norms[size], rests[size], steps[size];
    Known known[size];
    std::int64_t open[size];
};

// Rounds row i into its place in a tile, and bounds its norms. `line` holds a row of words.
template <class Tile>
CUEBM_INLINE void pack_row(const AssignData<float>& task, const Screen& screen, std::int64_t i, std::uint32_t* line,
                           std::uint32_t* place, float& norm, float& rest, float& step) {
    using Format = typename Tile::Format;
    const Shifting shifted{task.points + i * task.point_stride, screen.shift, screen.scale, task.d};
    const RowSums sums = Format::round(shifted, screen.words_a_row, line);
    for (std::int64_t w = 0; w < screen.words_a_row; w += Tile::group)
        __builtin_memcpy(place + w * Tile::points, line + w, sizeof(std::uint32_t) * Tile::group);
    const ScreenBound& bound = screen.bound;
    norm = __builtin_sqrtf(sums.square + bound.norm_floor) * bound.norm_growth;
    rest = Format::format == ScreenFormat::fp32 ? 0 : __builtin_sqrtf(sums.rest + bound.norm_floor) * bound.norm_growth;
    if constexpr (Format::format != ScreenFormat::fp32) rest += (norm + rest) * 0x1p-22f;  // y' - yq was rounded, too
    step = sums.step;
}

// Rows [first, last) into tiles; the last tile repeats the last row.
template <class Tile>
CUEBM_INLINE void pack_rows(const AssignData<float>& task, const Screen& screen, const PackedPoints& to,
                            std::int64_t first, std::int64_t last, std::uint32_t* line) {
    const std::int64_t end = first + (last - first + Tile::points - 1) / Tile::points * Tile::points;
    for (std::int64_t i = first; i < end; ++i) {
        const std::int64_t at = i - first;
        std::uint32_t* place =
            to.words + (at / Tile::points * screen.words_a_row * Tile::points + at % Tile::points * Tile::group);
        pack_row<Tile>(task, screen, i < last ? i : last - 1, line, place, to.norms[at], to.rests[at], to.steps[at]);
    }
}

CUEBM_INLINE unsigned at_most(const float* x, float bar) {  // one bit a class
    unsigned bits = 0;
#pragma GCC unroll 4
    for (int l = 0; l < screen_classes; l += width)
        bits |= math::lane_bits(math::load(x + l) <= math::broadcast(bar)) << l;
    return bits;
}

CUEBM_INLINE float least_class(const Best& best) {
    Pack least = math::load(best.least);
#pragma GCC unroll 4
    for (int l = width; l < screen_classes; l += width) least = least_of(least, math::load(best.least + l));
#if defined(__AVX512F__)
    return _mm512_reduce_min_ps(__m512(least));
#else
    float x = least[0];
    for (int l = 1; l < width; ++l) x = least[l] < x ? least[l] : x;
    return x;
#endif
}

CUEBM_INLINE std::int64_t label_of(const Screen& screen, std::int64_t chunk, float lower, int of_class) {
    return chunk + (math::to_bits(lower) & screen.id_mask) * screen_classes + of_class;
}

// Which of the chunk's prototypes may win: mostly one, and then no energy is needed.
CUEBM_INLINE void look(const Screen& screen, std::int64_t chunk, const Best& best, float slope, float margin,
                       bool energy_wanted, Known& point) {
    if (point.all) return;
    const float least = least_class(best);
    const std::int64_t label =
        label_of(screen, chunk, least, __builtin_ctz(at_most(best.least, least) | 1u << screen_classes));
    const float upper = least + 2 * (slope * screen.norms[label] + margin) * (1 + 0x1p-10f);
    if (upper < point.least_upper) point.least_upper = upper;
    const unsigned some = at_most(best.least, point.least_upper), crowded = at_most(best.second, point.least_upper);
    point.some = static_cast<std::uint16_t>(some);
    point.crowded = static_cast<std::uint16_t>(crowded);
    point.open = some != 0;
    if (__builtin_popcount(crowded) > most_crowded) {
        point.all = true;
    } else if (!energy_wanted && crowded == 0 && (some & (some - 1)) == 0 && some != 0) {
        point.label = static_cast<std::int32_t>(label);
        point.open = false;
    }
}

// One pair's canonical energy; `y` and `w` are padded.
CUEBM_INLINE float pair_energy(const float* y, const float* w, std::int64_t depth) {
    constexpr int parts = math::canonical_lanes / width;
    Pack sums[parts] = {};
    for (std::int64_t j = 0; j < depth; j += math::canonical_lanes)
#pragma GCC unroll 4
        for (int p = 0; p < parts; ++p) {
            const Pack t = math::load(y + j + p * width) - math::load(w + j + p * width);
            sums[p] = math::fused(t, t, sums[p]);
        }
    float a[math::canonical_lanes];
    for (int p = 0; p < parts; ++p) math::store(a + p * width, sums[p]);
    return math::tree_sum(a);
}

// The canonical energies of a chunk's candidates. `padded` has room for a row.
CUEBM_INLINE void settle(const AssignData<float>& task, const Screen& screen, std::int64_t chunk, std::int64_t i,
                         const Best& best, Known& point, float* padded) {
    const float* y = task.points + i * task.point_stride;
    if (task.d < task.depth) {
        __builtin_memcpy(padded, y, sizeof(float) * static_cast<std::size_t>(task.d));
        for (std::int64_t j = task.d; j < task.depth; ++j) padded[j] = 0;
        y = padded;
    }
    const std::int64_t end = screen.k - chunk < screen_chunk ? screen.k : chunk + screen_chunk;
    for (unsigned left = point.some; left != 0; left &= left - 1) {
        const int l = __builtin_ctz(left);
        const bool whole = (point.crowded >> l & 1) != 0;
        for (std::int64_t z = whole ? chunk + l : label_of(screen, chunk, best.least[l], l); z < end;
             z += screen_classes) {
            const float energy = screen.half_squares[z] < screen_absent
                                     ? pair_energy(y, task.prototypes + z * task.depth, task.depth)
                                     : __builtin_inff();
            if (energy < point.energy || (energy == point.energy && z < point.label)) {
                point.energy = energy;
                point.label = static_cast<std::int32_t>(z);
            }
            if (!whole) break;
        }
    }
}

// Where a thread's scratch has what: a Block; its points' words, or later what direct() needs; a line of words; a row.
template <class Tile>
CUEBM_INLINE std::size_t points_bytes(std::int64_t words_a_row, std::size_t direct_bytes) {
    const auto words = sizeof(std::uint32_t) * static_cast<std::size_t>(block_points<Tile> * words_a_row);
    return ((words > direct_bytes ? words : direct_bytes) + 63) / 64 * 64;
}
template <class Tile>
std::size_t scratch_bytes(std::int64_t words_a_row, std::int64_t depth, std::size_t direct_bytes) {
    return sizeof(Block<Tile>) + points_bytes<Tile>(words_a_row, direct_bytes) +
           sizeof(float) * static_cast<std::size_t>(words_a_row + 16 + depth);
}

template <class Tile>
CUEBM_INLINE void begin_block(const Screen& screen, const PackedPoints& points, std::int64_t count,
                              Block<Tile>& block) {
    const ScreenBound& bound = screen.bound;
    for (std::int64_t i = 0; i < count; ++i) {
        const float norm = points.norms[i];
        block.slopes[i] = bound.per_norm * norm + bound.per_rest * points.rests[i] + bound.constant;
        block.margins[i] = bound.spread * norm * norm + bound.floor;
        const bool all = !(norm <= bound.reach_limit);  // NaN, too
        block.known[i] = {screen_absent, __builtin_inff(), 0, all, false, 0, 0};
    }
}

// The tiles of a block meet a chunk of prototypes.
template <class Tile>
CUEBM_INLINE void meet_chunk(const Screen& screen, const PackedPoints& points, std::int64_t chunk, std::int64_t tiles,
                             Block<Tile>& block) {
    const std::int64_t tile_words = screen.words_a_row * Tile::points;
    const std::int64_t end = screen.k - chunk < screen_chunk ? screen.k : chunk + screen_chunk;
    for (std::int64_t i = 0; i < tiles * Tile::points; ++i) start(block.best[i]);
    Tile::begin();
    // The next block comes from memory: each panel asks for a part of it.
    const char* next = reinterpret_cast<const char*>(points.words + tiles * tile_words);
    const std::int64_t part = tiles * screen.words_a_row * 16, parts = Tile::points / 4;
    for (std::int64_t z = chunk; z < end; z += Tile::panel)
        Tile::meet(screen, points.words, tiles, z / Tile::panel, block.slopes, points.steps, block.best,
                   next + z / Tile::panel % parts * part);
    Tile::end();
}

template <class Tile>
std::int64_t run(const AssignData<float>& task, const Screen& screen, const PackedPoints* packed, std::int64_t first,
                 std::int64_t last, std::byte* scratch) {
    auto& block = *reinterpret_cast<Block<Tile>*>(scratch);
    std::byte* const space = scratch + sizeof(Block<Tile>);
    const std::size_t direct_bytes = screen.direct->direct_scratch(sizeof(float), task.depth, false);
    auto* line = reinterpret_cast<std::uint32_t*>(space + points_bytes<Tile>(screen.words_a_row, direct_bytes));
    auto* padded = reinterpret_cast<float*>(line + screen.words_a_row + 16);
    const std::int64_t count = last - first, tiles = (count + Tile::points - 1) / Tile::points;
    PackedPoints points{reinterpret_cast<std::uint32_t*>(space), block.norms, block.rests, block.steps};
    if (packed == nullptr)
        pack_rows<Tile>(task, screen, points, first, last, line);
    else
        points = {packed->words + first * screen.words_a_row, packed->norms + first, packed->rests + first,
                  packed->steps + first};
    begin_block<Tile>(screen, points, tiles * Tile::points, block);
    const bool energy_wanted = task.energies != nullptr || screen.k > screen_chunk;  // chunks compete by energies
    for (std::int64_t chunk = 0; chunk < screen.k; chunk += screen_chunk) {
        meet_chunk<Tile>(screen, points, chunk, tiles, block);
        for (std::int64_t i = 0; i < count; ++i) {
            look(screen, chunk, block.best[i], block.slopes[i], block.margins[i], energy_wanted, block.known[i]);
            if (packed != nullptr && block.known[i].open)  // its row is not near
                for (std::int64_t j = 0; j < task.d; j += 16)
                    __builtin_prefetch(task.points + (first + i) * task.point_stride + j, 0, 2);
        }
        for (std::int64_t i = 0; i < count; ++i)
            if (block.known[i].open && !block.known[i].all)
                settle(task, screen, chunk, first + i, block.best[i], block.known[i], padded);
    }

    std::int64_t given_up = 0;
    for (std::int64_t i = 0; i < count; ++i) {
        const Known& point = block.known[i];
        if (point.all) {
            block.open[given_up++] = first + i;
            continue;
        }
        if (task.labels != nullptr) task.labels[(first + i) * task.labels_stride] = point.label;
        if (task.energies != nullptr) task.energies[(first + i) * task.energies_stride] = point.energy;
    }
    // Points of which nothing is known, or too little: every prototype's canonical energy, a tile at a time.
    std::int64_t bad = no_bad_row;
    AssignData<float> rest = task;
    for (std::int64_t g = 0; g < given_up; g += screen.direct->direct_rows_a_task) {
        const std::int64_t left = given_up - g, most = screen.direct->direct_rows_a_task;
        rest.rows = block.open + g;
        const std::int64_t found = screen.direct->direct_float(rest, 0, left < most ? left : most, space);
        if (bad == no_bad_row) bad = found;
    }
    return bad;
}

template <class Tile>
void pack(const AssignData<float>& task, const Screen& screen, const PackedPoints& to, std::int64_t first,
          std::int64_t last, std::byte* scratch) {
    pack_rows<Tile>(task, screen,
                    {to.words + first * screen.words_a_row, to.norms + first, to.rests + first, to.steps + first},
                    first, last, reinterpret_cast<std::uint32_t*>(scratch));
}

template <class Tile>
constexpr ScreenKernels table(const char* name, const char* isa) {
    return {name,        isa,         Tile::Format::format, Tile::points,
            Tile::panel, Tile::group, block_points<Tile>,   scratch_bytes<Tile>,
            run<Tile>,   pack<Tile>};
}

}  // namespace
}  // namespace cuebm::cpu::CUEBM_ISA
