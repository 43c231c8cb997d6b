// The kernels that screen: for each number format and instruction set one table, and the plain data that they work on.
// No function of a shared header may be emitted in those files (docs/design/simd.md).
#pragma once

#include "cpu/assign_kernels.hpp"

namespace cuebm::cpu {

// What coordinates are rounded to before they are multiplied. A word of 32 bits holds 1, 2 or 4 of them.
enum class ScreenFormat : std::uint8_t { fp32, bf16, int8 };
constexpr int values_a_word(ScreenFormat format) {
    return format == ScreenFormat::fp32 ? 1 : format == ScreenFormat::bf16 ? 2 : 4;
}

inline constexpr int screen_classes = 16;               // of prototypes: their slot mod 16
inline constexpr std::int64_t screen_chunk = 16 * 256;  // prototypes that meet a block before it is looked at: 8 bits

constexpr int bounds_stride(int rows_a_task) { return (rows_a_task + 15) / 16 * 16; }

// What distances between points and prototypes are known to, for the next call with the same points: in the space of y'
// and w', |y' - w'| of any prototype of a panel is at least `lower`, that of the label at most `upper`.
struct KeptBounds {
    float* lower;            // [rows / rows_a_task][panels][bounds_stride(rows_a_task)]; null: not used in this call
    float* upper;            // [rows]
    float* own_panel_lower;  // [rows]: at least this far are the others of the label's panel
    std::int32_t* slots;     // [rows]: of the label; null: nothing is kept but the packed points
    std::int32_t *changed, *met;  // [rows / rows_a_task]: labels that are others than in the last call, and pairs of a
                                  // row and a panel that were met
    const float* drifts;          // [panels * panel]: how far prototypes have moved since; null: the bounds begin
    const float* panel_drifts;    // [panels]: the most of each panel
    float growth, slack;          // a lower bound decides if it exceeds upper growth + slack (N + max R)
};

// The constants of the bound (math/screening.hpp) for one set of prototypes:
// B = spread N^2 + floor + (per_norm N + per_rest |y' - yq| + constant) R.
struct ScreenBound {
    float spread, floor, per_norm, per_rest, constant;
    float norm_growth, norm_floor;  // of norms that are summed in fp32
    float norm_shrink;              // N^2 norm_shrink <= |y'|^2, but for underflow
    float reach_limit;              // points with a larger N are not screened
};

// Prototypes less the shift, times the scale, rounded and packed, each in its slot. What pads is zero; a prototype that
// is not there, or that repeats an earlier one, has half_squares = absent.
struct Screen {
    const float* shift;                 // [depth], padded with zeros
    float scale;                        // a power of two
    const std::uint32_t* words;         // [panels][words_a_row][panel]
    const float *half_squares, *norms;  // [panels * panel]: h = |w'|^2 / 2, R >= |w'|
    const float* steps;                 // int8, the same shape: w' = step * integer, nearly
    const std::int32_t* offsets;        // int8: 128 * the sum of the integers, since points are stored less -128
    const std::int32_t* order;          // [k]: the prototype in a slot; null: each in the slot of its number
    std::int64_t words_a_row, panels, k;
    float largest_norm;    // max R
    std::int32_t id_mask;  // the low bits of a score that hold a slot / 16
    ScreenBound bound;
    const AssignKernels* direct;  // for points that the bound says nothing about
};
inline constexpr float screen_absent = 1e38f;  // beyond every score within reach_limit

// Points less the shift, times the scale, rounded and packed in tiles; the last tile repeats the last point.
struct PackedPoints {
    std::uint32_t* words;           // [tiles][words_a_row / g][points of a tile][g], g: Tile::group
    float *norms, *residual_norms;  // [tiles * points of a tile]: N >= |y'|, and >= |y' - yq|
    float* steps;                   // int8, the same shape: y' = step * integer, nearly
    KeptBounds bounds;
};

// Rows [first, last) of run(): first is a multiple of rows_a_task, and there are at most as many. Of pack(): first is a
// multiple of tile_points. The last tile may be a part of one.
struct ScreenKernels {
    const char *name, *isa;  // "bf16" (what CUEBM_ASSIGN calls it), "avx512"
    ScreenFormat format;
    int tile_points, panel;  // the register tile: points x prototypes
    int rows_a_task;
    int words_together;  // rows have a multiple of so many words
    std::size_t (*scratch)(std::int64_t words_a_row, std::int64_t depth, std::size_t direct_bytes);
    // Labels and energies; returns the first row that has an energy that is not finite, or no_bad_row. Points are
    // packed in the scratch where `packed` is null, else those of all rows.
    std::int64_t (*run)(const AssignData<float>&, const Screen&, const PackedPoints* packed, std::int64_t first,
                        std::int64_t last, std::byte* scratch);
    void (*pack)(const AssignData<float>&, const Screen&, const PackedPoints&, std::int64_t first, std::int64_t last,
                 std::byte* scratch);
};

extern const ScreenKernels screen_base, screen_avx2, screen_avx512, screen_bf16, screen_int8, screen_amx;

}  // namespace cuebm::cpu
