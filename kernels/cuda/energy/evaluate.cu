// Launches of evaluate.cuh.
#include "cuda/energy/evaluate.cuh"

#include "cuda/custom/kernels.hpp"
#include "cuda/energy/config.hpp"
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
    const auto& program = *task.program;
    return plan_energy(task.points.rows, program.d, program.scratch_rows, bool{task.gradients}, sizeof(T), properties);
}

template <class T>
EvaluateKernel<T> kernel_for(const detail::EvaluateEnergy<T>& task, bool by_rows, const DeviceProperties& properties) {
    const auto kernel = [&](EvaluateKernel<T> built_in, const char* name) {
        return kernel_of(*task.program, properties.compute_capability, built_in, "cuda/energy/evaluate.cuh", name);
    };
    const bool gradients{task.gradients};
    if (!by_rows)
        return kernel(columns_kernel<T>(gradients),
                      gradients ? "evaluate_columns<true, Element>" : "evaluate_columns<false, Element>");
    if (!gradients) return kernel(evaluate_rows<true, false, T>, "evaluate_rows<true, false, Element>");
    if (!task.values) return kernel(evaluate_rows<false, true, T>, "evaluate_rows<false, true, Element>");
    return kernel(evaluate_rows<true, true, T>, "evaluate_rows<true, true, Element>");
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
    // First of all, since it may refuse a user's own energy.
    const auto kernel = kernel_for(task, config.rows_each > 0, properties);
    PointsData<T> data{};
    data.program = upload(queue, *task.program, layout.program);
    data.n = task.points.rows;
    data.points = {task.points.data, task.points.stride};
    data.values = {task.values.data, task.values.stride};
    data.gradients = {task.gradients.data, task.gradients.stride};
    data.check_finite = task.check_finite;
    data.status = queue.status();
    if (config.rows_each == 0)
        data.columns = reinterpret_cast<T*>(layout.columns);
    else
        data.room = warp_room(task.program->d, task.program->scratch_rows, bool{task.gradients}, config.rows_each,
                              config.buffers);
    launch(kernel,
           {.grid = dim3(static_cast<unsigned>(config.blocks)),
            .block = dim3(static_cast<unsigned>(config.threads)),
            .shared_bytes = config.shared_bytes,
            .stream = queue.stream()},
           data);
}

#define CUEBM_INSTANTIATE(T)                                                                                   \
    template std::size_t evaluate_scratch_bytes<T>(const detail::EvaluateEnergy<T>&, const DeviceProperties&); \
    template void evaluate<T>(CudaQueue&, const detail::EvaluateEnergy<T>&, const DeviceProperties&, std::byte*);
CUEBM_INSTANTIATE(float)
CUEBM_INSTANTIATE(double)

}  // namespace cuebm::cuda
