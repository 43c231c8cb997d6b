// See distributions.hpp.
#include "distributions.hpp"

#include <cmath>
#include <cstddef>
#include <limits>

namespace cuebm::detail {
namespace {

constexpr double pi = 3.14159265358979323846;

// c[0] + c[1] r + c[2] r^2 + ...
template <std::size_t n>
double polynomial(const double (&c)[n], double r) {
    double sum = 0;
    for (std::size_t i = n; i-- > 0;) sum = sum * r + c[i];
    return sum;
}

// log Gamma(a) less Stirling's (a - 1/2) log a - a + log(2 pi) / 2, a >= 1. Differences of log Gamma itself would lose
// as many digits as log Gamma has before its point.
double stirling_remainder(double a) {
    double sum = 0;
    for (; a < 16; ++a) sum += (a + 0.5) * std::log1p(1 / a) - 1;  // the remainder at a less that at a + 1
    constexpr double series[] = {1.0 / 12, -1.0 / 360, 1.0 / 1260, -1.0 / 1680, 1.0 / 1188, -691.0 / 360360};
    return sum + polynomial(series, 1 / (a * a)) / a;
}

// x^a (1 - x)^b / B(a, b).
double beta_power(double x, double a, double b) {
    const double s = a + b, from_mode = x * s - a;
    const double remainders = stirling_remainder(s) - stirling_remainder(a) - stirling_remainder(b);
    const double exponent = a * std::log1p(from_mode / a) + b * std::log1p(-from_mode / b);
    return std::sqrt(a * b / (2 * pi * s)) * std::exp(remainders + exponent);
}

// The fraction whose product with beta_power is P, for x <= a / (a + b), by Lentz's recurrence.
double beta_fraction(double x, double a, double b) {
    constexpr double tiny = 1e-300, close = std::numeric_limits<double>::epsilon();
    const auto kept = [](double value) { return std::fabs(value) < tiny ? tiny : value; };
    double c = 1, d = 1 / kept(1 - (a + b) * x / (a + 1)), h = d;
    for (double m = 1; m < 1e7; ++m) {
        const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        d = 1 / kept(1 + even * d);
        c = kept(1 + even / c);
        h *= d * c;
        const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        d = 1 / kept(1 + odd * d);
        c = kept(1 + odd / c);
        h *= d * c;
        if (std::fabs(d * c - 1) <= close) break;
    }
    return h / a;
}

}  // namespace

double normal_quantile(double p) {
    constexpr double a[] = {3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3,
                            1.3731693765509461125e4, 4.5921953931549871457e4, 6.7265770927008700853e4,
                            3.3430575583588128105e4, 2.5090809287301226727e3};
    constexpr double b[] = {1.0,
                            4.2313330701600911252e1,
                            6.8718700749205790830e2,
                            5.3941960214247511077e3,
                            2.1213794301586595867e4,
                            3.9307895800092710610e4,
                            2.8729085735721942674e4,
                            5.2264952788528545610e3};
    constexpr double c[] = {1.42343711074968357734e0,  4.63033784615654529590e0, 5.76949722146069140550e0,
                            3.64784832476320460504e0,  1.27045825245236838258e0, 2.41780725177450611770e-1,
                            2.27238449892691845833e-2, 7.74545014278341407640e-4};
    constexpr double d[] = {1.0,
                            2.05319162663775882187e0,
                            1.67638483018380384940e0,
                            6.89767334985100004550e-1,
                            1.48103976427480074590e-1,
                            1.51986665636164571966e-2,
                            5.47593808499534494600e-4,
                            1.05075007164441684324e-9};
    constexpr double e[] = {6.65790464350110377720e0,  5.46378491116411436990e0,  1.78482653991729133580e0,
                            2.96560571828504891230e-1, 2.65321895265761230930e-2, 1.24266094738807843860e-3,
                            2.71155556874348757815e-5, 2.01033439929228813265e-7};
    constexpr double f[] = {1.0,
                            5.99832206555887937690e-1,
                            1.36929880922735805310e-1,
                            1.48753612908506148525e-2,
                            7.86869131145613259100e-4,
                            1.84631831751005468180e-5,
                            1.42151175831644588870e-7,
                            2.04426310338993978564e-15};
    const double q = p - 0.5;
    if (std::fabs(q) <= 0.425) {
        const double r = 0.180625 - q * q;
        return q * polynomial(a, r) / polynomial(b, r);
    }
    const double r = std::sqrt(-std::log(q < 0 ? p : 1 - p));
    const double size =
        r <= 5 ? polynomial(c, r - 1.6) / polynomial(d, r - 1.6) : polynomial(e, r - 5) / polynomial(f, r - 5);
    return q < 0 ? -size : size;
}

double beta_probability(double x, double a, double b) {
    if (x <= 0) return 0;
    if (x >= 1) return 1;
    if (x <= a / (a + b)) return beta_power(x, a, b) * beta_fraction(x, a, b);
    return 1 - beta_power(1 - x, b, a) * beta_fraction(1 - x, b, a);
}

double beta_quantile(double p, double a, double b) {
    double low = 0, high = 1, x = a / (a + b);
    for (int step = 0; step < 200; ++step) {  // Newton's, or a halving where that would leave the bracket
        const double excess = beta_probability(x, a, b) - p;
        (excess < 0 ? low : high) = x;
        const double density = beta_power(x, a, b) / (x * (1 - x));
        double next = x - excess / density;
        if (!(next > low && next < high)) next = 0.5 * (low + high);
        if (std::fabs(next - x) <= 4 * std::numeric_limits<double>::epsilon() * next) return next;
        x = next;
    }
    return x;
}

}  // namespace cuebm::detail
