// Which of a point's candidates wins: canonical energies decide, of as few pairs as will do.
#pragma once

#include "cpu/pack_tree.hpp"
#include "cpu/screen_block.hpp"
#include "math/screening.hpp"

namespace cuebm::cpu::CUEBM_ISA {
namespace {

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

// A point with this many crowded classes is better off with the canonical energies of all prototypes.
constexpr int most_crowded = 4;

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

// The canonical energies of a row's other candidates, a few at a time. `space` has room for a row.
CUEBM_INLINE void settle_others(const AssignData<float>& task, const Screen& screen, std::int64_t chunk, std::int64_t i,
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

// The labels of the open rows of a block, among a chunk's prototypes and what is known before. norms: of the block.
template <class Tile>
CUEBM_INLINE void settle(const AssignData<float>& task, const Screen& screen, std::int64_t chunk, const float* norms,
                         std::int64_t first, std::int64_t open, Block<Tile>& block, float* space) {
    settle_likely(task, screen, first, open, block, space);
    std::int64_t still = 0;
    for (std::int64_t o = 0; o < open; ++o) {
        const std::int32_t i = block.open[o];
        const bool is_open = look_again(screen, block.best[i], norms[i], block.margins[i], block.known[i]);
        block.open[still] = i;
        still += is_open;
    }
    for (std::int64_t o = 0; o < still; ++o) {
        const std::int64_t i = block.open[o];
        settle_others(task, screen, chunk, first + i, block.best[i], block.known[i], space);
    }
}

}  // namespace
}  // namespace cuebm::cpu::CUEBM_ISA
