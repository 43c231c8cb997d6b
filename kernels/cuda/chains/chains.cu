// Launches of chains.cuh, nuts.cuh, crew_chains.cuh and adapt.cuh.
#include "cuda/chains/chains.cuh"

#include "cuda/chains/adapt.cuh"
#include "cuda/chains/crew_chains.hpp"
#include "cuda/chains/operations.hpp"
#include "cuda/custom/kernels.hpp"
#include "cuda/energy/upload.hpp"

namespace cuebm::cuda {
namespace {

std::int64_t tiles_of(std::int64_t chains) { return (chains + chain_threads - 1) / chain_threads; }

template <class T>
std::size_t column_bytes(std::int64_t rows) {
    return static_cast<std::size_t>(rows * chain_threads) * sizeof(T);
}

template <class T>
struct ChainsLayout {
    ChainsLayout(detail::Carver& carver, const detail::OwnedProgram<T>& owned, std::int64_t chains, int max_depth,
                 const DeviceProperties& properties)
        : program(carver, owned) {
        const std::int64_t rows = chain_rows(owned.d, owned.scratch_rows, max_depth);
        const std::size_t room = std::min(chain_shared_bytes(max_depth), properties.shared_bytes);
        const std::size_t scratch = column_bytes<T>(rows), with_state = column_bytes<T>(rows + 2 * owned.d);
        resident = max_depth == 0 && with_state <= room;  // NUTS reads its state once a transition
        shared_bytes = resident ? with_state : scratch <= room ? scratch : 0;
        if (shared_bytes == 0) columns = carver.take<T>(tiles_of(chains) * rows * chain_threads);
    }
    ProgramLayout<T> program;
    bool resident;
    std::size_t shared_bytes;
    T* columns = nullptr;
};

template <class Task>
Launch launch_of(CudaQueue& queue, const Task& task, std::size_t shared_bytes) {
    return {.grid = dim3(static_cast<unsigned>(tiles_of(task.chains))),
            .block = dim3(chain_threads),
            .shared_bytes = shared_bytes,
            .stream = queue.stream()};
}

template <class T, class Task>
ChainsData<T> data_of(CudaQueue& queue, const Task& task, const ChainsLayout<T>& layout) {
    ChainsData<T> data{};
    data.program = upload(queue, *task.program, layout.program);
    data.state = task.state;
    data.chains = task.chains;
    data.columns = layout.columns;
    data.resident = layout.resident;
    return data;
}

template <class T>
ChainsKernel<T> kernel_for(const detail::RunChains<T>& task, const DeviceProperties& properties) {
    const auto kernel = [&](ChainsKernel<T> built_in, const char* header, const char* name) {
        return kernel_of(*task.program, properties.compute_capability, built_in, header, name);
    };
    if (task.transition.max_depth > 0) return kernel(nuts_kernel<T>(), "cuda/chains/nuts.cuh", "run_nuts<Element>");
    if (task.metropolis)
        return kernel(run_transitions<false, T>, "cuda/chains/chains.cuh", "run_transitions<false, Element>");
    return kernel(run_transitions<true, T>, "cuda/chains/chains.cuh", "run_transitions<true, Element>");
}

}  // namespace

template <class T>
std::size_t chains_scratch_bytes(const detail::OwnedProgram<T>& program, std::int64_t chains, int max_depth,
                                 const DeviceProperties& properties) {
    return detail::layout_bytes<ChainsLayout<T>>(program, chains, max_depth, properties);
}

template <class T>
void start_chains(CudaQueue& queue, const detail::StartChains<T>& task, const DeviceProperties& properties,
                  std::byte* scratch) {
    const DeviceScope scope(queue.device());
    detail::Carver carver(scratch);
    const ChainsLayout<T> layout(carver, *task.program, task.chains, task.max_depth, properties);
    const auto kernel = kernel_of(*task.program, properties.compute_capability, start_states<T>,
                                  "cuda/chains/chains.cuh", "start_states<Element>");
    auto data = data_of(queue, task, layout);
    data.transition.max_depth = task.max_depth;
    data.start = {task.start.data, task.start.stride};
    data.key = task.key;
    data.attempt = task.attempt;
    data.spread = task.spread;
    launch(kernel, launch_of(queue, task, layout.shared_bytes), data);
}

template <class T>
void run_chains(CudaQueue& queue, const detail::RunChains<T>& task, const DeviceProperties& properties,
                std::byte* scratch) {
    const DeviceScope scope(queue.device());
    detail::Carver carver(scratch);
    const ChainsLayout<T> layout(carver, *task.program, task.chains, task.transition.max_depth, properties);
    const auto kernel = kernel_for(task, properties);  // first: it may refuse a user's own energy
    auto data = data_of(queue, task, layout);
    data.transition = task.transition;
    data.tuning = task.tuning;
    data.average = task.average;
    data.learnt_length = task.learnt_length;
    data.first = task.first;
    data.count = task.count;
    data.done = task.done;
    data.kept = task.kept;
    if (const auto crew = plan_crews(task.program->view(), task.transition, properties.shared_bytes); crew.crews > 0) {
        if (crew.shared_bytes > 0) data.columns = nullptr;
        const std::int64_t blocks = (task.chains + crew.crews - 1) / crew.crews;
        launch(data.transition.max_depth > 0 ? crew_nuts_kernel<T>() : crew_kernel<T>(task.metropolis),
               {.grid = dim3(static_cast<unsigned>(blocks)),
                .block = dim3(static_cast<unsigned>(crew.crews * math::warp_lanes)),
                .shared_bytes = crew.shared_bytes,
                .stream = queue.stream()},
               data);
    } else {
        launch(kernel, launch_of(queue, task, layout.shared_bytes), data);
    }
    if (task.sums != nullptr)
        launch(add_tiles<T>, launch_of(queue, task, 0), task.state, task.chains, task.program->d, task.origin,
               task.sums);
}

template <class T>
void adapt_chains(CudaQueue& queue, const detail::AdaptChains<T>& task) {
    const DeviceScope scope(queue.device());
    launch(adapt_tuning<T>, {.grid = dim3(1), .block = dim3(adapt_threads), .stream = queue.stream()}, task);
}

template <class T>
void add_products(CudaQueue& queue, const detail::AddProducts<T>& task) {
    const DeviceScope scope(queue.device());
    const std::int64_t blocks = (task.d * (1 + task.d) + adapt_threads - 1) / adapt_threads;
    launch(add_deviations<T>,
           {.grid = dim3(static_cast<unsigned>(blocks)), .block = dim3(adapt_threads), .stream = queue.stream()}, task);
}

template <class T>
void learn_dense_mass(CudaQueue& queue, const math::DenseMassTask<T>& task) {
    const DeviceScope scope(queue.device());
    launch(learn_mass_matrix<T>, {.grid = dim3(1), .block = dim3(adapt_threads), .stream = queue.stream()}, task);
}

#define CUEBM_INSTANTIATE(T)                                                                                       \
    template std::size_t chains_scratch_bytes<T>(const detail::OwnedProgram<T>&, std::int64_t, int,                \
                                                 const DeviceProperties&);                                         \
    template void start_chains<T>(CudaQueue&, const detail::StartChains<T>&, const DeviceProperties&, std::byte*); \
    template void run_chains<T>(CudaQueue&, const detail::RunChains<T>&, const DeviceProperties&, std::byte*);     \
    template void adapt_chains<T>(CudaQueue&, const detail::AdaptChains<T>&);                                      \
    template void add_products<T>(CudaQueue&, const detail::AddProducts<T>&);                                      \
    template void learn_dense_mass<T>(CudaQueue&, const math::DenseMassTask<T>&);
CUEBM_INSTANTIATE(float)
CUEBM_INSTANTIATE(double)

}  // namespace cuebm::cuda
