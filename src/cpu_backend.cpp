// The CPU behind the seam.
#include <algorithm>
#include <cmath>
#include <new>
#include <thread>
#include <vector>

#include <unistd.h>

#include <cuebm/error.hpp>

#include "cpu/assign.hpp"
#include "cpu/fixed_sums.hpp"
#include "cpu/isa.hpp"
#include "cpu/rows.hpp"
#include "cpu/soft.hpp"
#include "cpu_queue.hpp"

namespace cuebm::detail {
namespace {

template <class T>
class CpuAssign final : public AssignOperations<T> {
public:
    CpuAssign(const cpu::AssignKernels& isa, int threads, cpu::Path path) : isa_(isa), threads_(threads), path_(path) {}

    std::string explain(const Assign<T>& task) const override { return plan(task).text(); }
    std::size_t scratch_bytes(const Assign<T>& task) const override { return plan(task).scratch_bytes; }
    void assign(Queue& queue, const Assign<T>& task, std::byte* scratch) const override {
        enqueue(queue, [=, p = plan(task)](CpuQueue& q) { run(q, p, task, scratch); });
    }
    void scales(Queue& queue, const Scales<T>& task) const override {
        enqueue(queue, [=](CpuQueue& q) { cpu::scales(q, task); });
    }
    void accumulate(Queue& queue, const Accumulate<T>& task) const override {
        enqueue(queue, [=](CpuQueue& q) { cpu::accumulate(q, task); });
    }
    void accumulate_soft(Queue& queue, const AccumulateSoft<T>& task) const override {
        enqueue(queue, [=, &isa = isa_](CpuQueue& q) { cpu::accumulate_soft(q, isa, task); });
    }
    void finish(Queue& queue, const Finish<T>& task) const override {
        enqueue(queue, [=](CpuQueue& q) { cpu::finish(q, task); });
    }
    void soft_mean(Queue& queue, const SoftMean<T>& task) const override {
        enqueue(queue, [=, &isa = isa_](CpuQueue& q) { cpu::soft_mean(q, isa, task); });
    }
    void fill_in(Queue& queue, const FillIn<T>& task) const override {
        enqueue(queue, [=](CpuQueue& q) { cpu::fill_in(q, task); });
    }
    void gather(Queue& queue, PointsView<T> from, const std::int64_t* rows, MatrixView<T> to) const override {
        enqueue(queue, [=](CpuQueue& q) { cpu::gather(q, from, rows, to); });
    }
    void total(Queue& queue, const Total<T>& task) const override {
        enqueue(queue, [=](CpuQueue& q) { cpu::total(q, task); });
    }
    void variance(Queue& queue, const Variance<T>& task) const override {
        enqueue(queue, [=](CpuQueue& q) { cpu::variance(q, task); });
    }

private:
    template <class F>
    static void enqueue(Queue& queue, F work) {
        auto& cpu_queue = static_cast<CpuQueue&>(queue);
        cpu_queue.enqueue([&cpu_queue, work] { work(cpu_queue); });
    }

    cpu::AssignPlan plan(const Assign<T>& task) const { return cpu::plan(task, isa_, threads_, path_); }

    static void run(CpuQueue& queue, const cpu::AssignPlan& plan, const Assign<T>& task, std::byte* scratch) {
        ThreadTeam& team = queue.team();
        cpu::AssignRun<T> run(plan, task, scratch);
        team.parallel_for(run.shift_tasks(), [&](std::int64_t block, int) { run.shift(block); });
        team.parallel_for(run.pack_tasks(), [&](std::int64_t block, int) {
            const std::int64_t bad = run.pack(block);
            if (bad != cpu::no_bad_row && task.check_finite) queue.report(bad, prototypes_not_finite);
        });
        run.finish_packing();
        team.parallel_for(run.points_tasks(), [&](std::int64_t block, int slot) {
            const std::int64_t bad = run.points(block, slot);
            if (bad != cpu::no_bad_row && task.check_finite) queue.report(bad, problem_of(task, bad));
        });
    }

    // The energies of this row are not finite: are its values, or did the energy overflow?
    static Problem problem_of(const Assign<T>& task, std::int64_t i) {
        std::vector<T> row(static_cast<std::size_t>(task.points.cols));
        const T* y = cpu::row_of(cpu::rows_of(task.points), i, task.points.cols, row.data());
        for (std::int64_t j = 0; j < task.points.cols; ++j) {
            const bool known =
                !task.known || task.known.data[(task.known.rows == 1 ? 0 : i * task.known.stride) + j] != 0;
            if (known && !std::isfinite(y[j])) return points_not_finite;
        }
        return energy_overflow;
    }

    const cpu::AssignKernels& isa_;
    int threads_;
    cpu::Path path_;
};

int threads_of(const CpuOptions& options) {
    return options.threads > 0 ? options.threads : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

class CpuBackend final : public Backend {
public:
    explicit CpuBackend(const CpuOptions& options)
        : isa_(cpu::choose_isa()),
          team_(threads_of(options)),
          float_(isa_, team_.threads(), cpu::path_of_environment()),
          double_(isa_, team_.threads(), cpu::path_of_environment()) {
        properties_.name = "CPU (" + cpu::describe(isa_) + ", " + std::to_string(team_.threads()) +
                           (team_.threads() == 1 ? " thread)" : " threads)");
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
    const cpu::AssignKernels& isa_;
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

}  // namespace cuebm::detail
