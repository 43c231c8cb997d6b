// A user's own energy in a program: on the CPU a call for a tile of points; on a GPU a part of the program, which is
// compiled with it at run time (cuda/custom).
#pragma once

#include "math/energy_program.hpp"

namespace cuebm::math {

// Of all packs at once, the first of which is `lane`; add(pack, term) gets the values.
inline constexpr int most_custom_lanes = 64;
template <bool Value, bool Gradient, class R, class T, class Add>
CUEBM_MATH void custom(const EnergyStep<T>& step, const T* parameters, int packs, const LaneArrays<R>& lane, Add add) {
    constexpr int lanes = static_cast<int>(sizeof(R) / sizeof(T));
    T values[lanes == 1 ? 1 : most_custom_lanes];
    const CustomCall<T> call{.x = lane.x.data,
                             .x_stride = lane.x.stride,
                             .values = Value ? values : nullptr,
                             .gradient = Gradient ? lane.gradient.at.data : nullptr,
                             .gradient_stride = lane.gradient.at.stride,
                             .first = lane.gradient.first,
                             .lanes = packs * lanes,
                             .d = step.d,
                             .scale = step.scale,
                             .parameters = parameters,
                             .parameter_count = step.rows};
#if defined(CUEBM_PROGRAM_OPS)
    run_custom(step.custom_index, call);  // of the program's source
#elif !defined(__CUDA_ARCH__)
    step.custom->of[instruction_set](call);
#endif
    if constexpr (Value)
        for (int p = 0; p < packs; ++p) add(p, pack_of(Coordinates<R>{values, 0}, p)[0]);
}

}  // namespace cuebm::math
