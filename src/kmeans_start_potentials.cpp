// See kmeans_start_potentials.hpp.
#include "kmeans_start_potentials.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include <cuebm/assign.hpp>
#include <cuebm/error.hpp>

#include "host_copy.hpp"
#include "math/random_streams.hpp"

namespace cuebm::kmeans {

using detail::PotentialTotal;
using math::RandomPurpose;

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

template <class T>
Potentials<T>::Potentials(const char* function, Stream& stream, PointsView<T> points, VectorView<const T> weights)
    : function_(function),
      stream_(stream),
      context_(stream.context()),
      queue_(*stream.state().queue),
      operations_(detail::assign_operations<T>(*context_.state().backend)),
      points_(points),
      closest_(context_.vector<T>(points.rows)),
      owners_(context_.vector<std::int32_t>(points.rows)),
      blocks_(context_.vector<std::int64_t>((points.rows + detail::potential_block - 1) / detail::potential_block)),
      total_(context_.vector<std::byte>(sizeof(PotentialTotal))),
      state_{.closest = closest_,
             .weights = weights,
             .owners = owners_.data(),
             .blocks = blocks_.data(),
             .total = reinterpret_cast<PotentialTotal*>(total_.data())} {
    queue_.fill(state_.total, 0, sizeof(PotentialTotal));
    operations_.fold(queue_, {.of = state_, .energies = {}, .labels = {}, .first_label = 0, .replace = true});
}

template <class T>
Potentials<T>::~Potentials() {
    queue_.wait_quietly();
}

// `count` draws of what the purpose and the index name.
template <class T>
detail::Draw<T> Potentials<T>::draws(math::PhiloxKey key, std::int64_t index, std::uint32_t number, std::uint32_t first,
                                     int count, std::int64_t* rows) const {
    detail::Draw<T> task{.of = state_, .words = {}, .count = count, .rows = rows};
    for (int c = 0; c < count; ++c)
        task.words[c] =
            math::random_u64(key, static_cast<std::uint64_t>(index), number, first + static_cast<std::uint32_t>(c));
    return task;
}

template <class T>
PotentialTotal Potentials<T>::total() {
    const auto bytes = detail::read(stream_, total_);
    PotentialTotal total{};
    std::memcpy(&total, bytes.data(), sizeof total);
    if (total.overflowed != 0)
        throw InvalidArgument(function_, "weights", "weights whose products with energies overflow",
                              "smaller ones: only their ratios matter");
    return total;
}

template <class T>
std::vector<std::int64_t> Potentials<T>::first(std::uint64_t seed, std::uint32_t number) {
    const auto row = context_.vector<std::int64_t>(1);
    const detail::WaitAtEnd wait(stream_);
    const auto key = math::random_key(seed, RandomPurpose::kmeans_parallel);
    operations_.draw(queue_, draws(key, 0, number, parallel_rounds, 1, row.data()));
    return detail::read(stream_, row);
}

template <class T>
std::vector<std::int64_t> Potentials<T>::select(std::int64_t expected, std::uint64_t seed, std::uint32_t number,
                                                std::uint32_t round) {
    // Room for the mean; once more where there were more.
    for (std::int64_t capacity = std::min(expected, points_.rows);;) {
        const auto rows = context_.vector<std::int64_t>(capacity);
        const detail::WaitAtEnd wait(stream_);
        operations_.select(queue_, {.of = state_,
                                    .key = math::random_key(seed, RandomPurpose::kmeans_parallel),
                                    .step = number,
                                    .draw = round,
                                    .expected = expected,
                                    .rows = rows.data(),
                                    .capacity = capacity});
        const std::int64_t selected = total().selected;
        if (selected > capacity) {
            capacity = selected;
            continue;
        }
        auto found = rows.view();
        found.size = selected;
        auto host = selected > 0 ? detail::read(stream_, found) : std::vector<std::int64_t>();
        std::sort(host.begin(), host.end());
        return host;
    }
}

template <class T>
void Potentials<T>::fold(MatrixView<const T> energies, VectorView<const std::int32_t> labels, std::int32_t first_owner,
                         bool replace) {
    operations_.fold(
        queue_, {.of = state_, .energies = energies, .labels = labels, .first_label = first_owner, .replace = replace});
}

template <class T>
std::vector<std::int32_t> Potentials<T>::owners() {
    return detail::read(stream_, owners_);
}

template <class T>
std::vector<std::int64_t> Potentials<T>::plus_plus(std::int64_t k, std::uint64_t seed, std::uint32_t number,
                                                   const std::vector<std::int64_t>& chosen) {
    const std::int64_t n = points_.rows;
    const auto begin = static_cast<std::int64_t>(chosen.size());
    const int most = 2 + static_cast<int>(std::floor(std::log(static_cast<double>(k))));
    const auto first_key = math::random_key(seed, RandomPurpose::kmeans_first);
    const auto key = math::random_key(seed, RandomPurpose::kmeans_candidates);
    constexpr std::int64_t lanes = 8;  // rows of whole packs
    const auto energies = context_.matrix<T>(n, (most + lanes - 1) / lanes * lanes);
    const std::int64_t depth = (points_.cols + 15) / 16 * 16;
    const auto prototypes = context_.matrix<T>(most, depth);
    const auto candidates = context_.vector<std::int64_t>(most), potentials = context_.vector<std::int64_t>(most),
               rows = context_.vector<std::int64_t>(k);
    const detail::WaitAtEnd wait(stream_);
    queue_.fill(prototypes.data(), 0, static_cast<std::size_t>(most * depth) * sizeof(T));
    const bool owned = begin == 0;  // else owners are numbered otherwise
    const auto so_far = context_.matrix<T>(owned ? k : 0, depth), apart = context_.matrix<T>(owned ? k : 0, most);
    if (owned) queue_.fill(so_far.data(), 0, static_cast<std::size_t>(k * depth) * sizeof(T));
    const auto rows_of = [&](const Matrix<T>& matrix, std::int64_t first, std::int64_t count, std::int64_t cols) {
        return MatrixView<T>{matrix.data() + first * matrix.cols(), count, cols, matrix.cols(), context_.device()};
    };
    for (std::int64_t z = begin; z < k; ++z) {
        const int count = z == 0 ? 1 : most;
        const MatrixView<T> own{energies.data(), n, count, energies.cols(), context_.device()};
        const auto drawn = rows_of(prototypes, 0, count, points_.cols);
        operations_.draw(queue_, draws(z == 0 ? first_key : key, z, number, 0, count, candidates.data()));
        operations_.gather(queue_, points_, candidates.data(), drawn);
        if (z == 0)  // reports energies that overflow; later ones are not below those that did not
            assign(stream_, Assign<T>{.points = points_, .prototypes = drawn, .all_energies = own});
        else
            operations_.candidates(queue_, {.of = state_,
                                            .points = points_,
                                            .prototypes = drawn,
                                            .chosen = owned ? rows_of(so_far, 0, z, points_.cols) : MatrixView<T>{},
                                            .apart = owned ? rows_of(apart, 0, z, count) : MatrixView<T>{},
                                            .energies = own});
        operations_.choose(queue_, {.of = state_,
                                    .energies = own,
                                    .rows = candidates.data(),
                                    .potentials = potentials.data(),
                                    .chosen = rows.data() + z});
        operations_.fold(queue_, {.of = state_,
                                  .energies = own,
                                  .labels = {},
                                  .first_label = static_cast<std::int32_t>(z),
                                  .replace = z == 0});
        if (owned) operations_.gather(queue_, points_, rows.data() + z, rows_of(so_far, z, 1, points_.cols));
    }
    (void)total();  // throws what was wrong
    auto all = detail::read(stream_, rows);
    std::copy(chosen.begin(), chosen.end(), all.begin());
    return all;
}

#define CUEBM_INSTANTIATE(T)                                                                \
    template Matrix<T> gather<T>(Stream&, PointsView<T>, const std::vector<std::int64_t>&); \
    template class Potentials<T>;
CUEBM_INSTANTIATE(float)
CUEBM_INSTANTIATE(double)
#undef CUEBM_INSTANTIATE

}  // namespace cuebm::kmeans
