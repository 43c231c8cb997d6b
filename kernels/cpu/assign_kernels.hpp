// The table of kernels that each instruction set provides, and the plain data that they work on: no function of a
// shared header may be emitted in those files (docs/design/simd.md).
#pragma once

#include <cstddef>
#include <cstdint>

#include "cpu/rows.hpp"

namespace cuebm::cpu {

inline constexpr std::int64_t no_bad_row = -1;
inline constexpr int most_best = 32;  // the contract of Assign

// Assign<T> as plain data. Outputs that are null are not wanted. Strides are in elements.
template <class T>
struct AssignData {
    Rows<T> points;  // [n x d]
    std::int64_t d;
    const std::uint8_t* known;  // [n x d], or one row with stride 0; null: all is known
    std::int64_t known_stride;
    const T* prototypes;    // [k, padded by copies of the last to 16s, x depth]
    std::int64_t k, depth;  // depth: d padded with zeros to 16s
    std::int32_t* labels;
    T* energies;
    std::int32_t* best_labels;
    T* best_energies;
    T* all_energies;
    T* free_energies;
    T* gaps;  // of stride 1: free energies less the least ones
    std::int64_t labels_stride, energies_stride, best_labels_stride, best_energies_stride, all_energies_stride,
        free_energies_stride;
    std::int64_t m;  // columns of best_labels and best_energies, or 1
    T beta;
    const std::int64_t* rows;  // null, or the rows that "row i" means: rows[i]
    bool inner_product;        // E = -y.w; else ||y - w||^2
};

// SoftMean<T> and AccumulateSoft<T> as plain data; those fields alone that the task has are set.
template <class T>
struct SoftData {
    Rows<T> points{};  // [n x d]
    std::int64_t d = 0;
    const std::uint8_t* known = nullptr;  // as in AssignData
    std::int64_t known_stride = 0;
    const T* prototypes = nullptr;  // [k x d]
    std::int64_t prototype_stride = 0, k = 0, depth = 0;
    const std::int32_t* labels = nullptr;  // null: soft
    std::int64_t labels_stride = 0;
    const T *least = nullptr, *gaps = nullptr;  // min E, and F_beta less it; gaps null: 0
    const T* weights = nullptr;                 // null: all 1
    std::int64_t weights_stride = 0;
    T beta = 0;
    bool gradient = false;
    T* out = nullptr;
    std::int64_t out_stride = 0;
    double* moves = nullptr;  // null: not wanted
    std::int64_t *sums = nullptr, *counts = nullptr;
    const double* scales = nullptr;
};

// Does rows [first, last), at most rows_a_task of them; returns the first row that has an energy that is not finite,
// or no_bad_row. `scratch` is this thread's.
struct AssignKernels {
    const char* name;
    bool fma;                              // in hardware
    int direct_points, direct_prototypes;  // the register tile
    int small_points, small_depth;         // of a tile; the most coordinates
    int direct_rows_a_task, small_rows_a_task, soft_rows_a_task;
    std::size_t (*direct_scratch)(std::size_t element, std::int64_t depth, bool masked);
    std::size_t (*small_scratch)(std::int64_t depth);
    std::size_t (*soft_scratch)(std::size_t element, std::int64_t depth);
    std::int64_t (*direct_float)(const AssignData<float>&, std::int64_t first, std::int64_t last, std::byte* scratch);
    std::int64_t (*direct_double)(const AssignData<double>&, std::int64_t first, std::int64_t last, std::byte* scratch);
    std::int64_t (*small)(const AssignData<float>&, std::int64_t first, std::int64_t last, std::byte* scratch);
    void (*soft_mean_float)(const SoftData<float>&, std::int64_t first, std::int64_t last, std::byte* scratch);
    void (*soft_mean_double)(const SoftData<double>&, std::int64_t first, std::int64_t last, std::byte* scratch);
    void (*soft_sums_float)(const SoftData<float>&, std::int64_t first, std::int64_t last, std::byte* scratch);
    void (*soft_sums_double)(const SoftData<double>&, std::int64_t first, std::int64_t last, std::byte* scratch);
};

extern const AssignKernels assign_base, assign_avx2, assign_avx512;

}  // namespace cuebm::cpu
