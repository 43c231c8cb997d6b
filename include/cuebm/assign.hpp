// The K-means energy E(y, z) = ||y - W z||^2 with z one-hot, for many points y at once: its minimum over z
// and its free energy.
//
// Y is [n x d], the points; W is [k x d], the prototypes, a row each (the lecture's columns of W).
//
//   F(y)      = min_k ||y - w_k||^2
//   F_beta(y) = -1/beta log sum_k exp(-beta ||y - w_k||^2)        -> F(y) as beta -> infinity
//
// Exact: E is the *canonical* energy, sum_j (y_j - w_j)^2 with fused multiply-add in the type of the data, 16
// interleaved accumulators and one fixed tree; the label is the lowest-index argmin of it. Labels and
// energies have the same bits on every device, instruction set, thread count and chunking of the points.
// No n x k matrix is formed. See docs/design/canonical-energy.md.
//
// Every function has a form that takes a Context (returns when done; throws DataError) and one that takes a
// Stream (checks shapes, enqueues; DataError is thrown by Stream::wait()). T is float or double.
// Common errors: InvalidArgument for null or misaligned views, shapes that disagree, views on another
// device, d < 1, k < 1, k or d over 2^31 - 1; DataError for NaN or infinity in points (first bad row),
// prototypes or weights, negative weights, energies that overflow T.
#pragma once

#include <cstdint>
#include <limits>

#include <cuebm/context.hpp>
#include <cuebm/export.hpp>
#include <cuebm/view.hpp>

namespace cuebm {

inline constexpr double infinity = std::numeric_limits<double>::infinity();

// Inference. Give the outputs that are wanted, leave the others absent; at least one.
// Cost: 3 n k d operations; reads Y once.
template <class T>
struct Assign {
    MatrixView<const T> points;              // [n x d], n >= 0
    MatrixView<const T> prototypes;          // [k x d]
    MatrixView<const std::uint8_t> known{};  // [n x d] or [1 x d], optional: E sums over coordinates that are
                                             // known (not 0); the others may hold anything, even NaN
    VectorView<std::int32_t> labels{};       // [n], optional: argmin_k E
    VectorView<T> energies{};                // [n], optional: F
    MatrixView<std::int32_t> best_labels{};  // [n x m], optional, m <= min(k, 32): the m lowest, best first,
    MatrixView<T> best_energies{};           // [n x m], optional: and their energies; ties by lower index
    MatrixView<T> all_energies{};            // [n x k], optional: every E
    VectorView<T> free_energies{};           // [n], optional: F_beta
    double beta = infinity;                  // > 0; finite where free_energies is given
    bool check_finite = true;                // false: NaN rows get label 0 and no error
};

CUEBM_API void assign(Context& context, const Assign<float>& arguments);
CUEBM_API void assign(Context& context, const Assign<double>& arguments);
CUEBM_API void assign(Stream& stream, const Assign<float>& arguments);
CUEBM_API void assign(Stream& stream, const Assign<double>& arguments);

// Coordinate descent over W: w_k = sum_i weight_i y_i / sum_i weight_i over the points with label k. A
// prototype without weight keeps its value.
//
// Sums are int64 fixed point with one power-of-two scale a feature, 2^(62 - ceil log2 n) / max_i |weight_i
// y_ij|, so they are exact sums of contributions that are each rounded at 2^-(62 - ceil log2 n) of the
// feature's largest (2^-42 for a million points), and the same bits whatever the order and the device.
// Cost: n d additions; reads Y twice.
template <class T>
struct Update {
    MatrixView<const T> points;             // [n x d], n >= 1
    VectorView<const std::int32_t> labels;  // [n], 0 <= label < k, else DataError
    VectorView<const T> weights{};          // [n], optional: >= 0; absent: all 1
    MatrixView<T> prototypes;               // [k x d], read and written
    VectorView<double> cluster_weights{};   // [k], optional: sum of the weights of each
};

CUEBM_API void update(Context& context, const Update<float>& arguments);
CUEBM_API void update(Context& context, const Update<double>& arguments);
CUEBM_API void update(Stream& stream, const Update<float>& arguments);
CUEBM_API void update(Stream& stream, const Update<double>& arguments);

}  // namespace cuebm
