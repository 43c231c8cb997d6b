// What the objects of a user's own energy give to the library; <cuebm/custom.hpp> fills it in.
#pragma once

#include <cstdint>

#include <cuebm/export.hpp>

namespace cuebm {

namespace math {
template <class T>
struct CustomCall;
}

namespace custom {

// What one build of the file provides.
struct Functions {
    int interface;  // of these headers
    void (*of_float)(const math::CustomCall<float>&);
    void (*of_double)(const math::CustomCall<double>&);
    std::int64_t dimension, parameters;             // 0, -1: any number
    bool gradient;                                  // of its own
    double (*probe)(double a, double b, double c);  // a * b + c as this build rounds it
};
inline constexpr int interface = 2;  // raised when this or math::CustomCall changes

// The file itself, for a GPU's compiler.
struct Source {
    const char *name, *text;
};

// Called while the program starts, once a name; what it points to stays. Null: not kept, or not built for that
// instruction set.
CUEBM_API bool register_energy(const char* name, const Source* source, const Functions* base, const Functions* avx2,
                               const Functions* avx512);

}  // namespace custom
}  // namespace cuebm
