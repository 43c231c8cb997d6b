// Launches of evaluate.cuh.
#include "cuda/energy/evaluate.cuh"

#include "cuda/energy/operations.hpp"
#include "cuda/energy/upload.hpp"

namespace cuebm::cuda {
namespace {

template <class T>
struct EvaluateLayout {
    EvaluateLayout(detail::Carver& carver, const detail::OwnedProgram<T>& owned, std::size_t columns_bytes)
        : program(carver, owned), columns(carver.take<std::byte>(static_cast<std::int64_t>(columns_bytes))) {}
    ProgramLayout<T> program;
    std::byte* columns;  // of what is in flight
};

template <class T>
EnergyConfig plan_of(const detail::EvaluateEnergy<T>& task, const DeviceProperties& properties) {
    const std::int64_t rows = (task.gradients ? 2 : 1) * std::int64_t{task.program->d} + task.program->scratch_rows;
    return plan_energy(task.points.rows, rows, sizeof(T), properties);
}

}  // namespace

template <class T>
std::size_t evaluate_scratch_bytes(const detail::EvaluateEnergy<T>& task, const DeviceProperties& properties) {
    return detail::layout_bytes<EvaluateLayout<T>>(*task.program, plan_of(task, properties).scratch_bytes);
}

template <class T>
void evaluate(CudaQueue& queue, const detail::EvaluateEnergy<T>& task, const DeviceProperties& properties,
              std::byte* scratch) {
    const DeviceScope scope(queue.device());
    const EnergyConfig config = plan_of(task, properties);
    detail::Carver carver(scratch);
    const EvaluateLayout<T> layout(carver, *task.program, config.scratch_bytes);
    const auto program = upload(queue, *task.program, layout.program);
    const auto kernel = !task.gradients ? evaluate_points<true, false, T>
                        : !task.values  ? evaluate_points<false, true, T>
                                        : evaluate_points<true, true, T>;
    launch(kernel,
           {.grid = dim3(static_cast<unsigned>(config.blocks)),
            .block = dim3(static_cast<unsigned>(config.threads)),
            .shared_bytes = config.shared_bytes,
            .stream = queue.stream()},
           program, task.points, task.values, task.gradients,
           config.shared_bytes > 0 ? nullptr : reinterpret_cast<T*>(layout.columns), task.check_finite, queue.status());
}

#define CUEBM_INSTANTIATE(T)                                                                                   \
    template std::size_t evaluate_scratch_bytes<T>(const detail::EvaluateEnergy<T>&, const DeviceProperties&); \
    template void evaluate<T>(CudaQueue&, const detail::EvaluateEnergy<T>&, const DeviceProperties&, std::byte*);
CUEBM_INSTANTIATE(float)
CUEBM_INSTANTIATE(double)

}  // namespace cuebm::cuda
