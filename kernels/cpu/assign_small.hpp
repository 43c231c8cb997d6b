// Labels and energies of short points: canonical energies with a point in each lane, so that nothing is added across
// lanes and no lane is padding. Included like assign_direct.hpp, after it.
#pragma once

#include "cpu/assign_direct.hpp"
#include "cpu/transpose.hpp"

namespace cuebm::cpu::CUEBM_ISA {
namespace {

constexpr int small_packs = math::pack_registers == 32 ? 4 : 2;  // of points: they share each coordinate of a prototype
constexpr int small_points = small_packs * width<float>;
constexpr int small_rows = 1024;  // a task; finding the largest coordinate of the prototypes is then 1 % of it or less
constexpr int small_depth = math::pack_fma ? 32 : 16;  // up to 16, no accumulator has two terms: no fma is needed

// If no coordinate of a prototype exceeds 2^59 and the least energy is at most 2^120, then no difference exceeds
// 2^61 but for rounding, and no energy of 32 coordinates overflows. Other points go to direct(), NaN too.
constexpr float small_coordinate_limit = 0x1p59f, small_energy_limit = 0x1p120f;

template <int U>
struct Packs {
    Pack<float> of[U];
};

// The branch of math::tree_sum that adds accumulators first, first + step, ...: the same additions less those of
// accumulators that are zero. `y` is [d][small_points], from the first of U packs on.
template <int d, int U, int first, int step>
CUEBM_INLINE void branch_energy(const float* y, const float* w, Packs<U>& sum) {
    if constexpr (step == lanes) {
#pragma GCC unroll 2
        for (int j = first; j < d; j += lanes) {
            const Pack<float> v = math::broadcast(w[j]);
#pragma GCC unroll 4
            for (int u = 0; u < U; ++u) {
                const Pack<float> t = v - math::load(y + j * small_points + u * width<float>);
                sum.of[u] = j == first ? t * t : math::fused(t, t, sum.of[u]);
            }
        }
    } else {
        branch_energy<d, U, first, 2 * step>(y, w, sum);
        if constexpr (first + step < d) {
            Packs<U> other;
            branch_energy<d, U, first + step, 2 * step>(y, w, other);
#pragma GCC unroll 4
            for (int u = 0; u < U; ++u) sum.of[u] = sum.of[u] + other.of[u];
        }
    }
}

struct Nearest {
    Packs<small_packs> least;
    math::FloatPackBits labels[small_packs];
};

// Packs of points that meet a prototype together. More share its coordinates, and leave fewer registers for the
// branches of the sum. 1 thread, k = 64, avx512, avx2, ms with 1, 2 and 4: 400,000 x 2: 2.1 2.2 2.0, 5.5 5.5; x
// 5: 5.1 4.9 4.9, 10.5 7.8; x 8: 8.0 7.8 8.5, 11.4 12.1; 200,000 x 16: 7.2 8.1 9.0, 10.8 12.7; x
// 32: 13.6 14.2 14.4, 19.7 20.1.
constexpr int packs_together(int d) { return d <= 4 ? small_packs : d <= 8 ? 2 : 1; }

// Lines of 64 bytes that the next tile reads, some to each pack of points and prototype until all are asked for: its
// points then come from memory while this tile is computed. CPU time of 1 thread, avx512, median of 9 pairs of runs,
// against going on beyond the tile: n x d, k: 1,000,000 x 2, 1024: 1.00; 4,000,000 x 2, 64: 0.99; 1,000,000 x 8, 512:
// 0.98; 2,000,000 x 16, 64: 1.00. All lines at once: 1.01 1.00 0.98 1.03, and 1.5 for 2,000,000 x 32, 16.
struct NextTile {
    const char *from, *end;
    int lines;
};
CUEBM_INLINE int lines_a_step(const AssignData<float>& task) {
    if (task.points.stride >= 2 * task.d) return 0;
    const std::int64_t bytes =
        small_points * task.points.stride * static_cast<std::int64_t>(bytes_of(task.points.type));
    const std::int64_t steps = small_packs / packs_together(static_cast<int>(task.d)) * task.k;
    return static_cast<int>((bytes / 64 + steps - 1) / steps);
}
CUEBM_INLINE NextTile next_tile(const AssignData<float>& task, std::int64_t first, int lines) {
    const std::int64_t row = task.points.stride * static_cast<std::int64_t>(bytes_of(task.points.type));
    const char* from = static_cast<const char*>(task.points.data) + first * row;
    return {from, from + small_points * row, lines};
}

// A tile of points meets all prototypes.
template <int d>
__attribute__((noinline)) void meet_all(const AssignData<float>& task, const float* y, const NextTile& next,
                                        Nearest& out) {
    constexpr int U = packs_together(d);
    const char* ahead = next.from;
    const char* const end = next.end;
    const int lines = next.lines;
    for (int first = 0; first < small_packs; first += U, y += U * width<float>) {
        Packs<U> least;
        math::FloatPackBits labels[U], label = {};
#pragma GCC unroll 4
        for (int u = 0; u < U; ++u) least.of[u] = Pack<float>{} + __builtin_inff(), labels[u] = label;
        const float* w = task.prototypes;
        for (std::int64_t z = 0; z < task.k; ++z, w += task.depth, label = label + 1) {
            for (int line = 0; line < lines && ahead < end; ++line, ahead += 64) __builtin_prefetch(ahead);
            Packs<U> energy;
            branch_energy<d, U, 0, 1>(y, w, energy);
#pragma GCC unroll 4
            for (int u = 0; u < U; ++u) {
                const math::FloatPackBits below = energy.of[u] < least.of[u];
                least.of[u] = math::select(below, energy.of[u], least.of[u]);
                labels[u] = below ? label : labels[u];
            }
        }
        for (int u = 0; u < U; ++u) out.least.of[first + u] = least.of[u], out.labels[first + u] = labels[u];
    }
}

using MeetAll = void (*)(const AssignData<float>&, const float*, const NextTile&, Nearest&);

// The kernel of the least depth that holds d; coordinates from d to there are zeros on both sides.
struct SmallKernel {
    int depth;
    MeetAll run;
};
CUEBM_INLINE SmallKernel small_kernel(std::int64_t d) {
    switch (d) {
        case 1: return {1, meet_all<1>};
        case 2: return {2, meet_all<2>};
        case 3: return {3, meet_all<3>};
        case 4: return {4, meet_all<4>};
        case 5: return {5, meet_all<5>};
        case 6: return {6, meet_all<6>};
        case 7: return {7, meet_all<7>};
        case 8: return {8, meet_all<8>};
        case 9:
        case 10: return {10, meet_all<10>};
        case 11:
        case 12: return {12, meet_all<12>};
        case 13:
        case 14: return {14, meet_all<14>};
        default: break;
    }
    if constexpr (small_depth == 32) {
        if (d > 24) return {32, meet_all<32>};
        if (d > 20) return {24, meet_all<24>};
        if (d > 16) return {20, meet_all<20>};
    }
    return {16, meet_all<16>};
}

typedef float Four __attribute__((vector_size(16)));

// Four coordinates of four rows, turned.
CUEBM_INLINE void turn_four(const float* const (&rows)[4], std::int64_t j, float* to) {
    Four r[4];
    for (int i = 0; i < 4; ++i) __builtin_memcpy(&r[i], rows[i] + j, sizeof r[i]);
    const Four a = __builtin_shufflevector(r[0], r[1], 0, 4, 1, 5), b = __builtin_shufflevector(r[2], r[3], 0, 4, 1, 5),
               c = __builtin_shufflevector(r[0], r[1], 2, 6, 3, 7), e = __builtin_shufflevector(r[2], r[3], 2, 6, 3, 7);
    const Four turned[4] = {__builtin_shufflevector(a, b, 0, 1, 4, 5), __builtin_shufflevector(a, b, 2, 3, 6, 7),
                            __builtin_shufflevector(c, e, 0, 1, 4, 5), __builtin_shufflevector(c, e, 2, 3, 6, 7)};
    for (int q = 0; q < 4; ++q) __builtin_memcpy(to + q * small_points, &turned[q], sizeof(Four));
}
// Four rows of 2 or of 3 coordinates that follow each other, turned.
CUEBM_INLINE void turn_pairs(const float* rows, float* to) {
    Four r[2];
    for (int i = 0; i < 2; ++i) __builtin_memcpy(&r[i], rows + 4 * i, sizeof r[i]);
    const Four turned[2] = {__builtin_shufflevector(r[0], r[1], 0, 2, 4, 6),
                            __builtin_shufflevector(r[0], r[1], 1, 3, 5, 7)};
    for (int q = 0; q < 2; ++q) __builtin_memcpy(to + q * small_points, &turned[q], sizeof(Four));
}
CUEBM_INLINE void turn_triples(const float* rows, float* to) {
    Four r[3];
    for (int i = 0; i < 3; ++i) __builtin_memcpy(&r[i], rows + 4 * i, sizeof r[i]);
    const Four x = __builtin_shufflevector(r[0], r[1], 0, 3, 6, 6), y = __builtin_shufflevector(r[0], r[1], 1, 4, 7, 7),
               z = __builtin_shufflevector(r[0], r[1], 2, 5, 5, 5);
    const Four turned[3] = {__builtin_shufflevector(x, r[2], 0, 1, 2, 5), __builtin_shufflevector(y, r[2], 0, 1, 2, 6),
                            __builtin_shufflevector(z, r[2], 0, 1, 4, 7)};
    for (int q = 0; q < 3; ++q) __builtin_memcpy(to + q * small_points, &turned[q], sizeof(Four));
}

CUEBM_INLINE void turn_rows(const float* const (&rows)[4], std::int64_t d, float* to) {
    std::int64_t j = 0;
    for (; j + 4 <= d; j += 4) turn_four(rows, j, to + j * small_points);
    if (j < d && d > 4) turn_four(rows, d - 4, to + (d - 4) * small_points);  // some of them again
    for (; j < d && d < 4; ++j)
        for (int q = 0; q < 4; ++q) to[j * small_points + q] = rows[q][j];
}

#if defined(__AVX512F__)
// A pack of rows at a time, whose columns are stored whole: what reads them need not wait for four parts. False where
// rows are shorter than four, and not one behind the other.
CUEBM_INLINE bool turn_packs(const float* rows, std::int64_t stride, std::int64_t d, float* y) {
    Pack<float> unused{};
    for (std::int64_t i = 0; i < small_points; i += 16, rows += 16 * stride, y += 16) {
        if (stride == d && if_short(static_cast<int>(d),
                                    [&](auto short_d) { columns_of_rows<short_d>(rows, y, small_points, unused); }))
            continue;
        if (d == 3 && stride == 3) {
            columns_of_triples(rows, y, small_points);
            continue;
        }
        if (d < 4) return false;
        for (std::int64_t j = 0; j < d; j += 4) {
            const std::int64_t from = j + 4 <= d ? j : d - 4;  // some of them again
            Pack<float> columns[4];
            load_four_columns(rows + from, stride, 16, columns);
#pragma GCC unroll 4
            for (int q = 0; q < 4; ++q) math::store(y + (from + q) * small_points, columns[q]);
        }
    }
    return true;
}
#endif

// Rows [first, first + count), and the last again where a tile is not full, as [depth][small_points].
CUEBM_INLINE void turn(const AssignData<float>& task, std::int64_t first, std::int64_t count, int depth, float* y) {
    const std::int64_t d = task.d, stride = task.points.stride;
    if (count == small_points && !is_converted(task.points)) {
        const float* from = static_cast<const float*>(task.points.data) + first * stride;
#if defined(__AVX512F__)
        const bool turned = turn_packs(from, stride, d, y);
#else
        constexpr bool turned = false;
#endif
        for (std::int64_t i = 0; !turned && i < small_points; i += 4, from += 4 * stride)
            if (d == 2 && stride == 2)
                turn_pairs(from, y + i);
            else if (d == 3 && stride == 3)
                turn_triples(from, y + i);
            else
                turn_rows({from, from + stride, from + 2 * stride, from + 3 * stride}, d, y + i);
    } else {
        float converted[4][small_depth];
        for (std::int64_t i = 0; i < small_points; i += 4) {
            const float* rows[4];
            for (std::int64_t q = 0; q < 4; ++q) {
                const std::int64_t row = first + (i + q < count ? i + q : count - 1);
                rows[q] = row_of(task.points, row, d, converted[q]);
            }
            turn_rows(rows, d, y + i);
        }
    }
    for (std::int64_t i = d * small_points; i < depth * small_points; ++i) y[i] = 0;
}

CUEBM_INLINE bool all_prototypes_within(const AssignData<float>& task, float limit) {
    constexpr unsigned all = (1u << width<float>)-1;
    unsigned within = all;
    for (std::int64_t i = 0; i < task.k * task.depth; i += width<float>) {
        const Pack<float> w = math::load(task.prototypes + i);
        within &= math::lane_bits((w <= limit) & (-w <= limit));
    }
    return within == all;
}

CUEBM_INLINE void write(const AssignData<float>& task, std::int64_t first, std::int64_t count, const Nearest& nearest) {
    if (task.labels != nullptr) {
        if (count == small_points && task.labels_stride == 1)
            __builtin_memcpy(task.labels + first, nearest.labels, sizeof nearest.labels);
        else
            for (std::int64_t i = 0; i < count; ++i)
                __builtin_memcpy(task.labels + (first + i) * task.labels_stride,
                                 reinterpret_cast<const char*>(nearest.labels) + i * 4, 4);
    }
    if (task.energies != nullptr) {
        if (count == small_points && task.energies_stride == 1)
            __builtin_memcpy(task.energies + first, &nearest.least, sizeof nearest.least);
        else
            for (std::int64_t i = 0; i < count; ++i)
                __builtin_memcpy(task.energies + (first + i) * task.energies_stride,
                                 reinterpret_cast<const char*>(&nearest.least) + i * 4, 4);
    }
}

// Scratch: a tile, or what direct() needs.
std::size_t small_scratch(std::int64_t depth) {
    const std::size_t tile = sizeof(float) * static_cast<std::size_t>(depth * small_points);
    const std::size_t given_up = direct_bytes<float>(depth, false);
    return tile > given_up ? tile : given_up;
}

std::int64_t small(const AssignData<float>& task, std::int64_t first, std::int64_t last, std::byte* scratch) {
    float* y = reinterpret_cast<float*>(scratch);
    const SmallKernel kernel = small_kernel(task.d);
    const bool near = all_prototypes_within(task, small_coordinate_limit);
    const int lines = lines_a_step(task);
    std::int64_t bad = no_bad_row;
    for (std::int64_t at = first; at < last; at += small_points) {
        const std::int64_t count = last - at < small_points ? last - at : small_points;
        bool sure = near;
        if (near) {
            Nearest nearest;
            turn(task, at, count, kernel.depth, y);
            kernel.run(task, y, next_tile(task, at + count, lines), nearest);
            constexpr unsigned all = (1u << width<float>)-1;
            for (int u = 0; u < small_packs; ++u)
                sure = sure & (math::lane_bits(nearest.least.of[u] <= small_energy_limit) == all);
            if (sure) write(task, at, count, nearest);
        }
        for (std::int64_t i = at; !sure && i < at + count; i += direct_rows) {
            const std::int64_t end = i + direct_rows < at + count ? i + direct_rows : at + count;
            const std::int64_t found = direct(task, i, end, scratch);
            if (bad == no_bad_row) bad = found;
        }
    }
    return bad;
}

}  // namespace
}  // namespace cuebm::cpu::CUEBM_ISA
