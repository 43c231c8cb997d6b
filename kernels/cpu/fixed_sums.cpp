// See fixed_sums.hpp. Work is cut into blocks of rows; what threads share they join by atomic integer additions
// or maxima, which commute.
#include "cpu/fixed_sums.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <vector>

#include "cpu/rows.hpp"
#include "math/canonical.hpp"
#include "math/fixed_point.hpp"

namespace cuebm::cpu {
namespace {

using detail::CpuQueue;

constexpr std::int64_t block_rows = 1024;

std::int64_t blocks(std::int64_t n) { return (n + block_rows - 1) / block_rows; }

void add(std::int64_t& to, std::int64_t value) { std::atomic_ref(to).fetch_add(value, std::memory_order_relaxed); }

void raise(double& to, double value) {
    const std::atomic_ref<double> shared(to);
    double seen = shared.load(std::memory_order_relaxed);
    while (value > seen && !shared.compare_exchange_weak(seen, value, std::memory_order_relaxed)) {
    }
}

template <class T>
double weight_of(const VectorView<const T>& weights, std::int64_t i) {
    return weights ? static_cast<double>(weights.data[i * weights.stride]) : 1.0;
}

bool valid_weight(double weight) { return weight >= 0 && std::isfinite(weight); }

}  // namespace

template <class T>
void scales(CpuQueue& queue, const detail::Scales<T>& task) {
    const std::int64_t n = task.points.rows, d = task.points.cols;
    const Rows<T> points = rows_of(task.points);
    std::fill(task.scales, task.scales + d + 1, 0.0);
    queue.team().parallel_for(blocks(n), [&](std::int64_t block, int) {
        std::vector<double> largest(static_cast<std::size_t>(d) + 1);
        std::vector<T> row(is_converted(points) ? static_cast<std::size_t>(d) : 0);
        for (std::int64_t i = block * block_rows; i < std::min(n, (block + 1) * block_rows); ++i) {
            const double weight = weight_of(task.weights, i);
            if (!valid_weight(weight)) return queue.report(i, detail::weights_not_valid);
            const T* y = row_of(points, i, d, row.data());
            T not_finite = 0;  // NaN as soon as one y is NaN or infinite
            for (std::int64_t j = 0; j < d; ++j) {
                not_finite += y[j] * T(0);
                largest[static_cast<std::size_t>(j)] =
                    std::max(largest[static_cast<std::size_t>(j)], std::fabs(static_cast<double>(y[j])) * weight);
            }
            if (not_finite != 0) return queue.report(i, detail::points_not_finite);
            largest.back() = std::max(largest.back(), weight);
            for (const double value : largest)
                if (!std::isfinite(value)) return queue.report(i, detail::energy_overflow);
        }
        for (std::int64_t j = 0; j <= d; ++j) raise(task.scales[j], largest[static_cast<std::size_t>(j)]);
    });
    for (std::int64_t j = 0; j <= d; ++j) task.scales[j] = math::fixed_point_scale(task.scales[j], n);
}

template <class T>
void accumulate(CpuQueue& queue, const detail::Accumulate<T>& task) {
    const std::int64_t n = task.points.rows, d = task.points.cols;
    const Rows<T> points = rows_of(task.points);
    // Sums small enough to copy are private to a block of rows; larger ones are shared, with an atomic an element.
    const bool private_sums = task.k * d <= block_rows * 16;
    queue.team().parallel_for(blocks(n), [&](std::int64_t block, int) {
        std::vector<T> row(is_converted(points) ? static_cast<std::size_t>(d) : 0);
        std::vector<std::int64_t> own(private_sums ? static_cast<std::size_t>(task.k * d) : 0);
        std::int64_t moved = 0;
        for (std::int64_t i = block * block_rows; i < std::min(n, (block + 1) * block_rows); ++i) {
            const std::int32_t to = task.labels.data[i * task.labels.stride];
            if (to < 0 || to >= task.k) {
                queue.report(i, detail::label_out_of_range);
                continue;
            }
            std::int32_t from = -1;
            if (task.old_labels) {
                from = task.old_labels.data[i * task.old_labels.stride];
                if (from == to) continue;
                task.old_labels.data[i * task.old_labels.stride] = to;
            }
            ++moved;
            const double weight = weight_of(task.weights, i);
            if (!valid_weight(weight)) continue;  // scales() has reported it
            const std::int64_t count = math::to_fixed(weight, task.into.scales[d]);
            if (count == 0 && weight > 0) queue.report(i, detail::weight_too_small);
            add(task.into.counts[to], count);
            if (from >= 0) add(task.into.counts[from], -count);
            const T* y = row_of(points, i, d, row.data());
            for (std::int64_t j = 0; j < d; ++j) {
                const double value = weight * static_cast<double>(y[j]);
                if (!std::isfinite(value)) continue;
                const std::int64_t fixed = math::to_fixed(value, task.into.scales[j]);
                if (private_sums) {
                    own[static_cast<std::size_t>(to * d + j)] += fixed;
                    if (from >= 0) own[static_cast<std::size_t>(from * d + j)] -= fixed;
                } else {
                    add(task.into.sums[to * d + j], fixed);
                    if (from >= 0) add(task.into.sums[from * d + j], -fixed);
                }
            }
        }
        if (task.moved != nullptr) add(*task.moved, moved);
        for (std::size_t s = 0; moved > 0 && s < own.size(); ++s)
            if (own[s] != 0) add(task.into.sums[s], own[s]);
    });
}

template <class T>
void finish(CpuQueue& queue, const detail::Finish<T>& task) {
    const std::int64_t k = task.prototypes.rows, d = task.prototypes.cols;
    queue.team().parallel_for(k, [&](std::int64_t z, int) {
        const double weight = static_cast<double>(task.from.counts[z]) / task.from.scales[d];
        if (task.cluster_weights) task.cluster_weights.data[z * task.cluster_weights.stride] = weight;
        double moves[math::canonical_lanes] = {};
        for (std::int64_t j = 0; j < d; ++j) {
            const T w = task.prototypes.data[z * task.prototypes.stride + j];
            const double sum = static_cast<double>(task.from.sums[z * d + j]) / task.from.scales[j];
            const T mean = weight > 0 ? static_cast<T>(sum / weight) : w;  // without weight it keeps its value
            const double move = static_cast<double>(mean) - static_cast<double>(w);
            auto& lane = moves[j % math::canonical_lanes];
            lane = math::fused(move, move, lane);
            if (task.gradients)
                task.gradients.data[z * task.gradients.stride + j] =
                    static_cast<T>(2.0 * (weight * static_cast<double>(w) - sum));
            if (task.means) task.means.data[z * task.means.stride + j] = mean;
        }
        if (task.shifts != nullptr) task.shifts[z] = math::tree_sum(moves);
    });
}

template <class T>
void total(CpuQueue& queue, const detail::Total<T>& task) {
    const std::int64_t n = task.values.size;
    const auto value = [&](std::int64_t i) {
        const double v = weight_of(task.weights, i) * static_cast<double>(task.values.data[i * task.values.stride]);
        return v > 0 ? v : 0.0;
    };
    double largest = 0;
    queue.team().parallel_for(blocks(n), [&](std::int64_t block, int) {
        double own = 0;
        for (std::int64_t i = block * block_rows; i < std::min(n, (block + 1) * block_rows); ++i)
            own = std::max(own, value(i));
        raise(largest, own);
    });
    if (!std::isfinite(largest)) {  // a product has overflowed
        task.total[0] = largest;
        return;
    }
    const double scale = math::fixed_point_scale(largest, n);
    std::int64_t sum = 0;
    queue.team().parallel_for(blocks(n), [&](std::int64_t block, int) {
        std::int64_t own = 0;
        for (std::int64_t i = block * block_rows; i < std::min(n, (block + 1) * block_rows); ++i)
            own += math::to_fixed(value(i), scale);
        add(sum, own);
    });
    task.total[0] = static_cast<double>(sum) / scale;
}

template <class T>
void variance(CpuQueue& queue, const detail::Variance<T>& task) {
    const std::int64_t n = task.points.rows, d = task.points.cols;
    const std::int64_t count = (n + math::sum_block - 1) / math::sum_block;
    const Rows<T> points = rows_of(task.points);
    std::vector<T> first_row(is_converted(points) ? static_cast<std::size_t>(d) : 0);
    const T* first = row_of(points, 0, d, first_row.data());
    queue.team().parallel_for(count, [&](std::int64_t block, int) {
        std::vector<T> row(is_converted(points) ? static_cast<std::size_t>(d) : 0);
        double *sum = task.sums + block * 2 * d, *squares = sum + d;
        std::fill(sum, sum + 2 * d, 0.0);
        for (std::int64_t i = block * math::sum_block; i < std::min(n, (block + 1) * math::sum_block); ++i) {
            const T* y = row_of(points, i, d, row.data());
            for (std::int64_t j = 0; j < d; ++j) {
                const double t = static_cast<double>(y[j]) - static_cast<double>(first[j]);
                sum[j] = sum[j] + t;
                squares[j] = math::fused(t, t, squares[j]);
            }
        }
    });
    double total = 0;
    for (std::int64_t j = 0; j < d; ++j) {
        double sum = 0, squares = 0;
        for (std::int64_t block = 0; block < count; ++block) {
            sum = sum + task.sums[block * 2 * d + j];
            squares = squares + task.sums[block * 2 * d + d + j];
        }
        total = total + math::variance(sum, squares, n);
    }
    *task.mean = total / static_cast<double>(d);
}

#define CUEBM_INSTANTIATE(T)                                              \
    template void scales<T>(CpuQueue&, const detail::Scales<T>&);         \
    template void accumulate<T>(CpuQueue&, const detail::Accumulate<T>&); \
    template void finish<T>(CpuQueue&, const detail::Finish<T>&);         \
    template void total<T>(CpuQueue&, const detail::Total<T>&);           \
    template void variance<T>(CpuQueue&, const detail::Variance<T>&);
CUEBM_INSTANTIATE(float)
CUEBM_INSTANTIATE(double)

}  // namespace cuebm::cpu
