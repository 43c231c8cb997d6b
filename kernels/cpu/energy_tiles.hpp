// Energies of tiles of points: rows of points become columns, the program runs, and gradients become rows again.
// Included by the file of one instruction set, which names CUEBM_ISA.
#pragma once

#include "cpu/pack.hpp"  // before the templates of kernels/math/, which find its overloads

#include "cpu/energy_kernels.hpp"
#include "cpu/transpose.hpp"
#include "math/energies/evaluate.hpp"

namespace cuebm::cpu::CUEBM_ISA {
namespace {

using math::Coordinates;

// Packs run together, so that what a program does is looked up once for them, where they have so few rows, coordinates
// and scratch, that all of them stay near. Not tuned.
constexpr std::int64_t together_rows = 64;
static_assert(tile_lanes <= math::most_custom_lanes);

template <bool Value, bool Gradient, class T>
void run_tile(const math::EnergyProgram<T>& program, const T* x, T* values, T* gradient, T* scratch, int lanes,
              int pitch) {
    using Pack = typename math::PackOf<T>::Type;
    const int packs = (lanes + pack_lanes<T> - 1) / pack_lanes<T>;
    const int together = program.d + std::int64_t{program.scratch_rows} <= together_rows ? packs : 1;
    for (int p = 0; p < packs; p += together) {
        const int l = p * pack_lanes<T>;
        math::evaluate_energy<Value, Gradient, Pack>(
            program, together, Coordinates<Pack>{const_cast<T*>(x) + l, pitch},
            Coordinates<Pack>{Gradient ? gradient + l : const_cast<T*>(x) + l, pitch},
            Coordinates<Pack>{scratch, together * pack_lanes<T>}, Coordinates<Pack>{Value ? values + l : nullptr, 0});
    }
}

template <class T>
void run_tile(const math::EnergyProgram<T>& program, const T* x, T* values, T* gradient, T* scratch, int lanes,
              int pitch) {
    if (gradient == nullptr)
        run_tile<true, false>(program, x, values, gradient, scratch, lanes, pitch);
    else if (values == nullptr)
        run_tile<false, true>(program, x, values, gradient, scratch, lanes, pitch);
    else
        run_tile<true, true>(program, x, values, gradient, scratch, lanes, pitch);
}

#if defined(__AVX512F__)
// x(j, l) = rows[l * d + j] for a pack of rows; three elements behind them may be read. `zero` remains so in lanes that
// are finite.
void load_pack(const float* rows, int d, float* x, int pitch, std::int64_t bytes_ahead, math::FloatPack& zero) {
    const char* ahead = reinterpret_cast<const char*>(rows) + bytes_ahead;
    for (int j = 0; j < d; j += 4) {
#pragma GCC unroll 4
        for (int i = 0; i < 4; ++i) __builtin_prefetch(ahead + (j + i) * 64, 0, 2);
        math::FloatPack columns[4];
        load_four_columns(rows + j, d, 16, columns);
#pragma GCC unroll 4
        for (int i = 0; i < 4; ++i) {
            if (j + i >= d) break;
            zero = zero_if_finite(zero, columns[i]);
            math::store(x + (j + i) * std::int64_t{pitch}, columns[i]);
        }
    }
}
#endif

// x(j, l) = row first + l of the points, the last one again behind the end. Says whether all are finite.
template <class T>
bool load_tile(const EnergyData<T>& data, std::int64_t first, int count, T* x, int pitch) {
    using Pack = typename math::PackOf<T>::Type;
    constexpr int lanes = pack_lanes<T>;
    const int d = data.program.d;
    Pack zero{};
    // Rows are read a line of each at a time, which no processor foresees. Into the second-level cache: the first one
    // has the tile.
    constexpr std::int64_t bytes_ahead = 8192;
    const std::int64_t rows_ahead = lanes + bytes_ahead / (data.point_stride * static_cast<std::int64_t>(sizeof(T)));
    for (int l = 0; l < count; l += lanes) {
        const T* const rows = data.points + (first + l) * d;
        if (data.point_stride == d && l + lanes <= count && if_short(d, [&](auto short_d) {
                const char* const ahead = reinterpret_cast<const char*>(rows) + bytes_ahead;
                for (int line = 0; line < short_d; ++line) __builtin_prefetch(ahead + line * sizeof(Pack), 0, 2);
                columns_of_rows<short_d>(rows, x + l, pitch, zero);
            }))
            continue;
        const bool all_read =
            data.over_read && first + l + lanes < data.n - lanes;  // of every row, a pack behind its end
#if defined(__AVX512F__)
        if constexpr (sizeof(T) == sizeof(float))
            if (all_read) {
                load_pack(rows, d, x + l, pitch, bytes_ahead, zero);
                continue;
            }
#endif
        const T* row[lanes];
        for (int i = 0; i < lanes; ++i)
            row[i] = data.points + (first + (l + i < count ? l + i : count - 1)) * data.point_stride;
        for (int j = 0; j < d; j += lanes) {
            const int part = d - j < lanes ? d - j : lanes;
#pragma GCC unroll 16
            for (int i = 0; i < lanes; ++i) __builtin_prefetch(row[i] + rows_ahead * data.point_stride + j, 0, 2);
            Pack block[lanes];
            if (part == lanes || all_read) {
#pragma GCC unroll 16
                for (int i = 0; i < lanes; ++i) block[i] = math::load(row[i] + j);
            } else {
#pragma GCC unroll 16
                for (int i = 0; i < lanes; ++i) block[i] = load_part(row[i] + j, part);
            }
            transpose<T>(block);
#pragma GCC unroll 16
            for (int i = 0; i < lanes; ++i) {
                if (i >= part) break;
                zero = zero_if_finite(zero, block[i]);
                math::store(x + (j + i) * std::int64_t{pitch} + l, block[i]);
            }
        }
    }
    return math::lane_bits(zero != zero) == 0;
}

// The first lane of the tile that holds NaN or infinity, where not all are `finite`, or whose value is NaN; -1: none.
template <class T>
int bad_lane(const T* x, bool finite, int d, const T* values, int count, int pitch) {
    using Pack = typename math::PackOf<T>::Type;
    constexpr int lanes = pack_lanes<T>;
    for (int l = 0; l < count; l += lanes) {
        Pack zero{};  // NaN for a lane with a value that is not finite
        for (int j = 0; j < (finite ? 0 : d); ++j)
            zero = zero_if_finite(zero, math::load(x + j * std::int64_t{pitch} + l));
        if (values != nullptr) {
            const Pack value = math::load(values + l);
            zero = math::select(value == value, zero, value);
        }
        const unsigned bad = math::lane_bits(zero != zero);
        if (bad == 0) continue;
        const int lane = l + __builtin_ctz(bad);
        if (lane < count) return lane;
    }
    return -1;
}

template <class T>
std::int64_t evaluate_rows(const EnergyData<T>& data, std::int64_t first, std::int64_t last, T* scratch) {
    const int d = data.program.d, lanes = block_lanes(d, pack_lanes<T>);
    const std::int64_t size = static_cast<std::int64_t>(d) * lanes;
    T *x = scratch, *gradient = x + size, *values = gradient + size, *rest = values + lanes;
    std::int64_t bad = -1;
    for (std::int64_t tile = first; tile < last; tile += lanes) {
        const int count = last - tile < lanes ? static_cast<int>(last - tile) : lanes;
        const bool finite = load_tile(data, tile, count, x, lanes);
        const bool in_place = data.values_stride == 1 && count == lanes;
        T* const to_values = data.values == nullptr ? nullptr : in_place ? data.values + tile : values;
        run_tile(data.program, x, to_values, data.gradients != nullptr ? gradient : nullptr, rest, count, lanes);
        if (bad < 0 && (!finite || to_values != nullptr)) {
            const int lane = bad_lane(x, finite, d, to_values, count, lanes);
            if (lane >= 0) bad = tile + lane;
        }
        if (data.values != nullptr && !in_place)
            for (int l = 0; l < count; ++l) data.values[(tile + l) * data.values_stride] = values[l];
        if (data.gradients != nullptr) {
            T* const to = data.gradients + tile * data.gradients_stride;
            store_rows(gradient, lanes, d, count, data.streams ? x : to, data.streams ? d : data.gradients_stride);
            if (data.streams) stream_to(to, x, std::int64_t{count} * d);
        }
    }
    if (data.streams) end_of_stream();
    return bad;
}

template <class T>
void evaluate_tile(const math::EnergyProgram<T>& program, const T* x, T* values, T* gradient, T* scratch, int lanes) {
    run_tile(program, x, values, gradient, scratch, lanes, lanes);
}

template <class T>
constexpr EnergyKernelsOf<T> energy_kernels() {
    return {evaluate_rows<T>, evaluate_tile<T>, pack_lanes<T>};
}
constexpr EnergyKernels energy_table() { return {energy_kernels<float>(), energy_kernels<double>()}; }

}  // namespace
}  // namespace cuebm::cpu::CUEBM_ISA
