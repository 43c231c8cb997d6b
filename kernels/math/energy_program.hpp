// An energy as the kernels see it: a list of steps over the coordinates of a lane. A step is a term, which adds to the
// value and the gradient, or a map, which makes new coordinates for the steps between its two halves.
#pragma once

#include "math/custom_energy.hpp"
#include "math/lane_memory.hpp"

namespace cuebm::math {

enum class EnergyOp : std::int32_t {
    gaussian_diagonal,
    gaussian_dense,
    mixture,
    banana,
    rosenbrock,
    funnel,
    ring,
    double_well,
    kmeans,
    logistic,
    linear,
    eight_schools_centred,
    eight_schools,
    sparse,
    custom,
    // Maps, forward: to = map(x). Backward: the gradient by x gets that by `to`.
    scale_forward,
    scale_backward,
    matrix_forward,
    matrix_backward,
    clamp_forward,
    clamp_backward,
    constrain_forward,
    constrain_backward,
};

// What the constrain maps do to a coordinate: see energies/maps.hpp.
enum class Constraint : std::int32_t { none, lower, upper, interval, above };

// Rows of scratch count coordinates of a lane; -1 for x and gradient: the lane's own.
template <class T>
struct EnergyStep {
    EnergyOp op;
    std::int32_t d;                // coordinates that it reads
    std::int32_t rows;             // components, rows of data, or coordinates that a map makes
    std::int32_t x, gradient;      // rows of scratch
    std::int32_t to, to_gradient;  // of a map
    std::int32_t first;            // not 0: nothing has been added to the gradient yet
    std::int32_t scratch;
    std::int64_t parameters;  // the first of them
    std::int64_t indices;
    T scale;                           // of the value and the gradient
    const CustomFunctions<T>* custom;  // of that term
};

template <class T>
struct EnergyProgram {
    const EnergyStep<T>* steps;
    std::int32_t length, d;
    std::int32_t scratch_rows;
    const T* parameters;
    const std::int32_t* indices;
};

// What a term works on.
template <class R>
struct LaneArrays {
    Coordinates<R> x;
    GradientCoordinates<R> gradient;
    Coordinates<R> scratch;
};

}  // namespace cuebm::math
