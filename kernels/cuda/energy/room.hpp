// How much of a multiprocessor a warp takes that evaluates energies of points. No constant here is measured yet.
#pragma once

#include <cstddef>

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

}  // namespace cuebm::cuda
