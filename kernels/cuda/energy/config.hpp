// How energies of points run on a GPU: plan() chooses where a point's coordinates lie, which changes no bit. Pure and
// without CUDA, so that it is tested anywhere.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include <cuebm/context.hpp>

#include "cuda/energy/room.hpp"

namespace cuebm::cuda {

struct EnergyConfig {
    int threads = EnergyLimits::most_threads;
    std::int64_t blocks = 0;        // each strides over what is left
    int rows_each = 0;              // of a warp's tile in shared memory, for a thread; 0: columns lie in scratch
    int buffers = 0;                // tiles of points
    std::size_t shared_bytes = 0;   // of a block
    std::size_t scratch_bytes = 0;  // for columns
};

inline EnergyConfig plan_energy(std::int64_t n, int d, int scratch_rows, bool gradient, std::size_t element,
                                const DeviceProperties& device) {
    using Limits = EnergyLimits;
    EnergyConfig config;
    const std::int64_t rows = (gradient ? 2 : 1) * std::int64_t{d} + scratch_rows;
    const std::size_t most = std::min(Limits::warp_bytes, device.shared_bytes);
    if (static_cast<std::size_t>((rows + 3) * warp_threads) * element > most) {
        config.blocks = std::min((n + config.threads - 1) / config.threads,
                                 std::int64_t{device.processors} * Limits::columns_blocks);
        config.scratch_bytes = static_cast<std::size_t>(config.blocks * rows * config.threads) * element;
        return config;
    }
    const auto bytes = [&](int rows_each, int buffers) {
        return static_cast<std::size_t>(warp_room(d, scratch_rows, gradient, rows_each, buffers).elements()) * element;
    };
    // Tiles of some KiB, but a warp for each of a few points.
    const int resident = Limits::blocks_of(element) * Limits::most_threads;  // threads of a multiprocessor
    const std::size_t row_bytes = static_cast<std::size_t>(d) * element * warp_threads;
    config.rows_each = 1;
    while (config.rows_each < Limits::most_rows_each &&
           static_cast<std::size_t>(config.rows_each) * row_bytes < Limits::tile_bytes &&
           2 * config.rows_each * std::int64_t{device.processors} * resident <= n &&
           bytes(2 * config.rows_each, 2) <= Limits::buffered_bytes)
        config.rows_each *= 2;
    config.buffers = bytes(config.rows_each, 2) <= std::min(Limits::buffered_bytes, most) ? 2 : 1;
    const std::size_t warp_bytes = bytes(config.rows_each, config.buffers);
    const std::int64_t rows_of_warp = std::int64_t{warp_threads} * config.rows_each,
                       tiles = (n + rows_of_warp - 1) / rows_of_warp;
    int warps = config.threads / warp_threads;
    while (warps > 1 && (warps * warp_bytes > device.shared_bytes || tiles < std::int64_t{device.processors} * warps))
        warps /= 2;
    config.threads = warps * warp_threads;
    config.shared_bytes = warps * warp_bytes;
    const auto fitting = static_cast<std::int64_t>(device.shared_bytes / config.shared_bytes);
    config.blocks = std::min((tiles + warps - 1) / warps,
                             device.processors * std::min(std::int64_t{resident / config.threads}, fitting));
    return config;
}

}  // namespace cuebm::cuda
