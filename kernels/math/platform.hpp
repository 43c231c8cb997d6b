// The one difference between the compilers that see kernels/math/: how a function for both sides is spelled.
// Always inlined: a file built for AVX-512 must not leave a copy that the linker gives to other files. Under sanitizers
// functions are called instead, and compile in half the time (cmake/options.cmake); static ones are a file's own.
#pragma once

#include <cstdint>

#if defined(__CUDACC_RTC__)  // GCC's builtins that NVRTC has not
#define __builtin_memcpy memcpy
#define __builtin_inf() __builtin_bit_cast(double, 0x7ff0000000000000ull)
#define __builtin_nan(text) __builtin_bit_cast(double, 0x7ff8000000000000ull)
#endif

#if defined(__CUDACC__)
#define CUEBM_MATH static __host__ __device__ __forceinline__
#define CUEBM_MATH_MEMBER __host__ __device__ __forceinline__
#elif defined(CUEBM_MATH_CALLS)
#define CUEBM_MATH static inline __attribute__((unused))
#define CUEBM_MATH_MEMBER inline __attribute__((always_inline))
#else
#define CUEBM_MATH static inline __attribute__((always_inline, unused))
#define CUEBM_MATH_MEMBER inline __attribute__((always_inline))
#endif
