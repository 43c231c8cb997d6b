// See potential.hpp. The sums are those of fixed_sums.hpp.
#include "cpu/potential.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <vector>

#include "cpu/fixed_sums.hpp"
#include "cpu/rows.hpp"
#include "cpu/shared_numbers.hpp"
#include "math/potential.hpp"

namespace cuebm::cpu {
namespace {

using detail::CpuQueue;
using detail::Potential;
using detail::potential_block;

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
        task.of.owners[i] = task.first_label + (task.labels ? task.labels.data[i * task.labels.stride] : 0);
    }
}

}  // namespace

template <class T>
void fold(CpuQueue& queue, const SumsKernels& kernels, const detail::Fold<T>& task) {
    const std::int64_t n = task.of.closest.size;
    detail::PotentialTotal& total = *task.of.total;
    const auto& typed = of_type<T>(kernels);
    const auto data = data_of(task.of);
    const std::int64_t column = task.energies.cols > 1 ? total.column : 0;
    double largest = 0;
    queue.team().for_blocks(n, potential_block, [&](std::int64_t first, std::int64_t last, int) {
        fold_rows(task, column, first, last);
        raise(largest, typed.largest_value(data, first, last));
    });
    total.largest = largest;
    total.scale = math::fixed_point_scale(largest, n);
    total.sum = 0;
    const bool overflows = !std::isfinite(largest);
    if (overflows) total.overflowed = 1;
    queue.team().for_blocks(n, potential_block, [&](std::int64_t first, std::int64_t last, int) {
        std::int64_t& sum = task.of.blocks[first / potential_block];
        sum = overflows ? 0 : typed.sum_values(data, first, last, total.scale);
        add(total.sum, sum);
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
        std::int64_t row = block * potential_block;
        for (std::int64_t own; left >= (own = part(task.of, row)); ++row) left -= own;
        task.rows[c] = row;
    });
}

// A candidate that is twice as far from a row's prototype as the row is cannot be nearer to the row: by the triangle
// inequality, with room for the rounding of both energies (docs/design/randomness.md).
template <class T>
class Apart {
public:
    Apart(const detail::Candidates<T>& task, const SumsKernelsOf<T>& kernels) : task_(task) {
        if (!task.chosen) return;
        const std::int64_t z = task.chosen.rows;
        const std::vector<T> far(static_cast<std::size_t>(z), std::numeric_limits<T>::infinity());
        kernels.candidates({.points = task.chosen.data,
                            .point_stride = task.chosen.stride,
                            .d = task.chosen.cols,
                            .candidates = task.prototypes.data,
                            .candidate_stride = task.prototypes.stride,
                            .m = static_cast<int>(task.prototypes.rows),
                            .closest = far.data(),
                            .closest_stride = 1,
                            .energies = task.apart.data,
                            .energies_stride = task.apart.stride},
                           0, z);
        const double roundings = static_cast<double>(task.chosen.cols) / 16 + 8;
        factor_ = static_cast<T>(4 * (1 + 10 * roundings * static_cast<double>(std::numeric_limits<T>::epsilon())));
    }
    bool too_far(std::int64_t i, T closest, int c) const {
        if (closest == 0) return true;  // nothing is nearer
        if (!task_.chosen || !(closest > least_)) return false;
        const T bar = factor_ * closest;
        if (!(bar < std::numeric_limits<T>::infinity())) return false;  // an energy that overflowed says nothing
        return task_.apart.data[task_.of.owners[i] * task_.apart.stride + c] >= bar;
    }

private:
    // Squares do not underflow from here on.
    static constexpr T least_ = std::numeric_limits<T>::min() * 0x1p40f;
    const detail::Candidates<T>& task_;
    T factor_ = 4;
};

template <class T>
void candidates(CpuQueue& queue, const SumsKernels& kernels, const detail::Candidates<T>& task) {
    const auto& typed = of_type<T>(kernels);
    const Rows<T> rows = rows_of(task.points);
    const std::int64_t d = task.points.cols;
    const int m = static_cast<int>(task.prototypes.rows);
    const Apart<T> apart(task, typed);
    queue.team().for_blocks(task.points.rows, potential_block, [&](std::int64_t first, std::int64_t last, int) {
        std::vector<T> row(is_converted(rows) ? static_cast<std::size_t>(d) : 0);
        for (std::int64_t i = first; i < last; ++i) {
            T* energies = task.energies.data + i * task.energies.stride;
            const T* closest = task.of.closest.data + i * task.of.closest.stride;
            int near[detail::most_candidates], count = 0;
            for (int c = 0; c < m; ++c) {
                energies[c] = std::numeric_limits<T>::infinity();
                if (!apart.too_far(i, *closest, c)) near[count++] = c;
            }
            if (count == 0) continue;
            const T* y = row_of(rows, i, d, row.data());
            const auto compute = [&](int c, int candidates) {
                typed.candidates({.points = y,
                                  .point_stride = d,
                                  .d = d,
                                  .candidates = task.prototypes.data + c * task.prototypes.stride,
                                  .candidate_stride = task.prototypes.stride,
                                  .m = candidates,
                                  .closest = closest,
                                  .closest_stride = 1,
                                  .energies = energies + c,
                                  .energies_stride = 1},
                                 0, 1);
            };
            if (2 * count > m)
                compute(0, m);  // several at a time
            else
                for (int c = 0; c < count; ++c) compute(near[c], 1);
        }
    });
}

template <class T>
void choose(CpuQueue& queue, const SumsKernels& kernels, const detail::Choose<T>& task) {
    const std::int64_t n = task.of.closest.size, m = task.energies.cols;
    const auto data = data_of(task.of);
    std::fill_n(task.potentials, m, 0);
    queue.team().for_blocks(n, potential_block, [&](std::int64_t first, std::int64_t last, int) {
        std::int64_t own[detail::most_candidates] = {};
        of_type<T>(kernels).potentials(data, task.energies.data, task.energies.stride, static_cast<int>(m), first, last,
                                       own);
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
    queue.team().for_blocks(task.of.closest.size, potential_block, [&](std::int64_t first, std::int64_t last, int) {
        if (task.of.blocks[first / potential_block] == 0) return;
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

#define CUEBM_INSTANTIATE(T)                                                                  \
    template void fold<T>(CpuQueue&, const SumsKernels&, const detail::Fold<T>&);             \
    template void draw<T>(CpuQueue&, const detail::Draw<T>&);                                 \
    template void candidates<T>(CpuQueue&, const SumsKernels&, const detail::Candidates<T>&); \
    template void choose<T>(CpuQueue&, const SumsKernels&, const detail::Choose<T>&);         \
    template void select<T>(CpuQueue&, const detail::Select<T>&);
CUEBM_INSTANTIATE(float)
CUEBM_INSTANTIATE(double)

}  // namespace cuebm::cpu
