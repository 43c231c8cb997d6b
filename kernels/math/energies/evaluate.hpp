// Runs an energy's program on one lane. All that can be in a program stands in this switch; it is instantiated for
// float and double with the value, the gradient or both, once a backend: docs/design/energy.md counts them.
#pragma once

#include "math/energies/components.hpp"
#include "math/energies/curved.hpp"
#include "math/energies/custom.hpp"
#include "math/energies/eight_schools.hpp"
#include "math/energies/gaussian.hpp"
#include "math/energies/maps.hpp"
#include "math/energies/regression.hpp"

#define CUEBM_CASE(op, ...)                                \
    case EnergyOp::op:                                     \
        if constexpr (is_built(EnergyOp::op)) __VA_ARGS__; \
        break

namespace cuebm::math {

// Value: whether it is wanted, else 0. `gradient` [d] is written if Gradient. `scratch` has program.scratch_rows.
template <bool Value, bool Gradient, class R, class T>
CUEBM_MATH R evaluate_energy(const EnergyProgram<T>& program, Coordinates<R> x, Coordinates<R> gradient,
                             Coordinates<R> scratch) {
    R value{};
    for (int s = 0; s < program.length; ++s) {
        const EnergyStep<T>& step = program.steps[s];
        const T* parameters = program.parameters + step.parameters;
        const std::int32_t* indices = program.indices + step.indices;
        const LaneArrays<R> lane{step.x < 0 ? x : scratch.from(step.x),
                                 {step.gradient < 0 ? gradient : scratch.from(step.gradient), step.first != 0},
                                 scratch.from(step.scratch)};
        const MapArrays<R> map{lane.x, lane.gradient, scratch.from(step.to), scratch.from(step.to_gradient)};
        R term{};
        switch (step.op) {
            CUEBM_CASE(gaussian_diagonal, term = gaussian_diagonal<Value, Gradient>(step, parameters, lane));
            CUEBM_CASE(gaussian_dense, term = gaussian_dense<Value, Gradient>(step, parameters, lane));
            CUEBM_CASE(mixture, term = mixture<Gradient>(step, parameters, lane));
            CUEBM_CASE(banana, term = banana<Value, Gradient>(step, parameters, lane));
            CUEBM_CASE(rosenbrock, term = rosenbrock<Value, Gradient>(step, parameters, lane));
            CUEBM_CASE(funnel, term = funnel<Value, Gradient>(step, parameters, lane));
            CUEBM_CASE(ring, term = ring<Value, Gradient>(step, parameters, lane));
            CUEBM_CASE(double_well, term = double_well<Value, Gradient>(step, parameters, lane));
            CUEBM_CASE(kmeans, term = kmeans<Gradient>(step, parameters, lane));
            CUEBM_CASE(logistic, term = regression<Likelihood::bernoulli, Value, Gradient>(step, parameters, lane));
            CUEBM_CASE(linear, term = regression<Likelihood::normal, Value, Gradient>(step, parameters, lane));
            CUEBM_CASE(eight_schools_centred, term = eight_schools_centred<Value, Gradient>(step, parameters, lane));
            CUEBM_CASE(eight_schools, term = eight_schools<Value, Gradient>(step, parameters, lane));
            CUEBM_CASE(sparse, term = sparse<Value, Gradient>(step, parameters, lane));
            CUEBM_CASE(custom, term = custom<Value, Gradient>(step, parameters, lane));
            CUEBM_CASE(scale_forward, scale_forward(step, parameters, map));
            CUEBM_CASE(matrix_forward, matrix_forward(step, parameters, map));
            CUEBM_CASE(clamp_forward, clamp_forward(step, parameters, indices, map));
            CUEBM_CASE(constrain_forward, term = constrain_forward<Value>(step, parameters, indices, map));
            CUEBM_CASE(scale_backward, scale_backward<Gradient>(step, parameters, map));
            CUEBM_CASE(matrix_backward, matrix_backward<Gradient>(step, parameters, map));
            CUEBM_CASE(clamp_backward, clamp_backward<Gradient>(step, indices, map));
            CUEBM_CASE(constrain_backward, constrain_backward<Gradient>(step, parameters, indices, map));
        }
        if constexpr (Value) value = fused(term, spread<R>(step.scale), value);
    }
    return value;
}

}  // namespace cuebm::math

#undef CUEBM_CASE
