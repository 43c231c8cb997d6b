// K-means on top of assign() and update(): the start, Lloyd's loop, and when it stops. Nothing here knows a device.
#include <cuebm/kmeans.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <unordered_set>
#include <vector>

#include <cuebm/error.hpp>

#include "math/fixed_point.hpp"
#include "math/random_streams.hpp"

namespace cuebm::kmeans {
namespace {

using math::RandomPurpose;

constexpr std::int64_t chunk = 4096;  // rows copied to the host at a time

template <class T>
void check(Context& context, MatrixView<const T> y, const FitOptions<T>& o) {
    const auto refuse = [](const char* argument, const std::string& got, const std::string& wanted) {
        throw InvalidArgument("kmeans::fit", argument, got, wanted);
    };
    const auto text = [](auto value) { return std::to_string(value); };
    if (y.rows < 1 || y.cols < 1 || y.data == nullptr)
        refuse("points", text(y.rows) + " x " + text(y.cols), "at least one row and one column");
    if (y.device != context.device()) refuse("points", "memory of another device", "memory of the context's device");
    if (o.k < 1 || o.k > y.rows) refuse("k", text(o.k), "1 <= k <= n = " + text(y.rows));
    if (o.n_init < 1 || (o.start == Start::given && o.n_init != 1))
        refuse("n_init", text(o.n_init), "n_init >= 1, and 1 for given prototypes");
    if (o.max_iterations < 1) refuse("max_iterations", text(o.max_iterations), "max_iterations >= 1");
    if (!(o.tolerance >= 0)) refuse("tolerance", text(o.tolerance), "tolerance >= 0");
    if (o.weights && (o.weights.size != y.rows || o.weights.device != context.device()))
        refuse("weights", text(o.weights.size) + " elements", text(y.rows) + " on the context's device");
    if (o.start == Start::given && (!o.prototypes || o.prototypes.rows != o.k || o.prototypes.cols != y.cols))
        refuse("prototypes", text(o.prototypes.rows) + " x " + text(o.prototypes.cols),
               text(o.k) + " x " + text(y.cols));
}

template <class T>
std::vector<double> weights_of(Context& context, VectorView<const T> weights, std::int64_t n) {
    std::vector<double> values(static_cast<std::size_t>(n), 1.0);
    if (!weights) return values;
    const auto host = to_host(context, context.copy(weights));
    for (std::size_t i = 0; i < host.size(); ++i) {
        values[i] = static_cast<double>(host[i]);
        if (!(values[i] >= 0) || !std::isfinite(values[i]))
            throw DataError("weights", static_cast<std::int64_t>(i),
                            "is negative, NaN or infinite; wanted a weight >= 0");
    }
    if (std::all_of(values.begin(), values.end(), [](double w) { return w == 0; }))
        throw InvalidArgument("kmeans::fit", "weights", "all 0", "a weight > 0");
    return values;
}

// Calls row(i, pointer) for the rows in order.
template <class T, class F>
void for_rows(Context& context, MatrixView<const T> y, F row) {
    for (std::int64_t first = 0; first < y.rows; first += chunk) {
        const auto block = to_host<T>(context, y.slice(first, std::min(chunk, y.rows - first)));
        for (std::int64_t i = 0; i * y.cols < static_cast<std::int64_t>(block.size()); ++i)
            row(first + i, &block[static_cast<std::size_t>(i * y.cols)]);
    }
}

// The mean over features of the variance; sums of differences from the first row, so a large mean cancels nothing.
template <class T>
double mean_variance(Context& context, MatrixView<const T> y) {
    const auto d = static_cast<std::size_t>(y.cols);
    std::vector<double> base, sum(d), squares(d);
    for_rows(context, y, [&](std::int64_t i, const T* row) {
        if (i == 0) base.assign(row, row + d);
        for (std::size_t j = 0; j < d; ++j) {
            const double t = static_cast<double>(row[j]) - base[j];
            sum[j] += t;
            squares[j] += t * t;
        }
    });
    const auto n = static_cast<double>(y.rows);
    double total = 0;
    for (std::size_t j = 0; j < d; ++j) total += std::max(0.0, squares[j] / n - sum[j] / n * (sum[j] / n));
    return total / static_cast<double>(d);
}

// `count` distinct rows of n, ascending: R. W. Floyd's sampling (J. Bentley, CACM 30(9), 1987).
std::vector<std::int64_t> choose(std::int64_t n, std::int64_t count, std::uint64_t seed, RandomPurpose purpose,
                                 std::uint32_t start) {
    std::vector<std::int64_t> rows;
    if (count == n) {
        rows.resize(static_cast<std::size_t>(n));
        std::iota(rows.begin(), rows.end(), 0);
        return rows;
    }
    const auto key = math::random_key(seed, purpose);
    std::unordered_set<std::int64_t> chosen;
    for (std::int64_t j = n - count; j < n; ++j) {
        const auto r = math::random_u64(key, static_cast<std::uint64_t>(j - n + count), start, 0);
        const auto t = static_cast<std::int64_t>(math::scale_down(r, static_cast<std::uint64_t>(j) + 1));
        if (!chosen.insert(t).second) chosen.insert(j);
    }
    rows.assign(chosen.begin(), chosen.end());
    std::sort(rows.begin(), rows.end());
    return rows;
}

template <class T>
std::vector<T> gather(Context& context, MatrixView<const T> y, const std::vector<std::int64_t>& ascending) {
    std::vector<T> values;
    values.reserve(ascending.size() * static_cast<std::size_t>(y.cols));
    auto next = ascending.begin();
    for_rows(context, y, [&](std::int64_t i, const T* row) {
        if (next == ascending.end() || *next != i) return;
        values.insert(values.end(), row, row + y.cols);
        ++next;
    });
    return values;
}

// Greedy k-means++. Potentials are integers, so that the draw does not depend on the order of a sum.
template <class T>
std::vector<T> plus_plus(Context& context, MatrixView<const T> y, const std::vector<double>& weights,
                         const FitOptions<T>& o, std::uint32_t start) {
    const std::int64_t n = std::min(y.rows, std::max<std::int64_t>(1 << 16, 256 * o.k)), d = y.cols;
    const auto rows = choose(y.rows, n, o.seed, RandomPurpose::kmeans_subsample, start);
    const auto host = gather(context, y, rows);
    const auto points = context.copy(view(host, n, d));
    const auto first_key = math::random_key(o.seed, RandomPurpose::kmeans_first);
    const auto key = math::random_key(o.seed, RandomPurpose::kmeans_candidates);
    const auto most = static_cast<std::size_t>(2 + std::floor(std::log(static_cast<double>(o.k))));
    std::vector<double> closest(static_cast<std::size_t>(n), 1.0), weight(closest);  // at first any row is as good
    for (std::size_t i = 0; i < weight.size(); ++i) weight[i] = weights[static_cast<std::size_t>(rows[i])];
    std::vector<T> prototypes;
    double scale = math::fixed_point_scale(*std::max_element(weight.begin(), weight.end()), n);
    for (std::int64_t z = 0; z < o.k; ++z) {
        const std::size_t count = z == 0 ? 1 : most;
        std::uint64_t total = 0;
        for (std::size_t i = 0; i < closest.size(); ++i)
            total += static_cast<std::uint64_t>(math::to_fixed(weight[i] * closest[i], scale));
        std::vector<T> candidates;
        for (std::size_t c = 0; c < count; ++c) {
            const auto r = math::random_u64(z == 0 ? first_key : key, static_cast<std::uint64_t>(z), start,
                                            static_cast<std::uint32_t>(c));
            std::size_t row = 0;
            if (total == 0) {  // every point lies on a prototype
                row = static_cast<std::size_t>(math::scale_down(r, static_cast<std::uint64_t>(n)));
            } else {
                std::uint64_t left = math::scale_down(r, total);
                for (;; ++row) {
                    const auto part = static_cast<std::uint64_t>(math::to_fixed(weight[row] * closest[row], scale));
                    if (left < part) break;
                    left -= part;
                }
            }
            candidates.insert(candidates.end(), host.begin() + static_cast<std::ptrdiff_t>(row) * d,
                              host.begin() + static_cast<std::ptrdiff_t>(row + 1) * d);
        }
        const auto device_candidates = context.copy(view(candidates, static_cast<std::int64_t>(count), d));
        const auto device_energies = context.template matrix<T>(n, static_cast<std::int64_t>(count));
        assign(context, Assign<T>{.points = points, .prototypes = device_candidates, .all_energies = device_energies});
        const auto energies = to_host(context, device_energies);
        std::size_t best = 0;
        std::uint64_t least = std::numeric_limits<std::uint64_t>::max();
        for (std::size_t c = 0; c < count && z > 0; ++c) {
            std::uint64_t potential = 0;
            for (std::size_t i = 0; i < closest.size(); ++i)
                potential += static_cast<std::uint64_t>(math::to_fixed(
                    weight[i] * std::min(closest[i], static_cast<double>(energies[i * count + c])), scale));
            if (potential < least) least = potential, best = c;
        }
        double largest = 0;
        for (std::size_t i = 0; i < closest.size(); ++i) {
            const auto energy = static_cast<double>(energies[i * count + best]);
            closest[i] = z == 0 ? energy : std::min(closest[i], energy);
            largest = std::max(largest, weight[i] * closest[i]);
        }
        scale = math::fixed_point_scale(largest, n);
        prototypes.insert(prototypes.end(), candidates.begin() + static_cast<std::ptrdiff_t>(best) * d,
                          candidates.begin() + static_cast<std::ptrdiff_t>(best + 1) * d);
    }
    return prototypes;
}

// Gives the empty clusters the points of highest energy, as scikit-learn does. Returns how many stay empty.
std::int64_t relocate(std::vector<std::int32_t>& labels, const auto& energies, const std::vector<double>& weights,
                      std::int64_t k) {
    std::vector<double> total(static_cast<std::size_t>(k));
    for (std::size_t i = 0; i < labels.size(); ++i) total[static_cast<std::size_t>(labels[i])] += weights[i];
    std::vector<std::int32_t> empty;
    for (std::int64_t z = 0; z < k; ++z)
        if (!(total[static_cast<std::size_t>(z)] > 0)) empty.push_back(static_cast<std::int32_t>(z));
    std::vector<std::size_t> far;
    for (std::size_t i = 0; i < labels.size() && !empty.empty(); ++i)
        if (weights[i] > 0 && energies[i] > 0) far.push_back(i);
    const auto count = std::min(far.size(), empty.size());
    std::partial_sort(far.begin(), far.begin() + static_cast<std::ptrdiff_t>(count), far.end(),
                      [&](std::size_t a, std::size_t b) {
                          return energies[a] > energies[b] || (energies[a] == energies[b] && a < b);
                      });
    for (std::size_t c = 0; c < count; ++c) labels[far[c]] = empty[c];
    return static_cast<std::int64_t>(empty.size() - count);
}

template <class T>
Model<T> lloyd(Context& context, MatrixView<const T> y, const std::vector<double>& weights, const FitOptions<T>& o,
               Matrix<T> start, int start_number, double limit) {
    const std::int64_t n = y.rows;
    Model<T> model{.prototypes = std::move(start),
                   .labels = context.vector<std::int32_t>(n),
                   .energies = context.template vector<T>(n)};
    std::vector<std::int32_t> labels, previous;
    std::vector<T> energies;
    const auto infer = [&] {
        assign(
            context,
            Assign<T>{.points = y, .prototypes = model.prototypes, .labels = model.labels, .energies = model.energies});
        labels = to_host(context, model.labels);
        energies = to_host(context, model.energies);
        model.inertia = 0;
        for (std::size_t i = 0; i < energies.size(); ++i)
            model.inertia += weights[i] * static_cast<double>(energies[i]);
    };
    model.status = Status::iteration_limit;
    std::int64_t still_empty = 0;
    for (;;) {
        infer();
        if (model.status == Status::converged || model.iterations == o.max_iterations) break;
        if (o.cancel.stop_requested()) {
            model.status = Status::cancelled;
            break;
        }
        ++model.iterations;
        std::int64_t moved = n;
        if (!previous.empty()) {
            moved = 0;
            for (std::size_t i = 0; i < labels.size(); ++i) moved += labels[i] != previous[i];
        }
        if (o.progress) o.progress({start_number, model.iterations, o.max_iterations, moved, model.inertia});
        if (moved == 0) {
            model.status = Status::converged;
            break;
        }
        previous = labels;
        still_empty = relocate(labels, energies, weights, o.k);
        const auto device_labels = context.copy(view(std::as_const(labels)));
        const auto before = to_host(context, model.prototypes);
        update(context,
               Update<T>{.points = y, .labels = device_labels, .weights = o.weights, .prototypes = model.prototypes});
        const auto after = to_host(context, model.prototypes);
        double shift = 0;
        for (std::size_t j = 0; j < after.size(); ++j)
            shift += std::pow(static_cast<double>(after[j]) - static_cast<double>(before[j]), 2);
        if (shift <= limit) model.status = Status::converged;
    }
    std::vector<bool> owns(static_cast<std::size_t>(o.k));
    for (const auto label : labels) owns[static_cast<std::size_t>(label)] = true;
    model.empty_clusters = std::count(owns.begin(), owns.end(), false);
    if (model.status == Status::converged && model.empty_clusters > 0 && still_empty > 0)
        model.status = Status::too_few_distinct;
    return model;
}

template <class T>
Model<T> run(Context& context, MatrixView<const T> y, const FitOptions<T>& o) {
    check(context, y, o);
    const auto weights = weights_of(context, o.weights, y.rows);
    const double limit = o.tolerance > 0 ? o.tolerance * mean_variance(context, y) : 0;
    Model<T> best;
    for (int i = 0; i < o.n_init; ++i) {
        const auto number = static_cast<std::uint32_t>(i);
        Matrix<T> start;
        if (o.start == Start::given) {
            start = context.copy(o.prototypes);
        } else {
            const auto values =
                o.start == Start::random
                    ? gather(context, y, choose(y.rows, o.k, o.seed, RandomPurpose::kmeans_random, number))
                    : plus_plus(context, y, weights, o, number);
            start = context.copy(view(values, o.k, y.cols));
        }
        auto model = lloyd(context, y, weights, o, std::move(start), i, limit);
        const bool stop = model.status == Status::cancelled;
        if (i == 0 || model.inertia < best.inertia) best = std::move(model);
        if (stop) {
            best.status = Status::cancelled;
            break;
        }
    }
    return best;
}

template <class T>
Vector<std::int32_t> label(Context& context, MatrixView<const T> prototypes, MatrixView<const T> points) {
    auto labels = context.vector<std::int32_t>(points.rows);
    assign(context, Assign<T>{.points = points, .prototypes = prototypes, .labels = labels});
    return labels;
}

template <class T>
Matrix<T> energies(Context& context, MatrixView<const T> prototypes, MatrixView<const T> points) {
    auto all = context.template matrix<T>(points.rows, prototypes.rows);
    assign(context, Assign<T>{.points = points, .prototypes = prototypes, .all_energies = all});
    return all;
}

template <class T>
Completions<T> fill_in(Context& context, MatrixView<const T> prototypes, const Complete<T>& o) {
    const auto refuse = [](const char* argument, const std::string& got, const std::string& wanted) {
        throw InvalidArgument("kmeans::complete", argument, got, wanted);
    };
    const std::int64_t n = o.values.rows, d = o.values.cols, k = prototypes.rows, m = o.candidates;
    if (!o.known) refuse("known", "nullptr", "a mask of n x d or 1 x d");
    if (m < 1 || m > std::min<std::int64_t>(k, 32)) refuse("candidates", std::to_string(m), "1 to min(k, 32)");
    if (!(o.beta > 0) || o.beta == infinity) refuse("beta", std::to_string(o.beta), "a finite beta > 0");
    auto labels = context.matrix<std::int32_t>(n, m);
    auto energies = context.template matrix<T>(n, m);
    const auto free_energies = context.template vector<T>(n);
    assign(context, Assign<T>{.points = o.values,
                              .prototypes = prototypes,
                              .known = o.known,
                              .best_labels = labels,
                              .best_energies = energies,
                              .free_energies = free_energies,
                              .beta = o.beta});
    const auto chosen = to_host(context, labels);
    const auto energy = to_host(context, energies), free = to_host(context, free_energies),
               w = to_host<T>(context, prototypes);
    const auto known = to_host<std::uint8_t>(context, o.known);
    const auto at = [](std::int64_t row, std::int64_t columns, std::int64_t column) {
        return static_cast<std::size_t>(row * columns + column);
    };
    const auto probability = [&](std::int64_t i, T e) {
        return std::min(
            1.0, std::exp(-o.beta * (static_cast<double>(e) - static_cast<double>(free[static_cast<std::size_t>(i)]))));
    };
    std::vector<T> probabilities(energy.size()), values(at(n * m, d, 0)), mean(at(n, d, 0));
    for (std::int64_t first = 0; first < n; first += chunk) {
        const std::int64_t rows = std::min(chunk, n - first);
        const auto all_energies = context.template matrix<T>(rows, k);
        const auto mask = o.known.rows == 1 ? o.known : o.known.slice(first, rows);
        assign(context, Assign<T>{.points = o.values.slice(first, rows),
                                  .prototypes = prototypes,
                                  .known = mask,
                                  .all_energies = all_energies});
        const auto all = to_host(context, all_energies);
        const auto given = to_host<T>(context, o.values.slice(first, rows));
        std::vector<double> sum(static_cast<std::size_t>(d));
        for (std::int64_t r = 0; r < rows; ++r) {
            const std::int64_t i = first + r, mask_row = o.known.rows == 1 ? 0 : i;
            double total = 0;
            std::fill(sum.begin(), sum.end(), 0.0);
            for (std::int64_t z = 0; z < k; ++z) {
                const double p = probability(i, all[at(r, k, z)]);
                if (!(p > 0)) continue;
                total += p;
                for (std::int64_t j = 0; j < d; ++j)
                    sum[static_cast<std::size_t>(j)] += p * static_cast<double>(w[at(z, d, j)]);
            }
            for (std::int64_t c = 0; c < m; ++c)
                probabilities[at(i, m, c)] = static_cast<T>(probability(i, energy[at(i, m, c)]));
            for (std::int64_t j = 0; j < d; ++j) {
                const bool is_known = known[at(mask_row, d, j)] != 0;
                mean[at(i, d, j)] =
                    is_known ? given[at(r, d, j)] : static_cast<T>(sum[static_cast<std::size_t>(j)] / total);
                for (std::int64_t c = 0; c < m; ++c)
                    values[at(i * m + c, d, j)] = is_known ? given[at(r, d, j)] : w[at(chosen[at(i, m, c)], d, j)];
            }
        }
    }
    return {.labels = std::move(labels),
            .energies = std::move(energies),
            .probabilities = context.copy(view(std::as_const(probabilities), n, m)),
            .values = context.copy(view(std::as_const(values), n * m, d)),
            .mean = context.copy(view(std::as_const(mean), n, d))};
}

}  // namespace

template <class T>
std::string Model<T>::advice() const {
    switch (status) {
        case Status::converged: return "converged";
        case Status::iteration_limit: return "labels still changed after max_iterations; raise it, or the tolerance";
        case Status::cancelled: return "stopped on request; prototypes, labels and inertia belong together";
        case Status::too_few_distinct:
            return std::to_string(empty_clusters) + " prototypes own no point: fewer distinct points than k; lower k";
    }
    return "";
}
template struct Model<float>;
template struct Model<double>;

Model<float> fit(Context& c, MatrixView<const float> y, const FitOptions<float>& o) { return run(c, y, o); }
Model<double> fit(Context& c, MatrixView<const double> y, const FitOptions<double>& o) { return run(c, y, o); }
Vector<std::int32_t> predict(Context& c, MatrixView<const float> w, MatrixView<const float> y) {
    return label(c, w, y);
}
Vector<std::int32_t> predict(Context& c, MatrixView<const double> w, MatrixView<const double> y) {
    return label(c, w, y);
}
Matrix<float> transform(Context& c, MatrixView<const float> w, MatrixView<const float> y) { return energies(c, w, y); }
Matrix<double> transform(Context& c, MatrixView<const double> w, MatrixView<const double> y) {
    return energies(c, w, y);
}
Completions<float> complete(Context& c, MatrixView<const float> w, const Complete<float>& o) {
    return fill_in(c, w, o);
}
Completions<double> complete(Context& c, MatrixView<const double> w, const Complete<double>& o) {
    return fill_in(c, w, o);
}

}  // namespace cuebm::kmeans
