// Random numbers and functions over packs as loops, one table for each instruction set: random_*.cpp, built from
// random_table.hpp with its flags.
#pragma once

#include <cstdint>

namespace bench {

enum class Function { exponential, logarithm, log1p_exp, sigmoid, sincos_two_pi, square_root };

template <class T>
struct RandomLoops {
    int lanes;
    void (*multiply_adds)(std::int64_t steps, T* sum);                 // 12 independent ones a step
    void (*words)(std::uint64_t seed, std::int64_t blocks, T* sum);    // 4 words a lane and block
    void (*normals)(std::uint64_t seed, std::int64_t blocks, T* sum);  // 4 floats or 2 doubles a lane and block
    void (*evaluate)(Function function, const T* in, T* out, int n);
};
struct RandomTable {
    const char* isa;
    RandomLoops<float> floats;
    RandomLoops<double> doubles;
};

extern const RandomTable random_base;
#if defined(__x86_64__)
extern const RandomTable random_avx2, random_avx512;
#endif

}  // namespace bench
