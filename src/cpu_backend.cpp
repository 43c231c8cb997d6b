// The CPU behind the seam, and for now the sentence that says why there is no GPU.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <new>
#include <thread>
#include <vector>

#include <unistd.h>

#include <cuebm/error.hpp>

#include "cpu/assign.hpp"
#include "cpu_queue.hpp"
#include "math/fixed_point.hpp"

namespace cuebm::detail {
namespace {

template <class T>
class CpuAssign final : public AssignOperations<T> {
public:
    void assign(Queue& queue, const Assign<T>& task) const override {
        auto& cpu_queue = static_cast<CpuQueue&>(queue);
        cpu_queue.enqueue([&cpu_queue, task] { run(cpu_queue, task); });
    }

    void update(Queue& queue, const Update<T>& task) const override {
        auto& cpu_queue = static_cast<CpuQueue&>(queue);
        cpu_queue.enqueue([&cpu_queue, task] { mean(cpu_queue, task); });
    }

private:
    // Fixed-point means. A task owns 16 features (one cache line of floats), so no two tasks share a sum.
    static void mean(CpuQueue& queue, const Update<T>& task) {
        const std::int64_t n = task.points.rows, d = task.points.cols, k = task.prototypes.rows, columns = 16;
        const auto weight = [&](std::int64_t i) {
            return task.weights ? static_cast<double>(task.weights.data[i * task.weights.stride]) : 1.0;
        };
        const auto label = [&](std::int64_t i) { return task.labels.data[i * task.labels.stride]; };
        double heaviest = 0;
        for (std::int64_t i = 0; i < n; ++i) {
            if (label(i) < 0 || label(i) >= k) return queue.report(i, label_out_of_range);
            if (!(weight(i) >= 0) || !std::isfinite(weight(i))) return queue.report(i, weights_not_valid);
            heaviest = std::max(heaviest, weight(i));
        }
        const double weight_scale = math::fixed_point_scale(heaviest, n);
        std::vector<std::int64_t> counts(static_cast<std::size_t>(k));
        for (std::int64_t i = 0; i < n; ++i)
            counts[static_cast<std::size_t>(label(i))] += math::to_fixed(weight(i), weight_scale);
        if (task.cluster_weights)
            for (std::int64_t z = 0; z < k; ++z)
                task.cluster_weights.data[z * task.cluster_weights.stride] =
                    static_cast<double>(counts[static_cast<std::size_t>(z)]) / weight_scale;
        queue.team().parallel_for((d + columns - 1) / columns, [&](std::int64_t block) {
            const std::int64_t first = block * columns, width = std::min(columns, d - first);
            double scale[columns] = {};
            for (std::int64_t i = 0; i < n; ++i)
                for (std::int64_t j = 0; j < width; ++j) {
                    const double value = static_cast<double>(task.points.data[i * task.points.stride + first + j]);
                    if (!std::isfinite(value)) return queue.report(i, points_not_finite);
                    scale[j] = std::max(scale[j], std::fabs(value) * weight(i));
                }
            for (std::int64_t j = 0; j < width; ++j) scale[j] = math::fixed_point_scale(scale[j], n);
            std::vector<std::int64_t> sums(static_cast<std::size_t>(k * columns));
            for (std::int64_t i = 0; i < n; ++i)
                for (std::int64_t j = 0; j < width; ++j) {
                    const double value = static_cast<double>(task.points.data[i * task.points.stride + first + j]);
                    sums[static_cast<std::size_t>(label(i) * columns + j)] +=
                        math::to_fixed(weight(i) * value, scale[j]);
                }
            for (std::int64_t z = 0; z < k; ++z) {
                const double count = static_cast<double>(counts[static_cast<std::size_t>(z)]) / weight_scale;
                if (!(count > 0)) continue;  // a prototype without weight keeps its value
                for (std::int64_t j = 0; j < width; ++j)
                    task.prototypes.data[z * task.prototypes.stride + first + j] = static_cast<T>(
                        static_cast<double>(sums[static_cast<std::size_t>(z * columns + j)]) / scale[j] / count);
            }
        });
    }

    static constexpr std::int64_t rows_a_task = 64;  // enough work to outweigh the scheduling of a task

    static void run(CpuQueue& queue, const Assign<T>& task) {
        if (task.check_finite) check_prototypes(queue, task);
        const std::int64_t n = task.points.rows, d = task.points.cols;
        queue.team().parallel_for((n + rows_a_task - 1) / rows_a_task, [&](std::int64_t block) {
            std::vector<T> scratch(static_cast<std::size_t>(2 * d));
            const std::int64_t first = block * rows_a_task, last = std::min(n, first + rows_a_task);
            const std::int64_t bad = cpu::assign_rows(task, first, last, scratch.data(), scratch.data() + d);
            if (bad != cpu::no_bad_row && task.check_finite) queue.report(bad, problem_of(task, bad));
        });
    }

    static void check_prototypes(CpuQueue& queue, const Assign<T>& task) {
        for (std::int64_t z = 0; z < task.prototypes.rows; ++z)
            for (std::int64_t j = 0; j < task.prototypes.cols; ++j)
                if (!std::isfinite(task.prototypes.data[z * task.prototypes.stride + j]))
                    return queue.report(z, prototypes_not_finite);
    }

    // The energies of this row are not finite: are its values, or did the energy overflow?
    static Problem problem_of(const Assign<T>& task, std::int64_t i) {
        for (std::int64_t j = 0; j < task.points.cols; ++j) {
            const bool known =
                !task.known || task.known.data[(task.known.rows == 1 ? 0 : i * task.known.stride) + j] != 0;
            if (known && !std::isfinite(task.points.data[i * task.points.stride + j])) return points_not_finite;
        }
        return energy_overflow;
    }
};

class CpuBackend final : public Backend {
public:
    explicit CpuBackend(const CpuOptions& options)
        : team_(options.threads > 0 ? options.threads
                                    : std::max(1, static_cast<int>(std::thread::hardware_concurrency()))) {
        properties_.name = "CPU (" + std::to_string(team_.threads()) + " threads)";
        properties_.processors = team_.threads();
        properties_.memory_bytes =
            static_cast<std::size_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    }
    const DeviceProperties& properties() const override { return properties_; }
    void* allocate(std::size_t bytes) override { return ::operator new(bytes, alignment, std::nothrow); }
    void deallocate(void* data) noexcept override { ::operator delete(data, alignment); }
    std::size_t free_bytes() override {
        return static_cast<std::size_t>(sysconf(_SC_AVPHYS_PAGES)) * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    }
    std::unique_ptr<Queue> make_queue(Pool& pool) override { return std::make_unique<CpuQueue>(pool, team_); }
    std::unique_ptr<Queue> wrap_queue(Pool&, void*) override {
        throw InvalidArgument("Stream::wrap", "context", "a CPU context",
                              "a CUDA context; the CPU has no native stream");
    }
    const AssignOperations<float>& assign_float() const override { return float_; }
    const AssignOperations<double>& assign_double() const override { return double_; }

private:
    static constexpr std::align_val_t alignment{256};
    ThreadTeam team_;
    DeviceProperties properties_;
    CpuAssign<float> float_;
    CpuAssign<double> double_;
};

}  // namespace

std::unique_ptr<Backend> make_cpu_backend(const CpuOptions& options) {
    if (options.threads < 0)
        throw InvalidArgument("Context::cpu", "threads", std::to_string(options.threads), "threads >= 0");
    return std::make_unique<CpuBackend>(options);
}

std::unique_ptr<Backend> make_cuda_backend(int) {
    throw DeviceError("this version has no CUDA plug-in yet; use Context::cpu()");
}

}  // namespace cuebm::detail
