// kmeans::fit_soft: EM on the free energy, annealed in beta, by the backend's operations.
#include <cuebm/kmeans_soft.hpp>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include <cuebm/error.hpp>

#include "float_environment.hpp"
#include "kmeans_data.hpp"
#include "kmeans_start.hpp"
#include "math/random_streams.hpp"

namespace cuebm::kmeans {
namespace {

using namespace detail;
constexpr auto soft_function = "kmeans::fit_soft";

template <class T>
void check(const Context& context, PointsView<T> y, const SoftOptions<T>& o) {
    check_fit(soft_function, context.device(), y, o);
    check_beta<T>(soft_function, o.beta, false, o.k);
    if (o.beta_start != 0 && !(o.beta_start <= o.beta))
        refuse(soft_function, "beta_start", text_of(o.beta_start), "0, or at most beta = " + text_of(o.beta));
    if (o.beta_start != 0) check_beta<T>(soft_function, o.beta_start, false, o.k, "beta_start");
    if (!(o.factor > 1)) refuse(soft_function, "factor", text_of(o.factor), "factor > 1");
    if (!(o.perturbation >= 0 && o.perturbation < infinity))
        refuse(soft_function, "perturbation", text_of(o.perturbation), "a finite perturbation >= 0");
    if (!(o.tolerance >= 0)) refuse(soft_function, "tolerance", text_of(o.tolerance), "tolerance >= 0");
    check_optional(soft_function, "weights", o.weights, y.rows, context.device());
}

template <class T>
class Annealing {
public:
    Annealing(Stream& stream, PointsView<T> points, const SoftOptions<T>& o)
        : stream_(stream),
          context_(stream.context()),
          queue_(*stream.state().queue),
          operations_(assign_operations<T>(*context_.state().backend)),
          y_(points),
          o_(o),
          sums_(context_.matrix<std::int64_t>(o.k, y_.cols)),
          counts_(context_.vector<std::int64_t>(o.k)),
          scales_(context_.vector<double>(y_.cols + 1)),
          shifts_(context_.vector<double>(o.k)),
          least_(context_.vector<T>(y_.rows)),
          gaps_(context_.vector<T>(y_.rows)) {}

    SoftModel<T> run() {
        const WaitAtEnd wait(stream_);
        operations_.scales(queue_, {.points = y_, .weights = o_.weights, .scales = scales_.data()});
        stream_.wait();  // throws what is wrong with the data
        weights_ = weights_of(soft_function, stream_, o_.weights);
        variance_ = mean_variance(stream_, y_);
        if (!(variance_ < infinity))
            refuse(soft_function, "points", "a variance that overflows",
                   "smaller points: divide them, and beta times the square");
        limit_ = o_.tolerance * variance_;
        // Equals part slowly: stopped by the tolerance, they would be together at every beta.
        if (o_.beta_start > 0 && o_.perturbation > 0)
            limit_ = std::min(limit_, 0.01 * o_.perturbation * o_.perturbation * variance_);
        const FitOptions<T> start{.k = o_.k, .seed = o_.seed, .start = o_.start, .prototypes = o_.prototypes};
        SoftModel<T> model{.prototypes = choose_start(soft_function, stream_, y_, weights_, start, 0),
                           .free_energies = context_.vector<T>(y_.rows),
                           .weights = context_.vector<double>(o_.k),
                           .beta = o_.beta_start > 0 ? o_.beta_start : o_.beta};
        queue_.fill(model.weights.data(), 0, static_cast<std::size_t>(o_.k) * sizeof(double));
        for (std::uint32_t rises = 0;; ++rises) {
            settle(model);
            if (model.status == Status::cancelled || model.beta >= o_.beta) break;
            model.beta = std::min(o_.beta, model.beta * o_.factor);
            perturb(model.prototypes, rises);
        }
        model.objective = objective(model);
        return model;
    }

private:
    // EM at one beta; ends with the free energies of the prototypes that it leaves.
    void settle(SoftModel<T>& model) {
        model.status = Status::iteration_limit;
        for (int iteration = 0;; ++iteration) {
            infer(model);
            if (model.status == Status::converged || iteration == o_.max_iterations) break;
            if (o_.cancel.stop_requested()) {
                model.status = Status::cancelled;
                break;
            }
            ++model.iterations;
            if (o_.progress) call_back(o_.progress, {model.beta, model.iterations, objective(model)});
            if (update(model) <= limit_) model.status = Status::converged;
        }
    }

    void infer(const SoftModel<T>& model) {
        const Assign<T> task{.points = y_,
                             .prototypes = model.prototypes,
                             .energies = least_,
                             .free_energies = model.free_energies,
                             .beta = model.beta};
        operations_.assign(queue_, task, queue_.workspace(operations_.scratch_bytes(task)), nullptr, gaps_.data());
    }

    // Prototypes to the means; returns sum_k ||w_k' - w_k||^2.
    double update(const SoftModel<T>& model) {
        const FixedSums sums{sums_.data(), counts_.data(), scales_.data()};
        queue_.fill(sums.sums, 0, static_cast<std::size_t>(o_.k * y_.cols) * sizeof(std::int64_t));
        queue_.fill(sums.counts, 0, static_cast<std::size_t>(o_.k) * sizeof(std::int64_t));
        operations_.accumulate_soft(queue_, {.points = y_,
                                             .prototypes = model.prototypes,
                                             .weights = o_.weights,
                                             .least = least_.data(),
                                             .gaps = gaps_.data(),
                                             .beta = model.beta,
                                             .into = sums});
        operations_.finish(queue_, {.from = sums,
                                    .prototypes = model.prototypes,
                                    .means = model.prototypes,
                                    .gradients = {},
                                    .cluster_weights = model.weights,
                                    .shifts = shifts_.data()});
        const auto shifts = read(stream_, shifts_);
        return std::accumulate(shifts.begin(), shifts.end(), 0.0);
    }

    double objective(const SoftModel<T>& model) {
        const auto free_energies = read(stream_, model.free_energies);
        double sum = 0;
        for (std::size_t i = 0; i < free_energies.size(); ++i)
            sum += (weights_.empty() ? 1.0 : weights_[i]) * static_cast<double>(free_energies[i]);
        return sum;
    }

    // On the host: once for each beta.
    void perturb(const Matrix<T>& prototypes, std::uint32_t rises) {
        auto w = read(stream_, prototypes);
        const auto key = math::random_key(o_.seed, math::RandomPurpose::kmeans_perturb);
        const double size = o_.perturbation * std::sqrt(variance_);
        for (std::size_t u = 0; u < w.size(); ++u) {
            const double unit = static_cast<double>(math::random_u64(key, u, rises, 0) >> 11) * 0x1p-52 - 1;
            w[u] = static_cast<T>(static_cast<double>(w[u]) + size * unit);
        }
        copy(stream_, view(w, prototypes.rows(), prototypes.cols()), prototypes);
        stream_.wait();
    }

    Stream& stream_;
    const Context context_;
    Queue& queue_;
    const AssignOperations<T>& operations_;
    PointsView<T> y_;
    const SoftOptions<T>& o_;
    std::vector<double> weights_;
    Matrix<std::int64_t> sums_;
    Vector<std::int64_t> counts_;
    Vector<double> scales_, shifts_;
    Vector<T> least_, gaps_;           // min E, and F_beta less it
    double variance_ = 0, limit_ = 0;  // of sum_k ||w_k' - w_k||^2, where an iteration has converged
};

template <class T>
SoftModel<T> run(Stream& stream, PointsView<T> y, const SoftOptions<T>& o) {
    const DefaultFloatEnvironment environment;
    check(stream.context(), y, o);
    return Annealing<T>(stream, y, o).run();
}

}  // namespace

SoftModel<float> fit_soft(Stream& s, PointsView<float> y, const SoftOptions<float>& o) { return run(s, y, o); }
SoftModel<double> fit_soft(Stream& s, PointsView<double> y, const SoftOptions<double>& o) { return run(s, y, o); }
SoftModel<float> fit_soft(const Context& c, PointsView<float> y, const SoftOptions<float>& o) {
    Stream stream = detail::stream_of_call(c);
    return run(stream, y, o);
}
SoftModel<double> fit_soft(const Context& c, PointsView<double> y, const SoftOptions<double>& o) {
    Stream stream = detail::stream_of_call(c);
    return run(stream, y, o);
}

}  // namespace cuebm::kmeans
