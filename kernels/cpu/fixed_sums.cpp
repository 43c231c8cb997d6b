// See fixed_sums.hpp. Work is cut into blocks of rows; what threads share they join by atomic integer additions
// or maxima, which commute.
#include "cpu/fixed_sums.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "cpu/rows.hpp"
#include "cpu/shared_numbers.hpp"
#include "math/canonical.hpp"
#include "math/fixed_point.hpp"
#include "workspace.hpp"

namespace cuebm::cpu {
namespace {

using detail::CpuQueue;
using detail::divide_up;

// Rows of a task: some hundred kilobytes, that starting it is repaid.
std::int64_t rows_a_task(std::int64_t d) {
    return std::clamp<std::int64_t>((1 << 17) / std::max<std::int64_t>(d, 1), 64, 1 << 15);
}

template <class T>
SumsData<T> data_of(MatrixView<const T> points, VectorView<const T> weights, const double* scales) {
    return {.points = points.data,
            .point_stride = points.stride,
            .d = points.cols,
            .weights = weights.data,
            .weights_stride = weights.stride,
            .scales = scales,
            .narrow = math::fixed_point_is_narrow(points.rows)};
}

// The points of a task for kernels that read T: points that are stored in another type are converted, a block of rows
// at a time.
template <class T>
class Values {
public:
    Values(const PointsView<T>& points, VectorView<const T> weights, const double* scales)
        : rows_(rows_of(points)), data_(data_of<T>(detail::values_of(points), weights, scales)) {}
    bool converted() const { return is_converted(rows_); }
    // Rows [first, last), which `space` must outlive.
    SumsData<T> block(std::int64_t first, std::int64_t last, std::vector<T>& space) const {
        if (!converted()) return data_;
        const std::int64_t d = data_.d;
        space.resize(static_cast<std::size_t>((last - first) * d));
        for (std::int64_t i = first; i < last; ++i) copy_row(rows_, i, d, space.data() + (i - first) * d);
        SumsData<T> data = data_;
        data.points = space.data() - first * d;  // so that row i is where it would be
        data.point_stride = d;
        return data;
    }

private:
    Rows<T> rows_;
    SumsData<T> data_;
};

// Says what is wrong with the first bad row of a block that has one.
template <class T>
void report_bad_row(CpuQueue& queue, const detail::Scales<T>& task, const SumsData<T>& data, std::int64_t first,
                    std::int64_t last) {
    for (std::int64_t i = first; i < last; ++i) {
        const double weight = task.weights ? static_cast<double>(task.weights.data[i * task.weights.stride]) : 1.0;
        if (!(weight >= 0) || !std::isfinite(weight)) return queue.report(i, detail::weights_not_valid);
        bool overflows = false;
        for (std::int64_t j = 0; j < task.points.cols; ++j) {
            const double y = static_cast<double>(data.points[i * data.point_stride + j]);
            if (!std::isfinite(y)) return queue.report(i, detail::points_not_finite);
            overflows = overflows || !std::isfinite(weight * y);
        }
        if (overflows) return queue.report(i, detail::energy_overflow);
    }
}

}  // namespace

template <class T>
ScalesRun<T>::ScalesRun(CpuQueue& queue, const SumsKernels& kernels, const detail::Scales<T>& task)
    : queue_(queue), kernels_(of_type<T>(kernels)), task_(task), bits_(reinterpret_cast<std::int64_t*>(task.scales)) {
    static_assert(sizeof(double) == sizeof(std::int64_t));
    std::memset(bits_, 0, static_cast<std::size_t>(task.points.cols + 1) * sizeof *bits_);
}

template <class T>
void ScalesRun<T>::rows(std::int64_t first, std::int64_t last) {
    std::vector<T> space;
    const auto data = Values<T>(task_.points, task_.weights, nullptr).block(first, last, space);
    if (kernels_.largest(data, first, last, bits_)) return;
    report_bad_row(queue_, task_, data, first, last);
    valid_.store(false, std::memory_order_relaxed);
}

template <class T>
void ScalesRun<T>::end() {
    const std::int64_t d = task_.points.cols;
    for (std::int64_t j = 0; j <= d; ++j) {
        double largest = 0;
        std::memcpy(&largest, bits_ + j, sizeof largest);
        task_.scales[j] = math::fixed_point_scale(largest, task_.points.rows);
    }
    if (!valid_.load()) task_.scales[d] = no_scale;
}

template <class T>
void scales(CpuQueue& queue, const SumsKernels& kernels, const detail::Scales<T>& task) {
    ScalesRun<T> run(queue, kernels, task);
    queue.team().for_blocks(task.points.rows, rows_a_task(task.points.cols),
                            [&](std::int64_t first, std::int64_t last, int) { run.rows(first, last); });
    run.end();
}

namespace {

// Sums that are this small are private to a thread, and joined at the end; others are shared, and each cluster's points
// are added together. On 1 thread of a shared Xeon (avx512, 2 MiB of second-level cache), private and sorted: 400,000 x
// 128, k = 1024 (1 MiB): 22 and 33 ms; 60,000 x 784, k = 256 (1.6 MiB): 22 and 22; 400,000 x 128, k = 20,000 (20 MiB,
// for each thread): 39 and 46. A Zen 3 with 512 KiB of it, the whole of update(), once by hand: 1,000,000 x 128,
// k = 1024: 152 and 294; 60,000 x 784, k = 256: 66 and 82.
constexpr std::int64_t most_private_bytes = 1 << 21;

template <class T>
bool is_private(const detail::Accumulate<T>& task) {
    if (is_converted(rows_of(task.points))) return true;  // rows of sorted moves would be converted one by one
    return task.k * (task.points.cols + 1) * 8 <= most_private_bytes;
}

// Each thread's own sums; `used` tells which were.
struct PrivateLayout {
    PrivateLayout(detail::Carver& carver, std::int64_t threads, std::int64_t size)
        : sums(carver.take<std::int64_t>(threads * padded(size))), used(carver.take<std::uint8_t>(threads)) {}
    // No two threads write to one line.
    static std::int64_t padded(std::int64_t size) { return (size + 15) / 16 * 16; }
    std::int64_t* sums;
    std::uint8_t* used;
};

// Rows are sorted a chunk at a time: enough of them that each cluster gets some, and few enough for 32 bits.
struct SortLayout {
    SortLayout(detail::Carver& carver, std::int64_t threads, std::int64_t n, std::int64_t k)
        : rows(std::min(n, std::min<std::int64_t>(std::max<std::int64_t>(1 << 20, 16 * k), 1 << 30))),
          entries(carver.take<std::uint32_t>(2 * rows)),
          starts(carver.take<std::uint32_t>(k + 1)),
          sizes(carver.take<std::uint32_t>(threads * k)) {}
    std::int64_t rows;
    std::uint32_t *entries, *starts, *sizes;
};

template <class T>
class Accumulation {
public:
    Accumulation(CpuQueue& queue, const SumsKernelsOf<T>& kernels, const detail::Accumulate<T>& task)
        : queue_(queue),
          team_(queue.team()),
          kernels_(kernels),
          task_(task),
          values_(task.points, task.weights, task.into.scales),
          data_(data_of<T>(detail::values_of(task.points), task.weights, task.into.scales)),
          moves_{.labels = task.labels.data,
                 .labels_stride = task.labels.stride,
                 .old_labels = task.old_labels.data,
                 .old_labels_stride = task.old_labels.stride,
                 .k = task.k} {}

    void privately(const PrivateLayout& layout) {
        const std::int64_t kd = task_.k * data_.d, size = kd + task_.k, padded = PrivateLayout::padded(size);
        std::memset(layout.used, 0, static_cast<std::size_t>(team_.threads()));
        team_.for_blocks(task_.points.rows, rows_a_task(data_.d), [&](std::int64_t first, std::int64_t last, int slot) {
            std::int64_t* own = layout.sums + slot * padded;
            if (layout.used[slot] == 0) std::memset(own, 0, static_cast<std::size_t>(size) * sizeof *own);
            layout.used[slot] = 1;
            std::vector<T> space;
            say(kernels_.move(values_.block(first, last, space), moves_, first, last, own, own + kd));
        });
        const auto join = [&](std::int64_t first, std::int64_t last) {
            for (int slot = 0; slot < team_.threads(); ++slot) {
                const std::int64_t* own = layout.sums + slot * padded;
                if (layout.used[slot] == 0) continue;
                for (std::int64_t s = first; s < std::min(last, kd); ++s) task_.into.sums[s] += own[s];
                for (std::int64_t s = std::max(first, kd); s < last; ++s) task_.into.counts[s - kd] += own[s];
            }
        };
        if (moved_ > 0)
            team_.for_blocks(size, 4096, [&](std::int64_t first, std::int64_t last, int) { join(first, last); });
        finish();
    }

    void sorted(const SortLayout& layout) {
        for (std::int64_t first = 0; first < task_.points.rows; first += layout.rows)
            sort_chunk(layout, first, std::min(task_.points.rows, first + layout.rows));
        finish();
    }

private:
    void sort_chunk(const SortLayout& layout, std::int64_t chunk, std::int64_t last) {
        const std::int64_t k = task_.k, parts = team_.threads(), rows = divide_up(last - chunk, parts);
        const auto for_parts = [&](auto body) {
            team_.parallel_for(parts, [&](std::int64_t part, int) {
                const std::int64_t first = std::min(last, chunk + part * rows);
                body(first, std::min(last, first + rows), layout.sizes + part * k);
            });
        };
        const std::int64_t before = moved_;
        for_parts([&](std::int64_t from, std::int64_t to, std::uint32_t* sizes) {
            std::memset(sizes, 0, static_cast<std::size_t>(k) * sizeof *sizes);
            say(kernels_.count_moves(data_, moves_, from, to, sizes));
        });
        if (moved_ == before) return;
        std::uint32_t at = 0;  // sizes become places: of each cluster, part after part
        for (std::int64_t z = 0; z < k; ++z) {
            layout.starts[z] = at;
            for (std::int64_t part = 0; part < parts; ++part) {
                const std::uint32_t size = layout.sizes[part * k + z];
                layout.sizes[part * k + z] = at;
                at += size;
            }
        }
        layout.starts[k] = at;
        for_parts([&](std::int64_t from, std::int64_t to, std::uint32_t* next) {
            kernels_.sort_moves(moves_, chunk, from, to, next, layout.entries);
        });
        const SortedMoves moves{.chunk = chunk,
                                .entries = layout.entries,
                                .starts = layout.starts,
                                .k = k,
                                .sums = task_.into.sums,
                                .counts = task_.into.counts};
        // Pieces of equal size, whatever the clusters' sizes: a cluster that is cut is added to by atomics.
        const std::int64_t piece = std::clamp<std::int64_t>(divide_up(at, 8 * parts), 256, 1 << 14);
        team_.for_blocks(at, piece,
                         [&](std::int64_t from, std::int64_t to, int) { kernels_.add_sorted(data_, moves, from, to); });
    }

    void say(const MovesReport& report) {
        if (report.moved > 0) add(moved_, report.moved);
        if (report.bad_label >= 0) queue_.report(report.bad_label, detail::label_out_of_range);
        if (report.small_weight >= 0) queue_.report(report.small_weight, detail::weight_too_small);
    }
    void finish() {
        if (task_.moved != nullptr) *task_.moved += moved_;
    }

    CpuQueue& queue_;
    detail::ThreadTeam& team_;
    const SumsKernelsOf<T>& kernels_;
    const detail::Accumulate<T>& task_;
    Values<T> values_;
    SumsData<T> data_;  // for points that are stored in T
    Moves moves_;
    std::int64_t moved_ = 0;
};

}  // namespace

template <class T>
std::size_t accumulate_scratch(int threads, const detail::Accumulate<T>& task) {
    const std::int64_t d = task.points.cols, slots = threads;
    return is_private(task) ? detail::layout_bytes<PrivateLayout>(slots, task.k * (d + 1))
                            : detail::layout_bytes<SortLayout>(slots, task.points.rows, task.k);
}

template <class T>
void accumulate(CpuQueue& queue, const SumsKernels& kernels, const detail::Accumulate<T>& task, std::byte* scratch) {
    if (task.into.scales[task.points.cols] == no_scale) return;  // scales() has found bad data
    detail::Carver carver(scratch);
    Accumulation<T> accumulation(queue, of_type<T>(kernels), task);
    const std::int64_t slots = queue.team().threads();
    if (is_private(task))
        accumulation.privately(PrivateLayout(carver, slots, task.k * (task.points.cols + 1)));
    else
        accumulation.sorted(SortLayout(carver, slots, task.points.rows, task.k));
}

template <class T>
void finish(CpuQueue& queue, const SumsKernels& kernels, const detail::Finish<T>& task) {
    const std::int64_t d = task.prototypes.cols;
    queue.team().for_blocks(
        task.prototypes.rows, std::max<std::int64_t>(1, 4096 / d), [&](std::int64_t first, std::int64_t last, int) {
            for (std::int64_t z = first; z < last; ++z) {
                const double weight = static_cast<double>(task.from.counts[z]) / task.from.scales[d];
                const double seen = task.seen != nullptr ? task.seen[z] : 0.0;
                if (task.cluster_weights) task.cluster_weights.data[z * task.cluster_weights.stride] = seen + weight;
                const double shift = of_type<T>(kernels).finish(
                    {.sums = task.from.sums + z * d,
                     .scales = task.from.scales,
                     .weight = weight,
                     .seen = seen,
                     .prototype = task.prototypes.data + z * task.prototypes.stride,
                     .mean = task.means ? task.means.data + z * task.means.stride : nullptr,
                     .gradient = task.gradients ? task.gradients.data + z * task.gradients.stride : nullptr,
                     .d = d});
                if (task.shifts != nullptr) task.shifts[z] = shift;
            }
        });
}

template <class T>
void total(CpuQueue& queue, const SumsKernels& kernels, const detail::Total<T>& task) {
    const std::int64_t n = task.values.size;
    const auto& typed = of_type<T>(kernels);
    const auto data = data_of<T>({task.values.data, n, 1, task.values.stride, {}}, task.weights, nullptr);
    double largest = 0;
    queue.team().for_blocks(n, rows_a_task(1), [&](std::int64_t first, std::int64_t last, int) {
        raise(largest, typed.largest_value(data, first, last));
    });
    if (!std::isfinite(largest)) {  // a product has overflowed
        task.total[0] = largest;
        return;
    }
    const double scale = math::fixed_point_scale(largest, n);
    std::int64_t sum = 0;
    queue.team().for_blocks(n, rows_a_task(1), [&](std::int64_t first, std::int64_t last, int) {
        add(sum, typed.sum_values(data, first, last, scale));
    });
    task.total[0] = static_cast<double>(sum) / scale;
}

template <class T>
void variance(CpuQueue& queue, const SumsKernels& kernels, const detail::Variance<T>& task) {
    const std::int64_t n = task.points.rows, d = task.points.cols;
    const std::int64_t count = divide_up(n, math::sum_block);
    const Values<T> values(task.points, {}, nullptr);
    std::vector<T> first_row(static_cast<std::size_t>(d));
    copy_row(rows_of(task.points), 0, d, first_row.data());
    queue.team().for_blocks(n, math::sum_block, [&](std::int64_t first, std::int64_t last, int) {
        double* sums = task.sums + first / math::sum_block * 2 * d;
        std::vector<T> space;
        of_type<T>(kernels).variance(values.block(first, last, space), first_row.data(), first, last, sums, sums + d);
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

#define CUEBM_INSTANTIATE(T)                                                                              \
    template class ScalesRun<T>;                                                                          \
    template void scales<T>(CpuQueue&, const SumsKernels&, const detail::Scales<T>&);                     \
    template std::size_t accumulate_scratch<T>(int, const detail::Accumulate<T>&);                        \
    template void accumulate<T>(CpuQueue&, const SumsKernels&, const detail::Accumulate<T>&, std::byte*); \
    template void finish<T>(CpuQueue&, const SumsKernels&, const detail::Finish<T>&);                     \
    template void total<T>(CpuQueue&, const SumsKernels&, const detail::Total<T>&);                       \
    template void variance<T>(CpuQueue&, const SumsKernels&, const detail::Variance<T>&);
CUEBM_INSTANTIATE(float)
CUEBM_INSTANTIATE(double)

}  // namespace cuebm::cpu
