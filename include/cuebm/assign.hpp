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
// Stream (checks shapes, enqueues; DataError is thrown by Stream::wait()). T is float or double; points of float may be
// stored as uint8, fp16 or bf16 (PointsView).
// Common errors: InvalidArgument for null or misaligned views, shapes that disagree, views on another
// device, an output that overlaps an input, d < 1, k < 1, k or d over 2^31 - 1; DataError for NaN or infinity in points
// (first bad row), prototypes or weights, negative weights, energies that overflow T.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>

#include <cuebm/context.hpp>
#include <cuebm/export.hpp>
#include <cuebm/view.hpp>

namespace cuebm {

inline constexpr double infinity = std::numeric_limits<double>::infinity();

// What E compares. `cosine` is the squared Euclidean energy of the rows normalised to unit length, halved: 1 - cos of
// their angle. A row's length is the root of its sum of squares in double (16 interleaved accumulators and the fixed
// tree, of values scaled by a power of two that brings the largest near 1); its quotients are rounded to T once.
enum class Metric : std::uint8_t {
    squared_euclidean,  // ||y - w||^2
    inner_product,      // -y.w, of the same 16 accumulators of y_j w_j and the same tree, taken from 0
    cosine,             // 1 - y.w / (|y| |w|), in [0, 2] to rounding; nothing hidden. A row of zeros is a DataError
};

// Inference. Give the outputs that are wanted, leave the others absent; at least one.
// Cost: 2 n k d operations where prototypes can be screened (float; not the inner product; labels and energies alone;
// nothing hidden), else 3 n k d (2 n k d for the inner product); reads Y once. Cosine reads Y twice and takes a
// workspace for the unit prototypes and for unit points, in chunks of 64 MiB (4096 rows, if that is more).
template <class T>
struct Assign {
    PointsView<T> points;                    // [n x d], n >= 0
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
    bool check_finite = true;                // false: NaN rows (zeros too, of cosine) get label 0 and no error
    Metric metric = Metric::squared_euclidean;
};

CUEBM_API void assign(const Context& context, const Assign<float>& arguments);
CUEBM_API void assign(const Context& context, const Assign<double>& arguments);
CUEBM_API void assign(Stream& stream, const Assign<float>& arguments);
CUEBM_API void assign(Stream& stream, const Assign<double>& arguments);

// Gradients of sum_i weight_i F_beta(y_i), or of F at beta = infinity (where it is defined: away from ties), of the
// squared Euclidean energy alone.
//
//   dF_beta/dy_i = 2 weight_i (y_i - sum_k p_ik w_k)     p_ik = exp(-beta (E_ik - F_beta(y_i)))
//   d/dw_k       = 2 sum_i weight_i p_ik (w_k - y_i)
//
// The sum over points is in fixed point (see Update): bit-identical whatever the order. Cost: that of Assign
// with free energies twice, and for each prototype whose probability has not underflowed n d operations for d/dy, and
// n d roundings to fixed point for d/dw; with weights one more pass over Y. Errors: also DataError where weight_i y_ij
// overflows double.
template <class T>
struct AssignGradient {
    PointsView<T> points;                 // [n x d], n >= 1
    MatrixView<const T> prototypes;       // [k x d]
    VectorView<const T> weights{};        // [n], optional: >= 0; absent: all 1
    double beta = infinity;               // > 0
    MatrixView<T> point_gradients{};      // [n x d], optional
    MatrixView<T> prototype_gradients{};  // [k x d], optional; one of the two must be there
};

CUEBM_API void assign_gradient(const Context& context, const AssignGradient<float>& arguments);
CUEBM_API void assign_gradient(const Context& context, const AssignGradient<double>& arguments);
CUEBM_API void assign_gradient(Stream& stream, const AssignGradient<float>& arguments);
CUEBM_API void assign_gradient(Stream& stream, const AssignGradient<double>& arguments);

// Coordinate descent over W: w_k = sum_i weight_i y_i / sum_i weight_i over the points with label k. A
// prototype without weight keeps its value.
//
// Sums are int64 fixed point with one power-of-two scale a feature, 2^(62 - ceil log2 n) / max_i |weight_i
// y_ij|, so they are exact sums of contributions that are each rounded at 2^-(62 - ceil log2 n) of the
// feature's largest (2^-42 for a million points), and the same bits whatever the order and the device. Weights are
// rounded likewise; one that is not 0 but would be is a DataError. Features under 1e-285 (double) lose bits.
// Cost: n d additions; reads Y twice.
template <class T>
struct Update {
    PointsView<T> points;                   // [n x d], n >= 1
    VectorView<const std::int32_t> labels;  // [n], 0 <= label < k, else DataError
    VectorView<const T> weights{};          // [n], optional: >= 0; absent: all 1
    MatrixView<T> prototypes;               // [k x d], read and written; what they were is not looked at
    VectorView<double> cluster_weights{};   // [k], optional: sum of the weights of each
};

CUEBM_API void update(const Context& context, const Update<float>& arguments);
CUEBM_API void update(const Context& context, const Update<double>& arguments);
CUEBM_API void update(Stream& stream, const Update<float>& arguments);
CUEBM_API void update(Stream& stream, const Update<double>& arguments);

// How a call would run, in words, for people: "screened fp32, 14 x 32 tiles, avx512". Which way is taken depends on the
// arguments' shapes and the device, and never changes a bit of the results. Errors: the InvalidArguments of assign().
CUEBM_API std::string explain(const Context& context, const Assign<float>& arguments);
CUEBM_API std::string explain(const Context& context, const Assign<double>& arguments);

// Bytes that the call takes from its stream's workspace, which grows to the largest call and is then kept. Errors: the
// InvalidArguments of the call.
CUEBM_API std::size_t workspace_bytes(const Context& context, const Assign<float>& arguments);
CUEBM_API std::size_t workspace_bytes(const Context& context, const Assign<double>& arguments);
CUEBM_API std::size_t workspace_bytes(const Context& context, const AssignGradient<float>& arguments);
CUEBM_API std::size_t workspace_bytes(const Context& context, const AssignGradient<double>& arguments);
CUEBM_API std::size_t workspace_bytes(const Context& context, const Update<float>& arguments);
CUEBM_API std::size_t workspace_bytes(const Context& context, const Update<double>& arguments);

}  // namespace cuebm
