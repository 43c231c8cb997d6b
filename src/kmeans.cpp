// kmeans::fit: Lloyd's loop over the backend's operations, and when it stops. Nothing here knows a device.
#include <cuebm/kmeans.hpp>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include <cuebm/error.hpp>

#include "check.hpp"
#include "context_state.hpp"
#include "float_environment.hpp"
#include "host_copy.hpp"
#include "kmeans_start.hpp"
#include "math/canonical.hpp"

namespace cuebm::kmeans {
namespace {

using namespace detail;

template <class T>
void check(const Context& context, PointsView<T> y, const FitOptions<T>& o) {
    constexpr auto function = "kmeans::fit";
    const auto text = [](auto value) { return std::to_string(value); };
    const Device here = context.device();
    if (y.rows < 1 || y.cols < 1 || y.cols > most_columns)
        refuse(function, "points", shape(y.rows, y.cols), "rows >= 1, 1 <= cols < 2^31");
    check_memory(function, "points", y, here);
    if (o.k < 1 || o.k > std::min(y.rows, most_columns))
        refuse(function, "k", text(o.k), "1 <= k <= n = " + text(y.rows));
    if (o.n_init < 1 || (o.start == Start::given && o.n_init != 1))
        refuse(function, "n_init", text(o.n_init), "n_init >= 1, and 1 for given prototypes");
    if (o.max_iterations < 1) refuse(function, "max_iterations", text(o.max_iterations), "max_iterations >= 1");
    if (!(o.tolerance >= 0)) refuse(function, "tolerance", text_of(o.tolerance), "tolerance >= 0");
    check_optional(function, "weights", o.weights, y.rows, here);
    if (o.start != Start::given) return;
    if (!o.prototypes) refuse(function, "prototypes", "none", shape(o.k, y.cols) + ", since start is given");
    const bool on_host = o.prototypes.device == Device{};
    check_shape(function, "prototypes", o.prototypes, o.k, y.cols, on_host ? Device{} : here);
}

// The weights on the host, where the start and the relocation need them; empty: all 1.
template <class T>
std::vector<double> weights_of(Stream& stream, VectorView<const T> weights) {
    if (!weights) return {};
    const auto host = read(stream, weights);
    std::vector<double> values(host.begin(), host.end());
    for (std::size_t i = 0; i < values.size(); ++i)
        if (!(values[i] >= 0) || !std::isfinite(values[i]))
            throw DataError("weights", static_cast<std::int64_t>(i),
                            "is negative, NaN or infinite; wanted a weight >= 0");
    if (std::all_of(values.begin(), values.end(), [](double w) { return w == 0; }))
        refuse("kmeans::fit", "weights", "all 0", "a weight > 0");
    return values;
}

// The device memory of a fit, and the steps of Lloyd's iteration on it.
template <class T>
class Fit {
public:
    Fit(Stream& stream, PointsView<T> points, const FitOptions<T>& o)
        : stream_(stream),
          context_(stream.context()),
          queue_(*stream.state().queue),
          operations_(assign_operations<T>(*context_.state().backend)),
          y_(points),
          o_(o),
          weights_(weights_of(stream, o.weights)),
          old_labels_(context_.vector<std::int32_t>(y_.rows)),
          sums_(context_.matrix<std::int64_t>(o.k, y_.cols)),
          counts_(context_.vector<std::int64_t>(o.k + 1)),
          scales_(context_.vector<double>(y_.cols + 1)),
          shifts_(context_.vector<double>(o.k)),
          total_(context_.vector<double>(3)) {
        operations_.scales(queue_, {.points = y_, .weights = o_.weights, .scales = scales_.data()});
        stream_.wait();  // throws what is wrong with the data
        if (o_.tolerance > 0) limit_ = o_.tolerance * mean_variance();
    }

    Model<T> run() {
        Model<T> best;
        for (int number = 0; number < o_.n_init; ++number) {
            auto model = lloyd(number);
            const bool stop = model.status == Status::cancelled;
            if (number == 0 || model.inertia < best.inertia) best = std::move(model);
            if (stop) best.status = Status::cancelled;
            if (stop) break;
        }
        return best;
    }

private:
    double mean_variance() {
        const std::int64_t blocks = (y_.rows + math::sum_block - 1) / math::sum_block;
        const auto sums = context_.matrix<double>(blocks, 2 * y_.cols);
        operations_.variance(queue_, {.points = y_, .sums = sums.data(), .mean = total_.data()});
        return read(stream_, total_)[0];
    }

    Model<T> lloyd(int number) {
        Model<T> model{.prototypes = {},
                       .labels = context_.vector<std::int32_t>(y_.rows),
                       .energies = context_.vector<T>(y_.rows)};
        model.prototypes = choose_start(stream_, y_, weights_, o_, static_cast<std::uint32_t>(number));
        const WaitAtEnd wait(stream_);
        forget();
        model.status = Status::iteration_limit;
        std::int64_t still_empty = 0;
        for (;;) {
            assign(
                stream_,
                Assign<T>{
                    .points = y_, .prototypes = model.prototypes, .labels = model.labels, .energies = model.energies});
            if (model.status == Status::converged || model.iterations == o_.max_iterations) break;
            if (o_.cancel.stop_requested()) {
                model.status = Status::cancelled;
                break;
            }
            ++model.iterations;
            const auto counts = move_to(model.labels);
            const std::int64_t moved = counts.back();
            if (o_.progress) o_.progress({number, model.iterations, o_.max_iterations, moved, inertia(model)});
            if (moved == 0) {
                model.status = Status::converged;
                break;
            }
            still_empty = relocate(model, counts);
            if (update(model.prototypes) <= limit_) model.status = Status::converged;
        }
        model.inertia = inertia(model);
        model.empty_clusters = empty_clusters(model.labels);
        if (model.status == Status::converged && model.empty_clusters > 0 && still_empty > 0)
            model.status = Status::too_few_distinct;
        return model;
    }

    // No point is in any cluster.
    void forget() {
        queue_.fill(old_labels_.data(), 0xff, static_cast<std::size_t>(y_.rows) * sizeof(std::int32_t));
        queue_.fill(sums_.data(), 0, static_cast<std::size_t>(o_.k * y_.cols) * sizeof(std::int64_t));
        queue_.fill(counts_.data(), 0, static_cast<std::size_t>(o_.k) * sizeof(std::int64_t));
    }

    FixedSums sums() const { return {sums_.data(), counts_.data(), scales_.data()}; }

    // Moves the points whose label changed between the sums; returns the fixed-point counts of the clusters, and behind
    // them how many points moved.
    std::vector<std::int64_t> move_to(VectorView<const std::int32_t> labels) {
        std::int64_t* moved = counts_.data() + o_.k;
        queue_.fill(moved, 0, sizeof(std::int64_t));
        operations_.accumulate(queue_, {.points = y_,
                                        .weights = o_.weights,
                                        .labels = labels,
                                        .old_labels = old_labels_,
                                        .k = o_.k,
                                        .into = sums(),
                                        .moved = moved});
        return read(stream_, counts_);
    }

    // Prototypes to the means; returns sum_k ||w_k' - w_k||^2.
    double update(const Matrix<T>& prototypes) {
        operations_.finish(queue_, {.from = sums(),
                                    .prototypes = prototypes,
                                    .means = prototypes,
                                    .gradients = {},
                                    .cluster_weights = {},
                                    .shifts = shifts_.data()});
        const auto shifts = read(stream_, shifts_);
        return std::accumulate(shifts.begin(), shifts.end(), 0.0);
    }

    double inertia(const Model<T>& model) {
        operations_.total(queue_, {.values = model.energies, .weights = o_.weights, .total = total_.data()});
        return read(stream_, total_)[0];
    }

    // Gives the empty clusters the points of highest energy, as scikit-learn does. Returns how many stay empty.
    std::int64_t relocate(const Model<T>& model, const std::vector<std::int64_t>& counts) {
        std::vector<std::int32_t> empty;
        for (std::int64_t z = 0; z < o_.k; ++z)
            if (counts[static_cast<std::size_t>(z)] == 0) empty.push_back(static_cast<std::int32_t>(z));
        if (empty.empty()) return 0;
        const auto energies = read(stream_, model.energies);
        auto labels = read(stream_, model.labels);
        std::vector<std::size_t> far;
        for (std::size_t i = 0; i < labels.size(); ++i)
            if (energies[i] > 0 && (weights_.empty() || weights_[i] > 0)) far.push_back(i);
        const auto count = std::min(far.size(), empty.size());
        std::partial_sort(far.begin(), far.begin() + static_cast<std::ptrdiff_t>(count), far.end(),
                          [&](std::size_t a, std::size_t b) {
                              return energies[a] > energies[b] || (energies[a] == energies[b] && a < b);
                          });
        for (std::size_t c = 0; c < count; ++c) labels[far[c]] = empty[c];
        if (count == 0) return static_cast<std::int64_t>(empty.size());
        const auto relocated = context_.vector<std::int32_t>(y_.rows);
        const WaitAtEnd wait(stream_);
        copy(stream_, view(labels), relocated);
        (void)move_to(relocated);
        return static_cast<std::int64_t>(empty.size() - count);
    }

    std::int64_t empty_clusters(const Vector<std::int32_t>& labels) {
        std::vector<bool> owns(static_cast<std::size_t>(o_.k));
        for (const auto label : read(stream_, labels)) owns[static_cast<std::size_t>(label)] = true;
        return std::count(owns.begin(), owns.end(), false);
    }

    Stream& stream_;
    const Context context_;
    Queue& queue_;
    const AssignOperations<T>& operations_;
    PointsView<T> y_;
    const FitOptions<T>& o_;
    std::vector<double> weights_;
    Vector<std::int32_t> old_labels_;
    Matrix<std::int64_t> sums_;
    Vector<std::int64_t> counts_;  // [k], and behind them how many points moved
    Vector<double> scales_, shifts_, total_;
    double limit_ = 0;
    WaitAtEnd wait_{stream_};  // the last member, so that it waits before the others go
};

template <class T>
Model<T> run(Stream& stream, PointsView<T> y, const FitOptions<T>& o) {
    const DefaultFloatEnvironment environment;
    check(stream.context(), y, o);
    return Fit<T>(stream, y, o).run();
}

}  // namespace

template <class T>
std::string Model<T>::advice() const {
    switch (status) {
        case Status::converged: return "converged";
        case Status::iteration_limit:
            return "not known to have converged after max_iterations; raise it, or the tolerance";
        case Status::cancelled: return "stopped on request; prototypes, labels and inertia belong together";
        case Status::too_few_distinct:
            return std::to_string(empty_clusters) + " prototypes own no point: fewer distinct points than k; lower k";
    }
    return "";
}

template <class T>
MatrixView<const T> Model<T>::fitted(const char* function) const {
    if (prototypes.rows() == 0) refuse(function, "model", "one that was not fitted", "what kmeans::fit returned");
    return prototypes;
}

template struct Model<float>;
template struct Model<double>;

Model<float> fit(Stream& s, PointsView<float> y, const FitOptions<float>& o) { return run(s, y, o); }
Model<double> fit(Stream& s, PointsView<double> y, const FitOptions<double>& o) { return run(s, y, o); }
Model<float> fit(const Context& c, PointsView<float> y, const FitOptions<float>& o) {
    Stream stream(c);
    return run(stream, y, o);
}
Model<double> fit(const Context& c, PointsView<double> y, const FitOptions<double>& o) {
    Stream stream(c);
    return run(stream, y, o);
}

}  // namespace cuebm::kmeans
