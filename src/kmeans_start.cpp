// See kmeans_start.hpp.
#include "kmeans_start.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <unordered_set>

#include <cuebm/error.hpp>

#include "context_state.hpp"
#include "host_copy.hpp"
#include "math/fixed_point.hpp"
#include "math/random_streams.hpp"

namespace cuebm::kmeans {
namespace {

using math::RandomPurpose;

// `count` distinct rows of n, ascending: R. W. Floyd's sampling (J. Bentley, CACM 30(9), 1987).
std::vector<std::int64_t> choose(std::int64_t n, std::int64_t count, std::uint64_t seed, RandomPurpose purpose,
                                 std::uint32_t number) {
    std::vector<std::int64_t> rows;
    if (count == n) {
        rows.resize(static_cast<std::size_t>(n));
        std::iota(rows.begin(), rows.end(), 0);
        return rows;
    }
    const auto key = math::random_key(seed, purpose);
    std::unordered_set<std::int64_t> chosen;
    for (std::int64_t j = n - count; j < n; ++j) {
        const auto r = math::random_u64(key, static_cast<std::uint64_t>(j - n + count), number, 0);
        const auto t = static_cast<std::int64_t>(math::scale_down(r, static_cast<std::uint64_t>(j) + 1));
        if (!chosen.insert(t).second) chosen.insert(j);
    }
    rows.assign(chosen.begin(), chosen.end());
    std::sort(rows.begin(), rows.end());
    return rows;
}

template <class T>
Matrix<T> gather(Stream& stream, PointsView<T> y, const std::vector<std::int64_t>& rows) {
    const Context context = stream.context();
    auto values = context.matrix<T>(static_cast<std::int64_t>(rows.size()), y.cols);
    const auto device_rows = context.vector<std::int64_t>(values.rows());
    const detail::WaitAtEnd wait(stream);
    copy(stream, view(rows), device_rows);
    detail::assign_operations<T>(*context.state().backend)
        .gather(*stream.state().queue, y, device_rows.data(), values.view());
    stream.wait();
    return values;
}

// The state of greedy k-means++ over n rows. Potentials are integers: no draw depends on the order of a sum.
struct Closest {
    std::vector<double> weight, energy;  // [n]: energy to the nearest prototype so far; at first any row is as good
    double scale = 1;

    explicit Closest(std::vector<double> weights) : weight(std::move(weights)), energy(weight.size(), 1.0) {
        rescale();
    }
    std::uint64_t fixed(std::size_t i, double e) const {
        return static_cast<std::uint64_t>(math::to_fixed(weight[i] * e, scale));
    }
    void rescale() {
        double largest = 0;
        for (std::size_t i = 0; i < weight.size(); ++i) largest = std::max(largest, weight[i] * energy[i]);
        if (!std::isfinite(largest))
            throw InvalidArgument("kmeans::fit", "weights", "weights whose products with energies overflow",
                                  "smaller ones: only their ratios matter");
        scale = math::fixed_point_scale(largest, static_cast<std::int64_t>(weight.size()));
    }
    std::uint64_t total() const {
        std::uint64_t sum = 0;
        for (std::size_t i = 0; i < weight.size(); ++i) sum += fixed(i, energy[i]);
        return sum;
    }
    // The row that the random word r falls on, with probability weight * energy.
    std::size_t draw(std::uint64_t r, std::uint64_t sum) const {
        if (sum == 0) return math::scale_down(r, weight.size());  // every point lies on a prototype
        std::uint64_t left = math::scale_down(r, sum);
        for (std::size_t row = 0;; ++row) {
            const auto part = fixed(row, energy[row]);
            if (left < part) return row;
            left -= part;
        }
    }
    // Of the candidates in the columns of `energies` [n x count], the one that leaves the least total.
    template <class T>
    std::size_t best(const std::vector<T>& energies, std::size_t count) const {
        std::vector<std::uint64_t> potentials(count);
        for (std::size_t i = 0; i < weight.size(); ++i)
            for (std::size_t c = 0; c < count; ++c)
                potentials[c] += fixed(i, std::min(energy[i], static_cast<double>(energies[i * count + c])));
        return static_cast<std::size_t>(std::min_element(potentials.begin(), potentials.end()) - potentials.begin());
    }
};

template <class T>
Matrix<T> plus_plus(Stream& stream, PointsView<T> y, const std::vector<double>& weights, const FitOptions<T>& o,
                    std::uint32_t number) {
    const Context context = stream.context();
    const std::int64_t n = std::min(y.rows, std::max<std::int64_t>(1 << 16, 256 * o.k));
    const auto rows = choose(y.rows, n, o.seed, RandomPurpose::kmeans_subsample, number);
    const auto sample = n == y.rows ? Matrix<T>() : gather(stream, y, rows);
    const PointsView<T> points = n == y.rows ? y : PointsView<T>(sample);
    std::vector<double> weight(static_cast<std::size_t>(n), 1.0);
    for (std::size_t i = 0; i < weight.size() && !weights.empty(); ++i)
        weight[i] = weights[static_cast<std::size_t>(rows[i])];
    Closest closest(std::move(weight));
    const auto first_key = math::random_key(o.seed, RandomPurpose::kmeans_first);
    const auto key = math::random_key(o.seed, RandomPurpose::kmeans_candidates);
    const auto most = static_cast<std::size_t>(2 + std::floor(std::log(static_cast<double>(o.k))));
    std::vector<std::int64_t> chosen;
    for (std::int64_t z = 0; z < o.k; ++z) {
        const std::size_t count = z == 0 ? 1 : most;
        const std::uint64_t total = closest.total();
        std::vector<std::int64_t> candidates;
        for (std::size_t c = 0; c < count; ++c) {
            const auto r = math::random_u64(z == 0 ? first_key : key, static_cast<std::uint64_t>(z), number,
                                            static_cast<std::uint32_t>(c));
            candidates.push_back(static_cast<std::int64_t>(closest.draw(r, total)));
        }
        const auto prototypes = gather<T>(stream, points, candidates);
        const auto device_energies = context.matrix<T>(n, static_cast<std::int64_t>(count));
        const detail::WaitAtEnd wait(stream);
        try {
            assign(stream, Assign<T>{.points = points, .prototypes = prototypes, .all_energies = device_energies});
            stream.wait();
        } catch (const DataError& error) {  // its row is one of the subsample
            throw DataError(error.argument(), rows[static_cast<std::size_t>(error.row())], error.problem());
        }
        const auto energies = detail::read(stream, device_energies);
        const std::size_t best = z == 0 ? 0 : closest.best(energies, count);
        for (std::size_t i = 0; i < closest.energy.size(); ++i) {
            const auto energy = static_cast<double>(energies[i * count + best]);
            closest.energy[i] = z == 0 ? energy : std::min(closest.energy[i], energy);
        }
        closest.rescale();
        chosen.push_back(candidates[best]);
    }
    return gather<T>(stream, points, chosen);
}

}  // namespace

template <class T>
Matrix<T> choose_start(Stream& stream, PointsView<T> y, const std::vector<double>& weights, const FitOptions<T>& o,
                       std::uint32_t number) {
    switch (o.start) {
        case Start::given: break;
        case Start::random: return gather(stream, y, choose(y.rows, o.k, o.seed, RandomPurpose::kmeans_random, number));
        case Start::plus_plus: return plus_plus(stream, y, weights, o, number);
    }
    auto start = stream.context().matrix<T>(o.k, y.cols);
    copy(stream, o.prototypes, start);
    return start;
}

template Matrix<float> choose_start(Stream&, PointsView<float>, const std::vector<double>&, const FitOptions<float>&,
                                    std::uint32_t);
template Matrix<double> choose_start(Stream&, PointsView<double>, const std::vector<double>&, const FitOptions<double>&,
                                     std::uint32_t);

}  // namespace cuebm::kmeans
