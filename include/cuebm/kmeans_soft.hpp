// K-means with soft assignment: EM on the free energy, sum_i weight_i F_beta(y_i), and annealing in beta.
//
//   p_ik = exp(-beta (E_ik - F_beta(y_i)))             inference, by assign()
//   w_k  = sum_i weight_i p_ik y_i / sum_i weight_i p_ik
//
// At fixed beta no iteration raises the objective but by rounding. It is EM for a mixture of Gaussians of variance
// 1/(2 beta) and equal shares; as beta -> infinity it is Lloyd's iteration, and where the probabilities round to 0 and
// 1, bit for bit. Annealed from a small beta (K. Rose, "Deterministic annealing for clustering, compression,
// classification, regression, and related optimization problems", Proc. IEEE 86(11), 1998) it depends little on its
// start: below beta = 1 / (2 l), l the largest eigenvalue of the covariance of Y, all prototypes are one, at the mean,
// and above they split.
#pragma once

#include <cuebm/kmeans.hpp>

namespace cuebm::kmeans {

struct SoftProgress {
    double beta = 0;
    int iteration = 0;     // done so far, over all beta
    double objective = 0;  // sum_i weight_i F_beta(y_i) before its update of the prototypes
};

// There is no other energy than the squared Euclidean one.
template <class T>
struct SoftOptions {
    std::int64_t k = 8;  // 1 <= k <= n
    std::uint64_t seed = 0;
    Start start = Start::plus_plus;
    MatrixView<const T> prototypes{};  // [k x d], for Start::given; on the host or the context's device; not changed
    VectorView<const T> weights{};     // [n], optional: >= 0, not all 0; on the context's device
    double beta = 1;                   // > 0, finite: the inverse temperature that is wanted
    double beta_start = 0;             // > 0: annealing begins there, at most `beta`; 0: no annealing
    double factor = 2;                 // > 1: from one beta to the next
    double perturbation = 1e-3;  // >= 0: after each rise of beta every coordinate of a prototype moves by up to this
                                 // times the root of the mean variance of Y's features, so that equals can split
    int max_iterations = 300;    // >= 1, at each beta
    // >= 0: at each beta, as in FitOptions; 0: until no prototype moves. With annealing at most perturbation^2 / 100,
    // or equals would be left before they part: they move by a factor an iteration. Just above a critical beta the
    // factor is near 1, and they are left all the same, to part at the next beta.
    double tolerance = 1e-4;
    std::function<void(const SoftProgress&)> progress{};
    std::stop_token cancel{};  // looked at between iterations
};

// Free energies and objective are those of these prototypes at this beta.
template <class T>
struct SoftModel {
    Matrix<T> prototypes;               // [k x d]
    Vector<T> free_energies;            // [n]: F_beta(y_i)
    Vector<double> weights;             // [k]: sum_i weight_i p_ik at the last update
    double objective = 0;               // sum_i weight_i F_beta(y_i), added in double row by row
    double beta = 0;                    // reached; the one that was wanted unless cancelled
    int iterations = 0;                 // over all beta
    Status status = Status::converged;  // of the last beta
};

// Errors: as fit(); InvalidArgument for beta, beta_start, factor or perturbation out of range, and for points
// whose variance overflows. Cost: an iteration is an Assign of free energies, and for each prototype whose probability
// has not underflowed n d roundings to fixed point; with `progress`, n free energies to the host. Memory on the device:
// 12 n (24 n), 8 k d, and the prototypes once more. Both forms block the calling thread.
CUEBM_API SoftModel<float> fit_soft(const Context& context, PointsView<float> points,
                                    const SoftOptions<float>& options);
CUEBM_API SoftModel<double> fit_soft(const Context& context, PointsView<double> points,
                                     const SoftOptions<double>& options);
CUEBM_API SoftModel<float> fit_soft(Stream& stream, PointsView<float> points, const SoftOptions<float>& options);
CUEBM_API SoftModel<double> fit_soft(Stream& stream, PointsView<double> points, const SoftOptions<double>& options);

}  // namespace cuebm::kmeans
