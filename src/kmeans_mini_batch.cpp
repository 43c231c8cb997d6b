// kmeans::partial_fit: one chunk of a stream of points, by the backend's operations.
#include <cuebm/kmeans_mini_batch.hpp>

#include <string>
#include <utility>
#include <vector>

#include <cuebm/error.hpp>

#include "float_environment.hpp"
#include "kmeans_data.hpp"
#include "kmeans_start.hpp"

namespace cuebm::kmeans {
namespace {

using namespace detail;
constexpr auto mini_batch_function = "kmeans::partial_fit";

template <class T>
void check(const MiniBatch<T>& state, PointsView<T> y, const MiniBatchOptions& o, VectorView<const T> weights,
           Device here) {
    const std::int64_t k = state.prototypes.rows();
    check_points(mini_batch_function, y, here);
    check_optional(mini_batch_function, "weights", weights, y.rows, here);
    if (k == 0 && state.weights.size() > 0)
        refuse(mini_batch_function, "state.weights", std::to_string(state.weights.size()) + " without prototypes",
               "both or neither");
    if (k > 0) {
        check_shape(mini_batch_function, "state.prototypes", state.prototypes.view(), k, y.cols, here);
        check_shape(mini_batch_function, "state.weights", state.weights.view(), k, here);
        return;
    }
    if (o.k < 1 || o.k > most_columns) refuse(mini_batch_function, "k", std::to_string(o.k), "1 <= k < 2^31");
    if (y.rows < o.k)
        refuse(mini_batch_function, "points", std::to_string(y.rows) + " rows in the first chunk",
               "k = " + std::to_string(o.k) + " at least: join chunks, or start from prototypes of your own");
}

template <class T>
class Chunk {
public:
    Chunk(Stream& stream, PointsView<T> points, VectorView<const T> weights, std::int64_t k)
        : stream_(stream),
          context_(stream.context()),
          queue_(*stream.state().queue),
          operations_(assign_operations<T>(*context_.state().backend)),
          y_(points),
          weights_(weights),
          k_(k),
          labels_(context_.vector<std::int32_t>(y_.rows)),
          energies_(context_.vector<T>(y_.rows)),
          sums_(context_.matrix<std::int64_t>(k, y_.cols)),
          counts_(context_.vector<std::int64_t>(k)),
          scales_(context_.vector<double>(y_.cols + 1)),
          total_(context_.vector<double>(3)) {}

    // What the state will be; `state` is not changed.
    MiniBatch<T> run(const MiniBatch<T>& state, const MiniBatchOptions& o) {
        const WaitAtEnd wait(stream_);
        operations_.scales(queue_, {.points = y_, .weights = weights_, .scales = scales_.data()});
        stream_.wait();  // throws what is wrong with the data
        const bool first = state.prototypes.rows() == 0;
        if (!first) check_seen(state.weights, "");
        MiniBatch<T> next{.prototypes = first ? start(o) : context_.matrix<T>(k_, y_.cols),
                          .weights = context_.vector<double>(k_),
                          .steps = state.steps + 1};
        const MatrixView<const T> from = first ? next.prototypes.view() : state.prototypes.view();
        cuebm::assign(stream_, Assign<T>{.points = y_, .prototypes = from, .labels = labels_, .energies = energies_});
        const FixedSums sums{sums_.data(), counts_.data(), scales_.data()};
        queue_.fill(sums.sums, 0, static_cast<std::size_t>(k_ * y_.cols) * sizeof(std::int64_t));
        queue_.fill(sums.counts, 0, static_cast<std::size_t>(k_) * sizeof(std::int64_t));
        const Accumulate<T> chunk{.points = y_,
                                  .weights = weights_,
                                  .labels = labels_,
                                  .old_labels = {},
                                  .k = k_,
                                  .into = sums,
                                  .moved = nullptr};
        operations_.accumulate(queue_, chunk, queue_.workspace(operations_.scratch_bytes(chunk)));
        operations_.finish(queue_, {.from = sums,
                                    .prototypes = from,
                                    .means = next.prototypes,
                                    .gradients = {},
                                    .cluster_weights = next.weights,
                                    .shifts = nullptr,
                                    .seen = first ? nullptr : state.weights.data()});
        operations_.total(queue_, {.values = energies_, .weights = weights_, .total = total_.data()});
        next.inertia = read(stream_, total_)[0];
        check_seen(next.weights, " with this chunk");
        return next;
    }

private:
    // A state may be a user's own, or come from a file. The limit: coordinates are below 1e154, since their squares are
    // finite, and so seen times a prototype is, too.
    void check_seen(const Vector<double>& weights, const char* when) {
        const auto seen = read(stream_, weights);
        for (std::size_t z = 0; z < seen.size(); ++z)
            if (!(seen[z] >= 0) || seen[z] > 1e150)
                throw DataError("state.weights", static_cast<std::int64_t>(z),
                                std::string("is negative, NaN or above 1e150") + when + "; wanted 0 to 1e150");
    }
    Matrix<T> start(const MiniBatchOptions& o) {
        const auto weights = weights_of(mini_batch_function, stream_, weights_);
        return choose_start(mini_batch_function, stream_, y_, weights, FitOptions<T>{.k = k_, .seed = o.seed}, 0);
    }

    Stream& stream_;
    const Context context_;
    Queue& queue_;
    const AssignOperations<T>& operations_;
    PointsView<T> y_;
    VectorView<const T> weights_;
    std::int64_t k_;
    Vector<std::int32_t> labels_;
    Vector<T> energies_;
    Matrix<std::int64_t> sums_;
    Vector<std::int64_t> counts_;
    Vector<double> scales_, total_;
};

template <class T>
void run(Stream& stream, MiniBatch<T>& state, PointsView<T> y, const MiniBatchOptions& o, VectorView<const T> weights) {
    const DefaultFloatEnvironment environment;
    check(state, y, o, weights, stream.context().device());
    const std::int64_t k = state.prototypes.rows() > 0 ? state.prototypes.rows() : o.k;
    state = Chunk<T>(stream, y, weights, k).run(state, o);
}

}  // namespace

#define CUEBM_PUBLIC(T)                                                                                            \
    void partial_fit(Stream& stream, MiniBatch<T>& state, PointsView<T> points, const MiniBatchOptions& o,         \
                     VectorView<const T> weights) {                                                                \
        run(stream, state, points, o, weights);                                                                    \
    }                                                                                                              \
    void partial_fit(const Context& context, MiniBatch<T>& state, PointsView<T> points, const MiniBatchOptions& o, \
                     VectorView<const T> weights) {                                                                \
        Stream stream = detail::stream_of_call(context);                                                           \
        run(stream, state, points, o, weights);                                                                    \
    }
CUEBM_PUBLIC(float)
CUEBM_PUBLIC(double)
#undef CUEBM_PUBLIC

}  // namespace cuebm::kmeans
