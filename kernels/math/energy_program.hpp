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

template <class... Ops>
CUEBM_MATH constexpr std::uint64_t bits_of(Ops... ops) {
    return ((std::uint64_t{1} << static_cast<int>(ops)) | ...);
}
// What a crew (crew.hpp) can share: work on one coordinate at a time, and sums that write nothing.
inline constexpr std::uint64_t crew_ops =
    bits_of(EnergyOp::gaussian_diagonal, EnergyOp::banana, EnergyOp::rosenbrock, EnergyOp::funnel, EnergyOp::ring,
            EnergyOp::double_well, EnergyOp::scale_forward, EnergyOp::scale_backward, EnergyOp::clamp_forward,
            EnergyOp::clamp_backward);
// A program that is compiled for itself (docs/design/energy.md) names its own operations, a bit each; all else is left
// out, which is what makes it quick to compile. So are what crews cannot share, in their files.
#if defined(CUEBM_PROGRAM_OPS)
constexpr std::uint64_t built_ops = CUEBM_PROGRAM_OPS;
#elif defined(CUEBM_CREW)
constexpr std::uint64_t built_ops = crew_ops;
#else
constexpr std::uint64_t built_ops = ~std::uint64_t{0};
#endif
static_assert(static_cast<int>(EnergyOp::constrain_backward) < 64);
CUEBM_MATH constexpr bool is_built(EnergyOp op) { return (built_ops >> static_cast<int>(op) & 1) != 0; }

// What the constrain maps do to a coordinate: see energies/maps.hpp.
enum class Constraint : std::int32_t { none, lower, upper, interval, above };

// Rows of scratch count coordinates of a lane; -1 for x and gradient: the lane's own.
template <class T>
struct alignas(16) EnergyStep {  // so that parameters behind steps are aligned too
    EnergyOp op;
    std::int32_t d;                // coordinates that it reads
    std::int32_t rows;             // components, rows of data, or coordinates that a map makes
    std::int32_t x, gradient;      // rows of scratch
    std::int32_t to, to_gradient;  // of a map
    std::int32_t first;            // not 0: nothing has been added to the gradient yet
    std::int32_t scratch;
    std::int32_t custom_index;  // which of the program's own energies: of a user's own, on a GPU
    std::int64_t parameters;    // the first of them, a multiple of 4
    std::int64_t indices;
    T scale;                           // of the value and the gradient
    const CustomFunctions<T>* custom;  // the same, on the CPU
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
