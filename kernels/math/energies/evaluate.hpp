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
            case EnergyOp::gaussian_diagonal: term = gaussian_diagonal<Value, Gradient>(step, parameters, lane); break;
            case EnergyOp::gaussian_dense: term = gaussian_dense<Value, Gradient>(step, parameters, lane); break;
            case EnergyOp::mixture: term = mixture<Gradient>(step, parameters, lane); break;
            case EnergyOp::banana: term = banana<Value, Gradient>(step, parameters, lane); break;
            case EnergyOp::rosenbrock: term = rosenbrock<Value, Gradient>(step, parameters, lane); break;
            case EnergyOp::funnel: term = funnel<Value, Gradient>(step, parameters, lane); break;
            case EnergyOp::ring: term = ring<Value, Gradient>(step, parameters, lane); break;
            case EnergyOp::double_well: term = double_well<Value, Gradient>(step, parameters, lane); break;
            case EnergyOp::kmeans: term = kmeans<Gradient>(step, parameters, lane); break;
            case EnergyOp::logistic:
                term = regression<Likelihood::bernoulli, Value, Gradient>(step, parameters, lane);
                break;
            case EnergyOp::linear:
                term = regression<Likelihood::normal, Value, Gradient>(step, parameters, lane);
                break;
            case EnergyOp::eight_schools_centred:
                term = eight_schools_centred<Value, Gradient>(step, parameters, lane);
                break;
            case EnergyOp::eight_schools: term = eight_schools<Value, Gradient>(step, parameters, lane); break;
            case EnergyOp::sparse: term = sparse<Value, Gradient>(step, parameters, lane); break;
            case EnergyOp::custom: term = custom<Value, Gradient>(step, parameters, lane); break;
            case EnergyOp::scale_forward: scale_forward(step, parameters, map); break;
            case EnergyOp::matrix_forward: matrix_forward(step, parameters, map); break;
            case EnergyOp::clamp_forward: clamp_forward(step, parameters, indices, map); break;
            case EnergyOp::constrain_forward: term = constrain_forward<Value>(step, parameters, indices, map); break;
            case EnergyOp::scale_backward: scale_backward<Gradient>(step, parameters, map); break;
            case EnergyOp::matrix_backward: matrix_backward<Gradient>(step, parameters, map); break;
            case EnergyOp::clamp_backward: clamp_backward<Gradient>(step, indices, map); break;
            case EnergyOp::constrain_backward: constrain_backward<Gradient>(step, parameters, indices, map); break;
        }
        if constexpr (Value) value = fused(term, spread<R>(step.scale), value);
    }
    return value;
}

}  // namespace cuebm::math
