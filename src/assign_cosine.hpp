// The cosine energy: rows are brought to unit length in the workspace, points chunk by chunk; the backend's squared
// Euclidean energies of them are halved. F_beta of E / 2 is half of F of E at beta / 2.
#pragma once

#include <algorithm>
#include <cstdint>

#include "backend.hpp"
#include "workspace.hpp"

namespace cuebm::detail {

inline constexpr std::int64_t cosine_chunk_bytes = std::int64_t{1} << 26, cosine_least_rows = 4096;  // not tuned

template <class T>
std::int64_t cosine_chunk(const Assign<T>& a) {
    const std::int64_t fit = cosine_chunk_bytes / static_cast<std::int64_t>(sizeof(T)) / a.points.cols;
    return std::min(a.points.rows, std::max(cosine_least_rows, fit));
}

template <class View>
View rows_of(const View& view, std::int64_t first, std::int64_t count) {
    if (!view) return view;
    View rows = view;
    rows.data += first * view.stride;
    if constexpr (requires { rows.rows; })
        rows.rows = count;
    else
        rows.size = count;
    return rows;
}

// The outputs of rows [first, first + points.rows) of a task, from unit points and prototypes.
template <class T>
Assign<T> unit_task(const Assign<T>& a, MatrixView<const T> points, MatrixView<const T> prototypes,
                    std::int64_t first) {
    const std::int64_t count = points.rows;
    return {.points = points,
            .prototypes = prototypes,
            .labels = rows_of(a.labels, first, count),
            .energies = rows_of(a.energies, first, count),
            .best_labels = rows_of(a.best_labels, first, count),
            .best_energies = rows_of(a.best_energies, first, count),
            .all_energies = rows_of(a.all_energies, first, count),
            .free_energies = rows_of(a.free_energies, first, count),
            .beta = a.beta / 2,
            .check_finite = false};  // normalise() has checked them, and no energy is above 4
}

template <class T>
struct CosineLayout {
    CosineLayout(Carver& carver, const AssignOperations<T>& operations, const Assign<T>& a) {
        const std::int64_t k = a.prototypes.rows, d = a.points.cols, chunk = cosine_chunk(a);
        prototypes = {carver.take<T>(k * d), k, d, d, a.points.device};
        points = {carver.take<T>(chunk * d), chunk, d, d, a.points.device};
        scratch = carver.take<std::byte>(
            static_cast<std::int64_t>(operations.scratch_bytes(unit_task<T>(a, points, prototypes, 0))));
    }
    MatrixView<T> prototypes, points;
    std::byte* scratch;
};

template <class T>
Normalise<T> unit_points(PointsView<T> from, MatrixView<T> to, std::int64_t first_row, bool check) {
    return {from, to, first_row, points_not_finite, points_without_length, check, false, nullptr};
}
template <class T>
Normalise<T> unit_prototypes(MatrixView<const T> from, MatrixView<T> to, bool check) {
    return {from, to, 0, prototypes_not_finite, prototypes_without_length, check, false, nullptr};
}

template <class T>
void assign_cosine(Queue& queue, const AssignOperations<T>& operations, const Assign<T>& a) {
    const auto layout = carve<CosineLayout<T>>(queue, operations, a);
    operations.normalise(queue, unit_prototypes<T>(a.prototypes, layout.prototypes, a.check_finite));
    for (std::int64_t first = 0; first < a.points.rows; first += layout.points.rows) {
        const auto from = a.points.slice(first, std::min(layout.points.rows, a.points.rows - first));
        const auto points = layout.points.slice(0, from.rows);
        operations.normalise(queue, unit_points<T>(from, points, first, a.check_finite));
        operations.assign(queue, unit_task<T>(a, points, layout.prototypes, first), layout.scratch, nullptr, nullptr);
    }
    const auto column = [](VectorView<T> v) { return MatrixView<T>{v.data, v.size, 1, v.stride, v.device}; };
    for (const auto& energies : {column(a.energies), a.best_energies, a.all_energies, column(a.free_energies)})
        if (energies) operations.halve(queue, energies);
}

}  // namespace cuebm::detail
