// See unit.hpp.
#include "cpu/unit.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "backend.hpp"
#include "cpu/rows.hpp"
#include "math/unit.hpp"

namespace cuebm::cpu {
namespace {

using detail::CpuQueue;

constexpr std::int64_t rows_a_task = 64;
constexpr std::int64_t lanes = math::canonical_lanes;

// The largest magnitude of a row; NaN if it holds NaN or infinity. By lanes, so that it is packed.
template <class T>
T largest_of(const T* y, std::int64_t d) {
    T largest[lanes] = {}, not_finite[lanes] = {};
    const auto look = [&](std::int64_t j, std::int64_t l) {
        const T magnitude = std::fabs(y[j]);
        not_finite[l] = not_finite[l] + y[j] * T(0);
        largest[l] = magnitude > largest[l] ? magnitude : largest[l];
    };
    std::int64_t j = 0;
    for (; j + lanes <= d; j += lanes)
        for (std::int64_t l = 0; l < lanes; ++l) look(j + l, l);
    for (; j < d; ++j) look(j, j % lanes);
    for (std::int64_t l = 1; l < lanes; ++l) {
        largest[0] = std::max(largest[0], largest[l]);
        not_finite[0] = not_finite[0] + not_finite[l];
    }
    return not_finite[0] == 0 ? largest[0] : std::numeric_limits<T>::quiet_NaN();
}

template <class T>
double scaled_square(const T* y, std::int64_t d, double scale) {
    double sums[lanes] = {};
    std::int64_t j = 0;
    for (; j + lanes <= d; j += lanes)
        for (std::int64_t l = 0; l < lanes; ++l)
            sums[l] = math::add_square(static_cast<double>(y[j + l]) * scale, sums[l]);
    for (; j < d; ++j) sums[j % lanes] = math::add_square(static_cast<double>(y[j]) * scale, sums[j % lanes]);
    return math::tree_sum(sums);
}

// out = y at unit length, or a copy of it.
template <class T>
void write_unit(const T* y, T* out, std::int64_t d, bool copied, double scale, double length) {
    if (copied) {
        if (y != out) std::copy_n(y, d, out);
        return;
    }
    for (std::int64_t j = 0; j < d; ++j) out[j] = math::unit_value(y[j], scale, length);
}

template <class T>
void normalise_row(CpuQueue& queue, const detail::Normalise<T>& task, std::int64_t i, const T* y) {
    const std::int64_t d = task.from.cols;
    T* out = task.to.data + i * task.to.stride;
    const T largest = largest_of(y, d);
    const bool finite = std::isfinite(largest), usable = finite && largest > 0;
    if (!usable && task.check) queue.report(task.first_row + i, finite ? task.zeros : task.not_finite);
    if (task.shifts != nullptr) task.shifts[i] = 0;
    if (!usable) {
        if (!task.keep_zeros) std::fill(out, out + d, std::numeric_limits<T>::quiet_NaN());
        return;
    }
    const auto [scale, back] = math::unit_scale(static_cast<double>(largest));
    const double sum = scaled_square(y, d, scale), length = math::unit_root(sum);
    const bool copied = math::is_unit<T>(sum, back, d);
    if (task.shifts == nullptr) return write_unit(y, out, d, copied, scale, length);
    double moves[lanes] = {};
    for (std::int64_t j = 0; j < d; ++j) {
        const T unit = copied ? y[j] : math::unit_value(y[j], scale, length);
        const double move = static_cast<double>(unit) - static_cast<double>(out[j]);
        moves[j % lanes] = math::fused(move, move, moves[j % lanes]);
        out[j] = unit;
    }
    task.shifts[i] = math::tree_sum(moves);
}

}  // namespace

template <class T>
void normalise(CpuQueue& queue, const detail::Normalise<T>& task) {
    const Rows<T> from = rows_of(task.from);
    const std::int64_t d = task.from.cols;
    queue.team().for_blocks(task.from.rows, rows_a_task, [&](std::int64_t first, std::int64_t last, int) {
        std::vector<T> row(is_converted(from) ? static_cast<std::size_t>(d) : 0);
        for (std::int64_t i = first; i < last; ++i) normalise_row(queue, task, i, row_of(from, i, d, row.data()));
    });
}

template <class T>
void halve(CpuQueue& queue, MatrixView<T> values) {
    queue.team().for_blocks(values.rows, rows_a_task, [&](std::int64_t first, std::int64_t last, int) {
        for (std::int64_t i = first; i < last; ++i) {
            T* row = values.data + i * values.stride;
            for (std::int64_t j = 0; j < values.cols; ++j) row[j] = row[j] * T(0.5);
        }
    });
}

#define CUEBM_INSTANTIATE(T)                                            \
    template void normalise<T>(CpuQueue&, const detail::Normalise<T>&); \
    template void halve<T>(CpuQueue&, MatrixView<T>);
CUEBM_INSTANTIATE(float)
CUEBM_INSTANTIATE(double)

}  // namespace cuebm::cpu
