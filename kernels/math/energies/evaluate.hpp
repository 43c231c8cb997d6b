// Runs an energy's program on lanes. All that can be in a program stands in this switch; it is instantiated for float
// and double with the value, the gradient or both, once a backend: docs/design/energy.md counts them.
#pragma once

#include "math/energies/components.hpp"
#include "math/energies/curved.hpp"
#include "math/energies/custom.hpp"
#include "math/energies/eight_schools.hpp"
#include "math/energies/gaussian.hpp"
#include "math/energies/maps.hpp"
#include "math/energies/regression.hpp"

// Of each pack in turn, term by term.
#define CUEBM_CASE(op, ...)                               \
    case EnergyOp::op:                                    \
        if constexpr (is_built(EnergyOp::op))             \
            for (int p = 0; p < packs; ++p) {             \
                const LaneArrays<R> lane = arrays_of(p);  \
                const MapArrays<R> map = map_of(lane, p); \
                R term{};                                 \
                __VA_ARGS__;                              \
                add(p, term);                             \
            }                                             \
        break

namespace cuebm::math {

// Of `packs` packs of lanes that lie side by side: what a step does is looked up once for them. `values` are written
// if Value, `gradient` [d] if Gradient (else it may be x); `scratch` has program.scratch_rows for all of them.
template <bool Value, bool Gradient, class R, class T>
CUEBM_MATH void evaluate_energy(const EnergyProgram<T>& program, int packs, Coordinates<R> x, Coordinates<R> gradient,
                                Coordinates<R> scratch, Coordinates<R> values) {
    if constexpr (Value)
        for (int p = 0; p < packs; ++p) pack_of(values, p).set(0, R{});
    for (int s = 0; s < program.length; ++s) {
        const EnergyStep<T>& step = program.steps[s];
        const T* parameters = program.parameters + step.parameters;
        const std::int32_t* indices = program.indices + step.indices;
        const auto arrays_of = [&](int p) {
            return LaneArrays<R>{
                pack_of(step.x < 0 ? x : scratch.from(step.x), p),
                {pack_of(step.gradient < 0 ? gradient : scratch.from(step.gradient), p), step.first != 0},
                pack_of(scratch.from(step.scratch), p)};
        };
        const auto map_of = [&](const LaneArrays<R>& lane, int p) {
            return MapArrays<R>{lane.x, lane.gradient, pack_of(scratch.from(step.to), p),
                                pack_of(scratch.from(step.to_gradient), p)};
        };
        const auto add = [&](int p, R term) {
            if constexpr (Value) {
                const auto value = pack_of(values, p);
                value.set(0, fused(term, spread<R>(step.scale), value[0]));
            }
        };
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
            CUEBM_CASE(scale_forward, scale_forward(step, parameters, map));
            CUEBM_CASE(matrix_forward, matrix_forward(step, parameters, map));
            CUEBM_CASE(clamp_forward, clamp_forward(step, parameters, indices, map));
            CUEBM_CASE(constrain_forward, term = constrain_forward<Value>(step, parameters, indices, map));
            CUEBM_CASE(scale_backward, scale_backward<Gradient>(step, parameters, map));
            CUEBM_CASE(matrix_backward, matrix_backward<Gradient>(step, parameters, map));
            CUEBM_CASE(clamp_backward, clamp_backward<Gradient>(step, indices, map));
            CUEBM_CASE(constrain_backward, constrain_backward<Gradient>(step, parameters, indices, map));
            case EnergyOp::custom:
                if constexpr (is_built(EnergyOp::custom))
                    custom<Value, Gradient>(step, parameters, packs, arrays_of(0), add);
                break;
        }
    }
}

// Of a lane of a GPU; 0 without Value.
template <bool Value, bool Gradient, class R, class T>
CUEBM_MATH R evaluate_energy(const EnergyProgram<T>& program, Coordinates<R> x, Coordinates<R> gradient,
                             Coordinates<R> scratch) {
    R value{};
    evaluate_energy<Value, Gradient>(program, 1, x, gradient, scratch, Coordinates<R>{&value, 0});
    return value;
}

}  // namespace cuebm::math

#undef CUEBM_CASE
