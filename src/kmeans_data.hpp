// What the fits of K-means share: what they ask of points, k, start and weights, and what they count.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <cuebm/error.hpp>
#include <cuebm/kmeans.hpp>

#include "check.hpp"
#include "context_state.hpp"
#include "host_copy.hpp"
#include "math/canonical.hpp"

namespace cuebm::kmeans {

template <class T>
void check_points(const char* function, PointsView<T> y, Device here) {
    if (y.rows < 1 || y.cols < 1 || y.cols > detail::most_columns)
        detail::refuse(function, "points", detail::shape(y.rows, y.cols), "rows >= 1, 1 <= cols < 2^31");
    detail::check_memory(function, "points", y, here);
}

// Points, and the options that every fit has.
template <class T, class Options>
void check_fit(const char* function, Device here, PointsView<T> y, const Options& o) {
    using namespace detail;
    check_points(function, y, here);
    if (o.k < 1 || o.k > std::min(y.rows, most_columns))
        refuse(function, "k", std::to_string(o.k), "1 <= k <= n = " + std::to_string(y.rows));
    if (o.max_iterations < 1)
        refuse(function, "max_iterations", std::to_string(o.max_iterations), "max_iterations >= 1");
    const auto starts = {Start::plus_plus, Start::random, Start::given, Start::parallel};
    if (std::find(starts.begin(), starts.end(), o.start) == starts.end())
        refuse(function, "start", std::to_string(static_cast<int>(o.start)), "a Start");
    if (o.start != Start::given) {
        if (o.prototypes) refuse(function, "prototypes", "some", "none, unless start is given");
        return;
    }
    if (!o.prototypes) refuse(function, "prototypes", "none", shape(o.k, y.cols) + ", since start is given");
    check_shape(function, "prototypes", o.prototypes, o.k, y.cols, o.prototypes.device == Device{} ? Device{} : here);
}

// The weights on the host, checked; empty: all 1.
template <class T>
std::vector<double> weights_of(const char* function, Stream& stream, VectorView<const T> weights) {
    if (!weights) return {};
    const auto host = detail::read(stream, weights);
    std::vector<double> values(host.begin(), host.end());
    for (std::size_t i = 0; i < values.size(); ++i)
        if (!(values[i] >= 0) || !std::isfinite(values[i]))
            throw DataError("weights", static_cast<std::int64_t>(i),
                            "is negative, NaN or infinite; wanted a weight >= 0");
    if (std::all_of(values.begin(), values.end(), [](double w) { return w == 0; }))
        detail::refuse(function, "weights", "all 0", "a weight > 0");
    return values;
}

// Of the features of y.
template <class T>
double mean_variance(Stream& stream, PointsView<T> y) {
    const Context context = stream.context();
    const auto sums = context.matrix<double>((y.rows + math::sum_block - 1) / math::sum_block, 2 * y.cols);
    const auto mean = context.vector<double>(1);
    const detail::WaitAtEnd wait(stream);
    detail::assign_operations<T>(*context.state().backend)
        .variance(*stream.state().queue, {.points = y, .sums = sums.data(), .mean = mean.data()});
    return detail::read(stream, mean)[0];
}

inline std::int64_t empty_clusters(const std::vector<std::int32_t>& labels, std::int64_t k) {
    std::vector<bool> owns(static_cast<std::size_t>(k));
    for (const auto label : labels) owns[static_cast<std::size_t>(label)] = true;
    return std::count(owns.begin(), owns.end(), false);
}

}  // namespace cuebm::kmeans
