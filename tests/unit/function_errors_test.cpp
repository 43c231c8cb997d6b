// The functions of kernels/math/functions_*.hpp against long double, in units in the last place, and at special values.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <limits>
#include <numbers>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "math/functions_circular.hpp"
#include "math/functions_logarithm.hpp"
#include "unit/ulps.hpp"

namespace math = cuebm::math;
using cuebm::test::ulps;

namespace {

// An interval, by equal steps or, if its ends have the same sign and `ratio`, by equal ratios.
struct Range {
    double from, to;
    bool ratio = false;
};

template <class T>
void expect_within(double limit, const std::vector<Range>& ranges, const std::function<T(T)>& function,
                   const std::function<long double(long double)>& exact) {
    constexpr int points = 40000;
    for (const Range& range : ranges) {
        double worst = 0;
        T at = 0;
        for (int i = 0; i <= points; ++i) {
            const double t = (i + 0.4 * std::sin(i)) / (points + 0.5);
            const double x = range.ratio ? std::copysign(std::exp(std::log(std::abs(range.from)) * (1 - t) +
                                                                  std::log(std::abs(range.to)) * t),
                                                         range.from)
                                         : range.from + (range.to - range.from) * t;
            const T y = static_cast<T>(x);
            const double error = ulps(function(y), exact(static_cast<long double>(y)));
            if (error > worst) worst = error, at = y;
        }
        EXPECT_LE(worst, limit) << "at " << at << ", from " << range.from << " to " << range.to;
    }
}

template <class T>
class FunctionErrors : public testing::Test {
protected:
    static constexpr bool wide = sizeof(T) == 8;
    static constexpr double least = wide ? -708.39 : -87.33, most = wide ? 709.78 : 88.72;
    static constexpr double smallest = wide ? 1e-323 : 1e-44, largest = wide ? 1.79e308 : 3.4e38;
    static constexpr T infinity = std::numeric_limits<T>::infinity(), nan = std::numeric_limits<T>::quiet_NaN();
};
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(FunctionErrors, Types);

long double softplus(long double x) { return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x)); }
long double logistic(long double x) { return x > 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x)); }
}  // namespace

// A wrong coefficient, a wrong exponent at the ends of the range; a result beyond them that is not 0 or infinity.
TYPED_TEST(FunctionErrors, Exponential) {
    using T = TypeParam;
    using F = TestFixture;
    expect_within<T>(
        1.1, {{F::least, F::most}, {-2, 2}, {-1e-3, 1e-3}, {F::most - 1, F::most}, {F::least, -80}},
        [](T x) { return math::exponential(x); }, [](long double x) { return std::exp(x); });
    EXPECT_EQ(math::exponential(T(0)), T(1));
    EXPECT_EQ(math::exponential(-F::infinity), T(0));
    EXPECT_EQ(math::exponential(F::infinity), F::infinity);
    EXPECT_EQ(math::exponential(static_cast<T>(F::most + 0.01)), F::infinity);
    EXPECT_EQ(math::exponential(static_cast<T>(F::least - 0.01)), T(0));
    EXPECT_EQ(math::exponential(std::numeric_limits<T>::max()), F::infinity);
    EXPECT_EQ(math::exponential(std::numeric_limits<T>::lowest()), T(0));
    EXPECT_TRUE(std::isnan(math::exponential(F::nan)));
}

// Cancellation near 1, subnormal numbers taken for normal ones, an exponent that wraps.
TYPED_TEST(FunctionErrors, Logarithm) {
    using T = TypeParam;
    using F = TestFixture;
    expect_within<T>(
        1.4, {{F::smallest, F::largest, true}, {0.3, 3}, {0.999, 1.001}}, [](T x) { return math::logarithm(x); },
        [](long double x) { return std::log(x); });
    EXPECT_EQ(math::logarithm(T(1)), T(0));
    EXPECT_EQ(math::logarithm(T(0)), -F::infinity);
    EXPECT_EQ(math::logarithm(-T(0)), -F::infinity);
    EXPECT_EQ(math::logarithm(F::infinity), F::infinity);
    EXPECT_TRUE(std::isnan(math::logarithm(T(-1))));
    EXPECT_TRUE(std::isnan(math::logarithm(-std::numeric_limits<T>::denorm_min())));
    EXPECT_TRUE(std::isnan(math::logarithm(-F::infinity)));
    EXPECT_TRUE(std::isnan(math::logarithm(F::nan)));
}

// 1 + x that loses x, a scale that is subnormal for the largest x, cancellation between e ln 2 and the rest.
TYPED_TEST(FunctionErrors, LogOnePlus) {
    using T = TypeParam;
    using F = TestFixture;
    expect_within<T>(
        1.5, {{F::smallest, F::largest, true}, {-F::smallest, -0.999, true}, {-0.99999, 3}, {0.3, 0.6}, {-0.4, -0.2}},
        [](T x) { return math::log_one_plus(x); }, [](long double x) { return std::log1p(x); });
    EXPECT_EQ(math::log_one_plus(T(0)), T(0));
    EXPECT_EQ(math::log_one_plus(T(-1)), -F::infinity);
    EXPECT_EQ(math::log_one_plus(F::infinity), F::infinity);
    EXPECT_NEAR(static_cast<double>(math::log_one_plus(std::numeric_limits<T>::max())),
                std::log(static_cast<double>(std::numeric_limits<T>::max())), 1e-4);
    EXPECT_TRUE(std::isnan(math::log_one_plus(T(-1.5))));
    EXPECT_TRUE(std::isnan(math::log_one_plus(-F::infinity)));
    EXPECT_TRUE(std::isnan(math::log_one_plus(F::nan)));
}

// e^x that overflows; a lower tail that is lost in 1 + e^x.
TYPED_TEST(FunctionErrors, LogOfOnePlusExp) {
    using T = TypeParam;
    using F = TestFixture;
    expect_within<T>(
        F::wide ? 1.8 : 2.01, {{F::least, 1000}, {-5, 5}, {-1, -0.5}, {-1e-3, 1e-3}, {1e3, F::largest, true}},
        [](T x) { return math::log1p_exp(x); }, softplus);
    EXPECT_EQ(math::log1p_exp(-F::infinity), T(0));
    EXPECT_EQ(math::log1p_exp(F::infinity), F::infinity);
    EXPECT_TRUE(std::isnan(math::log1p_exp(F::nan)));
}

// A lower tail computed as 1 - something; NaN or overflow far out.
TYPED_TEST(FunctionErrors, Sigmoid) {
    using T = TypeParam;
    using F = TestFixture;
    expect_within<T>(
        1.7, {{F::least, 100}, {-5, 5}, {-1e-3, 1e-3}, {F::least, -80}}, [](T x) { return math::sigmoid(x); },
        logistic);
    EXPECT_EQ(math::sigmoid(T(0)), T(0.5));
    EXPECT_EQ(math::sigmoid(-F::infinity), T(0));
    EXPECT_EQ(math::sigmoid(F::infinity), T(1));
    EXPECT_EQ(math::sigmoid(std::numeric_limits<T>::lowest()), T(0));
    EXPECT_TRUE(std::isnan(math::sigmoid(F::nan)));
}

// A wrong quadrant or sign; a reduction that rounds, which shows where the result is near 0. The reference reduces in
// long double, whose product with 8 is exact.
TYPED_TEST(FunctionErrors, SineAndCosineOfTurns) {
    using T = TypeParam;
    using F = TestFixture;
    const auto in_first_half_quarter = [](long double u, int shift) {
        const long double nearest = std::round(u * 4), f = (u * 4 - nearest) * (std::numbers::pi_v<long double> / 2);
        switch ((static_cast<int>(nearest) + shift) % 4) {
            case 0: return std::sin(f);
            case 1: return std::cos(f);
            case 2: return -std::sin(f);
            default: return -std::cos(f);
        }
    };
    const std::vector<Range> ranges = {{0, 0.999999},    {1e-30, 1e-3, true}, {0.2499, 0.2501},
                                       {0.4999, 0.5001}, {0.7499, 0.7501},    {0.1249, 0.1251}};
    T sine, cosine;
    expect_within<T>(
        F::wide ? 1.6 : 1.7, ranges, [&](T u) { return math::sincos_two_pi(u, sine, cosine), sine; },
        [&](long double u) { return in_first_half_quarter(u, 0); });
    expect_within<T>(
        F::wide ? 1.6 : 1.7, ranges, [&](T u) { return math::sincos_two_pi(u, sine, cosine), cosine; },
        [&](long double u) { return in_first_half_quarter(u, 1); });
    const T exact[][3] = {{0, 0, 1}, {T(0.25), 1, 0}, {T(0.5), 0, -1}, {T(0.75), -1, 0}};
    for (const auto& [u, s, c] : exact) {
        math::sincos_two_pi(u, sine, cosine);
        EXPECT_EQ(sine, s);
        EXPECT_EQ(cosine, c);
    }
}

// Numbers that the quarter's rounding has no room for; odd ones taken for even.
TYPED_TEST(FunctionErrors, SineAndCosineOfHalfTurns) {
    using T = TypeParam;
    using F = TestFixture;
    T sine, cosine;
    const auto reduced = [](long double x) { return std::fmod(x, 2.0L) * std::numbers::pi_v<long double>; };
    // Not where sin or cos of the long double product is near 0.
    for (int exponent = 0; exponent < std::numeric_limits<T>::digits - 3; ++exponent)
        for (const double sign : {1.0, -1.0}) {
            const double from = std::ldexp(sign, exponent);
            for (int i = 0; i < 50; ++i) {
                const auto half = std::floor(from * (1 + i / 50.0)) + 0.5;
                for (const double off : {0.25, -0.25}) {
                    const T x = static_cast<T>(half + off);
                    math::sincos_pi(x, sine, cosine);
                    EXPECT_LE(ulps(sine, std::sin(reduced(static_cast<long double>(x)))), 2.0) << x;
                    EXPECT_LE(ulps(cosine, std::cos(reduced(static_cast<long double>(x)))), 2.0) << x;
                }
            }
        }
    for (int exponent = 0; exponent < std::numeric_limits<T>::max_exponent; ++exponent)
        for (const T sign : {T(1), T(-1)}) {
            const T even =
                std::ldexp(sign, exponent + 1 == std::numeric_limits<T>::max_exponent ? exponent : exponent + 1);
            math::sincos_pi(even, sine, cosine);
            EXPECT_EQ(sine, T(0)) << even;
            EXPECT_EQ(cosine, T(1)) << even;
            if (exponent + 2 > std::numeric_limits<T>::digits) continue;
            math::sincos_pi(even + 1, sine, cosine);
            EXPECT_EQ(sine, T(0)) << even + 1;
            EXPECT_EQ(cosine, T(-1)) << even + 1;
        }
    for (const T x : {F::infinity, -F::infinity, F::nan}) {
        math::sincos_pi(x, sine, cosine);
        EXPECT_TRUE(std::isnan(sine) && std::isnan(cosine)) << x;
    }
}

// An angle from a word that rounds into the wrong quadrant, or leaves low bits out.
TYPED_TEST(FunctionErrors, SineAndCosineOfWords) {
    using T = TypeParam;
    using Word = math::WordOf<T>;
    constexpr int bits = 8 * sizeof(Word);
    const double limit = 4 * static_cast<double>(std::numeric_limits<T>::epsilon());
    for (int i = 0; i < 64; ++i)
        for (int d = -3; d <= 3; ++d) {
            const Word word = (static_cast<Word>(i) << (bits - 6)) + static_cast<Word>(d);
            T sine, cosine;
            math::sincos_of_word(word, sine, cosine);
            const long double angle =
                2 * std::numbers::pi_v<long double> * std::ldexp(static_cast<long double>(word), -bits);
            EXPECT_NEAR(static_cast<double>(sine), static_cast<double>(std::sin(angle)), limit) << word;
            EXPECT_NEAR(static_cast<double>(cosine), static_cast<double>(std::cos(angle)), limit) << word;
        }
    T sine, cosine;
    math::sincos_of_word(Word{1} << (bits / 4), sine, cosine);
    EXPECT_NEAR(static_cast<double>(sine) / std::ldexp(2 * std::numbers::pi, bits / 4 - bits), 1, 1e-6);
}

// A root that is not correctly rounded (an estimate), signs that are lost.
TYPED_TEST(FunctionErrors, SquareRootAndSigns) {
    using T = TypeParam;
    using F = TestFixture;
    expect_within<T>(
        0.5, {{F::smallest, F::largest, true}, {0.5, 5}}, [](T x) { return math::square_root(x); },
        [](long double x) { return std::sqrt(x); });
    EXPECT_EQ(math::absolute(T(-3)), T(3));
    EXPECT_FALSE(std::signbit(math::absolute(-T(0))));
    EXPECT_EQ(math::maximum(T(-3), T(2)), T(2));
    EXPECT_EQ(math::minimum(T(-3), T(2)), T(-3));
}

namespace {

// Sine, or a quarter turn on, cosine.
template <int quarters>
float half_turns(float x) {
    float sine, cosine;
    math::sincos_pi(x, sine, cosine);
    return quarters == 0 ? sine : cosine;
}
template <int quarters>
double exact_half_turns(double x) {
    const double all = 2 * std::fmod(x, 2.0), nearest = std::round(all);
    const double f = (all - nearest) * (std::numbers::pi / 2);
    switch ((static_cast<int>(nearest) + quarters) & 3) {
        case 0: return std::sin(f);
        case 1: return std::cos(f);
        case 2: return -std::sin(f);
        default: return -std::cos(f);
    }
}
bool halves_are_exact(float x) { return x == 0 || std::abs(x) >= 0x1p-125f; }

}  // namespace

// The errors that the headers state, of every float. CUEBM_TEST_LARGE=1: some twenty minutes.
TEST(EveryFloat, HasTheErrorsThatHeadersState) {
    const char* large = std::getenv("CUEBM_TEST_LARGE");
    if (large == nullptr || std::string(large) != "1") GTEST_SKIP() << "set CUEBM_TEST_LARGE=1";
    struct Function {
        const char* name;
        double limit;
        bool (*counts)(float);
        float (*function)(float);
        double (*exact)(double);
    };
    const auto softplus_of = [](double x) { return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x)); };
    const auto logistic_of = [](double x) { return x > 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x)); };
    const Function functions[] = {
        {"exponential", 1.1, [](float x) { return x >= -87.33f && x <= 88.72f; }, math::exponential<float>, std::exp},
        {"logarithm", 1.4, [](float x) { return x > 0 && x != 1; }, math::logarithm<float>, std::log},
        {"log_one_plus", 1.5, [](float x) { return x > -1 && x != 0; }, math::log_one_plus<float>, std::log1p},
        {"log1p_exp", 2.01, [](float x) { return x >= -87.33f; }, math::log1p_exp<float>, softplus_of},
        {"sigmoid", 1.7, [](float x) { return x >= -87.33f; }, math::sigmoid<float>, logistic_of},
        {"sine of half turns", 1.7, halves_are_exact, half_turns<0>, exact_half_turns<0>},
        {"cosine of half turns", 1.7, halves_are_exact, half_turns<1>, exact_half_turns<1>},
    };
    for (const Function& f : functions) {
        const unsigned threads = std::max(1u, std::thread::hardware_concurrency());
        std::vector<std::pair<double, float>> worst(threads);
        std::vector<std::thread> team;
        for (unsigned i = 0; i < threads; ++i)
            team.emplace_back([&, i] {
                std::pair<double, float> mine{};
                for (std::uint64_t word = i; word < std::uint64_t{1} << 32; word += threads) {
                    const float x = math::from_bits(static_cast<std::int32_t>(static_cast<std::uint32_t>(word)));
                    if (!std::isfinite(x) || !f.counts(x)) continue;
                    const double exact = f.exact(static_cast<double>(x));
                    const double unit = std::ldexp(1.0, std::max(std::ilogb(exact), -126) - 23);
                    const double error = std::abs(static_cast<double>(f.function(x)) - exact) / unit;
                    mine = std::max(mine, {error >= 0 ? error : INFINITY, x});  // NaN is one, too
                }
                worst[i] = mine;
            });
        for (auto& thread : team) thread.join();
        const auto [error, x] = *std::max_element(worst.begin(), worst.end());
        EXPECT_LE(error, f.limit) << f.name << " of " << x;
        std::printf("%s: at most %.3f ulp, of %.9g\n", f.name, error, static_cast<double>(x));
    }
}
