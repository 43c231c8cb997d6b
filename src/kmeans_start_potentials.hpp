// The potentials of k-means++ and k-means||: energies to the nearest of the rows chosen so far, and draws of rows by
// them. All n-sized work and memory is the device's. Nothing here knows a device.
#pragma once

#include <cstdint>
#include <vector>

#include <cuebm/array.hpp>

#include "context_state.hpp"
#include "potential_operations.hpp"

namespace cuebm::kmeans {

// Rows of y, [rows x d], on the stream's device.
template <class T>
Matrix<T> gather(Stream& stream, PointsView<T> y, const std::vector<std::int64_t>& rows);

inline constexpr std::uint32_t parallel_rounds = 5;  // of k-means||

template <class T>
class Potentials {
public:
    // The views must outlive it. `weights` absent: all 1. No row is chosen yet: all energies are 1.
    Potentials(const char* function, Stream& stream, PointsView<T> points, VectorView<const T> weights);
    Potentials(const Potentials&) = delete;
    Potentials& operator=(const Potentials&) = delete;
    ~Potentials();

    // One row, drawn by weight: the first of k-means||.
    std::vector<std::int64_t> first(std::uint64_t seed, std::uint32_t number);
    // Rows, ascending, each by itself with probability min(1, expected times its share of the potential).
    std::vector<std::int64_t> select(std::int64_t expected, std::uint64_t seed, std::uint32_t number,
                                     std::uint32_t round);
    // Further prototypes, of which row i's nearest is `first_owner` + labels_i, with these energies [n x 1].
    void fold(MatrixView<const T> energies, VectorView<const std::int32_t> labels, std::int32_t first_owner,
              bool replace);
    std::vector<std::int32_t> owners();
    // Greedy k-means++: `chosen`, to which the potentials belong, and further rows up to k. Waits for the stream.
    std::vector<std::int64_t> plus_plus(std::int64_t k, std::uint64_t seed, std::uint32_t number,
                                        const std::vector<std::int64_t>& chosen);

private:
    detail::Draw<T> draws(math::PhiloxKey key, std::int64_t index, std::uint32_t number, std::uint32_t first, int count,
                          std::int64_t* rows) const;
    detail::PotentialTotal total();

    const char* function_;  // for errors
    Stream& stream_;
    const Context context_;
    detail::Queue& queue_;
    const detail::AssignOperations<T>& operations_;
    PointsView<T> points_;
    Vector<T> closest_;
    Vector<std::int32_t> owners_;
    Vector<std::int64_t> blocks_;
    Vector<std::byte> total_;  // a PotentialTotal
    detail::Potential<T> state_{};
};

}  // namespace cuebm::kmeans
