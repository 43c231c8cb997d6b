// Sums by labels in shared memory: however the columns are cut into slices, the rows into blocks, and the sums copied,
// they are those of a plain loop.
#include <gtest/gtest.h>

#include <limits>
#include <random>

#include "cuda/assign/accumulate.cuh"
#include "device_array.hpp"

namespace cuebm::cuda {
namespace {

template <class T>
struct Rows {
    std::int64_t n, k, d, stride;
    std::vector<T> points, weights;
    std::vector<double> scales;
    std::vector<std::int32_t> labels, old_labels;  // as they are before
};

struct Sums {
    std::vector<std::int64_t> sums, counts, moved;
    std::vector<std::int32_t> old_labels;
    std::vector<std::uint64_t> status;
    bool operator==(const Sums&) const = default;
};

// Low words that wrap, both ways; values and weights that add nothing; labels that stay, move, or are new.
template <class T>
Rows<T> rows_of(std::int64_t n, std::int64_t k, std::int64_t d) {
    Rows<T> r{.n = n,
              .k = k,
              .d = d,
              .stride = d + 3,
              .points = {},
              .weights = {},
              .scales = {},
              .labels = {},
              .old_labels = {}};
    std::mt19937_64 generator(1);
    std::normal_distribution<double> normal;
    for (std::int64_t e = 0; e < n * r.stride; ++e) r.points.push_back(static_cast<T>(normal(generator)));
    for (std::int64_t i = 0; i < n; ++i) {
        r.weights.push_back(i % 17 == 0 ? T(-1) : static_cast<T>(i % 5));
        r.labels.push_back(static_cast<std::int32_t>(generator() % static_cast<unsigned>(k)));
        r.old_labels.push_back(i % 3 == 0 ? -1 : static_cast<std::int32_t>(generator() % static_cast<unsigned>(k)));
    }
    for (std::int64_t j = 0; j <= d; ++j) r.scales.push_back(std::ldexp(1.0, 30 + static_cast<int>(j % 20)));
    r.points[5] = std::numeric_limits<T>::infinity();
    r.labels[n / 2] = static_cast<std::int32_t>(k);
    r.labels[n / 2 + 1] = -1;
    return r;
}

template <class T>
Sums by_a_loop(const Rows<T>& r) {
    Sums s{std::vector<std::int64_t>(static_cast<std::size_t>(r.k * r.d)),
           std::vector<std::int64_t>(static_cast<std::size_t>(r.k)),
           {0},
           r.old_labels,
           {detail::no_problem}};
    for (std::int64_t i = 0; i < r.n; ++i) {
        const std::int32_t to = r.labels[i], from = r.old_labels[i];
        if (to < 0 || to >= r.k)
            s.status[0] = std::min(s.status[0], detail::status_word(i, detail::label_out_of_range));
        if (to < 0 || to >= r.k || to == from) continue;
        ++s.moved[0];
        s.old_labels[i] = to;
        if (r.weights[i] < 0) continue;
        const auto weight = static_cast<double>(r.weights[i]);
        for (std::int64_t j = 0; j <= r.d; ++j) {
            const double value = j < r.d ? weight * static_cast<double>(r.points[i * r.stride + j]) : weight;
            if (!is_finite(value)) continue;
            const std::int64_t fixed = math::to_fixed(value, r.scales[j]);
            (j < r.d ? s.sums[to * r.d + j] : s.counts[to]) += fixed;
            if (from >= 0) (j < r.d ? s.sums[from * r.d + j] : s.counts[from]) -= fixed;
        }
    }
    return s;
}

template <class T>
Sums by_kernels(const Rows<T>& r, const SumsConfig& config) {
    DeviceArray<T> points(r.points), weights(r.weights);
    DeviceArray<double> scales(r.scales);
    DeviceArray<std::int32_t> labels(r.labels), old_labels(r.old_labels);
    DeviceArray<std::int64_t> sums(std::vector<std::int64_t>(static_cast<std::size_t>(r.k * r.d)));
    DeviceArray<std::int64_t> counts(std::vector<std::int64_t>(static_cast<std::size_t>(r.k)));
    DeviceArray<std::int64_t> moved(std::vector<std::int64_t>(1));
    DeviceArray<std::uint64_t> status(std::vector<std::uint64_t>(1, detail::no_problem));
    const detail::Accumulate<T> task{.points = {points.data(), r.n, r.d, r.stride, {}},
                                     .weights = {weights.data(), r.n, 1, {}},
                                     .labels = {labels.data(), r.n, 1, {}},
                                     .old_labels = {old_labels.data(), r.n, 1, {}},
                                     .k = r.k,
                                     .into = {sums.data(), counts.data(), scales.data()},
                                     .moved = moved.data()};
    if (config.columns == 0) {
        launch(accumulate_rows<T>, {.grid = static_cast<unsigned>((r.n + 31) / 32), .block = dim3(8, 32)}, task,
               status.data());
    } else {
        launch(accumulate_slices<T>,
               {.grid = config.slices * static_cast<unsigned>(config.row_blocks),
                .block = SumsTile::threads,
                .shared_bytes = config.shared_bytes},
               task, config, status.data());
        if (config.slices > 1) launch(keep_labels<T>, {.grid = 1, .block = 256}, task);
    }
    return {sums.host(), counts.host(), moved.host(), old_labels.host(), status.host()};
}

SumsConfig cut(std::int64_t k, std::int64_t d, int columns, int copies, int row_blocks) {
    return {.columns = columns,
            .lanes = lanes_of(columns),
            .copies = copies,
            .slices = static_cast<unsigned>(ceil_div(d, columns)),
            .row_blocks = row_blocks,
            .shared_bytes = static_cast<std::size_t>(copies * (columns + 1) * k) * sizeof(std::int64_t)};
}

template <class T>
void expect_sums(std::int64_t n, std::int64_t k, std::int64_t d, const std::vector<SumsConfig>& configs) {
    const Rows<T> rows = rows_of<T>(n, k, d);
    const Sums wanted = by_a_loop(rows);
    EXPECT_GT(wanted.moved[0], 0);
    for (const auto& config : configs)
        in_all_orders(2, [&] {
            EXPECT_EQ(by_kernels(rows, config), wanted)
                << config.columns << " columns, " << config.copies << " copies, " << config.row_blocks << " row blocks";
        });
}

}  // namespace

// A carry that is lost, a copy or a slice that is not added, a row that two blocks take or none, an old label that one
// slice changes before another has read it.
TEST(SumsByLabels, AreThoseOfAPlainLoop) {
    for (const bool doubles : {false, true}) {
        const auto expect = doubles ? expect_sums<double> : expect_sums<float>;
        expect(200, 5, 11, {{}, cut(5, 11, 11, 1, 1), cut(5, 11, 11, 2, 3), cut(5, 11, 8, 1, 1), cut(5, 11, 4, 8, 2)});
        expect(2500, 3, 2, {{}, cut(3, 2, 2, 1, 2), cut(3, 2, 2, 16, 2)});
        expect(300, 7, 70, {{}, cut(7, 70, 70, 1, 2), cut(7, 70, 32, 1, 2), cut(7, 70, 64, 1, 1)});
    }
}

}  // namespace cuebm::cuda
