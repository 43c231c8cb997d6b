// The fixed-point sums of clusters in packs, for one instruction set: points move between sums that are a thread's own,
// or, sorted by cluster, into shared ones. Included like sums.hpp, after it.
#pragma once

#include "cpu/sums.hpp"

namespace cuebm::cpu::CUEBM_ISA {
namespace {

// Calls body(i, to, from) for the rows whose label is not their old one; from = -1: in no cluster. A label outside
// [0, k) is reported.
template <class F>
CUEBM_MATH void for_moves(const Moves& moves, std::int64_t first, std::int64_t last, MovesReport& report, F body) {
    const bool packed = moves.labels_stride == 1 && moves.old_labels != nullptr && moves.old_labels_stride == 1;
    for (std::int64_t i = first; i < last;) {
        std::int64_t end = i + width<float> < last ? i + width<float> : last;
        if (packed && end == i + width<float>) {  // most packs of a late iteration have no row that moves
            math::FloatPackBits now, old;
            __builtin_memcpy(&now, moves.labels + i, sizeof now);
            __builtin_memcpy(&old, moves.old_labels + i, sizeof old);
            if (math::lane_bits((now != old) | (now < 0)) == 0) {
                i = end;
                continue;
            }
        }
        for (; i < end; ++i) {
            const std::int32_t to = moves.labels[i * moves.labels_stride];
            if (to < 0 || to >= moves.k) {
                if (report.bad_label < 0) report.bad_label = i;
                continue;
            }
            const std::int32_t from = moves.old_labels != nullptr ? moves.old_labels[i * moves.old_labels_stride] : -1;
            if (from != to) body(i, to, from);
        }
    }
}

CUEBM_MATH void set_old(const Moves& moves, std::int64_t i, std::int32_t to) {
    if (moves.old_labels != nullptr) moves.old_labels[i * moves.old_labels_stride] = to;
}

template <class T>
CUEBM_MATH math::DoublePack weighted_pack(const T* y, double weight, bool weighted) {
    const math::DoublePack value = load_doubles(y);
    return weighted ? value * weight : value;
}

// to[j] += and from[j] -= the fixed-point weight y_j; `from` null: not at all.
template <bool weighted, bool narrow, bool both, class T>
CUEBM_MATH void add_row(const T* y, double weight, const double* scales, std::int64_t d, std::int64_t* to,
                        std::int64_t* from) {
    std::int64_t j = 0;
    for (; j + doubles <= d; j += doubles) {
        const auto value = fixed<narrow>(weighted_pack(y + j, weight, weighted), math::load(scales + j));
        store_integers(to + j, load_integers(to + j) + value);
        if constexpr (both) store_integers(from + j, load_integers(from + j) - value);
    }
    for (; j < d; ++j) {
        const double y_j = static_cast<double>(y[j]);
        const std::int64_t value = fixed<narrow>(weighted ? weight * y_j : y_j, scales[j]);
        to[j] += value;
        if constexpr (both) from[j] -= value;
    }
}

constexpr int bytes_ahead = 2048;  // of rows that are read in order: 0, 1024 and 4096 were slower at d = 128

template <bool weighted, bool narrow, class T>
CUEBM_MATH MovesReport move_rows(const SumsData<T>& data, const Moves& moves, std::int64_t first, std::int64_t last,
                                 std::int64_t* sums, std::int64_t* counts) {
    MovesReport report;
    const std::int64_t d = data.d;
    const std::int64_t one = math::to_fixed(1.0, data.scales[d]);
    for_moves(moves, first, last, report, [&](std::int64_t i, std::int32_t to, std::int32_t from) {
        ++report.moved;
        set_old(moves, i, to);
        double weight = 1;
        std::int64_t count = one;
        if constexpr (weighted) {
            weight = weight_at(data, i);
            if (!valid_weight(weight)) return;  // largest() has found it
            count = math::to_fixed(weight, data.scales[d]);
            if (count == 0 && weight > 0 && report.small_weight < 0) report.small_weight = i;
        }
        const T* y = data.points + i * data.point_stride;
        for (std::int64_t b = 0; b < d * static_cast<std::int64_t>(sizeof(T)); b += 64)
            __builtin_prefetch(reinterpret_cast<const char*>(y) + bytes_ahead + b);
        std::int64_t* into = sums + to * d;
        counts[to] += count;
        if (from < 0) return add_row<weighted, narrow, false>(y, weight, data.scales, d, into, into);
        counts[from] -= count;
        add_row<weighted, narrow, true>(y, weight, data.scales, d, into, sums + from * d);
    });
    return report;
}

// Narrow rows side by side: their values are rounded in packs, 16 rows at a time, and then added one by one.
constexpr int side_rows = 16;

template <bool weighted, int d, class T>
CUEBM_MATH MovesReport move_side(const SumsData<T>& data, const Moves& moves, std::int64_t first, std::int64_t last,
                                 std::int64_t* sums, std::int64_t* counts) {
    MovesReport report;
    double scales[side_rows * d], weights[side_rows * d];
    std::int64_t values[side_rows * d];
    for (int e = 0; e < side_rows * d; ++e) scales[e] = data.scales[e % d];
    const std::int64_t one = math::to_fixed(1.0, data.scales[d]);
    for (std::int64_t block = first; block < last; block += side_rows) {
        const std::int64_t end = block + side_rows < last ? block + side_rows : last;
        bool rounded = false;
        for_moves(moves, block, end, report, [&](std::int64_t i, std::int32_t to, std::int32_t from) {
            if (!rounded) {
                rounded = true;
                const T* y = data.points + block * d;
                const int count = static_cast<int>(end - block) * d;
                if constexpr (weighted)
                    for (int e = 0; e < count; ++e) weights[e] = weight_at(data, block + e / d);
                int e = 0;
                for (; e + doubles <= count; e += doubles) {
                    const math::DoublePack value = load_doubles(y + e);
                    store_integers(values + e, fixed<true>(weighted ? value * math::load(weights + e) : value,
                                                           math::load(scales + e)));
                }
                for (; e < count; ++e) {
                    const double value = static_cast<double>(y[e]);
                    values[e] = fixed<true>(weighted ? value * weights[e] : value, scales[e]);
                }
            }
            ++report.moved;
            set_old(moves, i, to);
            std::int64_t count = one;
            if constexpr (weighted) {
                const double weight = weight_at(data, i);
                if (!valid_weight(weight)) return;  // largest() has found it
                count = math::to_fixed(weight, data.scales[d]);
                if (count == 0 && weight > 0 && report.small_weight < 0) report.small_weight = i;
            }
            const std::int64_t* own = values + (i - block) * d;
            counts[to] += count;
            for (int j = 0; j < d; ++j) sums[to * d + j] += own[j];
            if (from < 0) return;
            counts[from] -= count;
            for (int j = 0; j < d; ++j) sums[from * d + j] -= own[j];
        });
    }
    return report;
}

template <bool weighted, class T>
MovesReport move_narrow(const SumsData<T>& data, const Moves& moves, std::int64_t first, std::int64_t last,
                        std::int64_t* sums, std::int64_t* counts) {
    if (data.point_stride == data.d) {
        if (data.d == 1) return move_side<weighted, 1>(data, moves, first, last, sums, counts);
        if (data.d == 2) return move_side<weighted, 2>(data, moves, first, last, sums, counts);
        if (data.d == 3) return move_side<weighted, 3>(data, moves, first, last, sums, counts);
        if (data.d == 4) return move_side<weighted, 4>(data, moves, first, last, sums, counts);
    }
    return move_rows<weighted, true>(data, moves, first, last, sums, counts);
}

template <class T>
MovesReport move(const SumsData<T>& data, const Moves& moves, std::int64_t first, std::int64_t last, std::int64_t* sums,
                 std::int64_t* counts) {
    if (data.weights == nullptr && data.narrow) return move_narrow<false>(data, moves, first, last, sums, counts);
    if (data.narrow) return move_narrow<true>(data, moves, first, last, sums, counts);
    return move_rows<true, false>(data, moves, first, last, sums, counts);
}

template <class T>
MovesReport count_moves(const SumsData<T>& data, const Moves& moves, std::int64_t first, std::int64_t last,
                        std::uint32_t* sizes) {
    MovesReport report;
    for_moves(moves, first, last, report, [&](std::int64_t i, std::int32_t to, std::int32_t from) {
        ++report.moved;
        ++sizes[to];
        if (from >= 0) ++sizes[from];
        if (data.weights == nullptr) return;
        const double weight = weight_at(data, i);
        if (weight > 0 && finite(weight) && math::to_fixed(weight, data.scales[data.d]) == 0 && report.small_weight < 0)
            report.small_weight = i;
    });
    return report;
}

void sort_moves(const Moves& moves, std::int64_t chunk, std::int64_t first, std::int64_t last, std::uint32_t* next,
                std::uint32_t* entries) {
    MovesReport ignored;
    for_moves(moves, first, last, ignored, [&](std::int64_t i, std::int32_t to, std::int32_t from) {
        const auto entry = static_cast<std::uint32_t>(2 * (i - chunk));
        entries[next[to]++] = entry;
        if (from >= 0) entries[next[from]++] = entry + 1;
        set_old(moves, i, to);
    });
}

constexpr int sorted_columns = 512;  // sums of a cluster at a time: they stay in the first-level cache
constexpr int sorted_rows = 4;       // of points at a time: a sum is loaded and stored once for them
constexpr int rows_ahead = 8;        // of which the first bytes are fetched; the rest follows by itself

CUEBM_MATH void add(std::int64_t* to, std::int64_t value, bool shared) {
    if (shared)
        __atomic_fetch_add(to, value, __ATOMIC_RELAXED);
    else
        *to += value;
}

// own[j] += of four rows: weight y_j in fixed point, where the weight is negative to take away.
template <bool weighted, bool narrow, class T>
CUEBM_MATH void add_rows(const T* const* y, const double* weights, const double* scales, int columns,
                         std::int64_t* own) {
    int j = 0;
    for (; j + doubles <= columns; j += doubles) {
        const math::DoublePack scale = math::load(scales + j);
        math::DoublePackBits s = load_integers(own + j);
#pragma GCC unroll 4
        for (int r = 0; r < sorted_rows; ++r) s += fixed<narrow>(weighted_pack(y[r] + j, weights[r], weighted), scale);
        store_integers(own + j, s);
    }
    for (; j < columns; ++j)
        for (int r = 0; r < sorted_rows; ++r) {
            const double y_j = static_cast<double>(y[r][j]);
            own[j] += fixed<narrow>(weighted ? weights[r] * y_j : y_j, scales[j]);
        }
}

// Entries [first, last) of one cluster, columns [column, column + columns) of its sums.
template <bool weighted, bool narrow, class T>
CUEBM_MATH void add_run(const SumsData<T>& data, const SortedMoves& sorted, std::int64_t first, std::int64_t last,
                        std::int64_t column, int columns, std::int64_t* own) {
    const auto row = [&](std::int64_t e) {
        return data.points + (sorted.chunk + sorted.entries[e] / 2) * data.point_stride + column;
    };
    // As many lines as hide the latency of memory; a longer row is followed by the processor itself.
    const int ahead = columns * static_cast<int>(sizeof(T));
    std::int64_t e = first;
    for (; e < last; e += sorted_rows) {
        const T* y[sorted_rows];
        double weights[sorted_rows];
        const int rows = last - e < sorted_rows ? static_cast<int>(last - e) : sorted_rows;
        bool plain = !weighted && rows == sorted_rows;
        for (int r = 0; r < rows; ++r) {
            y[r] = row(e + r);
            const std::int64_t i = sorted.chunk + sorted.entries[e + r] / 2;
            weights[r] = weighted ? weight_at(data, i) : 1.0;
            if (weighted && !valid_weight(weights[r])) weights[r] = 0;  // largest() has found it
            if (sorted.entries[e + r] % 2 != 0) weights[r] = -weights[r], plain = false;
            if (e + r + rows_ahead < last) {
                const char* next = reinterpret_cast<const char*>(row(e + r + rows_ahead));
                for (int b = 0; b < ahead; b += 64) __builtin_prefetch(next + b, 0, 2);
            }
        }
        if (plain) {
            add_rows<false, narrow>(y, weights, data.scales + column, columns, own);
        } else if (rows == sorted_rows) {
            add_rows<true, narrow>(y, weights, data.scales + column, columns, own);
        } else {
            for (int r = 0; r < rows; ++r)
                add_row<true, narrow, false>(y[r], weights[r], data.scales + column, columns, own,
                                             static_cast<std::int64_t*>(nullptr));
        }
    }
}

template <bool weighted, bool narrow, class T>
CUEBM_MATH void add_entries(const SumsData<T>& data, const SortedMoves& sorted, std::int64_t first, std::int64_t last) {
    const std::int64_t d = data.d;
    std::int64_t z = 0, above = sorted.k;  // starts[z] <= first < starts[above]
    while (above - z > 1) {
        const std::int64_t middle = z + (above - z) / 2;
        (static_cast<std::int64_t>(sorted.starts[middle]) <= first ? z : above) = middle;
    }
    for (; first < last; ++z) {
        const std::int64_t begin = sorted.starts[z], end = sorted.starts[z + 1] < last ? sorted.starts[z + 1] : last;
        if (end <= first) continue;
        const bool shared = begin < first || end < sorted.starts[z + 1];
        for (std::int64_t column = 0; column < d; column += sorted_columns) {
            const int columns = static_cast<int>(d - column < sorted_columns ? d - column : sorted_columns);
            std::int64_t own[sorted_columns];
            for (int j = 0; j < columns; ++j) own[j] = 0;
            add_run<weighted, narrow>(data, sorted, first, end, column, columns, own);
            for (int j = 0; j < columns; ++j) add(sorted.sums + z * d + column + j, own[j], shared);
        }
        std::int64_t count = 0;
        for (std::int64_t e = first; e < end; ++e) {
            const double weight = weight_at(data, sorted.chunk + sorted.entries[e] / 2);
            const std::int64_t value = valid_weight(weight) ? math::to_fixed(weight, data.scales[d]) : 0;
            count += sorted.entries[e] % 2 != 0 ? -value : value;
        }
        add(sorted.counts + z, count, shared);
        first = end;
    }
}

template <class T>
void add_sorted(const SumsData<T>& data, const SortedMoves& sorted, std::int64_t first, std::int64_t last) {
    if (data.weights == nullptr && data.narrow) return add_entries<false, true>(data, sorted, first, last);
    if (data.narrow) return add_entries<true, true>(data, sorted, first, last);
    return add_entries<true, false>(data, sorted, first, last);
}

}  // namespace
}  // namespace cuebm::cpu::CUEBM_ISA
