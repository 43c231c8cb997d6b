// A user's own energy in a program: a call for each pack of points. On the CPU alone; a GPU's program never holds one.
#pragma once

#include "math/energy_program.hpp"

namespace cuebm::math {

template <bool Value, bool Gradient, class R, class T>
CUEBM_MATH R custom(const EnergyStep<T>& step, const T* parameters, const LaneArrays<R>& lane) {
#if defined(__CUDA_ARCH__)
    return R{};
#else
    constexpr int lanes = static_cast<int>(sizeof(R) / sizeof(T));
    T values[lanes] = {};
    step.custom->of[instruction_set]({.x = lane.x.data,
                                      .x_stride = lane.x.stride,
                                      .values = Value ? values : nullptr,
                                      .gradient = Gradient ? lane.gradient.at.data : nullptr,
                                      .gradient_stride = lane.gradient.at.stride,
                                      .first = lane.gradient.first,
                                      .lanes = lanes,
                                      .d = step.d,
                                      .scale = step.scale,
                                      .parameters = parameters,
                                      .parameter_count = step.rows});
    R value;
    __builtin_memcpy(&value, values, sizeof value);
    return value;
#endif
}

}  // namespace cuebm::math
