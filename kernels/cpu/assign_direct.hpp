// Canonical energies of every pair, in register tiles, and all outputs of Assign in one pass over them. Included by one
// file for each instruction set, which names CUEBM_ISA.
#pragma once

#include "cpu/assign_kernels.hpp"
#include "cpu/pack_tree.hpp"
#include "math/free_energy.hpp"

namespace cuebm::cpu::CUEBM_ISA {
namespace {

#define CUEBM_INLINE static inline __attribute__((always_inline))

constexpr int lanes = math::canonical_lanes;
template <class T>
using Pack = typename math::PackOf<T>::Type;
template <class T>
constexpr int width = static_cast<int>(sizeof(Pack<T>) / sizeof(T));
template <class T>
constexpr int parts = lanes / width<T>;  // packs that hold 16 lanes

// The register tile: Y x W accumulators, W packs of prototypes, one of points.
constexpr int tile_points = math::pack_registers == 32 ? 4 : 2, tile_prototypes = 4;
constexpr int direct_rows = 32;  // their states and coordinates stay in L2 while 16 prototypes are met; not tuned

// a and b hold sums in blocks of lanes; adds the upper half of each block to its lower half, those of b behind a's.
template <int block, class P, int... i>
CUEBM_INLINE P add_halves(P a, P b, math::Lanes<i...>) {
    constexpr int half = block / 2;
    return __builtin_shufflevector(a, b, (i / half * block + i % half)...) +
           __builtin_shufflevector(a, b, (i / half * block + i % half + half)...);
}

// The tree of math::tree_sum over the lanes of x[0], ..., x[block - 1], together: lane l of x[0] becomes the sum of
// x[l].
template <class T, int block>
CUEBM_INLINE void sum_and_transpose(Pack<T>* x) {
    if constexpr (block > 1) {
#pragma GCC unroll 16
        for (int i = 0; i < block / 2; ++i)
            x[i] = add_halves<block>(x[2 * i], x[2 * i + 1], typename math::CountLanes<width<T>>::Type{});
        sum_and_transpose<T, block / 2>(x);
    }
}

// Lanes [at, at + width) of the 16 accumulators of each pair of a tile: of squared differences, or of products, where
// hidden coordinates need no mask as their y is 0.
template <class T, int Y, int W, bool masked, bool product>
CUEBM_INLINE void accumulate(const T* y, const T* mask, const T* w, std::int64_t depth, std::int64_t at,
                             Pack<T>* sums) {
    Pack<T> a[Y][W] = {};
    for (std::int64_t j = at; j < depth; j += lanes) {
        Pack<T> v[W];
#pragma GCC unroll 8
        for (int z = 0; z < W; ++z) v[z] = math::load(w + z * depth + j);
#pragma GCC unroll 8
        for (int i = 0; i < Y; ++i) {
            const Pack<T> p = math::load(y + i * depth + j);
#pragma GCC unroll 8
            for (int z = 0; z < W; ++z) {
                if constexpr (product) {
                    a[i][z] = math::fused(p, v[z], a[i][z]);
                } else {
                    Pack<T> t = p - v[z];
                    if constexpr (masked) t = t * math::load(mask + i * depth + j);
                    a[i][z] = math::fused(t, t, a[i][z]);
                }
            }
        }
    }
#pragma GCC unroll 8
    for (int i = 0; i < Y; ++i)
#pragma GCC unroll 8
        for (int z = 0; z < W; ++z) sums[i * W + z] = a[i][z];
}

// energies[i * W + z] of Y consecutive points and W consecutive prototypes; Y * W is a multiple of the width.
template <class T, int Y, int W, bool masked, bool product = false>
CUEBM_INLINE void tile_energies(const T* y, const T* mask, const T* w, std::int64_t depth, T* energies) {
    Pack<T> sums[parts<T>][Y * W];
#pragma GCC unroll 8
    for (int p = 0; p < parts<T>; ++p) accumulate<T, Y, W, masked, product>(y, mask, w, depth, p * width<T>, sums[p]);
#pragma GCC unroll 8
    for (int half = parts<T> / 2; half >= 1; half /= 2)
        for (int p = 0; p < half; ++p)
            for (int i = 0; i < Y * W; ++i) sums[p][i] = sums[p][i] + sums[p + half][i];
#pragma GCC unroll 8
    for (int i = 0; i < Y * W; i += width<T>) {
        sum_and_transpose<T, width<T>>(&sums[0][i]);
        math::store(energies + i, product ? Pack<T>{} - sums[0][i] : sums[0][i]);
    }
}

// energies[p] of the points of a tile and 16 prototypes.
template <class T, bool masked, bool product = false>
CUEBM_INLINE void group_energies(const T* y, const T* mask, const T* w, std::int64_t depth, T (*energies)[lanes]) {
    T tile[tile_points * tile_prototypes];
    for (int q = 0; q < lanes; q += tile_prototypes) {
        tile_energies<T, tile_points, tile_prototypes, masked, product>(y, mask, w + q * depth, depth, tile);
        for (int p = 0; p < tile_points; ++p)
            for (int c = 0; c < tile_prototypes; ++c) energies[p][q + c] = tile[p * tile_prototypes + c];
    }
}

// What is known of a point while the prototypes pass by. Class of a prototype: index mod 16.
template <class T>
struct PointState {
    T least[lanes], sum[lanes];  // the free energy of each class
    T best[most_best];
    std::int32_t labels[most_best];
    bool finite;
};

template <class T>
CUEBM_INLINE void start(PointState<T>& state, std::int64_t m) {
    for (int l = 0; l < lanes; ++l) state.least[l] = static_cast<T>(__builtin_inf()), state.sum[l] = 0;
    for (std::int64_t c = 0; c < m; ++c) state.best[c] = static_cast<T>(__builtin_inf()), state.labels[c] = 0;
    state.finite = true;
}

// Inserts those of 16 energies that are among the m least; ties keep the lower index, which came first.
template <class T>
CUEBM_INLINE void insert(PointState<T>& state, const T* energies, std::int64_t first, int count, std::int64_t m) {
    for (int l = 0; l < count; ++l) {
        if (!(energies[l] < state.best[m - 1])) continue;
        std::int64_t c = m - 1;
        for (; c > 0 && energies[l] < state.best[c - 1]; --c)
            state.best[c] = state.best[c - 1], state.labels[c] = state.labels[c - 1];
        state.best[c] = energies[l];
        state.labels[c] = static_cast<std::int32_t>(first + l);
    }
}

// Row i meets prototypes [first, first + count), count <= 16; energies[count..] repeat the last.
template <class T>
CUEBM_INLINE void take(const AssignData<T>& task, std::int64_t i, PointState<T>& state, T* energies, std::int64_t first,
                       int count) {
    const T huge = static_cast<T>(__builtin_inf());
    constexpr unsigned all = (1u << width<T>)-1;
    const Pack<T> bar = Pack<T>{} + state.best[task.m - 1];
    unsigned below = 0;
    for (int at = 0; at < lanes; at += width<T>) {
        const Pack<T> energy = math::load(energies + at);
        below |= math::lane_bits(energy < bar);
        state.finite = state.finite & (math::lane_bits(energy - energy == T(0)) == all);
    }
    if (below != 0) insert(state, energies, first, count, task.m);
    if (task.all_energies != nullptr)
        for (int l = 0; l < count; ++l) task.all_energies[i * task.all_energies_stride + first + l] = energies[l];
    if (task.free_energies != nullptr) {
        for (int l = count; l < lanes; ++l) energies[l] = huge;
        for (int at = 0; at < lanes; at += width<T>) {
            const auto added = math::free_energy_add(
                math::FreeEnergy<Pack<T>>{math::load(state.least + at), math::load(state.sum + at)},
                math::load(energies + at), task.beta);
            math::store(state.least + at, added.least);
            math::store(state.sum + at, added.sum);
        }
    }
}

template <class T>
CUEBM_INLINE void finish(const AssignData<T>& task, std::int64_t i, const PointState<T>& state) {
    if (task.labels != nullptr) task.labels[i * task.labels_stride] = state.labels[0];
    if (task.energies != nullptr) task.energies[i * task.energies_stride] = state.best[0];
    for (std::int64_t c = 0; c < task.m; ++c) {
        if (task.best_labels != nullptr) task.best_labels[i * task.best_labels_stride + c] = state.labels[c];
        if (task.best_energies != nullptr) task.best_energies[i * task.best_energies_stride + c] = state.best[c];
    }
    if (task.free_energies != nullptr) {
        const auto all = math::free_energy_of_classes(state.least, state.sum, task.beta);
        const T gap = math::free_energy_gap(all, task.beta);
        task.free_energies[i * task.free_energies_stride] = all.least + gap;
        if (task.gaps != nullptr) task.gaps[i] = gap;
    }
}

// Row i, padded with zeros; what is hidden may be NaN, and becomes 0.
template <class T, bool masked, class Task>
CUEBM_INLINE void stage(const Task& task, std::int64_t i, T* y, T* mask) {
    copy_row(task.points, i, task.d, y);
    for (std::int64_t j = task.d; j < task.depth; ++j) y[j] = 0;
    if constexpr (masked) {
        const std::uint8_t* known = task.known + i * task.known_stride;
        for (std::int64_t j = 0; j < task.d; ++j) {
            mask[j] = known[j] != 0 ? T(1) : T(0);
            y[j] = known[j] != 0 ? y[j] : T(0);
        }
        for (std::int64_t j = task.d; j < task.depth; ++j) mask[j] = 0;
    }
}

// Scratch: points, masks, states.
template <class T>
CUEBM_INLINE std::size_t direct_bytes(std::int64_t depth, bool masked) {
    return static_cast<std::size_t>((masked ? 2 : 1) * direct_rows * depth) * sizeof(T) +
           direct_rows * sizeof(PointState<T>);
}
std::size_t direct_scratch(std::size_t element, std::int64_t depth, bool masked) {
    return element == sizeof(float) ? direct_bytes<float>(depth, masked) : direct_bytes<double>(depth, masked);
}

template <class T, bool masked, bool product>
std::int64_t direct_block(const AssignData<T>& task, std::int64_t first, std::int64_t last, std::byte* scratch) {
    const std::int64_t depth = task.depth, count = last - first;
    T* y = reinterpret_cast<T*>(scratch);
    T* mask = y + direct_rows * depth;
    auto* states = reinterpret_cast<PointState<T>*>(mask + (masked ? direct_rows * depth : 0));
    const auto row = [&](std::int64_t i) { return task.rows != nullptr ? task.rows[first + i] : first + i; };
    for (std::int64_t i = 0; i < count; ++i) {
        stage<T, masked>(task, row(i), y + i * depth, mask + i * depth);
        start(states[i], task.m);
    }
    for (std::int64_t i = count; i % tile_points != 0; ++i)  // the rest of the last tile
        for (std::int64_t j = 0; j < depth; ++j) {
            y[i * depth + j] = 0;
            if constexpr (masked) mask[i * depth + j] = 0;
        }
    for (std::int64_t z = 0; z < task.k; z += lanes)
        for (std::int64_t i = 0; i < count; i += tile_points) {
            T energies[tile_points][lanes];
            group_energies<T, masked, product>(y + i * depth, mask + i * depth, task.prototypes + z * depth, depth,
                                               energies);
            const int width_left = task.k - z < lanes ? static_cast<int>(task.k - z) : lanes;
            for (int p = 0; p < tile_points && i + p < count; ++p)
                take(task, row(i + p), states[i + p], energies[p], z, width_left);
        }
    std::int64_t bad = no_bad_row;
    for (std::int64_t i = count - 1; i >= 0; --i) {
        finish(task, row(i), states[i]);
        if (!states[i].finite) bad = row(i);
    }
    return bad;
}

template <class T>
std::int64_t direct(const AssignData<T>& task, std::int64_t first, std::int64_t last, std::byte* scratch) {
    if (task.inner_product)
        return task.known != nullptr ? direct_block<T, true, true>(task, first, last, scratch)
                                     : direct_block<T, false, true>(task, first, last, scratch);
    return task.known != nullptr ? direct_block<T, true, false>(task, first, last, scratch)
                                 : direct_block<T, false, false>(task, first, last, scratch);
}

}  // namespace
}  // namespace cuebm::cpu::CUEBM_ISA
