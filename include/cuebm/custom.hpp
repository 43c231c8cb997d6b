// An energy of one's own, in one source file that holds a functor and little else. Opt-in: <cuebm/cuebm.hpp> does not
// include it. In my_energy.cpp:
//
//   #include <cuebm/custom.hpp>
//   struct Volcano {                                   // E = 1/2 ((x_0^2 + x_1^2 - r^2) / w)^2, parameters r and w
//       static constexpr int dimension = 2, parameters = 2;
//       template <class Number>
//       static Number value(const cuebm::custom::Point<Number>& x) {
//           const Number off = (x[0] * x[0] + x[1] * x[1] - x.parameter(0) * x.parameter(0)) / x.parameter(1);
//           return 0.5 * off * off;
//       }
//   };
//   CUEBM_CUSTOM_ENERGY(Volcano)
//
// In CMake, `cuebm_add_energy(my_program my_energy.cpp)` builds it for each instruction set and links it in; elsewhere
// energy::custom({.name = "Volcano", .parameters = {2, 0.5}}) is then an energy like any other: it adds, is clamped and
// constrained, evaluated and sampled, with the same bits on every CPU, thread count and GPU (not yet run on a GPU).
//
// For a GPU the same file, which cuebm_add_energy() keeps in the program, is compiled by NVRTC, a library of the CUDA
// toolkit, when it is first needed, a kernel at a time: energy::evaluate has one, sample two. Each takes seconds, in
// which also a call with a Stream waits, and is kept on disk for the next time (CUEBM_CACHE, else
// $XDG_CACHE_HOME/cuebm, else ~/.cache/cuebm). There the file sees this header alone: no other #include, no standard
// library, and functions of doubles such as std::exp neither, which would give each machine its own bits: write
// exp(Number(...)). What NVRTC does not take is an InvalidArgument with the file's line, no NVRTC a DeviceError.
// energy::custom itself needs neither a GPU nor NVRTC.
//
// `dimension` and `parameters` are how many it is written for; 0 coordinates or -1 parameters: any number, x.size() and
// x.parameters() of them, which is then the functor's to look at: no index is checked. The gradient is found by forward
// differentiation, in ceil(d / 4) evaluations with four slopes each, for d <= 32; or the functor writes it, and is then
// quicker:
//
//       template <class Number>
//       static void gradient(const cuebm::custom::Point<Number>& x, const cuebm::custom::Gradient<Number>& to) {
//           to.add(0, ...);  // adds to dE/dx_0; as often as it likes
//       }
//
// A Number is a register of them, one a chain: no `if` on it, but select(x < 0, a, b). There are + - * /, comparisons,
// & and | of them, fused(a, b, c) = a b + c rounded once, square, abs, sqrt, exp, log, log1p, sigmoid, log1p_exp,
// max, min, and sinpi, cospi of x half turns; constants and parameters are doubles, and rounded to the points' type.
// Their errors are in kernels/math/functions_*.hpp, at most 2.01 ulp; sqrt is exact.
//
// The file is compiled several times, for processors that may not be there, so nothing in it may be inline and
// untemplated, nor have a constructor that runs at start-up. By hand: g++ -O3 -ffp-contract=off -fno-math-errno with
// -I<prefix>/include/cuebm/kernels beside the library's flags gives the portable part alone.
#pragma once

#if !defined(CUEBM_PROGRAM_OPS)
#include "cpu/pack.hpp"
#endif

#include "math/custom_energy.hpp"
#include "math/functions_basic.hpp"
#include "math/functions_circular.hpp"
#include "math/functions_exponential.hpp"
#include "math/functions_logarithm.hpp"
#include "math/lane_memory.hpp"

#include <cuebm/custom_functions.hpp>

#if defined(__FAST_MATH__)
#error "cuebm/custom.hpp: -ffast-math changes results; build without it"
#endif
#if (defined(__AVX2__) || defined(__AVX512F__)) && !defined(CUEBM_CUSTOM_PART)
#error "cuebm/custom.hpp: build through cuebm_add_energy(), or for the base instruction set: without -march or -mavx2"
#endif

#if defined(CUEBM_PROGRAM_OPS)  // on a GPU: a part of a program that is compiled at run time
#define CUEBM_CUSTOM_ISA program
#elif defined(__AVX512F__)
#define CUEBM_CUSTOM_ISA avx512
#elif defined(__AVX2__)
#define CUEBM_CUSTOM_ISA avx2
#else
#define CUEBM_CUSTOM_ISA base
#endif

namespace cuebm::custom {

// A name for each build: the linker must not take one for another.
inline namespace CUEBM_CUSTOM_ISA {

#define CUEBM_OF_NUMBER friend CUEBM_MATH_MEMBER

// A pack of numbers, one a point.
template <class R>
struct Number {
    using Lanes = R;
    using Scalar = typename math::LaneTraits<R>::Scalar;
    using Mask = decltype(R{} < R{});
    R lanes{};

    Number() = default;
    CUEBM_MATH_MEMBER Number(double value) : lanes(math::spread<R>(static_cast<Scalar>(value))) {}
    CUEBM_MATH_MEMBER static Number of(R lanes) {
        Number number;
        number.lanes = lanes;
        return number;
    }
    CUEBM_MATH_MEMBER static Number coordinate(R x, int) { return of(x); }

    CUEBM_OF_NUMBER Number operator+(Number a, Number b) { return of(a.lanes + b.lanes); }
    CUEBM_OF_NUMBER Number operator-(Number a, Number b) { return of(a.lanes - b.lanes); }
    CUEBM_OF_NUMBER Number operator*(Number a, Number b) { return of(a.lanes * b.lanes); }
    CUEBM_OF_NUMBER Number operator/(Number a, Number b) { return of(a.lanes / b.lanes); }
    CUEBM_OF_NUMBER Number operator-(Number a) { return of(-a.lanes); }
    CUEBM_OF_NUMBER Mask operator<(Number a, Number b) { return a.lanes < b.lanes; }
    CUEBM_OF_NUMBER Mask operator>(Number a, Number b) { return a.lanes > b.lanes; }
    CUEBM_OF_NUMBER Mask operator<=(Number a, Number b) { return a.lanes <= b.lanes; }
    CUEBM_OF_NUMBER Mask operator>=(Number a, Number b) { return a.lanes >= b.lanes; }
    CUEBM_OF_NUMBER Number select(Mask mask, Number yes, Number no) {
        return of(math::select(mask, yes.lanes, no.lanes));
    }
    CUEBM_OF_NUMBER Number fused(Number a, Number b, Number c) { return of(math::fused(a.lanes, b.lanes, c.lanes)); }
    CUEBM_OF_NUMBER Number square(Number x) { return x * x; }
    CUEBM_OF_NUMBER Number abs(Number x) { return of(math::absolute(x.lanes)); }
    CUEBM_OF_NUMBER Number sqrt(Number x) { return of(math::square_root(x.lanes)); }
    CUEBM_OF_NUMBER Number exp(Number x) { return of(math::exponential(x.lanes)); }
    CUEBM_OF_NUMBER Number log(Number x) { return of(math::logarithm(x.lanes)); }
    CUEBM_OF_NUMBER Number log1p(Number x) { return of(math::log_one_plus(x.lanes)); }
    CUEBM_OF_NUMBER Number sigmoid(Number x) { return of(math::sigmoid(x.lanes)); }
    CUEBM_OF_NUMBER Number log1p_exp(Number x) { return of(math::log1p_exp(x.lanes)); }
    CUEBM_OF_NUMBER Number max(Number a, Number b) { return of(math::maximum(a.lanes, b.lanes)); }
    CUEBM_OF_NUMBER Number min(Number a, Number b) { return of(math::minimum(a.lanes, b.lanes)); }
    CUEBM_OF_NUMBER Number sinpi(Number x) { return x.turn(true); }
    CUEBM_OF_NUMBER Number cospi(Number x) { return x.turn(false); }

private:
    CUEBM_MATH_MEMBER Number turn(bool wanted_sine) const {
        R sine, cosine;
        math::sincos_pi(lanes, sine, cosine);
        return of(wanted_sine ? sine : cosine);
    }
};

// A number with its slopes along `count` coordinates: forward differentiation.
template <class R, int count>
struct Dual {
    using Lanes = R;
    using Plain = Number<R>;
    using Mask = typename Plain::Mask;
    Plain value{};
    Plain slope[count] = {};

    Dual() = default;
    CUEBM_MATH_MEMBER Dual(double constant) : value(constant) {}
    CUEBM_MATH_MEMBER static Dual coordinate(R x, int along) {
        Dual dual;
        dual.value = Plain::of(x);
        for (int i = 0; i < count; ++i) dual.slope[i] = i == along ? 1.0 : 0.0;
        return dual;
    }

    CUEBM_OF_NUMBER Dual operator+(const Dual& a, const Dual& b) {
        return each(a.value + b.value, [&](int i) { return a.slope[i] + b.slope[i]; });
    }
    CUEBM_OF_NUMBER Dual operator-(const Dual& a, const Dual& b) {
        return each(a.value - b.value, [&](int i) { return a.slope[i] - b.slope[i]; });
    }
    CUEBM_OF_NUMBER Dual operator*(const Dual& a, const Dual& b) {
        return each(a.value * b.value, [&](int i) { return a.slope[i] * b.value + a.value * b.slope[i]; });
    }
    CUEBM_OF_NUMBER Dual operator/(const Dual& a, const Dual& b) {
        const Plain ratio = a.value / b.value;
        return each(ratio, [&](int i) { return (a.slope[i] - ratio * b.slope[i]) / b.value; });
    }
    CUEBM_OF_NUMBER Dual operator-(const Dual& a) { return a.chain(-a.value, -1.0); }
    // With a constant: no slopes of 0, which would make NaN of an infinity.
    CUEBM_OF_NUMBER Dual operator+(const Dual& a, double b) { return a.moved(a.value + b); }
    CUEBM_OF_NUMBER Dual operator+(double a, const Dual& b) { return b.moved(a + b.value); }
    CUEBM_OF_NUMBER Dual operator-(const Dual& a, double b) { return a.moved(a.value - b); }
    CUEBM_OF_NUMBER Dual operator-(double a, const Dual& b) { return b.chain(a - b.value, -1.0); }
    CUEBM_OF_NUMBER Dual operator*(const Dual& a, double b) { return a.chain(a.value * b, b); }
    CUEBM_OF_NUMBER Dual operator*(double a, const Dual& b) { return b.chain(a * b.value, a); }
    CUEBM_OF_NUMBER Dual operator/(const Dual& a, double b) {
        return each(a.value / b, [&](int i) { return a.slope[i] / b; });
    }
    CUEBM_OF_NUMBER Dual operator/(double a, const Dual& b) {
        const Plain ratio = a / b.value;
        return b.chain(ratio, -ratio / b.value);
    }
    CUEBM_OF_NUMBER Mask operator<(const Dual& a, const Dual& b) { return a.value < b.value; }
    CUEBM_OF_NUMBER Mask operator>(const Dual& a, const Dual& b) { return a.value > b.value; }
    CUEBM_OF_NUMBER Mask operator<=(const Dual& a, const Dual& b) { return a.value <= b.value; }
    CUEBM_OF_NUMBER Mask operator>=(const Dual& a, const Dual& b) { return a.value >= b.value; }
    CUEBM_OF_NUMBER Dual select(Mask mask, const Dual& yes, const Dual& no) {
        return each(select(mask, yes.value, no.value), [&](int i) { return select(mask, yes.slope[i], no.slope[i]); });
    }
    CUEBM_OF_NUMBER Dual fused(const Dual& a, const Dual& b, const Dual& c) {
        return each(fused(a.value, b.value, c.value),
                    [&](int i) { return fused(a.slope[i], b.value, fused(a.value, b.slope[i], c.slope[i])); });
    }
    CUEBM_OF_NUMBER Dual square(const Dual& x) { return x.chain(square(x.value), 2.0 * x.value); }
    CUEBM_OF_NUMBER Dual abs(const Dual& x) { return x.chain(abs(x.value), select(x.value < 0.0, Plain(-1.0), 1.0)); }
    CUEBM_OF_NUMBER Dual sqrt(const Dual& x) {
        const Plain root = sqrt(x.value);
        return x.chain(root, 0.5 / root);
    }
    CUEBM_OF_NUMBER Dual exp(const Dual& x) {
        const Plain power = exp(x.value);
        return x.chain(power, power);
    }
    CUEBM_OF_NUMBER Dual log(const Dual& x) { return x.chain(log(x.value), 1.0 / x.value); }
    CUEBM_OF_NUMBER Dual log1p(const Dual& x) { return x.chain(log1p(x.value), 1.0 / (1.0 + x.value)); }
    CUEBM_OF_NUMBER Dual sigmoid(const Dual& x) {
        const Plain s = sigmoid(x.value);
        return x.chain(s, s * sigmoid(-x.value));
    }
    CUEBM_OF_NUMBER Dual log1p_exp(const Dual& x) { return x.chain(log1p_exp(x.value), sigmoid(x.value)); }
    CUEBM_OF_NUMBER Dual max(const Dual& a, const Dual& b) { return select(a < b, b, a); }
    CUEBM_OF_NUMBER Dual min(const Dual& a, const Dual& b) { return select(b < a, b, a); }
    CUEBM_OF_NUMBER Dual sinpi(const Dual& x) { return x.chain(sinpi(x.value), pi * cospi(x.value)); }
    CUEBM_OF_NUMBER Dual cospi(const Dual& x) { return x.chain(cospi(x.value), -pi * sinpi(x.value)); }

private:
    static constexpr double pi = 3.14159265358979323846;
    template <class Slope>
    CUEBM_MATH_MEMBER static Dual each(Plain value, Slope slope_along) {
        Dual dual;
        dual.value = value;
        for (int i = 0; i < count; ++i) dual.slope[i] = slope_along(i);
        return dual;
    }
    CUEBM_MATH_MEMBER Dual chain(Plain of_value, Plain derivative) const {
        return each(of_value, [&](int i) { return slope[i] * derivative; });
    }
    CUEBM_MATH_MEMBER Dual moved(Plain to) const {
        Dual dual = *this;
        dual.value = to;
        return dual;
    }
};

// x[j], 0 <= j < x.size(), and the energy's parameters.
template <class N>
class Point {
public:
    using Lanes = typename N::Lanes;
    using Scalar = typename math::LaneTraits<Lanes>::Scalar;

    // `first`: of the coordinates that slopes are along.
    CUEBM_MATH_MEMBER Point(const math::CustomCall<Scalar>& call, int lane, int first = 0)
        : call_(call), x_{const_cast<Scalar*>(call.x) + lane, call.x_stride}, first_(first) {}
    CUEBM_MATH_MEMBER N operator[](int j) const { return N::coordinate(x_[j], j - first_); }
    CUEBM_MATH_MEMBER int size() const { return call_.d; }
    CUEBM_MATH_MEMBER double parameter(int i) const { return static_cast<double>(call_.parameters[i]); }
    CUEBM_MATH_MEMBER int parameters() const { return call_.parameter_count; }

private:
    const math::CustomCall<Scalar>& call_;
    math::Coordinates<Lanes> x_;
    int first_;
};

template <class N>
class Gradient {
public:
    using Lanes = typename N::Lanes;
    using Scalar = typename math::LaneTraits<Lanes>::Scalar;

    // `to` holds what add() adds to.
    CUEBM_MATH_MEMBER Gradient(Scalar scale, math::Coordinates<Lanes> to) : scale_(scale), to_(to) {}
    CUEBM_MATH_MEMBER void add(int j, N value) const { to_.set(j, to_[j] + scale_ * value.lanes); }

private:
    Scalar scale_;
    math::Coordinates<Lanes> to_;
};

// The functor's gradient. Where its dimension is known and small it is added up in registers: in memory the compiler
// cannot tell that two coordinates are not one. (On a GPU the caller's coordinates are a thread's own.)
inline constexpr int gradient_in_registers = 16;
template <class Functor, class R, class T>
CUEBM_MATH void add_gradient(const math::CustomCall<T>& call, const Point<Number<R>>& x,
                             math::GradientCoordinates<R> to) {
    constexpr int d = Functor::dimension;
    if constexpr (sizeof(R) > sizeof(T) && d > 0 && d <= gradient_in_registers) {
        T sums[d * (sizeof(R) / sizeof(T))];
        const math::Coordinates<R> own{sums, sizeof(R) / sizeof(T)};
        for (int j = 0; j < d; ++j) own.set(j, to.first ? R{} : to.at[j]);
        Functor::gradient(x, Gradient<Number<R>>(call.scale, own));
        for (int j = 0; j < d; ++j) to.at.set(j, own[j]);
    } else {
        Functor::gradient(x, Gradient<Number<R>>(call.scale, to.cleared(call.d).at));
    }
}

#if defined(CUEBM_PROGRAM_OPS)
template <class T>
using LaneOf = T;
#else
template <class T>
using LaneOf = typename math::PackOf<T>::Type;
#endif

inline constexpr int slopes_a_pass = 4;

template <class Functor, class R>
concept HasGradient = requires(const Point<Number<R>>& x, const Gradient<Number<R>>& to) {
    Functor::gradient(x, to);
};

template <class Functor, class T>
void run(const math::CustomCall<T>& given) {
    using R = LaneOf<T>;
    using Slopes = Dual<R, slopes_a_pass>;
    const math::CustomCall<T> call = given;  // which no store can change
    for (int lane = 0; lane < call.lanes; lane += static_cast<int>(sizeof(R) / sizeof(T))) {
        const Point<Number<R>> x(call, lane);
        if (call.values != nullptr)
            math::Coordinates<R>{call.values + lane, 1}.set(0, Number<R>(Functor::value(x)).lanes);
        if (call.gradient == nullptr) continue;
        const math::GradientCoordinates<R> to{{call.gradient + lane, call.gradient_stride}, call.first};
        if constexpr (HasGradient<Functor, R>) {
            add_gradient<Functor>(call, x, to);
        } else {
            for (int first = 0; first < call.d; first += slopes_a_pass) {
                const Slopes value = Functor::value(Point<Slopes>(call, lane, first));
                for (int i = 0; i < slopes_a_pass && first + i < call.d; ++i)
                    to.add(first + i, call.scale * value.slope[i].lanes);
            }
        }
    }
}

#if !defined(CUEBM_PROGRAM_OPS)
static inline __attribute__((noinline, unused)) double product_and_sum(double a, double b, double c) {
    return a * b + c;
}

template <class Functor>
constexpr Functions functions() {
    return {interface,          run<Functor, float>, run<Functor, double>,
            Functor::dimension, Functor::parameters, HasGradient<Functor, LaneOf<float>>,
            product_and_sum};
}
#endif

#undef CUEBM_OF_NUMBER

}  // namespace CUEBM_CUSTOM_ISA
}  // namespace cuebm::custom

// At global scope, once a functor, whose name becomes the energy's. The base build registers what of the others is
// linked in; these hold constants alone, since no code of theirs may run before the processor is known.
#define CUEBM_CUSTOM_JOIN(a, b) a##b
#define CUEBM_CUSTOM_NAME(a, b) CUEBM_CUSTOM_JOIN(a, b)
#define CUEBM_CUSTOM_FUNCTIONS(Functor)                                                        \
    extern const cuebm::custom::Functions CUEBM_CUSTOM_NAME(Functor##_, CUEBM_CUSTOM_ISA);     \
    constinit const cuebm::custom::Functions CUEBM_CUSTOM_NAME(Functor##_, CUEBM_CUSTOM_ISA) = \
        cuebm::custom::functions<Functor>();
#if defined(CUEBM_PROGRAM_OPS)
#define CUEBM_CUSTOM_ENERGY(Functor)
#elif defined(__AVX2__)
#define CUEBM_CUSTOM_ENERGY(Functor) CUEBM_CUSTOM_FUNCTIONS(Functor)
#else
namespace cuebm::custom {
#if defined(CUEBM_CUSTOM_SOURCE)
static constexpr Source this_file[] = {
#include CUEBM_CUSTOM_SOURCE
};
#else
static constexpr const Source* this_file = nullptr;
#endif
}  // namespace cuebm::custom
#define CUEBM_CUSTOM_ENERGY(Functor)                                                             \
    CUEBM_CUSTOM_FUNCTIONS(Functor)                                                              \
    static_assert(sizeof(::Functor) > 0, "its name must be ::Functor");                          \
    extern const cuebm::custom::Functions Functor##_avx2 __attribute__((weak));                  \
    extern const cuebm::custom::Functions Functor##_avx512 __attribute__((weak));                \
    [[maybe_unused]] static const bool Functor##_is_registered = cuebm::custom::register_energy( \
        #Functor, cuebm::custom::this_file, &Functor##_base, &Functor##_avx2, &Functor##_avx512);
#endif
