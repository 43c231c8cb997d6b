// See kmeans_start.hpp.
#include "kmeans_start.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <unordered_set>

#include <cuebm/error.hpp>

#include "host_copy.hpp"
#include "kmeans_start_potentials.hpp"
#include "math/random_streams.hpp"

namespace cuebm::kmeans {
namespace {

using math::RandomPurpose;

// Rows that a round of k-means|| selects on average. 2 k took 2 to 4 times as long from k = 256 on, nearly all of it in
// k-means++ among them, and ended lower for k near n alone (bench/results/start-parallel-xeon207-20261129.txt).
constexpr std::int64_t rows_a_round(std::int64_t k) { return std::max<std::int64_t>(k / 2, 32); }

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

// The rows that k-means++ and k-means|| look at: all, or a random subsample, with their weights.
template <class T>
struct Sample {
    Sample(Stream& stream, PointsView<T> y, const std::vector<double>& all_weights, const FitOptions<T>& o,
           std::uint32_t number)
        : rows(choose(y.rows, std::min(y.rows, std::max<std::int64_t>(1 << 16, 256 * o.k)), o.seed,
                      RandomPurpose::kmeans_subsample, number)),
          points(y) {
        const Context context = stream.context();
        const auto n = static_cast<std::int64_t>(rows.size());
        if (n < y.rows) {
            copied = gather(stream, y, rows);
            points = copied;
        }
        if (all_weights.empty()) return;
        std::vector<T> own;
        for (const auto row : rows) own.push_back(static_cast<T>(all_weights[static_cast<std::size_t>(row)]));
        weights = context.copy(view(std::as_const(own)));
    }
    std::vector<std::int64_t> rows;
    Matrix<T> copied;
    PointsView<T> points;
    Vector<T> weights;  // empty: all 1
    VectorView<const T> weight_view() const {
        return weights.size() > 0 ? VectorView<const T>(weights) : VectorView<const T>{};
    }
};

// The rows of the sample that k-means|| selects, and how much weight is nearest to each: those that have any. Leaves
// the potentials with respect to all of them.
template <class T>
struct Selected {
    Selected(Stream& stream, const Sample<T>& sample, Potentials<T>& potentials, const FitOptions<T>& o,
             std::uint32_t number) {
        const Context context = stream.context();
        const std::int64_t n = sample.points.rows;
        const auto labels = context.template vector<std::int32_t>(n);
        const auto energies = context.template matrix<T>(n, 1);
        const detail::WaitAtEnd wait(stream);
        std::vector<std::int64_t> all;
        auto found = potentials.first(o.seed, number);
        for (std::uint32_t round = 0; !found.empty(); ++round) {
            const auto prototypes = gather(stream, sample.points, found);
            assign(stream, Assign<T>{.points = sample.points,
                                     .prototypes = prototypes,
                                     .labels = labels,
                                     .energies = {energies.data(), n, 1, context.device()}});
            potentials.fold(energies, labels, static_cast<std::int32_t>(all.size()), round == 0);
            stream.wait();
            all.insert(all.end(), found.begin(), found.end());
            if (round == parallel_rounds) break;
            found = potentials.select(rows_a_round(o.k), o.seed, number, round);
        }
        // On the host, in order: once, and the same on every device.
        std::vector<double> owned(all.size());
        const auto owners = potentials.owners();
        const auto own = sample.weights.size() > 0 ? detail::read(stream, sample.weights) : std::vector<T>();
        for (std::size_t i = 0; i < owners.size(); ++i)
            owned[static_cast<std::size_t>(owners[i])] += own.empty() ? 1.0 : static_cast<double>(own[i]);
        const double largest = *std::max_element(owned.begin(), owned.end());
        for (std::size_t c = 0; c < all.size(); ++c) {
            const auto weight = static_cast<T>(owned[c] / largest);
            if (!(weight > 0)) continue;
            rows.push_back(all[c]);
            weights.push_back(weight);
        }
    }
    std::vector<std::int64_t> rows;
    std::vector<T> weights;
};

template <class T>
std::vector<std::int64_t> parallel(const char* function, Stream& stream, const Sample<T>& sample,
                                   const FitOptions<T>& o, std::uint32_t number) {
    Potentials<T> potentials(function, stream, sample.points, sample.weight_view());
    const Selected<T> selected(stream, sample, potentials, o, number);
    if (static_cast<std::int64_t>(selected.rows.size()) <= o.k)  // few points: the others by k-means++
        return potentials.plus_plus(o.k, o.seed, number, selected.rows);
    const auto candidates = gather(stream, sample.points, selected.rows);
    const auto weights = stream.context().copy(view(selected.weights));
    Potentials<T> among(function, stream, candidates, weights);
    std::vector<std::int64_t> rows;
    for (const auto candidate : among.plus_plus(o.k, o.seed, number, {}))
        rows.push_back(selected.rows[static_cast<std::size_t>(candidate)]);
    return rows;
}

template <class T>
Matrix<T> by_potentials(const char* function, Stream& stream, PointsView<T> y, const std::vector<double>& weights,
                        const FitOptions<T>& o, std::uint32_t number) {
    const Sample<T> sample(stream, y, weights, o, number);
    try {
        const auto chosen = o.start == Start::parallel
                                ? parallel(function, stream, sample, o, number)

                                : Potentials<T>(function, stream, sample.points, sample.weight_view())
                                      .plus_plus(o.k, o.seed, number, {});
        return gather(stream, sample.points, chosen);
    } catch (const DataError& error) {  // its row is one of the sample
        throw DataError(error.argument(), sample.rows[static_cast<std::size_t>(error.row())], error.problem());
    }
}

}  // namespace

template <class T>
Matrix<T> choose_start(const char* function, Stream& stream, PointsView<T> y, const std::vector<double>& weights,
                       const FitOptions<T>& o, std::uint32_t number) {
    switch (o.start) {
        case Start::given: break;
        case Start::random: return gather(stream, y, choose(y.rows, o.k, o.seed, RandomPurpose::kmeans_random, number));
        case Start::plus_plus:
        case Start::parallel: return by_potentials(function, stream, y, weights, o, number);
    }
    auto start = stream.context().matrix<T>(o.k, y.cols);
    copy(stream, o.prototypes, start);
    stream.wait();  // like the others: whoever calls may throw before its own wait
    return start;
}

template Matrix<float> choose_start(const char*, Stream&, PointsView<float>, const std::vector<double>&,
                                    const FitOptions<float>&, std::uint32_t);
template Matrix<double> choose_start(const char*, Stream&, PointsView<double>, const std::vector<double>&,
                                     const FitOptions<double>&, std::uint32_t);

}  // namespace cuebm::kmeans
