// How energies of points run on a GPU: plan() chooses where a point's coordinates lie, which changes no bit. Pure and
// without CUDA, so that it is tested anywhere. No constant here is measured yet.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include <cuebm/context.hpp>

#include "math/platform.hpp"

namespace cuebm::cuda {

inline constexpr int warp_threads = 32;

struct EnergyLimits {
    // Eight warps on an SM of 227 KiB. Points that need more lie in columns in scratch, with 16 warps on an SM.
    static constexpr std::size_t warp_bytes = 28 << 10;
    // Sixteen warps on an SM of 227 KiB, as many as have registers: with less each a second buffer costs no warp.
    static constexpr std::size_t buffered_bytes = 13 << 10;
    // What is under way for a warp. 16 warps of an SM then read 32 KiB at once; 4.4 TB/s on 132 SMs, 0.7 us after they
    // are asked for, are 23 KiB.
    static constexpr std::size_t tile_bytes = 2 << 10;
    static constexpr int most_rows_each = 8;
    static constexpr int most_threads = 128;
    static constexpr int columns_blocks = 8;  // of a multiprocessor
    // Resident at once, for ptxas, which gives a thread the registers that so many leave it, 168 or 128. Left to itself
    // it took 96 to 128 for doubles on sm_90 and spilled 4 to 8 bytes; five blocks of floats spill 64 to 148.
    static constexpr int blocks_of(std::size_t element) { return element == sizeof(double) ? 3 : 4; }
};

// Rows of shared memory lie an odd number of elements apart: threads that have a row each meet different banks.
CUEBM_MATH int row_pitch(int columns) { return columns | 1; }

// What a warp has in shared memory: `buffers` tiles of points, one of gradients, and a row of scratch a thread.
struct WarpRoom {
    int rows, pitch, buffers, gradient_rows, scratch_pitch;

    CUEBM_MATH_MEMBER int elements() const {
        return (rows * buffers + gradient_rows) * pitch + warp_threads * scratch_pitch;
    }
};
CUEBM_MATH WarpRoom warp_room(int d, int scratch_rows, bool gradient, int rows_each, int buffers) {
    const int rows = warp_threads * rows_each;
    return {rows, row_pitch(d), buffers, gradient ? rows : 0, scratch_rows > 0 ? row_pitch(scratch_rows) : 0};
}

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
