// What a backend must do for the K-means energy. Arguments are checked by src/ before they come here; every
// function only enqueues, and none allocates. All results have the same bits on every backend: sums over points
// are int64 fixed point, sums over coordinates and prototypes run in one fixed order. Points may be stored in any
// element type that PointsView<T> allows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include <cuebm/assign.hpp>
#include <cuebm/view.hpp>

#include "potential_operations.hpp"
#include "problem.hpp"

namespace cuebm::detail {

class Queue;

// Points that are stored in T.
template <class T>
MatrixView<const T> values_of(const PointsView<T>& points) {
    return {static_cast<const T*>(points.data), points.rows, points.cols, points.stride, points.device};
}

// scales[j] for feature j, from the largest |weight_i y_ij|; scales[d] for the weights. See math/fixed_point.hpp.
// Reports points that are not finite and weights that are not valid.
template <class T>
struct Scales {
    PointsView<T> points;
    VectorView<const T> weights;  // absent: all 1
    double* scales;               // [d + 1]
};

// Fixed-point sums of weight_i y_i and of weight_i, for each label. The scales are of as many points as are added, or
// more.
struct FixedSums {
    std::int64_t* sums;    // [k x d]
    std::int64_t* counts;  // [k]
    const double* scales;  // [d + 1]
};

// Moves each point whose label changed from the sums of its old cluster to those of its new one: exact.
template <class T>
struct Accumulate {
    PointsView<T> points;
    VectorView<const T> weights;
    VectorView<const std::int32_t> labels;  // reports those outside [0, k)
    VectorView<std::int32_t> old_labels;    // [n], -1: in no cluster yet; set to the labels. Absent: all -1
    std::int64_t k;
    FixedSums into;
    std::int64_t* moved;  // [1], the number of points that moved is added to it; null: not wanted
};

// Adds p_ik weight_i y_i and p_ik weight_i, for every k.
template <class T>
struct AccumulateSoft {
    PointsView<T> points;
    MatrixView<const T> prototypes;
    VectorView<const T> weights;
    const T *least, *gaps;  // [n]: min E, F_beta - min E; a row whose least is not finite has been reported, and adds
                            // nothing
    double beta;
    FixedSums into;
};

// means_k = sums_k / counts_k, or prototypes_k where counts_k = 0; gradients_k = 2 (weight_k w_k - sum_k). With `seen`,
// prototypes count as that weight of points: means_k = (seen_k w_k + sum_k) / (seen_k + weight_k).
template <class T>
struct Finish {
    FixedSums from;
    MatrixView<const T> prototypes;
    MatrixView<T> means;                 // [k x d], may be the prototypes; absent: not wanted
    MatrixView<T> gradients;             // [k x d]; absent: not wanted
    VectorView<double> cluster_weights;  // [k], with what was seen; absent: not wanted
    double* shifts;                      // [k]: ||means_k - prototypes_k||^2; null: not wanted
    const double* seen = nullptr;        // [k]; null: nothing
};

// out_i = sum_k p_ik w_k / sum_k p_ik, the mean of the prototypes; with `known`, coordinates that are known keep y's
// value. Or the gradient 2 weight_i (y_i - mean_i). beta = infinity: p is one-hot at labels.
template <class T>
struct SoftMean {
    PointsView<T> points;
    MatrixView<const T> prototypes;
    MatrixView<const std::uint8_t> known;   // [n x d] or [1 x d]; absent: E sums over all coordinates
    VectorView<const std::int32_t> labels;  // for beta = infinity
    const T* least;                         // [n]: min E, for finite beta
    VectorView<const T> weights;            // for the gradient; absent: all 1
    double beta;
    bool gradient;
    MatrixView<T> out;  // [n x d]
    double* moves;      // [n]: ||out_i - y_i||^2; null: not wanted
};

// Row i m + c of `completed`: the known coordinates of points row i, the others of prototypes row labels(i, c).
// probabilities(i, c) = exp(-beta (energies(i, c) - F_i)), F_i = energies(i, 0) + gaps_i.
template <class T>
struct FillIn {
    PointsView<T> points;
    MatrixView<const T> prototypes;
    MatrixView<const std::uint8_t> known;
    MatrixView<const std::int32_t> labels;  // [n x m]
    MatrixView<const T> energies;           // [n x m], the m least
    const T* gaps;                          // [n]
    double beta;
    MatrixView<T> completed;      // [n m x d]
    MatrixView<T> probabilities;  // [n x m]
};

// total[0] = sum of weight_i values_i, each rounded at fixed_point_scale(largest of them, n); infinity if a product
// overflows. NaN has been reported, and adds nothing.
template <class T>
struct Total {
    VectorView<const T> values;  // >= 0
    VectorView<const T> weights;
    double* total;  // [3]: the total, and two words of scratch
};

// The mean over features of the variance over points: sums of y_ij - y_0j and of its square in blocks of
// math::sum_block rows, row by row, the blocks added in order; then feature by feature.
template <class T>
struct Variance {
    PointsView<T> points;
    double* sums;  // [ceil(n / sum_block) x 2 d], scratch
    double* mean;  // [1]
};

// Row i of `to` is row i of `from` at unit length (math/unit.hpp). One that is zero or not finite becomes NaN, or stays
// as it was in `to`.
template <class T>
struct Normalise {
    PointsView<T> from;
    MatrixView<T> to;        // may be the same memory
    std::int64_t first_row;  // reports say first_row + i
    Problem not_finite, zeros;
    bool check;       // report these two
    bool keep_zeros;  // leave the row of `to`
    double* shifts;   // [rows]: ||to_i - to_i before||^2, with keep_zeros alone; null: not wanted
};

template <class T>
class AssignOperations {
public:
    virtual ~AssignOperations() = default;
    // What plan() chose for this task, for people; bytes of scratch that assign() then needs; the work.
    virtual std::string explain(const Assign<T>&) const = 0;
    virtual std::size_t scratch_bytes(const Assign<T>&) const = 0;
    // `kept`: what keep() has made of the same points for the same outputs and number of prototypes; null: nothing.
    // `gaps`: [n], free energies less the least energies, where the former are wanted; null: not wanted.
    virtual void assign(Queue&, const Assign<T>&, std::byte* scratch, std::byte* kept, T* gaps) const = 0;
    // For several calls of assign() with the same points: bytes that it pays to keep between them, perhaps 0, and what
    // makes them, with the scratch of assign(). No bit depends on it.
    virtual std::size_t kept_bytes(const Assign<T>&) const = 0;
    virtual void keep(Queue&, const Assign<T>&, std::byte* scratch, std::byte* kept) const = 0;
    virtual void scales(Queue&, const Scales<T>&) const = 0;
    // assign() and scales() of the same points, which a CPU then reads from memory once, unless they are kept.
    virtual void assign_and_scales(Queue& queue, const Assign<T>& task, std::byte* scratch, std::byte* kept,
                                   const Scales<T>& of) const {
        scales(queue, of);
        assign(queue, task, scratch, kept, nullptr);
    }
    virtual std::size_t scratch_bytes(const Accumulate<T>&) const = 0;
    virtual void accumulate(Queue&, const Accumulate<T>&, std::byte* scratch) const = 0;
    virtual void accumulate_soft(Queue&, const AccumulateSoft<T>&) const = 0;
    virtual void finish(Queue&, const Finish<T>&) const = 0;
    virtual void soft_mean(Queue&, const SoftMean<T>&) const = 0;
    virtual void fill_in(Queue&, const FillIn<T>&) const = 0;
    virtual void total(Queue&, const Total<T>&) const = 0;
    virtual void variance(Queue&, const Variance<T>&) const = 0;
    virtual void normalise(Queue&, const Normalise<T>&) const = 0;
    virtual void halve(Queue&, MatrixView<T> values) const = 0;
    virtual void fold(Queue&, const Fold<T>&) const = 0;
    virtual void draw(Queue&, const Draw<T>&) const = 0;
    virtual void candidates(Queue&, const Candidates<T>&) const = 0;
    virtual void choose(Queue&, const Choose<T>&) const = 0;
    virtual void select(Queue&, const Select<T>&) const = 0;
    // to row r = from row rows[r]; rows [to.rows] lies on the device.
    virtual void gather(Queue&, PointsView<T> from, const std::int64_t* rows, MatrixView<T> to) const = 0;
};

}  // namespace cuebm::detail
