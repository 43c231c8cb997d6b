// A user's own energy in a program: on the CPU a call for each pack of points; on a GPU a part of the program, which is
// compiled with it at run time (cuda/custom).
#pragma once

#include "math/energy_program.hpp"

namespace cuebm::math {

template <bool Value, bool Gradient, class R, class T>
CUEBM_MATH R custom(const EnergyStep<T>& step, const T* parameters, const LaneArrays<R>& lane) {
    constexpr int lanes = static_cast<int>(sizeof(R) / sizeof(T));
    T values[lanes] = {};
    const CustomCall<T> call{.x = lane.x.data,
                             .x_stride = lane.x.stride,
                             .values = Value ? values : nullptr,
                             .gradient = Gradient ? lane.gradient.at.data : nullptr,
                             .gradient_stride = lane.gradient.at.stride,
                             .first = lane.gradient.first,
                             .lanes = lanes,
                             .d = step.d,
                             .scale = step.scale,
                             .parameters = parameters,
                             .parameter_count = step.rows};
#if defined(CUEBM_PROGRAM_OPS)
    run_custom(step.custom_index, call);  // of the program's source
#elif !defined(__CUDA_ARCH__)
    step.custom->of[instruction_set](call);
#endif
    R value;
    __builtin_memcpy(&value, values, sizeof value);
    return value;
}

}  // namespace cuebm::math
