// The table of energy kernels that each instruction set provides, and the plain data that they work on
// (docs/design/simd.md).
#pragma once

#include <cstddef>
#include <cstdint>

#include "math/energy_program.hpp"

namespace cuebm::cpu {

// Points that are worked on together: lane l of coordinate j lies at [j * tile_lanes + l].
inline constexpr int tile_lanes = 64;

// EvaluateEnergy<T> as plain data. Outputs that are null are not wanted. Strides are in elements.
template <class T>
struct EnergyData {
    math::EnergyProgram<T> program;
    const T* points = nullptr;  // [n x d]
    std::int64_t point_stride = 0;
    T* values = nullptr;  // [n]
    std::int64_t values_stride = 0;
    T* gradients = nullptr;  // [n x d]
    std::int64_t gradients_stride = 0;
    bool streams = false;    // gradients lie row behind row, aligned to 64 bytes, and are more than caches hold
    bool over_read = false;  // behind each row but the last lies the next, which may be read
    std::int64_t n = 0;
};

// Of points x [d x lanes]: values [lanes] and gradient [d x lanes]; null: not wanted. lanes: whole packs, at most
// tile_lanes; `scratch`: as many of scratch_rows.
template <class T>
using EnergyOfTile = void (*)(const math::EnergyProgram<T>&, const T* x, T* values, T* gradient, T* scratch, int lanes);

template <class T>
struct EnergyKernelsOf {
    // Values and gradients of rows [first, last); returns the first row that is not finite or whose energy is NaN, or
    // -1. `scratch`: tile_scratch(d, scratch_rows) elements.
    std::int64_t (*rows)(const EnergyData<T>&, std::int64_t first, std::int64_t last, T* scratch);
    EnergyOfTile<T> tile;
    int pack_lanes;
};

struct EnergyKernels {
    EnergyKernelsOf<float> of_float;
    EnergyKernelsOf<double> of_double;
};

// Of a table with two halves, the one for T.
template <class T, class Table>
const auto& kernels_of(const Table& table) {
    if constexpr (sizeof(T) == sizeof(float))
        return table.of_float;
    else
        return table.of_double;
}

extern const EnergyKernels energy_base, energy_avx2, energy_avx512;

// Points of a block: a pack of them where there are so many coordinates that 64 and their gradients would leave the
// first-level cache: 1.2 times as fast at d = 100 on a Xeon with AVX-512, 1.06 at 1000 (value and gradient, by hand).
constexpr int block_lanes(std::int64_t d, int pack_lanes) { return d <= 64 ? tile_lanes : pack_lanes; }
constexpr std::int64_t tile_scratch(std::int64_t d, std::int64_t scratch_rows, int pack_lanes) {
    return (2 * d + scratch_rows + 1) * block_lanes(d, pack_lanes);
}

}  // namespace cuebm::cpu
