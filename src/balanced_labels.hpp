// The labels of least cost among those that keep the sizes of the clusters between bounds: a minimum-cost flow from
// points to k clusters, by successive shortest paths over the graph of the clusters.
#pragma once

#include <cstdint>
#include <vector>

namespace cuebm::kmeans {

struct Bounds {
    std::int64_t least = 0, most = 0;  // points of a cluster; k least <= n <= k most
};

// costs [n x k]: >= 0; a path of 2 k of them must not overflow. Returns n labels of least cost, by
// one fixed rule where several are.
// Cost: n k log n, and k^2 to k^3 for each point that has to leave the cluster where it costs least. Memory: 16 n k
// bytes.
std::vector<std::int32_t> balanced_labels(const std::vector<std::int64_t>& costs, std::int64_t k, Bounds bounds);

}  // namespace cuebm::kmeans
