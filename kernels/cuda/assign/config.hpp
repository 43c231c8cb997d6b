// How a task of the K-means family runs on a GPU: plan() chooses, from shapes and the device alone, between ways that
// give the same bits. Pure and without CUDA, so that it is tested anywhere. docs/design/cuda-kernels.md says
// what is measured.
#pragma once

#include <algorithm>
#include <bit>
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

// Tensor cores: 4 x 2 warps of 32 points x 64 prototypes, 64 sums a thread; prototypes come `Columns` coordinates a
// chunk. Rows of both operands are an odd number of 16 bytes apart, so that the eight rows that ldmatrix reads at once
// lie in different banks.
struct TensorTile {
    static constexpr int threads = 256, half_warps = threads / 16, points = 128, prototypes = 128, pad = 8;
    static constexpr int warps_down = 4, warp_points = points / warps_down;
    static constexpr int warps_across = 2, warp_prototypes = prototypes / warps_across;
    static constexpr int classes = 4 * warps_across;          // of prototypes: a quad of lanes a warp
    static constexpr int wide_chunk = 64, narrow_chunk = 32;  // narrow: where deep points leave no room for wide
    static constexpr int pitch(int columns) { return columns + pad; }
    static std::int64_t depth(std::int64_t d) { return (d + 15) / 16 * 16; }
    // Of the rounded prototypes in memory, which are copied by whole tiles and chunks without looking for their ends.
    static std::int64_t stride(std::int64_t d) { return (d + wide_chunk - 1) / wide_chunk * wide_chunk; }
    static std::int64_t slots(std::int64_t k) { return (k + prototypes - 1) / prototypes * prototypes; }
    static std::size_t shared_bytes(std::int64_t d, int columns) {
        const std::int64_t halves = 2 * prototypes * pitch(columns) + points * (depth(d) + pad);
        const std::int64_t floats = 2 * points + 2 * 2 * prototypes;  // the points' bounds, the prototypes' terms
        return static_cast<std::size_t>(floats) * sizeof(float) +
               static_cast<std::size_t>(halves) * sizeof(std::uint16_t);
    }
    static int columns(std::int64_t d, std::size_t room) {
        return shared_bytes(d, wide_chunk) <= room ? wide_chunk : narrow_chunk;
    }
};

// Few coordinates and prototypes: a thread has two points in registers. Depth is that of the registers, d rounded up;
// rows of the points' tile are an odd number of 16 bytes apart where a thread reads more than one.
template <int Depth>
struct SmallTile {
    static constexpr int threads = 128, points_each = 2, points = threads * points_each;
    static constexpr int columns = Depth < 4 ? 4 : Depth, pitch = columns == 4 ? 4 : columns + 4;
};
struct SmallLimits {
    static constexpr int depth = 32, prototypes = 256, worth = 1024;  // worth: depth times k, not measured
    static int depth_of(std::int64_t d) {
        for (int depth = 2; depth < SmallLimits::depth; depth *= 2)
            if (d <= depth) return depth;
        return SmallLimits::depth;
    }
    static std::size_t shared_bytes(std::int64_t d, std::int64_t k) {
        const int columns = std::max(depth_of(d), 4), pitch = columns == 4 ? 4 : columns + 4;
        return static_cast<std::size_t>(SmallTile<4>::points * pitch + k * columns) * sizeof(float);
    }
};

enum class AssignPath : std::uint8_t { direct, fp32, tensor, small };

struct AssignConfig {
    AssignPath path = AssignPath::direct;
    bool wide_points = false, wide_prototypes = false;  // rows can be copied 16 bytes at a time
    std::int64_t tiles = 0;                             // of points, a block each
    std::size_t shared_bytes = 0;                       // dynamic shared memory
    int columns = 0;                                    // of a chunk, where tensor cores screen
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

// How many lanes of a warp take the columns of a row: as many as there are, rounded up to 2^i, and at most all.
inline int lanes_of(std::int64_t columns) {
    int lanes = 1;
    while (lanes < 32 && lanes < columns) lanes *= 2;
    return lanes;
}

// A row that moves, of the 32 that a warp of accumulate_slices takes at a time.
struct alignas(16) Move {
    double weight;
    std::int32_t to, from;
};
struct SumsTile {
    static constexpr int threads = 1024, rows = 32, warps = threads / rows;
    static constexpr std::size_t static_bytes = threads * (sizeof(Move) + sizeof(int)) + 16;
};

struct SumsConfig {
    int columns = 0;      // of a slice; 0: global atomics, and no slices
    int lanes = 0;        // of a warp, for the columns of a row
    int copies = 0;       // of the sums, at most the rows that a warp adds at once
    unsigned slices = 0;  // of the columns
    int row_blocks = 0;
    std::size_t shared_bytes = 0;  // dynamic shared memory
};

// Sums in shared memory are worth it where a block adds a few rows to each cluster before its own sums are added to the
// global ones; the 4 is not measured. A quarter of the memory is left to the cache that loads go through. A slice is a
// power of two of columns, or whole warps of them, and not less than the 32 bytes that memory gives at once.
template <class T>
SumsConfig plan_sums(std::int64_t n, std::int64_t k, std::int64_t d, const DeviceProperties& device) {
    constexpr std::int64_t worth = 4, least = 32 / sizeof(T), threads = SumsTile::threads;
    const auto room =
        static_cast<std::int64_t>(device.shared_bytes / 4 * 3) - static_cast<std::int64_t>(SumsTile::static_bytes);
    const std::int64_t column_bytes = k * std::int64_t{sizeof(std::int64_t)};
    const std::int64_t most = room / column_bytes - 1;  // the weights are a column more
    std::int64_t columns = d;
    if (most < d) {
        if (most < least) return {};
        columns =
            most >= 32 ? most / 32 * 32 : static_cast<std::int64_t>(std::bit_floor(static_cast<std::uint64_t>(most)));
    }
    const std::int64_t slices = ceil_div(d, columns);
    const std::int64_t row_blocks = std::clamp<std::int64_t>(device.processors / slices, 1, ceil_div(n, threads));
    if (n < worth * k * row_blocks) return {};
    SumsConfig config{.columns = static_cast<int>(columns),
                      .lanes = lanes_of(columns),
                      .copies = 1,
                      .slices = static_cast<unsigned>(slices),
                      .row_blocks = static_cast<int>(row_blocks)};
    const auto bytes = [&](int copies) { return copies * column_bytes * (columns + 1); };
    while (config.copies * config.lanes < 32 && bytes(2 * config.copies) <= room) config.copies *= 2;
    config.shared_bytes = static_cast<std::size_t>(bytes(config.copies));
    return config;
}

// Screening wants float, labels or energies alone and nothing hidden; and enough prototypes to fill its tiles.
template <class T>
bool can_screen(const Assign<T>& task) {
    return std::is_same_v<T, float> && task.metric == Metric::squared_euclidean && !task.known && !task.best_labels &&
           !task.best_energies && !task.all_energies && !task.free_energies &&
           task.points.cols <= math::screening_max_depth;
}

// Points of a tile, prototypes that meet it at a time, and dynamic shared memory, of each way.
struct AssignTile {
    int points, prototypes;
    std::size_t shared_bytes;
    const char* name;
    int columns = 0;
};

template <class T>
AssignTile tile_of(AssignPath path, std::int64_t k, std::int64_t d, std::size_t room) {
    using Direct = EnergyTile<T>;
    const int columns = TensorTile::columns(d, room);
    switch (path) {
        case AssignPath::fp32:
            return {ScreenTile::points, ScreenTile::prototypes, ScreenTile::shared_bytes, "screened fp32"};
        case AssignPath::tensor:
            return {TensorTile::points, TensorTile::prototypes, TensorTile::shared_bytes(d, columns),
                    "screened by tensor cores", columns};
        case AssignPath::small:
            return {SmallTile<4>::points, 1, SmallLimits::shared_bytes(d, k), "canonical energies by a thread a point"};
        default: return {Direct::points, Direct::prototypes, 0, "canonical energies of every pair"};
    }
}

// Whether a way can do the task on the device.
template <class T>
bool can_take(AssignPath path, const Assign<T>& task, const DeviceProperties& device) {
    const std::int64_t k = task.prototypes.rows, d = task.points.cols;
    if (path == AssignPath::direct) return true;
    if (path == AssignPath::small && (d > SmallLimits::depth || k > SmallLimits::prototypes)) return false;
    return can_screen(task) && tile_of<T>(path, k, d, device.shared_bytes).shared_bytes <= device.shared_bytes;
}

// Whether it is worth it. A tile that is mostly empty costs as much as a full one.
inline bool is_worth(AssignPath path, std::int64_t k, std::int64_t d) {
    if (path == AssignPath::small) return k * SmallLimits::depth_of(d) <= SmallLimits::worth;
    return k >= (path == AssignPath::tensor ? TensorTile::prototypes : ScreenTile::prototypes) / 2;
}

template <class T>
AssignPath choose_path(const Assign<T>& task, const DeviceProperties& device) {
    for (const AssignPath path : {AssignPath::small, AssignPath::tensor, AssignPath::fp32})
        if (is_worth(path, task.prototypes.rows, task.points.cols) && can_take(path, task, device)) return path;
    return AssignPath::direct;
}

// A forced way that cannot do the task: direct.
template <class T>
AssignConfig plan(const Assign<T>& task, const DeviceProperties& device, std::optional<AssignPath> forced) {
    AssignConfig config;
    config.path = !forced ? choose_path(task, device) : can_take(*forced, task, device) ? *forced : AssignPath::direct;
    const AssignTile tile = tile_of<T>(config.path, task.prototypes.rows, task.points.cols, device.shared_bytes);
    config.wide_points = is_wide(task.points);
    config.wide_prototypes = is_wide(task.prototypes);
    config.tiles = ceil_div(task.points.rows, tile.points);
    config.shared_bytes = tile.shared_bytes;
    config.columns = tile.columns;
    return config;
}

template <class T>
std::string text(const AssignConfig& config) {
    const AssignTile tile = tile_of<T>(config.path, 1, 1, 0);
    const std::string copies = std::to_string(config.wide_points ? 16 : sizeof(T));
    const std::string against =
        tile.prototypes == 1 ? " points a tile" : " x " + std::to_string(tile.prototypes) + " tiles";
    return std::string(tile.name) + ", " + std::to_string(tile.points) + against + ", " + std::to_string(config.tiles) +
           " of them, copies of " + copies + " bytes";
}

}  // namespace cuebm::cuda
