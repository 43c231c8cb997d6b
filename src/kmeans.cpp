// kmeans::fit: Lloyd's loop over the backend's operations, and when it stops. Nothing here knows a device, but for one
// count.
#include <cuebm/kmeans.hpp>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include <cuebm/error.hpp>

#include "float_environment.hpp"
#include "kmeans_data.hpp"
#include "kmeans_spherical.hpp"
#include "kmeans_start.hpp"

namespace cuebm::kmeans {
namespace {

using namespace detail;

constexpr auto fit_function = "kmeans::fit";

template <class T>
void check(const Context& context, PointsView<T> y, const FitOptions<T>& o) {
    check_fit(fit_function, context.device(), y, o);
    if (o.n_init < 1 || (o.start == Start::given && o.n_init != 1))
        refuse(fit_function, "n_init", std::to_string(o.n_init), "n_init >= 1, and 1 for given prototypes");
    if (!(o.tolerance >= 0)) refuse(fit_function, "tolerance", text_of(o.tolerance), "tolerance >= 0");
    check_metric(fit_function, o.metric);
    if (o.metric == Metric::inner_product)
        refuse(fit_function, "metric", "inner_product", "squared_euclidean or cosine: no mean lowers an inner product");
    check_optional(fit_function, "weights", o.weights, y.rows, context.device());
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
          unit_points_(o.metric == Metric::cosine ? to_unit(stream, points) : Matrix<T>()),
          y_(o.metric == Metric::cosine ? unit_points_.view() : points),
          o_(o),
          weights_(weights_of(fit_function, stream, o.weights)),
          old_labels_(context_.vector<std::int32_t>(y_.rows)),
          sums_(context_.matrix<std::int64_t>(o.k, y_.cols)),
          counts_(context_.vector<std::int64_t>(o.k + 1)),
          scales_(context_.vector<double>(y_.cols + 1)),
          shifts_(context_.vector<double>(o.k)),
          total_(context_.vector<double>(3)),
          sums_scratch_(
              context_.vector<std::byte>(static_cast<std::int64_t>(operations_.scratch_bytes(moves_to(old_labels_))))),
          means_(context_.matrix<T>(spherical() ? o.k : 0, y_.cols)) {
        if (o.start != Start::given) {  // else the first labels need nothing of them: label() finds them meanwhile
            operations_.scales(queue_, scales());
            stream_.wait();  // throws what is wrong with the data
            scales_are_known_ = true;
        }
        if (o_.tolerance > 0) limit_ = o_.tolerance * mean_variance(stream_, y_);
        if (!(limit_ < infinity)) limit_ = 0;  // squares that overflow: until no point moves
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
    bool spherical() const { return o_.metric == Metric::cosine; }

    Model<T> lloyd(int number) {
        Model<T> model{.prototypes = {},
                       .labels = with_room([&] { return context_.vector<std::int32_t>(y_.rows); }),
                       .energies = with_room([&] { return context_.vector<T>(y_.rows); }),
                       .metric = o_.metric};
        model.prototypes = with_room(
            [&] { return choose_start(fit_function, stream_, y_, weights_, o_, static_cast<std::uint32_t>(number)); });
        const WaitAtEnd wait(stream_);
        if (spherical() && o_.start == Start::given) to_unit(stream_, model.prototypes);
        forget();
        model.status = Status::iteration_limit;
        std::int64_t still_empty = 0;
        keep_points(model);
        for (;;) {
            const bool last = model.status == Status::converged || model.iterations == o_.max_iterations;
            const bool energies = last || o_.progress;
            label(model, energies);
            if (last) break;
            if (o_.cancel.stop_requested()) {
                model.status = Status::cancelled;
                if (!energies) label(model, true);
                break;
            }
            ++model.iterations;
            const auto counts = move_to(model.labels);
            const std::int64_t moved = counts.back();
            if (o_.progress)
                call_back(o_.progress, {number, model.iterations, o_.max_iterations, moved, inertia(model)});
            if (moved == 0) {
                model.status = Status::converged;
                if (!energies) label(model, true);
                break;
            }
            still_empty = relocate(model, counts, energies);
            if (update(model.prototypes) <= limit_) model.status = Status::converged;
        }
        model.inertia = inertia(model);
        if (spherical()) operations_.halve(queue_, {model.energies.data(), y_.rows, 1, 1, y_.device});
        model.empty_clusters = count_empty(model);
        if (model.status == Status::converged && model.empty_clusters > 0 && still_empty > 0)
            model.status = Status::too_few_distinct;
        return model;
    }

    Assign<T> task(const Model<T>& model, bool energies) const {
        return {.points = y_,
                .prototypes = model.prototypes,
                .labels = model.labels,
                .energies = energies ? model.energies.view() : VectorView<T>{}};
    }
    std::byte* scratch(const Assign<T>& task) {
        return with_room([&] { return queue_.workspace(operations_.scratch_bytes(task)); });
    }

    // What is needed has room before what only saves time: kept points go if it must be.
    template <class Allocate>
    auto with_room(const Allocate& allocate) {
        try {
            return allocate();
        } catch (const OutOfMemory&) {
            if (kept_.size() == 0) throw;
        }
        queue_.wait_quietly();
        kept_ = {};
        return allocate();
    }

    // The points as the backend likes them for the many calls that follow; without memory for that, as they are. Anew
    // for each start, whose prototypes choose what lies together in a panel.
    void keep_points(const Model<T>& model) {
        const auto first = task(model, false);
        const auto bytes = static_cast<std::int64_t>(operations_.kept_bytes(first));
        if (bytes == 0 || o_.max_iterations < 2) return;
        try {
            if (kept_.size() == 0) kept_ = context_.vector<std::byte>(bytes);
        } catch (const OutOfMemory&) {
            return;
        }
        auto* const space = scratch(first);
        if (kept_.size() > 0) operations_.keep(queue_, first, space, kept_.data());
    }

    void label(const Model<T>& model, bool energies) {
        const auto now = task(model, energies);
        auto* const space = scratch(now);
        auto* const kept = kept_.size() > 0 ? kept_.data() : nullptr;
        if (scales_are_known_) return operations_.assign(queue_, now, space, kept, nullptr);
        operations_.assign_and_scales(queue_, now, space, kept, scales());
        stream_.wait();  // throws what is wrong with the data, before anything is added
        scales_are_known_ = true;
    }
    Scales<T> scales() { return {.points = y_, .weights = o_.weights, .scales = scales_.data()}; }

    // No point is in any cluster.
    void forget() {
        queue_.fill(old_labels_.data(), 0xff, static_cast<std::size_t>(y_.rows) * sizeof(std::int32_t));
        queue_.fill(sums_.data(), 0, static_cast<std::size_t>(o_.k * y_.cols) * sizeof(std::int64_t));
        queue_.fill(counts_.data(), 0, static_cast<std::size_t>(o_.k) * sizeof(std::int64_t));
    }

    FixedSums sums() const { return {sums_.data(), counts_.data(), scales_.data()}; }

    Accumulate<T> moves_to(VectorView<const std::int32_t> labels) const {
        return {.points = y_,
                .weights = o_.weights,
                .labels = labels,
                .old_labels = old_labels_,
                .k = o_.k,
                .into = sums(),
                .moved = counts_.data() + o_.k};
    }

    // Moves the points whose label changed between the sums; returns the fixed-point counts of the clusters, and behind
    // them how many points moved.
    std::vector<std::int64_t> move_to(VectorView<const std::int32_t> labels) {
        queue_.fill(counts_.data() + o_.k, 0, sizeof(std::int64_t));
        operations_.accumulate(queue_, moves_to(labels), sums_scratch_.data());
        return read(stream_, counts_);
    }

    // From a GPU the counts are 1/n of the labels to copy; on the CPU the moves cost more than looking. Where points
    // have weights, a count may be 0 for a cluster that has points.
    std::int64_t count_empty(const Model<T>& model) {
        if (!weights_.empty() || y_.device == Device{}) return empty_clusters(read(stream_, model.labels), o_.k);
        const auto counts = move_to(model.labels);
        return std::count(counts.begin(), counts.end() - 1, 0);
    }

    // Prototypes to the means; returns sum_k ||w_k' - w_k||^2.
    double update(const Matrix<T>& prototypes) {
        operations_.finish(queue_, {.from = sums(),
                                    .prototypes = prototypes,
                                    .means = spherical() ? means_.view() : prototypes.view(),
                                    .gradients = {},
                                    .cluster_weights = {},
                                    .shifts = shifts_.data()});
        if (spherical()) means_to_unit(stream_, means_, prototypes, shifts_.data());
        const auto shifts = read(stream_, shifts_);
        return std::accumulate(shifts.begin(), shifts.end(), 0.0);
    }

    double inertia(const Model<T>& model) {
        operations_.total(queue_, {.values = model.energies, .weights = o_.weights, .total = total_.data()});
        return read(stream_, total_)[0] * (spherical() ? 0.5 : 1.0);
    }

    // Gives the empty clusters the points of highest energy, as scikit-learn does, but never a cluster's only point.
    // Returns how many stay empty.
    std::int64_t relocate(const Model<T>& model, const std::vector<std::int64_t>& counts, bool have_energies) {
        std::vector<std::int32_t> empty;
        for (std::int64_t z = 0; z < o_.k; ++z)
            if (counts[static_cast<std::size_t>(z)] == 0) empty.push_back(static_cast<std::int32_t>(z));
        if (empty.empty()) return 0;
        if (!have_energies) label(model, true);
        const auto energies = read(stream_, model.energies);
        auto labels = read(stream_, model.labels);
        std::vector<std::size_t> far;  // a heap, the point of highest energy first
        std::vector<std::int64_t> points(static_cast<std::size_t>(o_.k));
        for (std::size_t i = 0; i < labels.size(); ++i) {
            if (!weights_.empty() && !(weights_[i] > 0)) continue;
            ++points[static_cast<std::size_t>(labels[i])];
            if (energies[i] > 0) far.push_back(i);
        }
        const auto nearer = [&](std::size_t a, std::size_t b) {
            return energies[a] < energies[b] || (energies[a] == energies[b] && a > b);
        };
        std::make_heap(far.begin(), far.end(), nearer);
        std::size_t count = 0;
        for (; count < empty.size() && !far.empty(); far.pop_back()) {
            std::pop_heap(far.begin(), far.end(), nearer);
            auto& label = labels[far.back()];
            auto& left = points[static_cast<std::size_t>(label)];
            if (left < 2) continue;
            --left;
            label = empty[count++];
        }
        if (count == 0) return static_cast<std::int64_t>(empty.size());
        const auto relocated = with_room([&] { return context_.vector<std::int32_t>(y_.rows); });
        const WaitAtEnd wait(stream_);
        copy(stream_, view(labels), relocated);
        (void)move_to(relocated);
        return static_cast<std::int64_t>(empty.size() - count);
    }

    Stream& stream_;
    const Context context_;
    Queue& queue_;
    const AssignOperations<T>& operations_;
    Matrix<T> unit_points_;
    PointsView<T> y_;
    const FitOptions<T>& o_;
    std::vector<double> weights_;
    Vector<std::int32_t> old_labels_;
    Matrix<std::int64_t> sums_;
    Vector<std::int64_t> counts_;  // [k], and behind them how many points moved
    Vector<double> scales_, shifts_, total_;
    Vector<std::byte> kept_;  // what the backend keeps of the points
    bool scales_are_known_ = false;
    Vector<std::byte> sums_scratch_;
    Matrix<T> means_;  // spherical: before they are of unit length
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
MatrixView<const T> Model<T>::fitted(const char* function, bool any_metric) const {
    if (prototypes.rows() == 0) refuse(function, "model", "one that was not fitted", "what kmeans::fit returned");
    if (!any_metric && metric != Metric::squared_euclidean)
        refuse(function, "model", "one of another metric", "one of Metric::squared_euclidean");
    return prototypes;
}

template struct Model<float>;
template struct Model<double>;

Model<float> fit(Stream& s, PointsView<float> y, const FitOptions<float>& o) { return run(s, y, o); }
Model<double> fit(Stream& s, PointsView<double> y, const FitOptions<double>& o) { return run(s, y, o); }
Model<float> fit(const Context& c, PointsView<float> y, const FitOptions<float>& o) {
    Stream stream = detail::stream_of_call(c);
    return run(stream, y, o);
}
Model<double> fit(const Context& c, PointsView<double> y, const FitOptions<double>& o) {
    Stream stream = detail::stream_of_call(c);
    return run(stream, y, o);
}

}  // namespace cuebm::kmeans
