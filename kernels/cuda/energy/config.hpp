// How energies of points run on a GPU: plan() chooses where a point's coordinates lie, which changes no bit. Pure and
// without CUDA, so that it is tested anywhere. No constant here is measured yet.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include <cuebm/context.hpp>

#include "math/platform.hpp"

namespace cuebm::cuda {

// A thread has a point: its coordinates, their gradient and the energy's scratch are a column of `rows` elements, in
// shared memory if a block's columns fit, else in the call's scratch.
struct EnergyConfig {
    int threads = 128;
    std::int64_t blocks = 0;        // each strides over what is left
    std::size_t shared_bytes = 0;   // 0: columns lie in scratch
    std::size_t scratch_bytes = 0;  // for columns
};

struct EnergyLimits {
    static constexpr int most_threads = 128, least_threads = 32;
    static constexpr std::size_t shared_bytes = 64 << 10;  // of a block, so that an SM of 227 KiB has three
    static constexpr int blocks_a_processor = 8;
    // Resident at once, for ptxas, which gives a thread the registers that so many leave it, 168 or 128. Left to itself
    // it took 96 to 128 for doubles on sm_90 and spilled 4 to 8 bytes; five blocks of floats spill 64 to 148.
    template <class T>
    static constexpr int blocks_of = sizeof(T) == 8 ? 3 : 4;
};

// Columns lie an odd number of elements apart: threads that turn rows into columns meet different banks.
CUEBM_MATH std::int64_t column_pitch(int threads) { return threads + 1; }

inline EnergyConfig plan_energy(std::int64_t n, std::int64_t rows, std::size_t element,
                                const DeviceProperties& device) {
    EnergyConfig config;
    const auto bytes = [&](int threads) { return static_cast<std::size_t>(rows * column_pitch(threads)) * element; };
    const std::size_t room = std::min(EnergyLimits::shared_bytes, device.shared_bytes);
    while (config.threads > EnergyLimits::least_threads && bytes(config.threads) > room) config.threads /= 2;
    const bool shared = bytes(config.threads) <= room;
    if (!shared) config.threads = EnergyLimits::most_threads;
    const std::int64_t most = std::int64_t{device.processors} * EnergyLimits::blocks_a_processor;
    config.blocks = std::min((n + config.threads - 1) / config.threads, most);
    config.shared_bytes = shared ? bytes(config.threads) : 0;
    config.scratch_bytes = shared ? 0 : static_cast<std::size_t>(config.blocks) * bytes(config.threads);
    return config;
}

}  // namespace cuebm::cuda
