// A user's own energy as the kernels see it: on the CPU a function over a few lanes for each instruction set. Plain
// data, between the user's objects and the library; <cuebm/custom.hpp> makes the functions.
#pragma once

#include <cstdint>

namespace cuebm::math {

// Of `lanes` points, whole packs, whose coordinates lie as in Coordinates<R>.
template <class T>
struct CustomCall {
    const T* x;  // [d]
    std::int64_t x_stride;
    T* values;    // [lanes], or null: not wanted
    T* gradient;  // [d], or null: not wanted; gets scale * gradient added
    std::int64_t gradient_stride;
    bool first;  // nothing has been added to the gradient yet
    std::int32_t lanes, d;
    T scale;
    const T* parameters;
    std::int32_t parameter_count;
};
template <class T>
using CustomFunction = void (*)(const CustomCall<T>&);

// By instruction_set. The library fills what was not built from the one below: the bits are the same.
inline constexpr int instruction_sets = 3;
template <class T>
struct CustomFunctions {
    CustomFunction<T> of[instruction_sets];
};

#if defined(__AVX512F__)
static constexpr int instruction_set = 2;
#elif defined(__AVX2__)
static constexpr int instruction_set = 1;
#else
static constexpr int instruction_set = 0;
#endif

}  // namespace cuebm::math
