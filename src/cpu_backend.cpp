// The CPU behind the seam.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <thread>
#include <vector>

#include <sys/mman.h>
#include <unistd.h>

#include <cuebm/error.hpp>

#include "cpu/assign.hpp"
#include "cpu/chains.hpp"
#include "cpu/energy.hpp"
#include "cpu/fixed_sums.hpp"
#include "cpu/isa.hpp"
#include "cpu/potential.hpp"
#include "cpu/rows.hpp"
#include "cpu/soft.hpp"
#include "cpu/unit.hpp"
#include "cpu_queue.hpp"

namespace cuebm::detail {
namespace {

template <class F>
void enqueue(Queue& queue, F work) {
    auto& cpu_queue = static_cast<CpuQueue&>(queue);
    cpu_queue.enqueue([&cpu_queue, work] { work(cpu_queue); });
}

template <class T>
class CpuAssign final : public AssignOperations<T> {
public:
    CpuAssign(const cpu::Isa& isa, int threads)
        : isa_(isa),
          threads_(threads),
          path_(cpu::path_of_environment(isa)),
          bounds_(cpu::bounds_use_of_environment()) {}

    std::string explain(const Assign<T>& task) const override { return plan(task).text(); }
    std::size_t scratch_bytes(const Assign<T>& task) const override { return plan(task).scratch_bytes; }
    void assign(Queue& queue, const Assign<T>& task, std::byte* scratch, std::byte* kept, T* gaps) const override {
        enqueue(queue, [=, p = plan(task)](CpuQueue& q) { run(q, p, task, scratch, kept, gaps); });
    }
    void assign_and_scales(Queue& queue, const Assign<T>& task, std::byte* scratch, std::byte* kept,
                           const Scales<T>& of) const override {
        enqueue(queue, [=, p = plan(task), &sums = *isa_.sums](CpuQueue& q) {
            cpu::ScalesRun<T> found(q, sums, of);
            run(q, p, task, scratch, kept, nullptr,
                [&](std::int64_t first, std::int64_t last) { found.rows(first, last); });
            found.end();
        });
    }
    std::size_t kept_bytes(const Assign<T>& task) const override {
        const auto p = plan(task);
        return p.screen ? layout_bytes<cpu::KeptPoints>(p, task.points.rows, task.prototypes.rows, task.points.cols)
                        : 0;
    }
    void keep(Queue& queue, const Assign<T>& task, std::byte* scratch, std::byte* kept) const override {
        enqueue(queue, [=, p = plan(task)](CpuQueue& q) {
            cpu::AssignRun<T>(p, task, scratch, kept).keep(each_of(q.team()));
        });
    }
    void scales(Queue& queue, const Scales<T>& task) const override {
        enqueue(queue, [=, &sums = *isa_.sums](CpuQueue& q) { cpu::scales(q, sums, task); });
    }
    std::size_t scratch_bytes(const Accumulate<T>& task) const override {
        return cpu::accumulate_scratch(threads_, task);
    }
    void accumulate(Queue& queue, const Accumulate<T>& task, std::byte* scratch) const override {
        enqueue(queue, [=, &sums = *isa_.sums](CpuQueue& q) { cpu::accumulate(q, sums, task, scratch); });
    }
    void accumulate_soft(Queue& queue, const AccumulateSoft<T>& task) const override {
        enqueue(queue, [=, &isa = *isa_.kernels](CpuQueue& q) { cpu::accumulate_soft(q, isa, task); });
    }
    void finish(Queue& queue, const Finish<T>& task) const override {
        enqueue(queue, [=, &sums = *isa_.sums](CpuQueue& q) { cpu::finish(q, sums, task); });
    }
    void soft_mean(Queue& queue, const SoftMean<T>& task) const override {
        enqueue(queue, [=, &isa = *isa_.kernels](CpuQueue& q) { cpu::soft_mean(q, isa, task); });
    }
    void fill_in(Queue& queue, const FillIn<T>& task) const override {
        enqueue(queue, [=](CpuQueue& q) { cpu::fill_in(q, task); });
    }
    void gather(Queue& queue, PointsView<T> from, const std::int64_t* rows, MatrixView<T> to) const override {
        enqueue(queue, [=](CpuQueue& q) { cpu::gather(q, from, rows, to); });
    }
    void normalise(Queue& queue, const Normalise<T>& task) const override {
        enqueue(queue, [=](CpuQueue& q) { cpu::normalise(q, task); });
    }
    void halve(Queue& queue, MatrixView<T> values) const override {
        enqueue(queue, [=](CpuQueue& q) { cpu::halve(q, values); });
    }
    void total(Queue& queue, const Total<T>& task) const override {
        enqueue(queue, [=, &sums = *isa_.sums](CpuQueue& q) { cpu::total(q, sums, task); });
    }
    void variance(Queue& queue, const Variance<T>& task) const override {
        enqueue(queue, [=, &sums = *isa_.sums](CpuQueue& q) { cpu::variance(q, sums, task); });
    }
    void fold(Queue& queue, const Fold<T>& task) const override {
        enqueue(queue, [=, &sums = *isa_.sums](CpuQueue& q) { cpu::fold(q, sums, task); });
    }
    void draw(Queue& queue, const Draw<T>& task) const override {
        enqueue(queue, [=](CpuQueue& q) { cpu::draw(q, task); });
    }
    void candidates(Queue& queue, const Candidates<T>& task) const override {
        enqueue(queue, [=, &sums = *isa_.sums](CpuQueue& q) { cpu::candidates(q, sums, task); });
    }
    void choose(Queue& queue, const Choose<T>& task) const override {
        enqueue(queue, [=, &sums = *isa_.sums](CpuQueue& q) { cpu::choose(q, sums, task); });
    }
    void select(Queue& queue, const Select<T>& task) const override {
        enqueue(queue, [=](CpuQueue& q) { cpu::select(q, task); });
    }

private:
    cpu::AssignPlan plan(const Assign<T>& task) const { return cpu::plan(task, isa_, threads_, path_, bounds_); }

    template <class Before = typename cpu::AssignRun<T>::Nothing>
    static void run(CpuQueue& queue, const cpu::AssignPlan& plan, const Assign<T>& task, std::byte* scratch,
                    std::byte* kept, T* gaps, Before before = {}) {
        cpu::AssignRun<T> run(plan, task, scratch, kept, gaps);
        run.run(
            each_of(queue.team()),
            [&](std::int64_t bad) {
                if (task.check_finite) queue.report(bad, prototypes_not_finite);
            },
            [&](std::int64_t bad) {
                if (task.check_finite) queue.report(bad, problem_of(task, bad));
            },
            before);
    }
    static auto each_of(ThreadTeam& team) {
        return [&team](std::int64_t tasks, const auto& body) { team.parallel_for(tasks, body); };
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

    const cpu::Isa& isa_;
    int threads_;
    std::string path_;
    cpu::BoundsUse bounds_;
};

template <class T>
class CpuEnergy final : public EnergyOperations<T> {
public:
    CpuEnergy(const cpu::Isa& isa, int threads) : isa_(isa), threads_(threads) {}

    std::size_t scratch_bytes(const EvaluateEnergy<T>& task) const override {
        return cpu::energy_scratch_bytes(threads_, *isa_.energy, task);
    }
    void evaluate(Queue& queue, const EvaluateEnergy<T>& task, std::byte* scratch) const override {
        enqueue(queue, [=, &kernels = *isa_.energy](CpuQueue& q) { cpu::evaluate(q, kernels, task, scratch); });
    }

private:
    const cpu::Isa& isa_;
    int threads_;
};

template <class T>
class CpuChains final : public ChainsOperations<T> {
public:
    CpuChains(const cpu::Isa& isa, int threads) : isa_(isa), threads_(threads) {}

    std::size_t scratch_bytes(const OwnedProgram<T>& program, std::int64_t, int max_depth) const override {
        return cpu::chains_scratch_bytes(threads_, *isa_.energy, program, max_depth);
    }
    void start(Queue& queue, const StartChains<T>& task, std::byte* scratch) const override {
        enqueue(queue,
                [=, &isa = isa_](CpuQueue& q) { cpu::start_chains(q, *isa.energy, *isa.chains, task, scratch); });
    }
    void run(Queue& queue, const RunChains<T>& task, std::byte* scratch) const override {
        enqueue(queue, [=, &isa = isa_](CpuQueue& q) { cpu::run_chains(q, *isa.energy, *isa.chains, task, scratch); });
    }
    void adapt(Queue& queue, const AdaptChains<T>& task) const override {
        enqueue(queue, [=, &isa = isa_](CpuQueue& q) { cpu::adapt_chains(q, *isa.energy, task); });
    }
    void add_products(Queue& queue, const AddProducts<T>& task) const override {
        enqueue(queue, [=, &isa = isa_](CpuQueue& q) { cpu::add_products(q, *isa.energy, task); });
    }
    void learn_dense_mass(Queue& queue, const math::DenseMassTask<T>& task) const override {
        enqueue(queue, [=](CpuQueue&) { math::learn_dense_mass(task, math::OneThread{}); });
    }

private:
    const cpu::Isa& isa_;
    int threads_;
};

// Large blocks ask for huge pages: each page costs its first touch, and rows in any order a look-up of their page.
void* allocate_pages(std::size_t bytes) {
    constexpr std::size_t huge_page = std::size_t{1} << 21, large = 2 * huge_page, alignment = 256;
    void* data = nullptr;
    if (posix_memalign(&data, bytes >= large ? huge_page : alignment, bytes) != 0) return nullptr;
#if defined(MADV_HUGEPAGE)
    if (bytes >= large) (void)madvise(data, bytes, MADV_HUGEPAGE);  // advice: without it pages are small
#endif
    return data;
}

int threads_of(const CpuOptions& options) {
    return options.threads > 0 ? options.threads : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

class CpuBackend final : public Backend {
public:
    explicit CpuBackend(const CpuOptions& options)
        : isa_(cpu::choose_isa()),
          team_(threads_of(options)),
          float_(isa_, team_.threads()),
          double_(isa_, team_.threads()),
          energy_float_(isa_, team_.threads()),
          energy_double_(isa_, team_.threads()),
          chains_float_(isa_, team_.threads()),
          chains_double_(isa_, team_.threads()) {
        properties_.name = "CPU (" + cpu::describe(isa_) + ", " + std::to_string(team_.threads()) +
                           (team_.threads() == 1 ? " thread)" : " threads)");
        properties_.processors = team_.threads();
        properties_.memory_bytes =
            static_cast<std::size_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    }
    const DeviceProperties& properties() const override { return properties_; }
    void* allocate(std::size_t bytes) override { return allocate_pages(bytes); }
    void deallocate(void* data) noexcept override { std::free(data); }
    std::size_t free_bytes() override { return free_host_bytes(); }
    std::unique_ptr<Queue> make_queue(Pool& pool, RunsWork when) override {
        return std::make_unique<CpuQueue>(pool, team_, when);
    }
    std::unique_ptr<Queue> wrap_queue(Pool&, void*) override {
        throw InvalidArgument("Stream::wrap", "context", "a CPU context",
                              "a CUDA context; the CPU has no native stream");
    }
    const AssignOperations<float>& assign_float() const override { return float_; }
    const AssignOperations<double>& assign_double() const override { return double_; }
    const EnergyOperations<float>& energy_float() const override { return energy_float_; }
    const EnergyOperations<double>& energy_double() const override { return energy_double_; }
    const ChainsOperations<float>& chains_float() const override { return chains_float_; }
    const ChainsOperations<double>& chains_double() const override { return chains_double_; }

private:
    const cpu::Isa isa_;
    ThreadTeam team_;
    DeviceProperties properties_;
    CpuAssign<float> float_;
    CpuAssign<double> double_;
    CpuEnergy<float> energy_float_;
    CpuEnergy<double> energy_double_;
    CpuChains<float> chains_float_;
    CpuChains<double> chains_double_;
};

}  // namespace

std::size_t free_host_bytes() {
    return static_cast<std::size_t>(sysconf(_SC_AVPHYS_PAGES)) * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

std::unique_ptr<Backend> make_cpu_backend(const CpuOptions& options) {
    // oneTBB has no more, unless the process does.
    const int most = std::max(256, static_cast<int>(std::thread::hardware_concurrency()));
    if (options.threads < 0 || options.threads > most)
        throw InvalidArgument("Context::cpu", "threads", std::to_string(options.threads),
                              "0 to " + std::to_string(most));
    return std::make_unique<CpuBackend>(options);
}

}  // namespace cuebm::detail
