// Sums over points in packs, for one instruction set: what rows hold (their largest, their values' sum, their
// variance) and what is made of a prototype's sums. The sums of clusters are in sums_moves.hpp. Included by
// sums_table.hpp, in a file that names CUEBM_ISA.
#pragma once

#include "cpu/pack.hpp"
#include "cpu/sums_kernels.hpp"
#include "math/canonical.hpp"
#include "math/fixed_point.hpp"

namespace cuebm::cpu::CUEBM_ISA {
namespace {

template <class T>
using Pack = typename math::PackOf<T>::Type;
template <class T>
using PackBits = typename math::LaneTraits<Pack<T>>::Bits;
template <class T>
using ScalarBits = typename math::LaneTraits<T>::Bits;
template <class T>
constexpr int width = CUEBM_PACK_BYTES / static_cast<int>(sizeof(T));
constexpr int doubles = width<double>;

typedef float HalfPack __attribute__((vector_size(CUEBM_PACK_BYTES / 2)));
CUEBM_MATH math::DoublePack load_doubles(const float* from) {
    HalfPack x;
    __builtin_memcpy(&x, from, sizeof x);
#if defined(__AVX512F__)  // g++ 12 would make two conversions, and warns of one without a mask
    return math::DoublePack(_mm512_maskz_cvtps_pd(0xff, __m256(x)));
#elif defined(__AVX2__)
    return math::DoublePack(_mm256_cvtps_pd(__m128(x)));
#else
    return __builtin_convertvector(x, math::DoublePack);
#endif
}
CUEBM_MATH math::DoublePack load_doubles(const double* from) { return math::load(from); }

CUEBM_MATH math::DoublePackBits load_integers(const std::int64_t* from) {
    math::DoublePackBits x;
    __builtin_memcpy(&x, from, sizeof x);
    return x;
}
CUEBM_MATH void store_integers(std::int64_t* to, math::DoublePackBits x) { __builtin_memcpy(to, &x, sizeof x); }

CUEBM_MATH bool finite(double x) { return x - x == 0; }
CUEBM_MATH bool valid_weight(double weight) { return weight >= 0 && finite(weight); }

template <class T>
CUEBM_MATH double weight_at(const SumsData<T>& data, std::int64_t i) {
    return data.weights != nullptr ? static_cast<double>(data.weights[i * data.weights_stride]) : 1.0;
}

// math::to_fixed(). Up to 2^51, adding 1.5 * 2^52 rounds to the nearest integer and leaves it in the low bits; the
// scale is a power of two, so that fma and a product with a sum round alike.
constexpr double rounder = 6755399441055744.0;
template <bool narrow>
CUEBM_MATH math::DoublePackBits fixed(math::DoublePack value, math::DoublePack scale) {
    if constexpr (!narrow) return math::nearest_integers(value * scale);
    const math::DoublePack zero = math::DoublePack{} + rounder;
    const math::DoublePack shifted = math::pack_fma ? math::fused(value, scale, zero) : value * scale + zero;
    return math::to_bits(shifted) - math::to_bits(zero);
}
template <bool narrow>
CUEBM_MATH std::int64_t fixed(double value, double scale) {
    if constexpr (!narrow) return math::to_fixed(value, scale);
    return math::to_bits(value * scale + rounder) - math::to_bits(rounder);
}

// Nonnegative floats order as their bits do, and NaN is above infinity: one maximum finds the largest and what is not
// finite.
template <class T>
constexpr ScalarBits<T> no_sign = static_cast<ScalarBits<T>>(~(std::uint64_t{1} << (8 * sizeof(T) - 1)));
template <class T>
constexpr ScalarBits<T> infinite_bits = static_cast<ScalarBits<T>>(sizeof(T) == sizeof(float) ? 0x7f800000
                                                                                              : 0x7ff0000000000000);

void raise(std::int64_t* to, std::int64_t value) {
    std::int64_t seen = __atomic_load_n(to, __ATOMIC_RELAXED);
    while (value > seen && !__atomic_compare_exchange_n(to, &seen, value, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
}

constexpr int joined_rows =
    4;  // at a time: what they add to is loaded and stored once, and memory is read in some streams
constexpr int largest_columns = 1024;  // at a time: their maxima stay in the first-level cache

// most[j] = the largest bits of |y_ij|, without their sign, over `rows` rows of `columns` columns.
template <class T>
void column_maxima(const T* y, std::int64_t stride, std::int64_t rows, int columns, ScalarBits<T>* most) {
    const PackBits<T> mask = PackBits<T>{} + no_sign<T>;
    std::int64_t i = 0;
    for (; i + 4 <= rows; i += 4, y += 4 * stride) {
        int j = 0;
        for (; j + width<T> <= columns; j += width<T>) {
            PackBits<T> m;
            __builtin_memcpy(&m, most + j, sizeof m);
#pragma GCC unroll 4
            for (int r = 0; r < 4; ++r) {
                const PackBits<T> bits = math::to_bits(math::load(y + r * stride + j)) & mask;
                m = bits > m ? bits : m;
            }
            __builtin_memcpy(most + j, &m, sizeof m);
        }
        for (; j < columns; ++j)
            for (int r = 0; r < 4; ++r) {
                const ScalarBits<T> bits = math::to_bits(y[r * stride + j]) & no_sign<T>;
                most[j] = bits > most[j] ? bits : most[j];
            }
    }
    for (; i < rows; ++i, y += stride)
        for (int j = 0; j < columns; ++j) {
            const ScalarBits<T> bits = math::to_bits(y[j]) & no_sign<T>;
            most[j] = bits > most[j] ? bits : most[j];
        }
}

// Without weights. Rows that are narrow and lie side by side are read as fewer rows, each a whole number of packs.
template <class T>
bool largest_unweighted(const SumsData<T>& data, std::int64_t first, std::int64_t last, std::int64_t* largest) {
    const std::int64_t d = data.d;
    const bool joined = data.point_stride == d && d <= largest_columns / width<T>;
    const std::int64_t side = joined ? width<T> * ((d < 16 ? 16 : d) / d) : 1;
    ScalarBits<T> most[largest_columns];
    for (std::int64_t column = 0; column < d; column += largest_columns) {
        const T* y = data.points + first * data.point_stride + column;
        const int columns =
            static_cast<int>(joined ? side * d : (d - column < largest_columns ? d - column : largest_columns));
        for (int j = 0; j < columns; ++j) most[j] = 0;
        const std::int64_t rows = (last - first) / side, rest = (last - first) % side;
        column_maxima<T>(y, joined ? columns : data.point_stride, rows, columns, most);
        if (rest > 0) column_maxima<T>(y + rows * side * d, d, 1, static_cast<int>(rest * d), most);
        const int own = joined ? static_cast<int>(d) : columns;
        for (int j = own; j < columns; ++j) most[j % own] = most[j] > most[j % own] ? most[j] : most[j % own];
        for (int j = 0; j < own; ++j)
            if (most[j] >= infinite_bits<T>) return false;
        for (int j = 0; j < own; ++j)
            raise(largest + column + j, math::to_bits(static_cast<double>(math::from_bits(most[j]))));
    }
    raise(largest + d, math::to_bits(1.0));
    return true;
}

// most[j] = the largest bits of |weight_i y_ij| of `rows` rows from row i on.
template <int rows, class T>
CUEBM_MATH void weighted_maxima(const SumsData<T>& data, std::int64_t i, std::int64_t column, int columns,
                                std::int64_t* most) {
    const math::DoublePackBits mask = math::DoublePackBits{} + no_sign<double>;
    const T* y = data.points + i * data.point_stride + column;
    double weights[rows];
    for (int r = 0; r < rows; ++r) weights[r] = weight_at(data, i + r);
    int j = 0;
    for (; j + doubles <= columns; j += doubles) {
        math::DoublePackBits m = load_integers(most + j);
#pragma GCC unroll 8
        for (int r = 0; r < rows; ++r) {
            const math::DoublePackBits bits =
                math::to_bits(load_doubles(y + r * data.point_stride + j) * weights[r]) & mask;
            m = bits > m ? bits : m;
        }
        store_integers(most + j, m);
    }
    for (; j < columns; ++j) {
        std::int64_t m = most[j];
        for (int r = 0; r < rows; ++r) {
            const std::int64_t bits =
                math::to_bits(static_cast<double>(y[r * data.point_stride + j]) * weights[r]) & no_sign<double>;
            m = bits > m ? bits : m;
        }
        most[j] = m;
    }
}

template <class T>
bool largest(const SumsData<T>& data, std::int64_t first, std::int64_t last, std::int64_t* largest) {
    if (data.weights == nullptr) return largest_unweighted(data, first, last, largest);
    std::int64_t most[largest_columns], heaviest = 0;
    for (std::int64_t i = first; i < last; ++i) {
        const double weight = weight_at(data, i);
        if (!valid_weight(weight)) return false;
        heaviest = math::to_bits(weight) > heaviest ? math::to_bits(weight) : heaviest;  // + 0.0 is the lowest
    }
    for (std::int64_t column = 0; column < data.d; column += largest_columns) {
        const int columns = static_cast<int>(data.d - column < largest_columns ? data.d - column : largest_columns);
        for (int j = 0; j < columns; ++j) most[j] = 0;
        std::int64_t i = first;
        for (; i + joined_rows <= last; i += joined_rows) weighted_maxima<joined_rows>(data, i, column, columns, most);
        for (; i < last; ++i) weighted_maxima<1>(data, i, column, columns, most);
        for (int j = 0; j < columns; ++j)
            if (most[j] >= infinite_bits<double>) return false;
        for (int j = 0; j < columns; ++j) raise(largest + column + j, most[j]);
    }
    raise(largest + data.d, heaviest);
    return true;
}

// 16 columns at a time, coordinate j in lane j mod 16 of the squared move.
template <class T>
double finish(const FinishData<T>& data) {
    constexpr int lanes = math::canonical_lanes;
    double moves[lanes] = {};
    for (std::int64_t j = 0; j < data.d; j += lanes) {
        const int columns = data.d - j < lanes ? static_cast<int>(data.d - j) : lanes;
        double sums[lanes] = {}, w[lanes] = {}, means[lanes], gradients[lanes];
        for (int l = 0; l < columns; ++l) sums[l] = static_cast<double>(data.sums[j + l]) / data.scales[j + l];
        for (int l = 0; l < columns; ++l) w[l] = static_cast<double>(data.prototype[j + l]);
        for (int l = 0; l < lanes; ++l) {
            // Without weight it keeps its value.
            const double all = data.seen > 0 ? data.seen * w[l] + sums[l] : sums[l];
            const T mean = data.weight > 0 ? static_cast<T>(all / (data.seen + data.weight)) : static_cast<T>(w[l]);
            means[l] = static_cast<double>(mean);
            gradients[l] = 2.0 * (data.weight * w[l] - sums[l]);
            const double move = means[l] - w[l];
            moves[l] = l < columns ? math::fused(move, move, moves[l]) : moves[l];
        }
        if (data.gradient != nullptr)
            for (int l = 0; l < columns; ++l) data.gradient[j + l] = static_cast<T>(gradients[l]);
        if (data.mean != nullptr)
            for (int l = 0; l < columns; ++l) data.mean[j + l] = static_cast<T>(means[l]);
    }
    return math::tree_sum(moves);
}

// The packs, then the rows that are left, of weight_i value_i: 0 where it is negative or NaN.
template <class T, class OnPack, class OnValue>
CUEBM_MATH void for_values(const SumsData<T>& data, std::int64_t first, std::int64_t last, OnPack on_pack,
                           OnValue on_value) {
    std::int64_t i = first;
    const bool weighted = data.weights != nullptr;
    if (data.point_stride == 1 && (!weighted || data.weights_stride == 1))
        for (; i + doubles <= last; i += doubles) {
            math::DoublePack v = load_doubles(data.points + i);
            if (weighted) v = load_doubles(data.weights + i) * v;
            on_pack(math::select(v > 0.0, v, math::DoublePack{}));
        }
    for (; i < last; ++i) {
        const double v = weight_at(data, i) * static_cast<double>(data.points[i * data.point_stride]);
        on_value(v > 0 ? v : 0.0);
    }
}

template <class T>
double largest_value(const SumsData<T>& data, std::int64_t first, std::int64_t last) {
    math::DoublePack most = {};
    double result = 0;
    for_values(
        data, first, last, [&](math::DoublePack v) { most = math::select(v > most, v, most); },
        [&](double v) { result = v > result ? v : result; });
    for (int l = 0; l < doubles; ++l) result = most[l] > result ? most[l] : result;
    return result;
}

template <class T, bool narrow>
CUEBM_MATH std::int64_t sum_fixed(const SumsData<T>& data, std::int64_t first, std::int64_t last, double scale) {
    math::DoublePackBits sums = {};
    std::int64_t result = 0;
    const math::DoublePack scales = math::DoublePack{} + scale;
    for_values(
        data, first, last, [&](math::DoublePack v) { sums += fixed<narrow>(v, scales); },
        [&](double v) { result += fixed<narrow>(v, scale); });
    for (int l = 0; l < doubles; ++l) result += sums[l];
    return result;
}
template <class T>
std::int64_t sum_values(const SumsData<T>& data, std::int64_t first, std::int64_t last, double scale) {
    return data.narrow ? sum_fixed<T, true>(data, first, last, scale) : sum_fixed<T, false>(data, first, last, scale);
}

// A pack of candidates at a time, while rows have as many columns or room for them behind.
template <bool narrow, class T>
CUEBM_MATH void sum_potentials(const SumsData<T>& data, const T* energies, std::int64_t stride, int columns,
                               std::int64_t first, std::int64_t last, std::int64_t* own) {
    const double scale = data.scales[0];
    const math::DoublePack scales = math::DoublePack{} + scale;
    int c = 0;
    for (; c < columns && c + doubles <= stride; c += doubles) {
        math::DoublePackBits sums = {};
        for (std::int64_t i = first; i < last; ++i) {
            const math::DoublePack energy = load_doubles(energies + i * stride + c);
            const math::DoublePack closest =
                math::DoublePack{} + static_cast<double>(data.points[i * data.point_stride]);
            const math::DoublePack v = math::select(energy < closest, energy, closest) * weight_at(data, i);
            sums += fixed<narrow>(math::select(v > 0.0, v, math::DoublePack{}), scales);
        }
        for (int l = 0; l < doubles && c + l < columns; ++l) own[c + l] += sums[l];
    }
    for (; c < columns; ++c)
        for (std::int64_t i = first; i < last; ++i) {
            const double energy = static_cast<double>(energies[i * stride + c]);
            const double closest = static_cast<double>(data.points[i * data.point_stride]);
            const double v = (energy < closest ? energy : closest) * weight_at(data, i);
            own[c] += fixed<narrow>(v > 0 ? v : 0.0, scale);
        }
}
template <class T>
void potentials(const SumsData<T>& data, const T* energies, std::int64_t stride, int columns, std::int64_t first,
                std::int64_t last, std::int64_t* own) {
    if (data.narrow) return sum_potentials<true>(data, energies, stride, columns, first, last, own);
    sum_potentials<false>(data, energies, stride, columns, first, last, own);
}

// Adds rows to the sums of packs of columns, row by row.
template <int rows, class T>
CUEBM_MATH void add_differences(const SumsData<T>& data, const T* origin, const T* y, std::int64_t packed, double* sums,
                                double* squares) {
    for (std::int64_t j = 0; j < packed; j += doubles) {
        const math::DoublePack from = load_doubles(origin + j);
        math::DoublePack s = math::load(sums + j), q = math::load(squares + j);
#pragma GCC unroll 8
        for (int r = 0; r < rows; ++r) {
            const math::DoublePack t = load_doubles(y + r * data.point_stride + j) - from;
            s = s + t;
            q = math::fused(t, t, q);
        }
        math::store(sums + j, s);
        math::store(squares + j, q);
    }
}

// The same of fewer columns than a pack: each is in order of its rows, so that columns alone can be side by side.
template <int columns, class T>
CUEBM_MATH void add_narrow(const SumsData<T>& data, const T* origin, std::int64_t first, std::int64_t last,
                           double* sums, double* squares) {
    double from[columns], s[columns] = {}, q[columns] = {};
    for (int c = 0; c < columns; ++c) from[c] = static_cast<double>(origin[c]);
    for (const T* y = data.points + first * data.point_stride; first < last; ++first, y += data.point_stride)
#pragma GCC unroll 4
        for (int c = 0; c < columns; ++c) {
            const double t = static_cast<double>(y[c]) - from[c];
            s[c] = s[c] + t;
            q[c] = math::fused(t, t, q[c]);
        }
    for (int c = 0; c < columns; ++c) sums[c] = s[c], squares[c] = q[c];
}

template <class T>
void variance(const SumsData<T>& data, const T* origin, std::int64_t first, std::int64_t last, double* sums,
              double* squares) {
    const std::int64_t d = data.d, packed = d / doubles * doubles;
    for (std::int64_t j = 0; j < packed; ++j) sums[j] = 0, squares[j] = 0;
    std::int64_t i = first;
    for (; i + joined_rows <= last && packed > 0; i += joined_rows)
        add_differences<joined_rows>(data, origin, data.points + i * data.point_stride, packed, sums, squares);
    for (; i < last && packed > 0; ++i)
        add_differences<1>(data, origin, data.points + i * data.point_stride, packed, sums, squares);
    SumsData<T> rest = data;
    rest.points += packed;
    std::int64_t j = packed;
    for (; j + 4 <= d; j += 4, rest.points += 4) add_narrow<4>(rest, origin + j, first, last, sums + j, squares + j);
    if (d - j == 3) add_narrow<3>(rest, origin + j, first, last, sums + j, squares + j);
    if (d - j == 2) add_narrow<2>(rest, origin + j, first, last, sums + j, squares + j);
    if (d - j == 1) add_narrow<1>(rest, origin + j, first, last, sums + j, squares + j);
}

}  // namespace
}  // namespace cuebm::cpu::CUEBM_ISA
