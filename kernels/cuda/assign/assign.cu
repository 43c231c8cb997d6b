// assign(): one kernel of every energy, or a few that screen first. plan() has chosen.
#include "cuda/assign/direct.cuh"
#include "cuda/assign/operations.hpp"
#include "cuda/assign/screened.cuh"
#include "cuda/assign/small.cuh"
#include "cuda/assign/tensor.cuh"
#include "workspace.hpp"

namespace cuebm::cuda {
namespace {

struct ScreenLayout {
    ScreenLayout(detail::Carver& carver, std::int64_t k, std::int64_t d) {
        screen.stride = ceil_div(d, ScreenTile::columns) * ScreenTile::columns;
        screen.slots = ceil_div(k, ScreenTile::prototypes) * ScreenTile::prototypes;
        screen.shifted = carver.take<float>(k * screen.stride);
        screen.half_squares = carver.take<float>(screen.slots);
        screen.shift = carver.take<float>(screen.stride);
        screen.largest = carver.take<unsigned>(1);
        screen.spread = math::screening_spread(d);
        screen.floor = math::screening_floor(d);
        screen.norm_growth = math::screening_norm_growth(d);
        screen.norm_floor = math::screening_norm_floor(d);
    }
    Screen screen{};
};

struct TensorLayout {
    TensorLayout(detail::Carver& carver, std::int64_t k, std::int64_t d) {
        screen.depth = TensorTile::depth(d);
        screen.stride = TensorTile::stride(d);
        screen.slots = TensorTile::slots(k);
        screen.rows = carver.take<std::uint16_t>(screen.slots * screen.stride);
        screen.terms = carver.take<float2>(screen.slots);
        screen.shift = carver.take<float>(screen.depth);
        screen.largest = carver.take<unsigned>(3);
        screen.bound = math::fp16_bound(d);
    }
    TensorScreen screen{};
};

template <class T>
void direct(CudaQueue& queue, const AssignConfig& config, const Assign<T>& task, T* gaps) {
    const EnergyTask<T> energies{detail::values_of(task.points), task.prototypes, task.known, config.wide_points,
                                 config.wide_prototypes};
    const bool list = task.best_labels || task.best_energies;
    const auto m = static_cast<int>(task.best_labels ? task.best_labels.cols : task.best_energies.cols);
    const std::size_t list_bytes =
        list ? std::size_t{EnergyTile<T>::points} * BestLists<T>::most * (sizeof(T) + sizeof(std::int32_t)) : 0;
    const bool product = task.metric == Metric::inner_product;
    launch(task.known ? (product ? assign_direct<T, true, true> : assign_direct<T, true, false>)
                      : (product ? assign_direct<T, false, true> : assign_direct<T, false, false>),
           tiled(queue, config.tiles, dim3(EnergyTile<T>::threads), list_bytes), task, energies, m, gaps,
           queue.status());
}

void screened(CudaQueue& queue, const AssignConfig& config, const Assign<float>& task, std::byte* scratch) {
    detail::Carver carver(scratch);
    const std::int64_t k = task.prototypes.rows, d = task.points.cols;
    const Screen screen = ScreenLayout(carver, k, d).screen;
    queue.fill(screen.largest, 0, sizeof(unsigned));
    launch(screen_shift, tiled(queue, ceil_div(screen.stride, 32), dim3(256)), task.prototypes, screen.shift,
           screen.stride);
    launch(screen_prototypes, strided(queue, ceil_div(screen.slots, rows_a_row_block), row_threads), task.prototypes,
           screen);
    launch(assign_screened, tiled(queue, config.tiles, dim3(ScreenTile::threads), config.shared_bytes), task, screen,
           config.wide_points, queue.status());
}

void tensor(CudaQueue& queue, const AssignConfig& config, const Assign<float>& task, std::byte* scratch) {
    detail::Carver carver(scratch);
    const TensorScreen screen = TensorLayout(carver, task.prototypes.rows, task.points.cols).screen;
    queue.fill(screen.largest, 0, 3 * sizeof(unsigned));
    launch(screen_shift, tiled(queue, ceil_div(screen.depth, 32), dim3(256)), task.prototypes, screen.shift,
           screen.depth);
    launch(tensor_scale, strided(queue, ceil_div(task.prototypes.rows, rows_a_row_block), row_threads), task.prototypes,
           screen);
    launch(tensor_prototypes, strided(queue, ceil_div(screen.slots, rows_a_row_block), row_threads), task.prototypes,
           screen);
    const auto kernel = config.columns == TensorTile::wide_chunk ? assign_tensor<TensorTile::wide_chunk>
                                                                 : assign_tensor<TensorTile::narrow_chunk>;
    launch(kernel, tiled(queue, config.tiles, dim3(TensorTile::threads), config.shared_bytes), task, screen,
           config.wide_points, queue.status());
}

template <int Depth>
void small(CudaQueue& queue, const AssignConfig& config, const Assign<float>& task) {
    if (Depth < SmallLimits::depth_of(task.points.cols)) {
        if constexpr (Depth < SmallLimits::depth) small<2 * Depth>(queue, config, task);
        return;
    }
    launch(assign_small<Depth>, tiled(queue, config.tiles, dim3(SmallTile<Depth>::threads), config.shared_bytes), task,
           config.wide_points, config.wide_prototypes, queue.status());
}

}  // namespace

template <class T>
std::size_t assign_scratch_bytes(const AssignConfig& config, const Assign<T>& task) {
    const std::int64_t k = task.prototypes.rows, d = task.points.cols;
    switch (config.path) {
        case AssignPath::fp32: return detail::layout_bytes<ScreenLayout>(k, d);
        case AssignPath::tensor: return detail::layout_bytes<TensorLayout>(k, d);
        default: return 0;
    }
}

template <class T>
void assign(CudaQueue& queue, const AssignConfig& config, const Assign<T>& task, std::byte* scratch, T* gaps) {
    const DeviceScope scope(queue.device());
    if (task.check_finite)
        launch(check_prototypes<T>, strided(queue, ceil_div(task.prototypes.rows, rows_a_row_block), row_threads),
               task.prototypes, queue.status());
    if constexpr (std::is_same_v<T, float>) {
        if (config.path == AssignPath::fp32) return screened(queue, config, task, scratch);
        if (config.path == AssignPath::tensor) return tensor(queue, config, task, scratch);
        if (config.path == AssignPath::small) return small<2>(queue, config, task);
    }
    direct(queue, config, task, gaps);
}

#define CUEBM_INSTANTIATE(T)                                                             \
    template std::size_t assign_scratch_bytes<T>(const AssignConfig&, const Assign<T>&); \
    template void assign<T>(CudaQueue&, const AssignConfig&, const Assign<T>&, std::byte*, T*);
CUEBM_INSTANTIATE(float)
CUEBM_INSTANTIATE(double)

}  // namespace cuebm::cuda
