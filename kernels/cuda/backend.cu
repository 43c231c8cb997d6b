// The GPU behind the seam, and the plug-in's one exported function.
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>

#include <cuebm/error.hpp>

#include "backend.hpp"
#include "cuda/assign/chunks.hpp"
#include "cuda/assign/operations.hpp"
#include "cuda/chains/operations.hpp"
#include "cuda/energy/operations.hpp"
#include "cuda/queue.hpp"

namespace cuebm::cuda {
namespace {

constexpr int least_compute_capability = 80;  // cp.async

std::string version_text(int version) {
    return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

// What is wrong with the driver or the number of the device, and what to do; empty: nothing.
std::string find_problem(int device) {
    int driver = 0, needed = 0, count = 0;
    (void)cudaDriverGetVersion(&driver);
    (void)cudaRuntimeGetVersion(&needed);
    const cudaError_t status = cudaGetDeviceCount(&count);
    if (status != cudaSuccess) (void)cudaGetLastError();
    if (status == cudaErrorInsufficientDriver && driver == 0)
        return "there is no NVIDIA driver: install one that supports CUDA " + version_text(needed) + " or newer";
    if (status == cudaErrorInsufficientDriver)
        return "the driver supports CUDA " + version_text(driver) + ", this plug-in needs " + version_text(needed) +
               ": update the driver";
    if (status == cudaErrorNoDevice || (status == cudaSuccess && count == 0))
        return "the driver sees no GPU: look at nvidia-smi and at CUDA_VISIBLE_DEVICES";
    check(status, "cudaGetDeviceCount");
    if (device < 0 || device >= count)
        return detail::no_such_device + (": asked for " + std::to_string(device) + ", there " +
                                         (count == 1 ? "is " : "are ") + std::to_string(count) + ", counted from 0");
    return "";
}

DeviceProperties find_properties(int device) {
    cudaDeviceProp found{};
    check(cudaGetDeviceProperties(&found, device), "cudaGetDeviceProperties");
    return {.name = found.name,
            .device = {Device::Kind::cuda, device},
            .processors = found.multiProcessorCount,
            .memory_bytes = found.totalGlobalMem,
            .shared_bytes = found.sharedMemPerBlockOptin,
            .compute_capability = 10 * found.major + found.minor};
}

// The same of a device that is there. Making its context is the proof that it works.
std::string find_problem(const DeviceProperties& found) {
    const int capability = found.compute_capability;
    if (capability < least_compute_capability)
        return found.name + " has compute capability " + std::to_string(capability / 10) + "." +
               std::to_string(capability % 10) + ", this plug-in needs 8.0 or newer: use another device, or the CPU";
    try {
        const DeviceScope scope(found.device.index);
        check(cudaFree(nullptr), "cudaFree");
    } catch (const DeviceError& error) {
        return found.name + ", device " + std::to_string(found.device.index) + ", cannot be used: " + error.what() +
               "; nvidia-smi tells whether another process has it for itself, or all of its memory";
    }
    return "";
}

// CUEBM_ASSIGN forces a way, for tests: it changes no bit of the results. Names of the CPU's ways are no error here,
// but choose nothing.
std::optional<AssignPath> forced_path() {
    const char* value = std::getenv("CUEBM_ASSIGN");
    const std::string name = value != nullptr ? value : "";
    if (name.empty() || name == "bf16" || name == "int8" || name == "amx") return std::nullopt;
    if (name == "direct") return AssignPath::direct;
    if (name == "fp32" || name == "screened") return AssignPath::fp32;
    if (name == "tensor") return AssignPath::tensor;
    if (name == "small") return AssignPath::small;
    throw DeviceError("CUEBM_ASSIGN is " + name + ": wanted direct, fp32, tensor or small, or unset it");
}

CudaQueue& cuda_queue(detail::Queue& queue) { return static_cast<CudaQueue&>(queue); }

template <class T>
class CudaAssign final : public detail::AssignOperations<T> {
public:
    CudaAssign(const DeviceProperties& properties, std::optional<AssignPath> forced)
        : properties_(properties), forced_(forced) {}

    std::string explain(const Assign<T>& task) const override { return text<T>(plan(task, properties_, forced_)); }
    std::size_t scratch_bytes(const Assign<T>& task) const override {
        return assign_scratch_bytes(plan(task, properties_, forced_), task);
    }
    std::size_t kept_bytes(const Assign<T>&) const override { return 0; }
    void keep(detail::Queue&, const Assign<T>&, std::byte*, std::byte*) const override {}
    void assign(detail::Queue& queue, const Assign<T>& task, std::byte* scratch, std::byte*, T* gaps) const override {
        auto& q = cuda_queue(queue);
        const AssignPath path = plan(task, properties_, forced_).path;  // the scratch is for this one
        for_chunks(q, task.points, 1, [&](const PointsView<T>& points, std::int64_t first) {
            auto part = task;
            part.points = points;
            part.known = rows_of_mask(task.known, first, points.rows);
            part.labels = slice(task.labels, first, points.rows);
            part.energies = slice(task.energies, first, points.rows);
            part.best_labels = slice(task.best_labels, first, points.rows);
            part.best_energies = slice(task.best_energies, first, points.rows);
            part.all_energies = slice(task.all_energies, first, points.rows);
            part.free_energies = slice(task.free_energies, first, points.rows);
            cuda::assign(q, plan(part, properties_, path), part, scratch, gaps != nullptr ? gaps + first : nullptr);
        });
    }
    void scales(detail::Queue& queue, const detail::Scales<T>& task) const override {
        cuda::scales(cuda_queue(queue), task, properties_);
    }
    std::size_t scratch_bytes(const detail::Accumulate<T>&) const override { return 0; }
    void accumulate(detail::Queue& queue, const detail::Accumulate<T>& task, std::byte*) const override {
        cuda::accumulate(cuda_queue(queue), task, properties_);
    }
    void accumulate_soft(detail::Queue& queue, const detail::AccumulateSoft<T>& task) const override {
        cuda::accumulate_soft(cuda_queue(queue), task);
    }
    void finish(detail::Queue& queue, const detail::Finish<T>& task) const override {
        cuda::finish(cuda_queue(queue), task);
    }
    void soft_mean(detail::Queue& queue, const detail::SoftMean<T>& task) const override {
        cuda::soft_mean(cuda_queue(queue), task, properties_);
    }
    void fill_in(detail::Queue& queue, const detail::FillIn<T>& task) const override {
        cuda::fill_in(cuda_queue(queue), task);
    }
    void normalise(detail::Queue& queue, const detail::Normalise<T>& task) const override {
        cuda::normalise(cuda_queue(queue), task);
    }
    void halve(detail::Queue& queue, MatrixView<T> values) const override { cuda::halve(cuda_queue(queue), values); }
    void total(detail::Queue& queue, const detail::Total<T>& task) const override {
        cuda::total(cuda_queue(queue), task);
    }
    void variance(detail::Queue& queue, const detail::Variance<T>& task) const override {
        cuda::variance(cuda_queue(queue), task);
    }
    void fold(detail::Queue& queue, const detail::Fold<T>& task) const override { cuda::fold(cuda_queue(queue), task); }
    void draw(detail::Queue& queue, const detail::Draw<T>& task) const override { cuda::draw(cuda_queue(queue), task); }
    void candidates(detail::Queue& queue, const detail::Candidates<T>& task) const override {
        const Assign<T> all{
            .points = task.points, .prototypes = task.prototypes, .all_energies = task.energies, .check_finite = false};
        assign(queue, all, nullptr, nullptr, nullptr);  // every energy: directly, without scratch
    }
    void choose(detail::Queue& queue, const detail::Choose<T>& task) const override {
        cuda::choose(cuda_queue(queue), task);
    }
    void select(detail::Queue& queue, const detail::Select<T>& task) const override {
        cuda::select(cuda_queue(queue), task);
    }
    void gather(detail::Queue& queue, PointsView<T> from, const std::int64_t* rows, MatrixView<T> to) const override {
        cuda::gather(cuda_queue(queue), from, rows, to);
    }

private:
    const DeviceProperties& properties_;
    std::optional<AssignPath> forced_;
};

template <class T>
class CudaEnergy final : public detail::EnergyOperations<T> {
public:
    explicit CudaEnergy(const DeviceProperties& properties) : properties_(properties) {}
    std::size_t scratch_bytes(const detail::EvaluateEnergy<T>& task) const override {
        return evaluate_scratch_bytes(task, properties_);
    }
    void evaluate(detail::Queue& queue, const detail::EvaluateEnergy<T>& task, std::byte* scratch) const override {
        cuda::evaluate(cuda_queue(queue), task, properties_, scratch);
    }

private:
    const DeviceProperties& properties_;
};

template <class T>
class CudaChains final : public detail::ChainsOperations<T> {
public:
    explicit CudaChains(const DeviceProperties& properties) : properties_(properties) {}
    std::size_t scratch_bytes(const detail::OwnedProgram<T>& program, std::int64_t chains,
                              int max_depth) const override {
        return chains_scratch_bytes(program, chains, max_depth, properties_);
    }
    void start(detail::Queue& queue, const detail::StartChains<T>& task, std::byte* scratch) const override {
        start_chains(cuda_queue(queue), task, properties_, scratch);
    }
    void run(detail::Queue& queue, const detail::RunChains<T>& task, std::byte* scratch) const override {
        run_chains(cuda_queue(queue), task, properties_, scratch);
    }
    void adapt(detail::Queue& queue, const detail::AdaptChains<T>& task) const override {
        adapt_chains(cuda_queue(queue), task);
    }
    void add_products(detail::Queue& queue, const detail::AddProducts<T>& task) const override {
        cuda::add_products(cuda_queue(queue), task);
    }
    void learn_dense_mass(detail::Queue& queue, const math::DenseMassTask<T>& task) const override {
        cuda::learn_dense_mass(cuda_queue(queue), task);
    }

private:
    const DeviceProperties& properties_;
};

class CudaBackend final : public detail::Backend {
public:
    CudaBackend(int device, std::optional<AssignPath> forced)
        : device_(device),
          properties_(find_properties(device)),
          cache_(device),
          float_(properties_, forced),
          double_(properties_, forced),
          energy_float_(properties_),
          energy_double_(properties_),
          chains_float_(properties_),
          chains_double_(properties_) {}

    const DeviceProperties& properties() const override { return properties_; }
    void* allocate(std::size_t bytes) override {
        const DeviceScope scope(device_);
        void* data = nullptr;
        const cudaError_t status = cudaMalloc(&data, bytes);
        if (status == cudaErrorMemoryAllocation) {
            (void)cudaGetLastError();
            return nullptr;
        }
        check(status, "cudaMalloc");
        return data;
    }
    void deallocate(void* data) noexcept override {
        const DeviceScope scope(device_, std::nothrow);
        (void)cudaFree(data);
    }
    std::size_t free_bytes() override {
        const DeviceScope scope(device_);
        std::size_t free = 0, all = 0;
        check(cudaMemGetInfo(&free, &all), "cudaMemGetInfo");
        return free;
    }
    std::unique_ptr<detail::Queue> make_queue(detail::Pool& pool, detail::RunsWork) override {
        return std::make_unique<CudaQueue>(pool, cache_, device_);
    }
    std::unique_ptr<detail::Queue> wrap_queue(detail::Pool& pool, void* native) override {
        return std::make_unique<CudaQueue>(pool, cache_, device_, static_cast<cudaStream_t>(native));
    }
    const detail::AssignOperations<float>& assign_float() const override { return float_; }
    const detail::AssignOperations<double>& assign_double() const override { return double_; }
    const detail::EnergyOperations<float>& energy_float() const override { return energy_float_; }
    const detail::EnergyOperations<double>& energy_double() const override { return energy_double_; }
    const detail::ChainsOperations<float>& chains_float() const override { return chains_float_; }
    const detail::ChainsOperations<double>& chains_double() const override { return chains_double_; }

private:
    int device_;
    DeviceProperties properties_;
    QueuePartsCache cache_;
    CudaAssign<float> float_;
    CudaAssign<double> double_;
    CudaEnergy<float> energy_float_;
    CudaEnergy<double> energy_double_;
    CudaChains<float> chains_float_;
    CudaChains<double> chains_double_;
};

std::unique_ptr<detail::Backend> open_backend(int interface, int device, std::string& problem) {
    if (interface != detail::backend_interface) {
        problem = "the CUDA plug-in is of interface " + std::to_string(detail::backend_interface) +
                  ", this library wants " + std::to_string(interface) + ": install the two of one version";
        return nullptr;
    }
    problem = find_problem(device);
    if (!problem.empty()) return nullptr;
    auto backend = std::make_unique<CudaBackend>(device, forced_path());
    problem = find_problem(backend->properties());
    if (!problem.empty()) return nullptr;
    return backend;
}

}  // namespace
}  // namespace cuebm::cuda

extern "C" CUEBM_API cuebm::detail::Backend* cuebm_open_cuda_backend(int interface, int device, std::string* problem) {
    try {
        return cuebm::cuda::open_backend(interface, device, *problem).release();
    } catch (const std::exception& error) {
        *problem = error.what();
        return nullptr;
    }
}
