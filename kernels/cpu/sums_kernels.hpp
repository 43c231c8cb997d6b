// The table of kernels for sums over points that each instruction set provides, and the plain data that they work on
// (docs/design/simd.md).
#pragma once

#include <cstddef>
#include <cstdint>

namespace cuebm::cpu {

// Points [n x d] and how they are scaled. Strides are in elements.
template <class T>
struct SumsData {
    const T* points = nullptr;
    std::int64_t point_stride = 0, d = 0;
    const T* weights = nullptr;  // null: all 1
    std::int64_t weights_stride = 0;
    const double* scales = nullptr;  // [d + 1]
    bool narrow = false;             // |weight_i y_ij scale_j| <= 2^51 for all
};

// Where each point goes, and where it was.
struct Moves {
    const std::int32_t* labels = nullptr;
    std::int64_t labels_stride = 0;
    std::int32_t* old_labels = nullptr;  // null: in no cluster
    std::int64_t old_labels_stride = 0;
    std::int64_t k = 0;
};

// What a block of rows found; rows are -1 where there is none.
struct MovesReport {
    std::int64_t moved = 0, bad_label = -1, small_weight = -1;
};

// The points of a chunk of rows that move, sorted by cluster: an entry is 2 (row of the chunk), plus 1 to take away.
struct SortedMoves {
    std::int64_t chunk = 0;                  // its first row
    const std::uint32_t* entries = nullptr;  // of cluster z: [starts[z], starts[z + 1])
    const std::uint32_t* starts = nullptr;   // [k + 1]
    std::int64_t k = 0;
    std::int64_t* sums = nullptr;    // [k x d]
    std::int64_t* counts = nullptr;  // [k]
};

template <class T>
struct FinishData {
    const std::int64_t* sums = nullptr;  // [d], of one prototype
    const double* scales = nullptr;      // [d]
    double weight = 0, seen = 0;         // seen: the weight that the prototype stands for already
    const T* prototype = nullptr;        // [d]
    T* mean = nullptr;                   // may be the prototype; null: not wanted
    T* gradient = nullptr;               // null: not wanted
    std::int64_t d = 0;
};

template <class T>
struct CandidatesData {
    const T* points = nullptr;  // [n x d]
    std::int64_t point_stride = 0, d = 0;
    const T* candidates = nullptr;  // [m x d], zeros behind to a multiple of 16
    std::int64_t candidate_stride = 0;
    int m = 0;
    const T* closest = nullptr;  // [n]
    std::int64_t closest_stride = 0;
    T* energies = nullptr;  // [n x m]
    std::int64_t energies_stride = 0;
};

template <class T>
struct SumsKernelsOf {
    // Raises bits[j], which are those of a double, to the largest |weight_i y_ij| of rows [first, last), and bits[d] to
    // that of the weights. False, and nothing is raised to it, where a value or a weight is not valid.
    bool (*largest)(const SumsData<T>&, std::int64_t first, std::int64_t last, std::int64_t* bits);
    // Moves rows [first, last) between sums [k x d] and counts [k] that are this thread's own.
    MovesReport (*move)(const SumsData<T>&, const Moves&, std::int64_t first, std::int64_t last, std::int64_t* sums,
                        std::int64_t* counts);
    // Of rows [first, last), how many entries each cluster gets: added to sizes [k].
    MovesReport (*count_moves)(const SumsData<T>&, const Moves&, std::int64_t first, std::int64_t last,
                               std::uint32_t* sizes);
    // Their entries, at the places that next [k] counts up; old labels become the labels.
    void (*sort_moves)(const Moves&, std::int64_t chunk, std::int64_t first, std::int64_t last, std::uint32_t* next,
                       std::uint32_t* entries);
    // Adds entries [first, last) to the sums, which other threads add to as well.
    void (*add_sorted)(const SumsData<T>&, const SortedMoves&, std::int64_t first, std::int64_t last);
    // Returns ||mean - prototype||^2.
    double (*finish)(const FinishData<T>&);
    // The largest weight_i value_i of rows [first, last), and their fixed-point sum. `points` are the values, d = 1.
    double (*largest_value)(const SumsData<T>&, std::int64_t first, std::int64_t last);
    std::int64_t (*sum_values)(const SumsData<T>&, std::int64_t first, std::int64_t last, double scale);
    // own[c] += the fixed-point sum of weight_i min(value_i, energies(i, c)), where `points` are the values, d = 1.
    void (*potentials)(const SumsData<T>&, const T* energies, std::int64_t stride, int columns, std::int64_t first,
                       std::int64_t last, std::int64_t* own);
    // energies(i, c), or a value from closest_i on where the energy is not below it.
    void (*candidates)(const CandidatesData<T>&, std::int64_t first, std::int64_t last);
    // sums[j] = sum over rows [first, last) of y_ij - origin_j, row by row; squares[j] likewise.
    void (*variance)(const SumsData<T>&, const T* origin, std::int64_t first, std::int64_t last, double* sums,
                     double* squares);
};

struct SumsKernels {
    SumsKernelsOf<float> of_float;
    SumsKernelsOf<double> of_double;
};

extern const SumsKernels sums_base, sums_avx2, sums_avx512;

}  // namespace cuebm::cpu
