// How a task of the K-means family runs on a GPU: plan() chooses, from shapes and the device alone, between ways that
// give the same bits. Pure and without CUDA, so that it is tested anywhere. No constant here is measured yet.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>

#include <cuebm/assign.hpp>

#include "assign_operations.hpp"
#include "math/screening.hpp"

namespace cuebm::cuda {

// Canonical energies: half a warp holds 4 points x 16 prototypes in registers (2 x 16 doubles: 64 registers a thread
// either way), 16 coordinates at a time. Rows of a tile are a multiple of 16 bytes apart, and the two points that the
// halves of a warp read at once lie in different banks.
template <class T>
struct EnergyTile {
    static constexpr int threads = 256, half_warps = threads / 16;
    static constexpr int points_each = 16 / sizeof(T), points = points_each * half_warps, prototypes = 16;
    static constexpr int columns = 128 / sizeof(T), pitch = columns + 16 / static_cast<int>(sizeof(T));
    static constexpr int point_elements = points * pitch, prototype_elements = prototypes * pitch;
};

// Screening: 16 x 16 threads, each with 8 points x 4 prototypes in registers.
struct ScreenTile {
    static constexpr int threads = 256, points = 128, prototypes = 64, columns = 32, pitch = columns + 4;
    static constexpr int points_each = points / 16, prototypes_each = prototypes / 16;
    static constexpr int point_elements = points * pitch, prototype_elements = prototypes * pitch;
    static constexpr std::size_t shared_bytes = 2 * (point_elements + prototype_elements) * sizeof(float);
};

enum class AssignPath : std::uint8_t { direct, screened };

struct AssignConfig {
    AssignPath path = AssignPath::direct;
    bool wide_points = false, wide_prototypes = false;  // rows can be copied 16 bytes at a time
    std::int64_t tiles = 0;                             // of points, a block each
    std::size_t shared_bytes = 0;                       // dynamic shared memory
};

inline constexpr std::int64_t max_blocks = (std::int64_t{1} << 31) - 1;

inline std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return a / b + (a % b != 0); }

template <class T>
bool is_wide(const MatrixView<const T>& rows) {
    constexpr std::int64_t elements = 16 / sizeof(T);
    return reinterpret_cast<std::uintptr_t>(rows.data) % 16 == 0 && rows.stride % elements == 0 &&
           rows.cols % elements == 0;
}

template <class T>
bool is_wide(const PointsView<T>& points) {
    return points.type == element_type<T> && is_wide(detail::values_of(points));
}

// Screening wants float, labels or energies alone and nothing hidden; and enough prototypes to fill its tiles.
template <class T>
bool can_screen(const Assign<T>& task) {
    return std::is_same_v<T, float> && task.metric == Metric::squared_euclidean && !task.known && !task.best_labels &&
           !task.best_energies && !task.all_energies && !task.free_energies &&
           task.points.cols <= math::screening_max_depth;
}

template <class T>
AssignConfig plan(const Assign<T>& task, const DeviceProperties& device, std::optional<AssignPath> forced) {
    const bool fits = device.shared_bytes >= ScreenTile::shared_bytes;
    const bool worth = forced ? *forced == AssignPath::screened : task.prototypes.rows >= ScreenTile::prototypes / 2;
    AssignConfig config;
    config.path = can_screen(task) && fits && worth ? AssignPath::screened : AssignPath::direct;
    config.wide_points = is_wide(task.points);
    config.wide_prototypes = is_wide(task.prototypes);
    const bool screened = config.path == AssignPath::screened;
    config.tiles = ceil_div(task.points.rows, screened ? ScreenTile::points : EnergyTile<T>::points);
    config.shared_bytes = screened ? ScreenTile::shared_bytes : 0;
    return config;
}

template <class T>
std::string text(const AssignConfig& config) {
    const bool screened = config.path == AssignPath::screened;
    const int points = screened ? ScreenTile::points : EnergyTile<T>::points;
    const int prototypes = screened ? ScreenTile::prototypes : EnergyTile<T>::prototypes;
    const std::string copies = std::to_string(config.wide_points ? 16 : sizeof(T));
    return std::string(screened ? "screened fp32, " : "canonical energies of every pair, ") + std::to_string(points) +
           " x " + std::to_string(prototypes) + " tiles, " + std::to_string(config.tiles) + " of them, copies of " +
           copies + " bytes";
}

}  // namespace cuebm::cuda
