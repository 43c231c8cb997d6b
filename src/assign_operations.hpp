// What a backend must do for the K-means energy. Arguments are checked by src/ before they come here;
// every function only enqueues. Scratch comes from the queue's workspace (Queue::scratch).
#pragma once

#include <cstdint>

#include <cuebm/assign.hpp>
#include <cuebm/view.hpp>

namespace cuebm::detail {

class Queue;

// out_i = mean_i = sum_k p_ik w_k, or 2 weight_i (y_i - mean_i). beta = infinity: p is one-hot at labels.
template <class T>
struct SoftMean {
    MatrixView<const T> points, prototypes;
    MatrixView<const std::uint8_t> known;  // absent: all
    const std::int32_t* labels = nullptr;  // for beta = infinity
    const T* free_energies = nullptr;      // for finite beta
    VectorView<const T> weights;
    double beta = infinity;
    bool gradient = false;
    MatrixView<T> out;
};

// Per feature j: largest[j] = max_i |y_ij|, sum[j] and squares[j] of (y_ij - y_0j) and its square, rows in
// blocks of sum_block added in order. All [d], in doubles.
template <class T>
struct Statistics {
    MatrixView<const T> points;
    double *largest, *sum, *squares;
};

// Fixed-point sums of weight_i y_i and weight_i by label.
//   scales[j] for feature j; scales[d] for the weights.
struct FixedSums {
    std::int64_t* sums;    // [k x d]
    std::int64_t* counts;  // [k]
    const double* scales;  // [d + 1]
};

// Moves each point whose label changed: subtracts it from its old cluster, adds it to its new one.
template <class T>
struct Accumulate {
    MatrixView<const T> points;
    VectorView<const T> weights;
    VectorView<const std::int32_t> new_labels;  // checked to lie in [0, k): DataError
    std::int32_t* old_labels;                   // [n], -1: in no cluster yet; set to the new labels. Null: all -1
    std::int64_t k;
    FixedSums into;
    std::int64_t* moved;  // [1], set to the number of points that moved; null: not wanted
};

// Adds p_ik weight_i y_i and p_ik weight_i for every k.
template <class T>
struct AccumulateSoft {
    MatrixView<const T> points, prototypes;
    VectorView<const T> weights;
    const T* free_energies;
    double beta;
    FixedSums into;
};

// prototypes_k = sums_k / counts_k where counts_k > 0; or the gradient 2 (weight_k w_k - sum_k).
template <class T>
struct Finish {
    FixedSums from;
    MatrixView<T> prototypes;             // read and written
    MatrixView<T> gradient;               // present: written instead of the prototypes
    VectorView<double> cluster_weights;   // optional
    double* shift = nullptr;              // [1] sum_k ||w_k' - w_k||^2, or null
    std::int64_t* empty = nullptr;        // [1] number of k with counts_k = 0, or null
};

// One greedy k-means++ step on rows y: candidates are row numbers of y.
template <class T>
struct PlusPlus {
    MatrixView<const T> points;
    VectorView<const T> weights;
    T* closest;                  // [n] energy to the nearest prototype so far
    double scale;                // fixed-point scale of weight * energy
    std::int64_t* candidates;    // [count] row numbers
    int count = 0;
    T* energies;                 // [count x n] scratch that potentials() fills and keep() reads
    std::uint64_t* potentials;   // [count] sum_i fixed(weight_i min(closest_i, E(y_i, candidate)))
};

template <class T>
class AssignOperations {
public:
    virtual ~AssignOperations() = default;
    virtual void assign(Queue&, const Assign<T>&) const = 0;
    virtual std::size_t assign_scratch(const Assign<T>&) const = 0;
    virtual void soft_mean(Queue&, const SoftMean<T>&) const = 0;
    virtual void statistics(Queue&, const Statistics<T>&) const = 0;
    virtual void accumulate(Queue&, const Accumulate<T>&) const = 0;
    virtual void accumulate_soft(Queue&, const AccumulateSoft<T>&) const = 0;
    virtual void finish(Queue&, const Finish<T>&) const = 0;
    // total[0] = sum of weight_i values_i, in the order of canonical.hpp.
    virtual void total(Queue&, VectorView<const T> values, VectorView<const T> weights, double* total) const = 0;
    // largest[0] = max weight_i |values_i|; weights may be absent.
    virtual void largest(Queue&, VectorView<const T> values, VectorView<const T> weights, double* largest) const = 0;
    // Reports the first row that holds NaN or infinity (or, for weights, a negative value).
    virtual void check(Queue&, MatrixView<const T> values, int problem, bool nonnegative) const = 0;
    virtual void gather(Queue&, MatrixView<const T> from, const std::int64_t* rows, MatrixView<T> to) const = 0;
    // rows[c] = the first row whose inclusive prefix of fixed(weight_i closest_i) exceeds draws[c].
    virtual void pick(Queue&, const PlusPlus<T>&, const std::uint64_t* draws) const = 0;
    virtual void potentials(Queue&, const PlusPlus<T>&) const = 0;
    // closest = min(closest, energies of candidate `which`); which < 0: closest = energies of candidate 0.
    virtual void keep(Queue&, const PlusPlus<T>&, int which) const = 0;
    // out rows i*m + c: known coordinates of values row i, the others of prototypes row labels(i, c).
    virtual void complete(Queue&, MatrixView<const T> values, MatrixView<const std::uint8_t> known,
                          MatrixView<const T> prototypes, MatrixView<const std::int32_t> labels,
                          MatrixView<T> out) const = 0;
    // probabilities(i, c) = exp(-beta (energies(i, c) - free_energies(i))).
    virtual void probabilities(Queue&, MatrixView<const T> energies, const T* free_energies, double beta,
                               MatrixView<T> out) const = 0;
};

}  // namespace cuebm::detail
