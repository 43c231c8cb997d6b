// K-means on a stream of chunks: each moves the prototypes towards its means, by less the more they have seen.
//
// D. Sculley, "Web-scale k-means clustering", WWW 2010, with the exact means of each chunk, as scikit-learn's
// MiniBatchKMeans.partial_fit: of the points of a chunk with label k, of total weight b and sum s,
//
//   w_k <- (v_k w_k + s) / (v_k + b),   v_k <- v_k + b      v_k: the weight that w_k has seen
//
// so that w_k is the mean of all points that were ever given to it. Same bits on every device; within a chunk the order
// of the rows does not matter.
#pragma once

#include <cuebm/kmeans.hpp>

namespace cuebm::kmeans {

// All there is to know between chunks: copy it to the host to save it, and back to go on. With prototypes of your own,
// and weights that are 0 or say how heavy they are, it starts from them; with none, from the first chunk.
template <class T>
struct MiniBatch {
    Matrix<T> prototypes;    // [k x d]
    Vector<double> weights;  // [k]: the weight that each has seen
    std::int64_t steps = 0;  // chunks so far
    double inertia = 0;      // sum_i weight_i F(y_i) over the last chunk, before it moved the prototypes
};

// The energy is the squared Euclidean one, and the start k-means++, unless the state brings prototypes.
struct MiniBatchOptions {
    std::int64_t k = 8;  // for the first chunk, which starts by greedy k-means++ as fit() does
    std::uint64_t seed = 0;
};

// Takes a chunk of points [n x d], n >= 1, with weights [n], optional: >= 0. A prototype that no point comes to stays
// as it is; there is no reassignment of starved ones: start from a first chunk that is not too small. Errors: as Assign
// and Update; InvalidArgument for a first chunk of fewer than k rows or of weight 0, and for a state whose shapes
// disagree; DataError for a weight of the state that is negative, NaN or above 1e150, before or after the chunk. After
// an error the state is as before. Cost: an Assign and an Update; the first chunk also k-means++. Memory on the device:
// 8 n (12 n in double), 8 k d + 8 k, prototypes and weights once more, and of two workspaces the larger: that of
// Assign, and on the CPU what fit() takes for sums, or to sort points. The first chunk also what fit() takes for
// k-means++; its weights are copied to the host. Both forms block the calling thread.
CUEBM_API void partial_fit(const Context& context, MiniBatch<float>& state, PointsView<float> points,
                           const MiniBatchOptions& options = {}, VectorView<const float> weights = {});
CUEBM_API void partial_fit(const Context& context, MiniBatch<double>& state, PointsView<double> points,
                           const MiniBatchOptions& options = {}, VectorView<const double> weights = {});
CUEBM_API void partial_fit(Stream& stream, MiniBatch<float>& state, PointsView<float> points,
                           const MiniBatchOptions& options = {}, VectorView<const float> weights = {});
CUEBM_API void partial_fit(Stream& stream, MiniBatch<double>& state, PointsView<double> points,
                           const MiniBatchOptions& options = {}, VectorView<const double> weights = {});

}  // namespace cuebm::kmeans
