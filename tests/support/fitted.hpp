// A fit on a device, and what it returned, on the host.
#pragma once

#include <cstdint>
#include <set>
#include <vector>

#include <cuebm/kmeans.hpp>

#include "reference/assign.hpp"
#include "support/data.hpp"

namespace cuebm::test {

template <class T>
struct Fitted {
    std::vector<T> prototypes{}, energies{};
    std::vector<std::int32_t> labels{};
    double inertia = 0;
    int iterations = 0;
    std::int64_t empty_clusters = 0;
    Status status = Status::converged;
};

// Points and weights are brought to the device in the layout given; prototypes of a given start are the options' own.
template <class T>
Fitted<T> fit(Context& context, const std::vector<T>& y, std::int64_t n, std::int64_t d, kmeans::FitOptions<T> options,
              const std::vector<T>& weights = {}, Layout layout = {}) {
    const Placed<T> points(context, y, n, d, layout);
    const Placed<T> weight(context, weights, static_cast<std::int64_t>(weights.size()), 1, layout);
    if (!weights.empty()) options.weights = weight.vector();
    const auto model = kmeans::fit(context, MatrixView<const T>(points.view()), options);
    EXPECT_TRUE(same_bits(points.host(), y)) << "the points were changed";
    EXPECT_TRUE(same_bits(weight.host(), weights)) << "the weights were changed";
    return {.prototypes = to_host(context, model.prototypes),
            .energies = to_host(context, model.energies),
            .labels = to_host(context, model.labels),
            .inertia = model.inertia,
            .iterations = model.iterations,
            .empty_clusters = model.empty_clusters,
            .status = model.status};
}

// Labels, energies and inertia must be those of the prototypes, and of these weights.
template <class T>
void expect_belonging_together(const Fitted<T>& f, const std::vector<T>& y, std::int64_t n, std::int64_t d,
                               const std::vector<T>& weights = {}) {
    const auto k = static_cast<std::int64_t>(f.prototypes.size()) / d;
    const auto energies = reference::canonical_energies(y, f.prototypes, n, k, d);
    EXPECT_TRUE(same_bits(f.labels, reference::lowest(energies, k, 1)));
    double inertia = 0;
    for (std::size_t i = 0; i < f.energies.size(); ++i) {
        const T energy = energies[i * static_cast<std::size_t>(k) + static_cast<std::size_t>(f.labels[i])];
        EXPECT_EQ(f.energies[i], energy);
        inertia += static_cast<double>(energy) * (weights.empty() ? 1.0 : static_cast<double>(weights[i]));
    }
    EXPECT_NEAR(f.inertia, inertia, tolerance<double>(static_cast<double>(n) + 16, inertia));
    const std::set<std::int32_t> used(f.labels.begin(), f.labels.end());
    EXPECT_EQ(f.empty_clusters, k - static_cast<std::int64_t>(used.size()));
}

template <class T>
void expect_same(const Fitted<T>& got, const Fitted<T>& wanted) {
    EXPECT_TRUE(same_bits(got.prototypes, wanted.prototypes));
    EXPECT_TRUE(same_bits(got.labels, wanted.labels));
    EXPECT_TRUE(same_bits(got.energies, wanted.energies));
    EXPECT_EQ(got.inertia, wanted.inertia);
    EXPECT_EQ(got.iterations, wanted.iterations);
    EXPECT_EQ(got.status, wanted.status);
}

// The start alone: a fit that is cancelled before its first iteration.
template <class T>
Fitted<T> start_of(Context& context, const std::vector<T>& y, std::int64_t n, std::int64_t d,
                   kmeans::FitOptions<T> options, const std::vector<T>& weights = {}) {
    std::stop_source stop;
    stop.request_stop();
    options.cancel = stop.get_token();
    return fit(context, y, n, d, options, weights);
}

}  // namespace cuebm::test
