// The K-means energy-based model: learn the prototypes, then use them: label points, complete them.
//
// Training is block coordinate descent (S. P. Lloyd, "Least squares quantization in PCM", IEEE Transactions
// on Information Theory 28, 1982): z by exact inference, W by exact means, each step lowering
// sum_i weight_i F(y_i). The result depends on the data and the seed alone: same bits whatever the thread count.
#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>

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
    MatrixView<const T> prototypes{};  // [k x d], for Start::given; on the context's device; not changed
    VectorView<const T> weights{};     // [n], optional: >= 0, not all 0
    int n_init = 1;                    // starts tried; the lowest inertia wins; must be 1 for `given`
    int max_iterations = 300;          // >= 1
    double tolerance = 1e-4;           // stop when sum_k ||w_k' - w_k||^2 <= tolerance * mean over features of
                                       // the variance of Y (scikit-learn's meaning); 0: until no label moves
    std::function<void(const Progress&)> progress{};  // called by the fitting thread after each iteration
    std::stop_token cancel{};                         // looked at between iterations
};

// What fit() returns. Labels, energies and inertia are those of these prototypes.
template <class T>
struct Model {
    Matrix<T> prototypes;         // [k x d]
    Vector<std::int32_t> labels;  // [n]
    Vector<T> energies;           // [n]: F(y_i)
    double inertia = 0;           // sum_i weight_i F(y_i)
    int iterations = 0;
    std::int64_t empty_clusters = 0;  // prototypes that own no point
    Status status = Status::converged;
    // One sentence: what the status means and what to try.
    CUEBM_API std::string advice() const;
};

// Empty clusters are relocated to the points of highest energy, as scikit-learn does; where those already
// lie on a prototype (fewer distinct points than k) they stay, and the status says so.
// Errors: as Assign, and InvalidArgument for k < 1 or k > n, n_init < 1, max_iterations < 1, tolerance < 0.
// Cost: 3 n k d operations an iteration, one pass over Y for the labels and two for the means.
// Memory: 20 n bytes on the host and 8 n on the device besides Y.
CUEBM_API Model<float> fit(Context& context, MatrixView<const float> points, const FitOptions<float>& options);
CUEBM_API Model<double> fit(Context& context, MatrixView<const double> points, const FitOptions<double>& options);
// Labels [n] of new points. Errors and cost: as Assign.
CUEBM_API Vector<std::int32_t> predict(Context& context, MatrixView<const float> prototypes,
                                       MatrixView<const float> points);
CUEBM_API Vector<std::int32_t> predict(Context& context, MatrixView<const double> prototypes,
                                       MatrixView<const double> points);

// Every energy E(y_i, z_k) = ||y_i - w_k||^2, [n x k]; its square root is scikit-learn's transform.
CUEBM_API Matrix<float> transform(Context& context, MatrixView<const float> prototypes, MatrixView<const float> points);
CUEBM_API Matrix<double> transform(Context& context, MatrixView<const double> prototypes,
                                   MatrixView<const double> points);

// Given some coordinates of y, predict the others: a set of sharp predictions instead of one blurred mean.
// The energy is summed over the known coordinates; each candidate copies the rest from its prototype.
template <class T>
struct Complete {
    MatrixView<const T> values;            // [n x d]; coordinates that are not known are not looked at
    MatrixView<const std::uint8_t> known;  // [n x d], or [1 x d] for all rows: not 0 where y is given
    std::int32_t candidates = 1;           // m, 1 <= m <= min(k, 32)
    double beta = 1;                       // > 0, finite: inverse temperature of the probabilities
};

template <class T>
struct Completions {
    Matrix<std::int32_t> labels;  // [n x m], best first
    Matrix<T> energies;           // [n x m]
    Matrix<T> probabilities;      // [n x m]: exp(-beta E) over the sum for all k prototypes
    Matrix<T> values;             // [n m x d]: row i m + c is candidate c of point i, known coordinates kept
    Matrix<T> mean;               // [n x d]: the probability-weighted mean, which least squares would predict
};

// Errors and cost: as Assign; DataError where a known value is NaN or infinite. The copies from prototypes are
// made on the host, and the mean from all n k energies, 4096 points at a time.
CUEBM_API Completions<float> complete(Context& context, MatrixView<const float> prototypes,
                                      const Complete<float>& arguments);
CUEBM_API Completions<double> complete(Context& context, MatrixView<const double> prototypes,
                                       const Complete<double>& arguments);

}  // namespace kmeans
}  // namespace cuebm
