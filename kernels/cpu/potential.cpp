// See potential.hpp. The sums are those of fixed_sums.hpp.
#include "cpu/potential.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>

#include "cpu/fixed_sums.hpp"
#include "math/potential.hpp"

namespace cuebm::cpu {
namespace {

using detail::CpuQueue;
using detail::Potential;

// Calls body(block, first, last) for the blocks of rows that have a sum.
template <class F>
void for_blocks(CpuQueue& queue, std::int64_t n, F body) {
    constexpr std::int64_t rows = detail::potential_block;
    queue.team().parallel_for((n + rows - 1) / rows, [&](std::int64_t block, int) {
        body(block, block * rows, std::min(n, (block + 1) * rows));
    });
}

void add(std::int64_t& to, std::int64_t value) { std::atomic_ref(to).fetch_add(value, std::memory_order_relaxed); }

template <class T>
std::int64_t part(const Potential<T>& of, std::int64_t i) {
    const double weight = of.weights ? static_cast<double>(of.weights.data[i * of.weights.stride]) : 1.0;
    return math::potential(weight, static_cast<double>(of.closest.data[i * of.closest.stride]), of.total->scale);
}

template <class T>
SumsData<T> data_of(const Potential<T>& of) {
    return {.points = of.closest.data,
            .point_stride = of.closest.stride,
            .d = 1,
            .weights = of.weights.data,
            .weights_stride = of.weights.stride,
            .scales = &of.total->scale,
            .narrow = math::fixed_point_is_narrow(of.closest.size)};
}

template <class T>
void fold_rows(const detail::Fold<T>& task, std::int64_t column, std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first; i < last; ++i) {
        T& closest = task.of.closest.data[i * task.of.closest.stride];
        const T energy = task.energies ? task.energies.data[i * task.energies.stride + column] : T(1);
        if (!task.replace && !(energy < closest)) continue;
        closest = energy;
        if (task.of.owners != nullptr && task.labels)
            task.of.owners[i] = task.first_label + task.labels.data[i * task.labels.stride];
    }
}

}  // namespace

template <class T>
void fold(CpuQueue& queue, const AssignKernels& isa, const detail::Fold<T>& task) {
    const std::int64_t n = task.of.closest.size;
    detail::PotentialTotal& total = *task.of.total;
    const auto& kernels = sums_kernels_of<T>(isa);
    const auto data = data_of(task.of);
    const std::int64_t column = task.energies.cols > 1 ? total.column : 0;
    double largest = 0;
    for_blocks(queue, n, [&](std::int64_t, std::int64_t first, std::int64_t last) {
        fold_rows(task, column, first, last);
        const double own = kernels.largest_value(data, first, last);
        const std::atomic_ref<double> shared(largest);
        double seen = shared.load(std::memory_order_relaxed);
        while (own > seen && !shared.compare_exchange_weak(seen, own, std::memory_order_relaxed)) {
        }
    });
    total.largest = largest;
    total.scale = math::fixed_point_scale(largest, n);
    total.sum = 0;
    const bool overflows = !std::isfinite(largest);
    if (overflows) total.overflowed = 1;
    for_blocks(queue, n, [&](std::int64_t block, std::int64_t first, std::int64_t last) {
        task.of.blocks[block] = overflows ? 0 : kernels.sum_values(data, first, last, total.scale);
        add(total.sum, task.of.blocks[block]);
    });
}

template <class T>
void draw(CpuQueue& queue, const detail::Draw<T>& task) {
    const std::int64_t n = task.of.closest.size;
    const auto sum = static_cast<std::uint64_t>(task.of.total->sum);
    queue.team().parallel_for(task.count, [&](std::int64_t c, int) {
        if (sum == 0) {  // every point lies on a prototype
            task.rows[c] = static_cast<std::int64_t>(math::scale_down(task.words[c], static_cast<std::uint64_t>(n)));
            return;
        }
        auto left = static_cast<std::int64_t>(math::scale_down(task.words[c], sum));
        std::int64_t block = 0;
        while (left >= task.of.blocks[block]) left -= task.of.blocks[block++];
        std::int64_t row = block * detail::potential_block;
        for (std::int64_t own; left >= (own = part(task.of, row)); ++row) left -= own;
        task.rows[c] = row;
    });
}

template <class T>
void choose(CpuQueue& queue, const AssignKernels& isa, const detail::Choose<T>& task) {
    const std::int64_t n = task.of.closest.size, m = task.energies.cols;
    const auto data = data_of(task.of);
    std::fill_n(task.potentials, m, 0);
    for_blocks(queue, n, [&](std::int64_t, std::int64_t first, std::int64_t last) {
        std::int64_t own[detail::most_candidates] = {};
        sums_kernels_of<T>(isa).potentials(data, task.energies.data, task.energies.stride, static_cast<int>(m), first,
                                           last, own);
        for (std::int64_t c = 0; c < m; ++c) add(task.potentials[c], own[c]);
    });
    const std::int64_t best = std::min_element(task.potentials, task.potentials + m) - task.potentials;
    task.of.total->column = best;
    *task.chosen = task.rows[best];
}

template <class T>
void select(CpuQueue& queue, const detail::Select<T>& task) {
    detail::PotentialTotal& total = *task.of.total;
    total.selected = 0;
    for_blocks(queue, task.of.closest.size, [&](std::int64_t block, std::int64_t first, std::int64_t last) {
        if (task.of.blocks[block] == 0) return;
        for (std::int64_t i = first; i < last; ++i) {
            const std::int64_t own = part(task.of, i);
            if (own == 0) continue;
            const auto word = math::random_u64(task.key, static_cast<std::uint64_t>(i), task.step, task.draw);
            if (!math::is_selected(word, own, total.sum, task.expected)) continue;
            const std::int64_t at = std::atomic_ref(total.selected).fetch_add(1, std::memory_order_relaxed);
            if (at < task.capacity) task.rows[at] = i;
        }
    });
}

#define CUEBM_INSTANTIATE(T)                                                            \
    template void fold<T>(CpuQueue&, const AssignKernels&, const detail::Fold<T>&);     \
    template void draw<T>(CpuQueue&, const detail::Draw<T>&);                           \
    template void choose<T>(CpuQueue&, const AssignKernels&, const detail::Choose<T>&); \
    template void select<T>(CpuQueue&, const detail::Select<T>&);
CUEBM_INSTANTIATE(float)
CUEBM_INSTANTIATE(double)

}  // namespace cuebm::cpu
