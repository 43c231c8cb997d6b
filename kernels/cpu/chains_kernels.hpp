// The table of kernels of chains that each instruction set provides, and the plain data that they work on
// (docs/design/simd.md).
#pragma once

#include <cstdint>

#include "cpu/energy_kernels.hpp"
#include "math/samplers/kept_draws.hpp"

namespace cuebm::cpu {

// Chains of a tile that move together lie together, element (l / group, j, l % group) of [64 / group x d x group]: all
// 64 of few coordinates, so that calls are repaid; a pack where there are half as many chains, so many coordinates that
// only a pack's arrays stay in the first-level cache, or threads that share a tile.
constexpr int most_together(std::int64_t d, int pack_lanes) { return d <= 32 ? tile_lanes : pack_lanes; }

// One tile of StartChains<T> and RunChains<T> as plain data: pointers are to the tile's own arrays.
template <class T>
struct ChainsData {
    math::EnergyProgram<T> program;
    EnergyOfTile<T> energy;
    math::Transition<T> transition;
    bool metropolis;
    std::int64_t first_chain;
    int chains;  // of this tile that are there
    int group;   // lanes
    T *x, *gradient;
    math::ChainNumbers<T*> numbers;
    std::uint32_t first;
    int count;
    std::int64_t done;
    math::KeptDraws<T> kept;
    double* sums;
    const T* origin;
    // Of a start.
    const T* start;
    std::int64_t start_stride;
    math::PhiloxKey key;
    std::uint32_t attempt;
    T spread;
};

template <class T>
struct ChainsKernelsOf {
    void (*start)(const ChainsData<T>&, T* scratch);
    void (*run)(const ChainsData<T>&, T* scratch);
    void (*nuts)(const ChainsData<T>&, T* scratch);
};

struct ChainsKernels {
    ChainsKernelsOf<float> of_float;
    ChainsKernelsOf<double> of_double;
};

extern const ChainsKernels chains_base, chains_avx2, chains_avx512;

// Elements of scratch: a proposal, its gradient and the momentum, or what trees of NUTS remember; energies, and the
// energy's own.
inline std::int64_t chains_scratch(std::int64_t d, std::int64_t scratch_rows, int max_depth, int pack_lanes) {
    const std::int64_t rows = max_depth > 0 ? math::nuts_rows(max_depth) * d : 3 * d;
    return (rows + scratch_rows + 4) * most_together(d, pack_lanes);
}

}  // namespace cuebm::cpu
