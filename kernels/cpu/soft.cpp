// See soft.hpp. Energies are computed again rather than stored: n x k of them may not fit.
#include "cpu/soft.hpp"

#include <algorithm>
#include <vector>

#include "math/soft.hpp"

namespace cuebm::cpu {
namespace {

using detail::CpuQueue;

constexpr std::int64_t rows_a_task = 64;

template <class F>
void for_rows(CpuQueue& queue, std::int64_t n, F body) {
    queue.team().parallel_for((n + rows_a_task - 1) / rows_a_task, [&](std::int64_t block, int) {
        body(block * rows_a_task, std::min(n, (block + 1) * rows_a_task));
    });
}

bool is_known(const MatrixView<const std::uint8_t>& known, std::int64_t i, std::int64_t j) {
    return !known || known.data[(known.rows == 1 ? 0 : i * known.stride) + j] != 0;
}

}  // namespace

template <class T>
void soft_mean(CpuQueue& queue, const detail::SoftMean<T>& task) {
    const std::int64_t n = task.points.rows, d = task.points.cols, k = task.prototypes.rows;
    const T beta = static_cast<T>(task.beta);
    const bool soft = task.beta < infinity;
    for_rows(queue, n, [&](std::int64_t first, std::int64_t last) {
        std::vector<T> sum(static_cast<std::size_t>(d));
        for (std::int64_t i = first; i < last; ++i) {
            const T* y = task.points.data + i * task.points.stride;
            T* out = task.out.data + i * task.out.stride;
            const T* mean = sum.data();
            T weight = 1;
            if (soft) {
                std::fill(sum.begin(), sum.end(), T(0));
                weight = 0;
                for (std::int64_t z = 0; z < k; ++z) {
                    const T* w = task.prototypes.data + z * task.prototypes.stride;
                    T lanes[math::canonical_lanes] = {};
                    for (std::int64_t j = 0; j < d; ++j) {
                        const T t = is_known(task.known, i, j) ? y[j] - w[j] : T(0);
                        lanes[j % math::canonical_lanes] = math::fused(t, t, lanes[j % math::canonical_lanes]);
                    }
                    const T p = math::probability(math::tree_sum(lanes), task.free_energies[i], beta);
                    weight = weight + p;
                    for (std::int64_t j = 0; j < d; ++j) {
                        auto& s = sum[static_cast<std::size_t>(j)];
                        s = math::fused(p, w[j], s);
                    }
                }
            } else {
                mean = task.prototypes.data + task.labels.data[i * task.labels.stride] * task.prototypes.stride;
            }
            const T scale = task.weights ? task.weights.data[i * task.weights.stride] : T(1);
            double moves[math::canonical_lanes] = {};
            for (std::int64_t j = 0; j < d; ++j) {
                const bool kept = task.known && is_known(task.known, i, j);
                const T to = kept ? y[j] : mean[j] / weight;
                const double move = static_cast<double>(to) - static_cast<double>(y[j]);
                auto& lane = moves[j % math::canonical_lanes];
                lane = math::fused(move, move, lane);
                out[j] = task.gradient ? math::energy_gradient(y[j], to, scale) : to;
            }
            if (task.moves != nullptr) task.moves[i] = math::tree_sum(moves);
        }
    });
}

template <class T>
void fill_in(CpuQueue& queue, const detail::FillIn<T>& task) {
    const std::int64_t d = task.points.cols, m = task.labels.cols;
    const T beta = static_cast<T>(task.beta);
    for_rows(queue, task.points.rows, [&](std::int64_t first, std::int64_t last) {
        for (std::int64_t i = first; i < last; ++i)
            for (std::int64_t c = 0; c < m; ++c) {
                const T* w =
                    task.prototypes.data + task.labels.data[i * task.labels.stride + c] * task.prototypes.stride;
                task.probabilities.data[i * task.probabilities.stride + c] =
                    math::probability(task.energies.data[i * task.energies.stride + c], task.free_energies[i], beta);
                T* out = task.completed.data + (i * m + c) * task.completed.stride;
                for (std::int64_t j = 0; j < d; ++j)
                    out[j] = is_known(task.known, i, j) ? task.points.data[i * task.points.stride + j] : w[j];
            }
    });
}

template <class T>
void gather(CpuQueue& queue, MatrixView<const T> from, const std::int64_t* rows, MatrixView<T> to) {
    for_rows(queue, to.rows, [&](std::int64_t first, std::int64_t last) {
        for (std::int64_t r = first; r < last; ++r)
            std::copy_n(from.data + rows[r] * from.stride, from.cols, to.data + r * to.stride);
    });
}

#define CUEBM_INSTANTIATE(T)                                           \
    template void soft_mean<T>(CpuQueue&, const detail::SoftMean<T>&); \
    template void fill_in<T>(CpuQueue&, const detail::FillIn<T>&);     \
    template void gather<T>(CpuQueue&, MatrixView<const T>, const std::int64_t*, MatrixView<T>);
CUEBM_INSTANTIATE(float)
CUEBM_INSTANTIATE(double)

}  // namespace cuebm::cpu
