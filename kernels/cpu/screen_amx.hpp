// Tiles of AMX: 16 rows of 64 bytes. Two tiles of points and two of prototypes give four of scores.
#pragma once

#include "cpu/screen_tile.hpp"

namespace cuebm::cpu::CUEBM_ISA {
namespace {

struct AmxTile {
    using Format = Bf16;
    static constexpr int points = 32, panel = 32;
    static constexpr int group = 16;  // words: a row of a tile
    // Two tiles at a time, so that with their scores, what is kept of them and a part of the panel they stay in L1.
    static constexpr int tiles_a_block = 4, together = 2;
    // Of points that are not packed yet: the loads of tiles would wait for them. At d = 784, k = 256 0.83 to 0.94 of
    // the speed (pairs of calls in turn, 1 thread of a Xeon, family 6, model 207), at d = 64, k = 64 and 256 0.93
    // to 1.08.
    static constexpr bool fetches_rows = false;
    static constexpr int fetched_lines = 4, fetched_words = group;

    struct alignas(64) Configuration {
        std::uint8_t palette, start_row, reserved[14];
        std::uint16_t bytes_a_row[16];
        std::uint8_t rows[16];
    };
    static void begin() {
        Configuration configuration{};
        configuration.palette = 1;
        for (int t = 0; t < 8; ++t) configuration.bytes_a_row[t] = 64, configuration.rows[t] = 16;
        asm volatile("" ::: "memory");  // g++ 12 knows 8 of the 64 bytes as read
        _tile_loadconfig(&configuration);
    }
    static void end() { _tile_release(); }  // else every switch of threads saves 8 KiB

    // Some tiles of points meet a panel. Points are [groups][32 points][16 words], prototypes [words][32 prototypes].
    template <bool lows>
    __attribute__((noinline)) static void meet(const Screen& screen, const std::uint32_t* y, std::int64_t tiles,
                                               std::int64_t panel_index, const BlockRows& rows, Fetch& next) {
        const std::int64_t words = screen.words_a_row;
        const std::uint32_t* w = screen.words + panel_index * words * panel;
        alignas(64) float sums[together][points][panel];
        Noting<lows> noting(screen, panel_index, rows);
        Fetch fetch = next;
        for (std::int64_t pair = 0; pair < tiles; pair += together) {
            const std::int64_t end = tiles - pair < together ? tiles : pair + together;
            for (std::int64_t first = 0; first < words; first += part) {
                const std::int64_t count = words - first < part ? words - first : part;
                for (std::int64_t t = pair; t < end; ++t) {
                    multiply(y + t * words * points + first * points, w + first * panel, count, first == 0,
                             sums[t % together][0], fetch, noting);
                    if (first + part >= words) noting.begin(sums[t % together], t);
                }
            }
        }
        noting.note_rows(points);
        next = fetch;
    }

private:
    // Of 256 coordinates, 16 KiB of a panel; and with four tiles together 2.1 instead of 2.4 TFLOP/s at d = 784
    // (products alone, a core of a Xeon, family 6, model 167, with 48 KiB of L1).
    static constexpr std::int64_t part = 128;

    // The scores of a tile are noted a few rows at a time while the next tile is multiplied, so that the vector units
    // have work meanwhile. At once, after each part, labels of 200,000 x 128, k = 1024 took 1.09 times as long; at
    // d = 64 and 784 no difference showed (least of 21 calls in turn, 1 thread of a Xeon, family 6, model 207).
    template <bool lows>
    struct Noting {
        CUEBM_INLINE_MEMBER Noting(const Screen& screen, std::int64_t panel_index, const BlockRows& block)
            : c{columns(screen, panel_index * panel), columns(screen, panel_index * panel + width)}, rows(block) {}

        CUEBM_INLINE_MEMBER void begin(const float (*of_tile)[panel], std::int64_t tile) {
            note_rows(points);
            sums = of_tile;
            which = rows.which + tile * points;
            next = 0;
        }
        CUEBM_INLINE_MEMBER void note_rows(int count) {  // or as many as are left
            if (next == points) return;
            for (const int end = next + count < points ? next + count : points; next < end; ++next) note_row(next);
            if constexpr (lows)
                if (next == points)
                    for (int i = 0; i < points; i += 16) write_least<16>(low + i, which + i, rows.lows);
        }

    private:
        CUEBM_INLINE_MEMBER void note_row(int i) {
            const std::int32_t r = which[i];
            Pack lower[2];
#pragma GCC unroll 2
            for (int u = 0; u < 2; ++u)
                lower[u] = lower_bounds(c[u], Format::score(math::load(sums[i] + u * width), c[u], 1), rows.slopes[r]);
            const Pack both = note_both(lower[0], lower[1], rows.best[r]);
            if constexpr (lows) math::store(low[i], both);
        }

        const Columns c[2];
        const BlockRows rows;  // a copy: stores of bounds might alias it
        const float (*sums)[panel] = nullptr;
        const std::int32_t* which = nullptr;
        int next = points;  // the row to be noted; `points`: none
        alignas(64) float low[lows ? points : 1][width];
    };

    // Adds the products of some words to the scores of a tile, or sets them.
    template <bool lows>
    CUEBM_INLINE void multiply(const std::uint32_t* y, const std::uint32_t* w, std::int64_t words, bool set,
                               float* sums, Fetch& fetch, Noting<lows>& noting) {
        constexpr int word = sizeof(std::uint32_t);
        const auto rows_a_step = static_cast<int>((points * group + words - 1) / words);
        asm volatile("" ::: "memory");  // nor what the loads below read
        if (set) {
            _tile_zero(0);
            _tile_zero(1);
            _tile_zero(2);
            _tile_zero(3);
        } else {
            _tile_loadd(0, sums, panel * word);
            _tile_loadd(1, sums + 16, panel * word);
            _tile_loadd(2, sums + 16 * panel, panel * word);
            _tile_loadd(3, sums + 16 * panel + 16, panel * word);
        }
        for (std::int64_t g = 0; g < words; g += group, y += group * points, w += group * panel) {
            fetch.some<fetched_lines>();
            _tile_loadd(6, w, panel * word);
            _tile_loadd(4, y, group * word);
            _tile_loadd(7, w + 16, panel * word);
            _tile_dpbf16ps(0, 4, 6);
            _tile_loadd(5, y + 16 * group, group * word);
            _tile_dpbf16ps(1, 4, 7);
            _tile_dpbf16ps(2, 5, 6);
            _tile_dpbf16ps(3, 5, 7);
            noting.note_rows(rows_a_step);
        }
        _tile_stored(0, sums, panel * word);
        _tile_stored(1, sums + 16, panel * word);
        _tile_stored(2, sums + 16 * panel, panel * word);
        _tile_stored(3, sums + 16 * panel + 16, panel * word);
        asm volatile("" ::: "memory");  // and what is noted
    }
};

}  // namespace
}  // namespace cuebm::cpu::CUEBM_ISA
