// kmeans::fit_balanced: Lloyd's loop with the labels of balanced_labels.hpp.
#include <cuebm/kmeans_balanced.hpp>

#include <algorithm>
#include <string>
#include <vector>

#include <cuebm/error.hpp>

#include "balanced_labels.hpp"
#include "float_environment.hpp"
#include "kmeans_data.hpp"
#include "kmeans_start.hpp"
#include "math/fixed_point.hpp"

namespace cuebm::kmeans {
namespace {

using namespace detail;
constexpr auto balanced_function = "kmeans::fit_balanced";

template <class T>
Bounds check(const Context& context, PointsView<T> y, const BalancedOptions<T>& o) {
    check_fit(balanced_function, context.device(), y, o);
    const std::int64_t low = y.rows / o.k, high = low + (y.rows % o.k != 0);
    const bool equal = o.min_size == -1 && o.max_size == -1;
    const Bounds bounds{o.min_size != -1 ? o.min_size
                        : equal          ? low
                                         : 0,
                        o.max_size != -1 ? o.max_size
                        : equal          ? high
                                         : y.rows};
    if (bounds.least < 0 || bounds.least > low)
        refuse(balanced_function, "min_size", std::to_string(o.min_size), "0 to floor(n / k) = " + std::to_string(low));
    if (bounds.most < high)
        refuse(balanced_function, "max_size", std::to_string(o.max_size),
               "at least ceil(n / k) = " + std::to_string(high));
    return bounds;
}

template <class T>
struct Inference {
    std::vector<std::int32_t> labels;
    std::vector<T> energies;
    double inertia = 0;
};

template <class T>
Inference<T> infer(Stream& stream, PointsView<T> y, const Matrix<T>& prototypes, Bounds bounds) {
    const Context context = stream.context();
    const std::int64_t k = prototypes.rows();
    const auto device_energies = context.matrix<T>(y.rows, k);
    const WaitAtEnd wait(stream);
    assign(stream, Assign<T>{.points = y, .prototypes = prototypes, .all_energies = device_energies});
    const auto all = read(stream, device_energies);
    const double largest = static_cast<double>(*std::max_element(all.begin(), all.end()));
    const double scale = math::fixed_point_scale(largest, 4 * y.rows);  // paths stay under 2^60
    std::vector<std::int64_t> costs(all.size());
    std::transform(all.begin(), all.end(), costs.begin(),
                   [&](T energy) { return math::to_fixed(static_cast<double>(energy), scale); });
    Inference<T> result{.labels = balanced_labels(costs, k, bounds), .energies = {}};
    std::int64_t total = 0;
    for (std::size_t i = 0; i < result.labels.size(); ++i) {
        const auto pair = i * static_cast<std::size_t>(k) + static_cast<std::size_t>(result.labels[i]);
        result.energies.push_back(all[pair]);
        total += costs[pair];
    }
    result.inertia = static_cast<double>(total) / scale;
    return result;
}

template <class T>
Model<T> run(Stream& stream, PointsView<T> y, const BalancedOptions<T>& o) {
    const DefaultFloatEnvironment environment;
    const Context context = stream.context();
    const Bounds bounds = check(context, y, o);
    {
        const auto scales = context.vector<double>(y.cols + 1);  // for what is wrong with the data alone
        const WaitAtEnd wait(stream);
        assign_operations<T>(*context.state().backend)
            .scales(*stream.state().queue, {.points = y, .weights = {}, .scales = scales.data()});
        stream.wait();
    }
    const FitOptions<T> start{.k = o.k, .seed = o.seed, .start = o.start, .prototypes = o.prototypes};
    Model<T> model{.prototypes = choose_start(balanced_function, stream, y, {}, start, 0),
                   .labels = context.vector<std::int32_t>(y.rows),
                   .energies = context.vector<T>(y.rows),
                   .status = Status::iteration_limit};
    Inference<T> now, before;
    const WaitAtEnd wait(stream);
    for (;;) {
        now = infer(stream, y, model.prototypes, bounds);
        std::int64_t moved = y.rows;
        if (model.iterations > 0) {
            moved = 0;
            for (std::size_t i = 0; i < now.labels.size(); ++i) moved += now.labels[i] != before.labels[i];
        }
        const bool lower = model.iterations == 0 || now.inertia < before.inertia;
        if (moved == 0 || !lower) model.status = Status::converged;
        if (o.cancel.stop_requested() && model.status != Status::converged) model.status = Status::cancelled;
        copy(stream, view(now.labels), model.labels);
        if (model.status != Status::iteration_limit || model.iterations == o.max_iterations) break;
        ++model.iterations;
        if (o.progress) call_back(o.progress, {0, model.iterations, o.max_iterations, moved, now.inertia});
        update(stream, Update<T>{.points = y, .labels = model.labels, .prototypes = model.prototypes});
        before = std::move(now);
    }
    copy(stream, view(now.energies), model.energies);
    stream.wait();
    model.inertia = now.inertia;
    model.empty_clusters = empty_clusters(now.labels, o.k);
    return model;
}

}  // namespace

Model<float> fit_balanced(Stream& s, PointsView<float> y, const BalancedOptions<float>& o) { return run(s, y, o); }
Model<double> fit_balanced(Stream& s, PointsView<double> y, const BalancedOptions<double>& o) { return run(s, y, o); }
Model<float> fit_balanced(const Context& c, PointsView<float> y, const BalancedOptions<float>& o) {
    Stream stream = detail::stream_of_call(c);
    return run(stream, y, o);
}
Model<double> fit_balanced(const Context& c, PointsView<double> y, const BalancedOptions<double>& o) {
    Stream stream = detail::stream_of_call(c);
    return run(stream, y, o);
}

}  // namespace cuebm::kmeans
