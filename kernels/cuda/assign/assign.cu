// assign(): one kernel of every energy, or a few that screen first. plan() has chosen.
#include "cuda/assign/direct.cuh"
#include "cuda/assign/operations.hpp"
#include "cuda/assign/screened.cuh"
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

template <class T>
void direct(CudaQueue& queue, const AssignConfig& config, const Assign<T>& task) {
    const EnergyTask<T> energies{values_of(task.points), task.prototypes, task.known, config.wide_points,
                                 config.wide_prototypes};
    const bool list = task.best_labels || task.best_energies;
    const auto m = static_cast<int>(task.best_labels ? task.best_labels.cols : task.best_energies.cols);
    const std::size_t list_bytes =
        list ? std::size_t{EnergyTile<T>::points} * BestLists<T>::most * (sizeof(T) + sizeof(std::int32_t)) : 0;
    const bool product = task.metric == Metric::inner_product;
    launch(task.known ? (product ? assign_direct<T, true, true> : assign_direct<T, true, false>)
                      : (product ? assign_direct<T, false, true> : assign_direct<T, false, false>),
           tiled(queue, config.tiles, dim3(EnergyTile<T>::threads), list_bytes), task, energies, m, queue.status());
}

void screened(CudaQueue& queue, const AssignConfig& config, const Assign<float>& task, std::byte* scratch) {
    detail::Carver carver(scratch);
    const std::int64_t k = task.prototypes.rows, d = task.points.cols;
    const Screen screen = ScreenLayout(carver, k, d).screen;
    queue.fill(screen.largest, 0, sizeof(unsigned));
    launch(screen_shift, tiled(queue, ceil_div(screen.stride, 32), dim3(256)), task.prototypes, screen);
    launch(screen_prototypes, strided(queue, ceil_div(screen.slots, rows_a_row_block), row_threads), task.prototypes,
           screen);
    launch(assign_screened, tiled(queue, config.tiles, dim3(ScreenTile::threads), config.shared_bytes), task, screen,
           config.wide_points, queue.status());
}

}  // namespace

template <class T>
std::size_t assign_scratch_bytes(const AssignConfig& config, const Assign<T>& task) {
    if (config.path == AssignPath::direct) return 0;
    return detail::layout_bytes<ScreenLayout>(task.prototypes.rows, task.points.cols);
}

template <class T>
void assign(CudaQueue& queue, const AssignConfig& config, const Assign<T>& task, std::byte* scratch) {
    const DeviceScope scope(queue.device());
    if (task.check_finite)
        launch(check_prototypes<T>, strided(queue, ceil_div(task.prototypes.rows, rows_a_row_block), row_threads),
               task.prototypes, queue.status());
    if constexpr (std::is_same_v<T, float>) {
        if (config.path == AssignPath::screened) return screened(queue, config, task, scratch);
    }
    direct(queue, config, task);
}

#define CUEBM_INSTANTIATE(T)                                                             \
    template std::size_t assign_scratch_bytes<T>(const AssignConfig&, const Assign<T>&); \
    template void assign<T>(CudaQueue&, const AssignConfig&, const Assign<T>&, std::byte*);
CUEBM_INSTANTIATE(float)
CUEBM_INSTANTIATE(double)

}  // namespace cuebm::cuda
