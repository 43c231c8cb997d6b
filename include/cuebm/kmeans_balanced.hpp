// K-means with clusters of bounded sizes, by default as equal as they can be: floor(n / k) to ceil(n / k) points.
//
// P. S. Bradley, K. P. Bennett and A. Demiriz, "Constrained K-Means Clustering", MSR-TR-2000-65, 2000: Lloyd's
// iteration whose inference is a minimum-cost flow. It is exact: of all labels that keep the sizes, those of the least
// sum of energies, each rounded to fixed point at 2^-(60 - ceil log2 n) of the largest. It starts from the nearest
// prototypes, and moves one surplus or missing point at a time along a shortest path between clusters (successive
// shortest paths).
#pragma once

#include <cuebm/kmeans.hpp>

namespace cuebm::kmeans {

// There are no weights, since sizes count points, and no other energy than the squared Euclidean one.
template <class T>
struct BalancedOptions {
    std::int64_t k = 8;  // 1 <= k <= n
    std::uint64_t seed = 0;
    Start start = Start::plus_plus;
    MatrixView<const T> prototypes{};  // [k x d], for Start::given; on the host or the context's device; not changed
    std::int64_t min_size = -1;  // points of a cluster, k min_size <= n, and n <= k max_size. Both -1: floor(n / k)
    std::int64_t max_size = -1;  // and ceil(n / k); one of them -1: 0, or n
    int max_iterations = 300;    // >= 1; each lowers the objective or is the last
    std::function<void(const Progress&)> progress{};
    std::stop_token cancel{};  // looked at between iterations
};

// The model's labels keep the sizes, and so need not be the nearest prototypes'; its energies are E(y_i, z_label). With
// min_size 0 clusters may stay empty, which is no other status. Energies all under 1e-285 (double) lose bits, and
// labels are then those of the rounded ones. Errors: as fit(); InvalidArgument for sizes that no labels can keep. Cost,
// an iteration: an Assign of all energies, on the host n k log n, and k^2 to k^3 operations for each surplus or missing
// point. Memory: n k energies on the device and the host, 16 n k bytes more on the host: meant for n k up to some 10^7.
// Both forms block the calling thread.
CUEBM_API Model<float> fit_balanced(const Context& context, PointsView<float> points,
                                    const BalancedOptions<float>& options);
CUEBM_API Model<double> fit_balanced(const Context& context, PointsView<double> points,
                                     const BalancedOptions<double>& options);
CUEBM_API Model<float> fit_balanced(Stream& stream, PointsView<float> points, const BalancedOptions<float>& options);
CUEBM_API Model<double> fit_balanced(Stream& stream, PointsView<double> points, const BalancedOptions<double>& options);

}  // namespace cuebm::kmeans
