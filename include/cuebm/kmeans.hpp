// The K-means energy-based model: learn the prototypes, then use them: label points, complete them.
//
// Training is block coordinate descent (S. P. Lloyd, "Least squares quantization in PCM", IEEE Transactions
// on Information Theory 28, 1982): z by exact inference, W by exact means, each step lowering
// sum_i weight_i F(y_i). The result depends on the data and the seed alone: same bits on every device, whatever the
// thread count. Points, prototypes and results lie on the context's device.
#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <type_traits>

#include <cuebm/array.hpp>
#include <cuebm/assign.hpp>
#include <cuebm/context.hpp>
#include <cuebm/export.hpp>

namespace cuebm {

// How an iterative computation ended.
enum class Status : std::uint8_t {
    converged,         // no label changed, or the step fell under the tolerance
    iteration_limit,   // max_iterations came first
    cancelled,         // the caller asked to stop; what is returned still belongs together
    too_few_distinct,  // converged, but some prototypes own no point: fewer distinct points than k
};
CUEBM_API const char* name(Status status) noexcept;

namespace kmeans {

enum class Start : std::uint8_t {
    plus_plus,  // greedy k-means++ (D. Arthur and S. Vassilvitskii, SODA 2007): 2 + floor(ln k) candidates a
                // step, on a random subsample of min(n, max(2^16, 256 k)) rows
    random,     // k distinct rows
    given,      // FitOptions::prototypes
    parallel,   // k-means|| (B. Bahmani et al., "Scalable K-Means++", VLDB 2012): on that subsample, 5 rounds that each
                // select about max(k / 2, 32) rows at once; greedy k-means++ among them, by the weight nearest to each.
                // Costs an Assign to about 2.5 k prototypes, and k passes over those instead of the subsample: for
                // large k
};

struct Progress {
    int start = 0;      // which of n_init
    int iteration = 0;  // Lloyd iterations done
    int max_iterations = 0;
    std::int64_t moved = 0;  // points whose label changed in the last one
    double inertia = 0;      // sum_i weight_i F(y_i) before its update of the prototypes
};

template <class T>
struct FitOptions {
    std::int64_t k = 8;  // 1 <= k <= n
    std::uint64_t seed = 0;
    Start start = Start::plus_plus;
    MatrixView<const T> prototypes{};  // [k x d], for Start::given; on the host or the context's device; not changed
    VectorView<const T> weights{};     // [n], optional: >= 0, not all 0; on the context's device
    int n_init = 1;                    // starts tried; the lowest inertia wins; must be 1 for `given`
    int max_iterations = 300;          // >= 1
    double tolerance = 1e-4;           // stop when sum_k ||w_k' - w_k||^2 <= tolerance * mean over features of
                                       // the variance of Y (scikit-learn's meaning); 0: until no label moves
    std::function<void(const Progress&)> progress{};  // called by the fitting thread after each iteration
    std::stop_token cancel{};                         // looked at between iterations
    Metric metric = Metric::squared_euclidean;        // or cosine: spherical K-means
};

// What fit() returns. Labels, energies and inertia are those of these prototypes.
template <class T>
struct Model {
    Matrix<T> prototypes;         // [k x d]
    Vector<std::int32_t> labels;  // [n]
    Vector<T> energies;           // [n]: F(y_i)
    double inertia = 0;           // sum_i weight_i F(y_i); infinity if that overflows; terms under 1e-285 lose bits
    int iterations = 0;
    std::int64_t empty_clusters = 0;  // prototypes that own no point
    Status status = Status::converged;
    Metric metric = Metric::squared_euclidean;  // of the energies, and of predict() and transform()
    // One sentence: what the status means and what to try.
    CUEBM_API std::string advice() const;
    // The prototypes, for the function of that name. Errors: InvalidArgument if there are none, or if they are of
    // another metric than squared Euclidean and the function knows that alone.
    CUEBM_API MatrixView<const T> fitted(const char* function, bool any_metric = false) const;
};

// Metric::cosine is spherical K-means (I. S. Dhillon and D. S. Modha, "Concept decompositions for large sparse text
// data using clustering", Machine Learning 42, 2001): points at unit length, prototypes brought back to it after each
// mean; a mean of length zero leaves its prototype as it was. Prototypes are then of unit length, energies and inertia
// those of the cosine, tolerance and variance those of the unit points, of which the device holds a copy, n d.
//
// Empty clusters are relocated to the points of highest energy, as scikit-learn does, but for a cluster's only point;
// where those already lie on a prototype (fewer distinct points than k) they stay, and the status says so.
// Errors: as Assign, and InvalidArgument for k < 1 or k > n, n_init < 1, max_iterations < 1, tolerance < 0, the metric
// inner_product (whose energy no mean lowers). Cost: at most an Assign, without energies unless `progress` is given,
// and an Update of the points that moved, each iteration. Bounds from one iteration to the next can save most of it
// later, on a CPU alone and in float, where Assign screens, k <= 4096 and k is at most 8 to 32 times d, by the format;
// they are used in the iterations where they seem to be worth it (docs/design/assign-paths.md). Both forms block the
// calling thread. Memory on the device besides Y: 8 n for old labels and sums of 8 k d; for each of at most two models
// 8 n (12 n in double) and the prototypes; the workspace of Assign; for k-means++ a copy of its subsample and
// (2 + ln k) energies for each of its rows (k-means||: its 2.5 k candidates, 160 at least, too); on the CPU 8 k (d + 1)
// bytes a thread for sums, where that is at most 2 MiB or, whatever it is, where Y is stored as uint8, fp16 or bf16
// (and the metric is not cosine), else at most 8 max(2^20, 16 k) + 4 k bytes and 4 k a thread to sort points; and on
// the CPU in float, where Assign screens, a packed copy of Y with bounds, which are left out where there is no memory
// for them: where a packed row, d coordinates of 1, 2 or 4 bytes, is r bytes after rounding up to 64, at most (n + 127)
// (7 r / 3 + 25) + 4 (k + 1) (d + 64) bytes and 4 KiB. Weights are copied to the host. The form with a Stream first
// does the stream's earlier work, and throws what was wrong with it.
CUEBM_API Model<float> fit(const Context& context, PointsView<float> points, const FitOptions<float>& options);
CUEBM_API Model<double> fit(const Context& context, PointsView<double> points, const FitOptions<double>& options);
CUEBM_API Model<float> fit(Stream& stream, PointsView<float> points, const FitOptions<float>& options);
CUEBM_API Model<double> fit(Stream& stream, PointsView<double> points, const FitOptions<double>& options);

// Labels [n] of new points [n x d], n >= 0, by prototypes [k x d]. Errors and cost: as Assign.
CUEBM_API Vector<std::int32_t> predict(const Context& context, MatrixView<const float> prototypes,
                                       PointsView<float> points, Metric metric = Metric::squared_euclidean);
CUEBM_API Vector<std::int32_t> predict(const Context& context, MatrixView<const double> prototypes,
                                       PointsView<double> points, Metric metric = Metric::squared_euclidean);
CUEBM_API Vector<std::int32_t> predict(Stream& stream, MatrixView<const float> prototypes, PointsView<float> points,
                                       Metric metric = Metric::squared_euclidean);
CUEBM_API Vector<std::int32_t> predict(Stream& stream, MatrixView<const double> prototypes, PointsView<double> points,
                                       Metric metric = Metric::squared_euclidean);

// Every energy E(y_i, z_k), [n x k], of points [n x d], n >= 0, and prototypes [k x d]; for ||y_i - w_k||^2 its square
// root is scikit-learn's transform. Errors and cost: as Assign.
CUEBM_API Matrix<float> transform(const Context& context, MatrixView<const float> prototypes, PointsView<float> points,
                                  Metric metric = Metric::squared_euclidean);
CUEBM_API Matrix<double> transform(const Context& context, MatrixView<const double> prototypes,
                                   PointsView<double> points, Metric metric = Metric::squared_euclidean);
CUEBM_API Matrix<float> transform(Stream& stream, MatrixView<const float> prototypes, PointsView<float> points,
                                  Metric metric = Metric::squared_euclidean);
CUEBM_API Matrix<double> transform(Stream& stream, MatrixView<const double> prototypes, PointsView<double> points,
                                   Metric metric = Metric::squared_euclidean);

// Given some coordinates of y, predict the others: a set of sharp predictions instead of one blurred mean.
// The energy is summed over the known coordinates; each candidate copies the rest from its prototype.
template <class T>
struct Complete {
    PointsView<T> points;                  // [n x d]; coordinates that are not known are not looked at
    MatrixView<const std::uint8_t> known;  // [n x d], or [1 x d] for all rows: not 0 where y is given
    std::int32_t candidates = 1;           // m, 1 <= m <= min(k, 32)
    double beta = 1;                       // > 0, finite: inverse temperature of the probabilities
};

template <class T>
struct Completions {
    Matrix<std::int32_t> labels;  // [n x m], best first
    Matrix<T> energies;           // [n x m]
    Matrix<T> probabilities;      // [n x m]: exp(-beta E) over the sum for all k prototypes
    Matrix<T> points;             // [n m x d]: row i m + c is candidate c of point i, known coordinates kept
    Matrix<T> mean;               // [n x d]: the probability-weighted mean, which least squares would predict
    Vector<T> free_energies;      // [n]: F_beta of the known coordinates
};

// Prototypes: [k x d]. Errors: as Assign; InvalidArgument for a missing mask, candidates outside 1 to min(k, 32), beta
// that is not positive and finite; DataError where a known value is NaN or infinite. Cost: twice that of Assign, n d
// operations for each prototype whose probability has not underflowed, and n m d copies.
CUEBM_API Completions<float> complete(const Context& context, MatrixView<const float> prototypes,
                                      const Complete<float>& arguments);
CUEBM_API Completions<double> complete(const Context& context, MatrixView<const double> prototypes,
                                       const Complete<double>& arguments);
CUEBM_API Completions<float> complete(Stream& stream, MatrixView<const float> prototypes,
                                      const Complete<float>& arguments);
CUEBM_API Completions<double> complete(Stream& stream, MatrixView<const double> prototypes,
                                       const Complete<double>& arguments);

// The nearest point of the learned manifold. beta = infinity: the nearest prototype. Finite: the minimiser of F_beta
// that descent from y reaches, y <- sum_k p_k(y) w_k, which is gradient descent with step 1/2 and never raises F_beta
// (mean shift: D. Comaniciu and P. Meer, IEEE TPAMI 24, 2002).
template <class T>
struct Project {
    MatrixView<const T> points;  // [n x d]
    double beta = infinity;      // > 0
    int max_iterations = 1000;   // >= 1
    double tolerance = 1e-6;     // >= 0: stop when no point moves by more than tolerance * max_k |w_k|
};

template <class T>
struct Projection {
    Matrix<T> points;    // [n x d]
    Vector<T> energies;  // [n]: F_beta there; F at beta = infinity
    int iterations = 0;  // of descent; 0 at beta = infinity
    Status status = Status::converged;
};

// Prototypes: [k x d]. Errors: as Assign; InvalidArgument for max_iterations < 1, tolerance < 0. Cost: for each
// iteration twice that of Assign and n d operations for each prototype whose probability has not underflowed. Both
// forms block the calling thread.
CUEBM_API Projection<float> project(const Context& context, MatrixView<const float> prototypes,
                                    const Project<float>& arguments);
CUEBM_API Projection<double> project(const Context& context, MatrixView<const double> prototypes,
                                     const Project<double>& arguments);
CUEBM_API Projection<float> project(Stream& stream, MatrixView<const float> prototypes,
                                    const Project<float>& arguments);
CUEBM_API Projection<double> project(Stream& stream, MatrixView<const double> prototypes,
                                     const Project<double>& arguments);

// The same with the prototypes of a model that fit() returned, on a Context or a Stream. Errors: also InvalidArgument
// for a model that was not fitted.
template <class Where, class T>
auto predict(Where& where, const Model<T>& model, PointsView<std::type_identity_t<T>> points) {
    return predict(where, model.fitted("kmeans::predict", true), points, model.metric);
}
template <class Where, class T>
auto transform(Where& where, const Model<T>& model, PointsView<std::type_identity_t<T>> points) {
    return transform(where, model.fitted("kmeans::transform", true), points, model.metric);
}
template <class Where, class T>
auto complete(Where& where, const Model<T>& model, const Complete<std::type_identity_t<T>>& arguments) {
    return complete(where, model.fitted("kmeans::complete"), arguments);
}
template <class Where, class T>
auto project(Where& where, const Model<T>& model, const Project<std::type_identity_t<T>>& arguments) {
    return project(where, model.fitted("kmeans::project"), arguments);
}

}  // namespace kmeans
}  // namespace cuebm
