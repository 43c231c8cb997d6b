// What spherical K-means adds to Lloyd's loop: points and prototypes of unit length.
#pragma once

#include <cuebm/array.hpp>

#include "assign_cosine.hpp"
#include "context_state.hpp"

namespace cuebm::kmeans {

// The points at unit length, checked: throws what is wrong with them.
template <class T>
Matrix<T> to_unit(Stream& stream, PointsView<T> points) {
    const Context context = stream.context();
    auto unit = context.matrix<T>(points.rows, points.cols);
    detail::assign_operations<T>(*context.state().backend)
        .normalise(*stream.state().queue, detail::unit_points<T>(points, unit, 0, true));
    stream.wait();
    return unit;
}

// Prototypes of a given start, in place, checked: throws what is wrong with them.
template <class T>
void to_unit(Stream& stream, const Matrix<T>& prototypes) {
    const Context context = stream.context();
    detail::assign_operations<T>(*context.state().backend)
        .normalise(*stream.state().queue, detail::unit_prototypes<T>(prototypes, prototypes, true));
    stream.wait();
}

// prototypes = means at unit length, where those have a length (one without weight is its prototype, of unit
// length already, and stays); shifts [k] = ||their moves||^2.
template <class T>
void means_to_unit(Stream& stream, const Matrix<T>& means, const Matrix<T>& prototypes, double* shifts) {
    const Context context = stream.context();
    auto task = detail::unit_prototypes<T>(means, prototypes, false);
    task.keep_zeros = true;
    task.shifts = shifts;
    detail::assign_operations<T>(*context.state().backend).normalise(*stream.state().queue, task);
}

}  // namespace cuebm::kmeans
