// The mathematics over packs as plain functions on arrays, one table for each instruction set: lanes_*.cpp, built from
// lanes_table.hpp with the flags of that set.
#pragma once

#include <cstdint>

enum class LaneFunction {
    exponential,
    exp_nonpositive,
    logarithm,
    log_positive,
    log_one_plus,
    log1p_exp,
    sigmoid,
    sine,
    cosine,
    square_root,
    absolute,
    maximum_of_half,
    minimum_of_half,
    fused_of_half,
    uniform_open,      // of the number's bits
    uniform_positive,  // of the number's bits
    count
};

// Arrays have a multiple of `multiple` numbers; the counts of lanes divide it.
inline constexpr int multiple = 16;

template <class T>
struct LanesOf {
    int lanes;
    void (*evaluate)(LaneFunction function, const T* in, T* out, int n);
    // Philox of one counter in every lane; words of lane l at out + 4 l.
    void (*known_answer)(const std::uint32_t* counter, const std::uint32_t* key, std::uint32_t* out);
    // The block and the normals of indices index to index + n - 1, those of one index side by side.
    void (*blocks)(std::uint64_t seed, std::uint64_t index, std::uint32_t step, std::uint32_t draw, std::uint32_t* out,
                   int n);
    void (*normals)(std::uint64_t seed, std::uint64_t index, std::uint32_t step, std::uint32_t draw, T* out, int n);
    // The same, made as the first of two blocks and as the second.
    void (*normals_twice)(std::uint64_t seed, std::uint64_t index, std::uint32_t step, std::uint32_t draw, T* first,
                          T* second, int n);
};
struct Lanes {
    const char* name;
    bool (*runs_here)();
    LanesOf<float> floats;
    LanesOf<double> doubles;
};

extern const Lanes lanes_scalar, lanes_base;
#if defined(__x86_64__)
extern const Lanes lanes_avx2, lanes_avx512;
#endif
