// Where Lloyd's iteration starts: greedy k-means++, or distinct rows. Nothing here knows a device.
#pragma once

#include <cstdint>
#include <vector>

#include <cuebm/array.hpp>
#include <cuebm/kmeans.hpp>

namespace cuebm::kmeans {

// k rows of y, finite, [k x d] on the stream's device: start `number` of n_init. `weights` is on the host, empty:
// all 1. Errors name `function`.
template <class T>
Matrix<T> choose_start(const char* function, Stream& stream, PointsView<T> y, const std::vector<double>& weights,
                       const FitOptions<T>& options, std::uint32_t number);

}  // namespace cuebm::kmeans
