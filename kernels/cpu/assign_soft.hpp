// What probabilities over prototypes are used for: the soft mean of each point, and the soft sums of each prototype.
// Energies are computed again rather than stored: n x k of them may not fit. Included like assign_direct.hpp, after it.
#pragma once

#include "cpu/assign_direct.hpp"
#include "math/fixed_point.hpp"
#include "math/soft.hpp"

namespace cuebm::cpu::CUEBM_ISA {
namespace {

// Points that meet 16 prototypes at a time, for which these are copied and their sums take an atomic addition an
// element. Sums of 4,000 x 128, k = 64, on 1 thread of a shared Xeon (avx512): 12.6 ms with 64, 11.3 with 128, 11.7
// with 256.
constexpr int soft_rows = 128;

// Of a block of points: all rows are padded to the depth.
template <class T>
struct SoftScratch {
    T *points, *masks, *sums, *prototypes;
};
template <class T>
CUEBM_INLINE SoftScratch<T> soft_carve(std::byte* scratch, std::int64_t depth) {
    T* at = reinterpret_cast<T*>(scratch);
    const std::int64_t block = soft_rows * depth;
    return {at, at + block, at + 2 * block, at + 3 * block};
}
std::size_t soft_scratch(std::size_t element, std::int64_t depth) {
    return static_cast<std::size_t>((3 * soft_rows + lanes) * depth) * element;
}

// Points [first, last), and zeros to the end of the last tile.
template <class T, bool masked>
CUEBM_INLINE void stage_points(const SoftData<T>& task, std::int64_t first, std::int64_t last, SoftScratch<T> to) {
    std::int64_t i = 0;
    for (; i < last - first; ++i)
        stage<T, masked>(task, first + i, to.points + i * task.depth, to.masks + i * task.depth);
    for (; i % tile_points != 0; ++i)
        for (std::int64_t j = 0; j < task.depth; ++j) {
            to.points[i * task.depth + j] = 0;
            if constexpr (masked) to.masks[i * task.depth + j] = 0;
        }
}

// Prototypes [z, z + count), and zeros where there are fewer than 16.
template <class T>
CUEBM_INLINE void stage_prototypes(const SoftData<T>& task, std::int64_t z, int count, T* to) {
    for (int c = 0; c < lanes; ++c, to += task.depth) {
        const T* w = task.prototypes + (z + c) * task.prototype_stride;
        const std::int64_t d = c < count ? task.d : 0;
        for (std::int64_t j = 0; j < d; ++j) to[j] = w[j];
        for (std::int64_t j = d; j < task.depth; ++j) to[j] = 0;
    }
}

// probabilities[p] of the 16 staged prototypes for the tile's points, the first of which is row i.
template <class T, bool masked>
CUEBM_INLINE void tile_probabilities(const SoftData<T>& task, std::int64_t i, int points, const T* y, const T* mask,
                                     const T* w, T (*probabilities)[lanes]) {
    group_energies<T, masked>(y, mask, w, task.depth, probabilities);
    for (int p = 0; p < points; ++p) {
        const T least = task.least[i + p], gap = task.gaps != nullptr ? task.gaps[i + p] : T(0);
        for (int at = 0; at < lanes; at += width<T>)
            math::store(probabilities[p] + at,
                        math::probability(math::load(probabilities[p] + at), least, gap, task.beta));
    }
}

// sums[j] += p_c w_cj for the listed prototypes, in order of c.
template <class T, int packs>
CUEBM_INLINE void add_chunk(const T* p, const int* listed, int count, const T* w, std::int64_t depth, T* sums) {
    Pack<T> s[packs];
#pragma GCC unroll 8
    for (int q = 0; q < packs; ++q) s[q] = math::load(sums + q * width<T>);
    for (int c = 0; c < count; ++c) {
        const Pack<T> share = Pack<T>{} + p[listed[c]];
        const T* from = w + listed[c] * depth;
#pragma GCC unroll 8
        for (int q = 0; q < packs; ++q) s[q] = math::fused(share, math::load(from + q * width<T>), s[q]);
    }
#pragma GCC unroll 8
    for (int q = 0; q < packs; ++q) math::store(sums + q * width<T>, s[q]);
}

template <class T>
CUEBM_INLINE void add_prototypes(const T* p, int prototypes, const T* w, std::int64_t depth, T& weight, T* sums) {
    int listed[lanes], count = 0;
    for (int c = 0; c < prototypes; ++c) {
        weight = weight + p[c];
        if (p[c] != 0) listed[count++] = c;
    }
    if (count == 0) return;
    constexpr int packs = 4, step = packs * width<T>;
    std::int64_t j = 0;
    for (; j + step <= depth; j += step) add_chunk<T, packs>(p, listed, count, w + j, depth, sums + j);
    for (; j < depth; j += width<T>) add_chunk<T, 1>(p, listed, count, w + j, depth, sums + j);
}

// Row i goes to sums / weight, or the gradient there. `row`: room for it.
template <class T>
CUEBM_INLINE void finish_mean(const SoftData<T>& task, std::int64_t i, T* row, const T* sums, T weight) {
    const T* y = row_of(task.points, i, task.d, row);
    const std::uint8_t* known = task.known + (task.known != nullptr ? i * task.known_stride : 0);
    T* out = task.out + i * task.out_stride;
    const T scale = task.weights != nullptr ? task.weights[i * task.weights_stride] : T(1);
    double moves[lanes] = {};
    for (std::int64_t j = 0; j < task.d; j += lanes) {
        const int count = task.d - j < lanes ? static_cast<int>(task.d - j) : lanes;
        for (int l = 0; l < count; ++l) {
            const bool kept = task.known != nullptr && known[j + l] != 0;
            const T from = y[j + l], to = kept ? from : sums[j + l] / weight;
            if (task.moves != nullptr) {
                const double move = static_cast<double>(to) - static_cast<double>(from);
                moves[l] = math::fused(move, move, moves[l]);
            }
            out[j + l] = task.gradient ? math::energy_gradient(from, to, scale) : to;
        }
    }
    if (task.moves != nullptr) task.moves[i] = math::tree_sum(moves);
}

template <class T, bool masked>
CUEBM_INLINE void soft_mean_block(const SoftData<T>& task, std::int64_t first, std::int64_t last,
                                  SoftScratch<T> scratch) {
    const std::int64_t depth = task.depth;
    T weights[soft_rows];
    stage_points<T, masked>(task, first, last, scratch);
    for (std::int64_t i = 0; i < last - first; ++i) {
        weights[i] = 0;
        for (std::int64_t j = 0; j < depth; ++j) scratch.sums[i * depth + j] = 0;
    }
    for (std::int64_t z = 0; z < task.k; z += lanes) {
        const int prototypes = task.k - z < lanes ? static_cast<int>(task.k - z) : lanes;
        stage_prototypes(task, z, prototypes, scratch.prototypes);
        for (std::int64_t i = 0; i < last - first; i += tile_points) {
            const int points = last - first - i < tile_points ? static_cast<int>(last - first - i) : tile_points;
            T p[tile_points][lanes];
            tile_probabilities<T, masked>(task, first + i, points, scratch.points + i * depth,
                                          scratch.masks + i * depth, scratch.prototypes, p);
            for (int q = 0; q < points; ++q)
                add_prototypes(p[q], prototypes, scratch.prototypes, depth, weights[i + q],
                               scratch.sums + (i + q) * depth);
        }
    }
    for (std::int64_t i = 0; i < last - first; ++i)
        finish_mean(task, first + i, scratch.prototypes, scratch.sums + i * depth, weights[i]);
}

template <class T>
void soft_mean(const SoftData<T>& task, std::int64_t first, std::int64_t last, std::byte* scratch) {
    if (task.labels != nullptr) {
        for (std::int64_t i = first; i < last; ++i) {
            std::int64_t label = task.labels[i * task.labels_stride];
            if (label < 0 || label >= task.k) label = 0;  // assign() has reported the row
            T* row = soft_carve<T>(scratch, task.depth).points;
            finish_mean(task, i, row, task.prototypes + label * task.prototype_stride, T(1));
        }
    } else if (task.known != nullptr) {
        soft_mean_block<T, true>(task, first, last, soft_carve<T>(scratch, task.depth));
    } else {
        soft_mean_block<T, false>(task, first, last, soft_carve<T>(scratch, task.depth));
    }
}

typedef float HalfPack __attribute__((vector_size(CUEBM_PACK_BYTES / 2)));
CUEBM_INLINE math::DoublePack load_doubles(const float* from) {
    HalfPack x;
    __builtin_memcpy(&x, from, sizeof x);
    return __builtin_convertvector(x, math::DoublePack);
}
CUEBM_INLINE math::DoublePack load_doubles(const double* from) { return math::load(from); }

// Atomic as blocks share the sums; a builtin, as std::atomic_ref would be a shared function.
CUEBM_INLINE void add(std::int64_t& to, std::int64_t value) {
    if (value != 0) __atomic_fetch_add(&to, value, __ATOMIC_RELAXED);
}

// Of one prototype: share_i y_i in fixed point, over the listed rows of the block.
template <class T>
CUEBM_INLINE void add_points(const SoftData<T>& task, const T* points, const double* shares, const int* listed,
                             int count, std::int64_t* sums) {
    constexpr int packs = 2, step = packs * width<double>;
    for (std::int64_t j = 0; j < task.depth; j += step) {
        const int columns = task.d - j < step ? static_cast<int>(task.d - j) : step;
        if (columns <= 0) break;
        double scales[step] = {};
        for (int l = 0; l < columns; ++l) scales[l] = task.scales[j + l];
        math::DoublePackBits s[packs] = {};
        for (int i = 0; i < count; ++i) {
            const math::DoublePack share = math::DoublePack{} + shares[listed[i] * lanes];
            const T* y = points + listed[i] * task.depth + j;
#pragma GCC unroll 2
            for (int q = 0; q < packs; ++q)
                s[q] += math::nearest_integers(share * load_doubles(y + q * width<double>) *
                                               math::load(scales + q * width<double>));
        }
        std::int64_t own[step];
        __builtin_memcpy(own, s, sizeof own);
        for (int l = 0; l < columns; ++l) add(sums[j + l], own[l]);
    }
}

// shares[p] = weight p_ic of the tile's points, 0 where a problem was reported.
template <class T>
CUEBM_INLINE void share_out(const SoftData<T>& task, std::int64_t i, int points, int prototypes,
                            const T (*probabilities)[lanes], double* shares) {
    for (int p = 0; p < points; ++p, shares += lanes) {
        const double weight =
            task.weights != nullptr ? static_cast<double>(task.weights[(i + p) * task.weights_stride]) : 1.0;
        const double least = static_cast<double>(task.least[i + p]);
        const bool valid = weight >= 0 && weight < __builtin_inf() && least - least == 0;
        for (int c = 0; c < lanes; ++c) {
            const double share = weight * static_cast<double>(probabilities[p][c]);
            shares[c] = valid && c < prototypes && share > 0 ? share : 0.0;
        }
    }
}

template <class T>
void soft_sums(const SoftData<T>& task, std::int64_t first, std::int64_t last, std::byte* memory) {
    const SoftScratch<T> scratch = soft_carve<T>(memory, task.depth);
    const std::int64_t depth = task.depth, rows = last - first;
    stage_points<T, false>(task, first, last, scratch);
    for (std::int64_t z = 0; z < task.k; z += lanes) {
        const int prototypes = task.k - z < lanes ? static_cast<int>(task.k - z) : lanes;
        stage_prototypes(task, z, prototypes, scratch.prototypes);
        double shares[soft_rows * lanes];
        for (std::int64_t i = 0; i < rows; i += tile_points) {
            const int points = rows - i < tile_points ? static_cast<int>(rows - i) : tile_points;
            T p[tile_points][lanes];
            tile_probabilities<T, false>(task, first + i, points, scratch.points + i * depth, nullptr,
                                         scratch.prototypes, p);
            share_out(task, first + i, points, prototypes, p, shares + i * lanes);
        }
        math::DoublePackBits counts[parts<double>] = {};
        for (std::int64_t i = 0; i < rows; ++i)
            for (int q = 0; q < parts<double>; ++q)
                counts[q] +=
                    math::nearest_integers(math::load(shares + i * lanes + q * width<double>) * task.scales[task.d]);
        std::int64_t own[lanes];
        __builtin_memcpy(own, counts, sizeof own);
        for (int c = 0; c < prototypes; ++c) {
            add(task.counts[z + c], own[c]);
            int listed[soft_rows], count = 0;
            for (int i = 0; i < static_cast<int>(rows); ++i)
                if (shares[i * lanes + c] > 0) listed[count++] = i;
            if (count > 0) add_points(task, scratch.points, shares + c, listed, count, task.sums + (z + c) * task.d);
        }
    }
}

}  // namespace
}  // namespace cuebm::cpu::CUEBM_ISA
