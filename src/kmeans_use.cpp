// What learnt prototypes are used for: label points, complete them, project them onto the manifold.
#include <algorithm>
#include <cmath>

#include <cuebm/error.hpp>
#include <cuebm/kmeans.hpp>

#include "check.hpp"
#include "context_state.hpp"
#include "float_environment.hpp"
#include "host_copy.hpp"
#include "workspace.hpp"

namespace cuebm::kmeans {
namespace {

using namespace detail;

template <class T>
Vector<std::int32_t> run_predict(Stream& stream, MatrixView<const T> prototypes, PointsView<T> points, Metric metric) {
    check_metric("kmeans::predict", metric);
    check_points_and_prototypes("kmeans::predict", points, prototypes, 0, stream.context().device());
    auto labels = stream.context().vector<std::int32_t>(points.rows);
    if (points.rows > 0)
        assign(stream, Assign<T>{.points = points, .prototypes = prototypes, .labels = labels, .metric = metric});
    return labels;
}

template <class T>
Matrix<T> run_transform(Stream& stream, MatrixView<const T> prototypes, PointsView<T> points, Metric metric) {
    check_metric("kmeans::transform", metric);
    check_points_and_prototypes("kmeans::transform", points, prototypes, 0, stream.context().device());
    auto all = stream.context().matrix<T>(points.rows, prototypes.rows);
    if (points.rows > 0)
        assign(stream, Assign<T>{.points = points, .prototypes = prototypes, .all_energies = all, .metric = metric});
    return all;
}

template <class T>
struct CompleteLayout {
    CompleteLayout(Carver& carver, const AssignOperations<T>& operations, Assign<T> inference)
        : least{carver.take<T>(inference.points.rows), inference.points.rows, 1, inference.points.device},
          gaps(carver.take<T>(inference.points.rows)) {
        inference.energies = least;
        scratch = carver.take<std::byte>(static_cast<std::int64_t>(operations.scratch_bytes(inference)));
    }
    VectorView<T> least;
    T* gaps;
    std::byte* scratch;
};

template <class T>
Completions<T> run_complete(Stream& stream, MatrixView<const T> prototypes, const Complete<T>& o) {
    constexpr auto function = "kmeans::complete";
    const DefaultFloatEnvironment environment;
    const Context context = stream.context();
    const std::int64_t n = o.points.rows, d = o.points.cols, m = o.candidates;
    check_points_and_prototypes(function, o.points, prototypes, 0, context.device());
    if (n > 0 && !o.known) refuse(function, "known", "nullptr", "a mask of n x d or 1 x d");
    if (o.known) check_shape(function, "known", o.known, o.known.rows == 1 ? 1 : n, d, context.device());
    if (m < 1 || m > std::min<std::int64_t>(prototypes.rows, 32))
        refuse(function, "candidates", std::to_string(m),
               "1 to min(k, 32) = " + std::to_string(std::min<std::int64_t>(prototypes.rows, 32)));
    check_beta<T>(function, o.beta, false, prototypes.rows);
    Completions<T> result{.labels = context.matrix<std::int32_t>(n, m),
                          .energies = context.matrix<T>(n, m),
                          .probabilities = context.matrix<T>(n, m),
                          .points = context.matrix<T>(n * m, d),
                          .mean = context.matrix<T>(n, d),
                          .free_energies = context.vector<T>(n)};
    if (n == 0) return result;
    const auto& operations = assign_operations<T>(*context.state().backend);
    auto& queue = *stream.state().queue;
    Assign<T> inference{.points = o.points,
                        .prototypes = prototypes,
                        .known = o.known,
                        .best_labels = result.labels,
                        .best_energies = result.energies,
                        .free_energies = result.free_energies,
                        .beta = o.beta};
    const auto layout = carve<CompleteLayout<T>>(queue, operations, inference);
    inference.energies = layout.least;
    operations.assign(queue, inference, layout.scratch, nullptr, layout.gaps);
    operations.fill_in(queue, {.points = o.points,
                               .prototypes = prototypes,
                               .known = o.known,
                               .labels = result.labels,
                               .energies = result.energies,
                               .gaps = layout.gaps,
                               .beta = o.beta,
                               .completed = result.points,
                               .probabilities = result.probabilities});
    operations.soft_mean(queue, {.points = o.points,
                                 .prototypes = prototypes,
                                 .known = o.known,
                                 .labels = {},
                                 .least = layout.least.data,
                                 .weights = {},
                                 .beta = o.beta,
                                 .gradient = false,
                                 .out = result.mean,
                                 .moves = nullptr});
    return result;
}

// The largest norm of a prototype, the scale of "no point moves".
template <class T>
double largest_norm(Stream& stream, MatrixView<const T> prototypes) {
    const auto w = read(stream, prototypes);
    double largest = 0;
    for (std::int64_t z = 0; z < prototypes.rows; ++z) {
        const auto row = w.begin() + static_cast<std::ptrdiff_t>(z * prototypes.cols);
        double most = 0, squares = 0;  // of coordinates over a power of two, since squares may overflow
        for (std::int64_t j = 0; j < prototypes.cols; ++j)
            most = std::max(most, std::fabs(static_cast<double>(row[j])));
        const int exponent = most > 0 ? std::ilogb(most) : 0;
        for (std::int64_t j = 0; j < prototypes.cols; ++j)
            squares += std::pow(std::scalbn(static_cast<double>(row[j]), -exponent), 2);
        largest = std::max(largest, std::scalbn(std::sqrt(squares), exponent));
    }
    return largest;
}

template <class T>
class Descent {
public:
    Descent(Stream& stream, MatrixView<const T> prototypes, const Project<T>& o)
        : stream_(stream),
          context_(stream.context()),
          prototypes_(prototypes),
          o_(o),
          labels_(context_.vector<std::int32_t>(o.points.rows)),
          least_(context_.vector<T>(o.beta < infinity ? o.points.rows : 0)),
          moves_(context_.vector<double>(o.points.rows)) {}

    Projection<T> run() {
        const std::int64_t n = o_.points.rows;
        const bool soft = o_.beta < infinity;
        Projection<T> result{.points = context_.matrix<T>(n, o_.points.cols),
                             .energies = context_.vector<T>(n),
                             .iterations = 0,
                             .status = Status::iteration_limit};
        if (n == 0) return result.status = Status::converged, std::move(result);
        next_ = context_.matrix<T>(n, o_.points.cols);
        const WaitAtEnd wait(stream_);
        copy(stream_, o_.points, result.points);
        infer(result);
        if (!soft) {
            (void)step(result);
            infer(result);
            result.status = Status::converged;
        } else {
            const double limit = o_.tolerance * largest_norm(stream_, prototypes_);
            while (result.status != Status::converged && result.iterations < o_.max_iterations) {
                ++result.iterations;
                if (step(result) <= limit) result.status = Status::converged;
                infer(result);
            }
        }
        stream_.wait();
        return result;
    }

private:
    void infer(const Projection<T>& at) {
        assign(stream_, Assign<T>{.points = at.points,
                                  .prototypes = prototypes_,
                                  .labels = labels_,
                                  .energies = o_.beta < infinity ? least_.view() : at.energies.view(),
                                  .free_energies = o_.beta < infinity ? at.energies.view() : VectorView<T>{},
                                  .beta = o_.beta});
    }

    // One step for all points; returns the longest move.
    double step(Projection<T>& at) {
        assign_operations<T>(*context_.state().backend)
            .soft_mean(*stream_.state().queue, {.points = at.points,
                                                .prototypes = prototypes_,
                                                .known = {},
                                                .labels = labels_,
                                                .least = least_.data(),
                                                .weights = {},
                                                .beta = o_.beta,
                                                .gradient = false,
                                                .out = next_,
                                                .moves = moves_.data()});
        std::swap(at.points, next_);
        const auto moves = read(stream_, moves_);
        return std::sqrt(*std::max_element(moves.begin(), moves.end()));
    }

    Stream& stream_;
    const Context context_;
    MatrixView<const T> prototypes_;
    const Project<T>& o_;
    Matrix<T> next_;
    Vector<std::int32_t> labels_;
    Vector<T> least_;  // min E, at finite beta
    Vector<double> moves_;
};

template <class T>
Projection<T> run_project(Stream& stream, MatrixView<const T> prototypes, const Project<T>& o) {
    constexpr auto function = "kmeans::project";
    const DefaultFloatEnvironment environment;
    check_points_and_prototypes(function, o.points, prototypes, 0, stream.context().device());
    check_beta<T>(function, o.beta, true, prototypes.rows);
    if (o.max_iterations < 1)
        refuse(function, "max_iterations", std::to_string(o.max_iterations), "max_iterations >= 1");
    if (!(o.tolerance >= 0)) refuse(function, "tolerance", text_of(o.tolerance), "tolerance >= 0");
    return Descent<T>(stream, prototypes, o).run();
}

}  // namespace

#define CUEBM_PUBLIC(Result, function, work, T, parameters, arguments)                                           \
    Result function(Stream& stream, MatrixView<const T> w, parameters) { return work<T>(stream, w, arguments); } \
    Result function(const Context& context, MatrixView<const T> w, parameters) {                                 \
        Stream stream = detail::stream_of_call(context);                                                         \
        auto result = work<T>(stream, w, arguments);                                                             \
        stream.wait();                                                                                           \
        return result;                                                                                           \
    }
#define CUEBM_LIST(...) __VA_ARGS__
#define CUEBM_PUBLIC_OF(T)                                                                                  \
    CUEBM_PUBLIC(Vector<std::int32_t>, predict, run_predict, T, CUEBM_LIST(PointsView<T> y, Metric metric), \
                 CUEBM_LIST(y, metric))                                                                     \
    CUEBM_PUBLIC(Matrix<T>, transform, run_transform, T, CUEBM_LIST(PointsView<T> y, Metric metric),        \
                 CUEBM_LIST(y, metric))                                                                     \
    CUEBM_PUBLIC(Completions<T>, complete, run_complete, T, const Complete<T>& a, a)                        \
    CUEBM_PUBLIC(Projection<T>, project, run_project, T, const Project<T>& a, a)
CUEBM_PUBLIC_OF(float)
CUEBM_PUBLIC_OF(double)
#undef CUEBM_PUBLIC_OF
#undef CUEBM_LIST
#undef CUEBM_PUBLIC

}  // namespace cuebm::kmeans
