// Tiles of AMX: 16 rows of 64 bytes. Two tiles of points and two of prototypes give four of scores.
#pragma once

#include "cpu/screen_tile.hpp"

namespace cuebm::cpu::CUEBM_ISA {
namespace {

struct AmxTile {
    using Format = Bf16;
    static constexpr int points = 32, panel = 32;
    static constexpr int group = 16;  // words: a row of a tile
    static constexpr int tiles_a_block = 4;

    struct alignas(64) Configuration {
        std::uint8_t palette, start_row, reserved[14];
        std::uint16_t bytes_a_row[16];
        std::uint8_t rows[16];
    };
    static void begin() {
        Configuration configuration{};
        configuration.palette = 1;
        for (int t = 0; t < 8; ++t) configuration.bytes_a_row[t] = 64, configuration.rows[t] = 16;
        _tile_loadconfig(&configuration);
    }
    static void end() { _tile_release(); }  // else every switch of threads saves 8 KiB

    // Points are [groups][32 points][16 words], prototypes [words][32 prototypes].
    __attribute__((noinline)) static void meet(const Screen& screen, const std::uint32_t* y, std::int64_t number,
                                               const float* slopes, const float* steps, Best* best, const char* ahead) {
        const std::uint32_t* w = screen.words + number * screen.words_a_row * panel;
        constexpr int word = sizeof(std::uint32_t);
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
        for (std::int64_t g = 0; g < screen.words_a_row; g += group, y += group * points, w += group * panel) {
            for (int line = 0; line < 8; ++line) __builtin_prefetch(ahead + 64 * line, 0, 2);
            ahead += 512;
            _tile_loadd(4, y, group * word);
            _tile_loadd(6, w, panel * word);
            _tile_loadd(7, w + 16, panel * word);
            _tile_dpbf16ps(0, 4, 6);
            _tile_dpbf16ps(1, 4, 7);
            _tile_loadd(5, y + 16 * group, group * word);
            _tile_dpbf16ps(2, 5, 6);
            _tile_dpbf16ps(3, 5, 7);
        }
        alignas(64) float sums[points][panel];
        _tile_stored(0, sums[0], panel * word);
        _tile_stored(1, sums[0] + 16, panel * word);
        _tile_stored(2, sums[16], panel * word);
        _tile_stored(3, sums[16] + 16, panel * word);
        for (int i = 0; i < points; ++i)
#pragma GCC unroll 2
            for (int u = 0; u < 2; ++u) {
                const std::int64_t z = number * panel + u * width;
                note(screen, Format::score(math::load(sums[i] + u * width), screen, z, steps[i]), z, slopes[i],
                     best[i]);
            }
    }
};

}  // namespace
}  // namespace cuebm::cpu::CUEBM_ISA
