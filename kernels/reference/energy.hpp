// The energies of include/cuebm/energy.hpp by their formulas, in long double, and gradients by differences: what tests
// compare with.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <utility>
#include <vector>

namespace cuebm::reference {

using Real = long double;
using Point = std::vector<Real>;
using EnergyFunction = std::function<Real(const Point&)>;

inline Real square(Real x) { return x * x; }

inline Real squares(const Point& x, std::size_t from = 0) {
    Real sum = 0;
    for (std::size_t j = from; j < x.size(); ++j) sum += square(x[j]);
    return sum;
}

inline Real log_sum_exp(const std::vector<Real>& values) {
    const Real most = *std::max_element(values.begin(), values.end());
    Real sum = 0;
    for (const Real value : values) sum += std::exp(value - most);
    return most + std::log(sum);
}

// P is [d x d], or its diagonal [d].
inline Real gaussian(const Point& x, const std::vector<double>& mean, const std::vector<double>& precision) {
    const std::size_t d = x.size();
    Real sum = 0;
    for (std::size_t i = 0; i < d; ++i)
        for (std::size_t j = 0; j < d; ++j) {
            const Real p = precision.size() == d ? (i == j ? Real(precision[i]) : 0) : Real(precision[i * d + j]);
            sum += p * (x[i] - Real(mean[i])) * (x[j] - Real(mean[j])) / 2;
        }
    return sum;
}

inline Real mixture(const Point& x, const std::vector<double>& weights, const std::vector<double>& means,
                    const std::vector<double>& precisions) {
    const std::size_t d = x.size();
    std::vector<Real> logs;
    for (std::size_t k = 0; k < weights.size(); ++k) {
        Real log = std::log(Real(weights[k]));
        for (std::size_t j = 0; j < d; ++j) {
            const Real p = precisions[k * d + j];
            log += std::log(p / (2 * std::acos(Real(-1)))) / 2 - p * square(x[j] - Real(means[k * d + j])) / 2;
        }
        logs.push_back(log);
    }
    return -log_sum_exp(logs);
}

inline Real kmeans(const Point& x, const std::vector<double>& prototypes, Real beta) {
    std::vector<Real> logs;
    for (std::size_t k = 0; k < prototypes.size() / x.size(); ++k) {
        Real sum = 0;
        for (std::size_t j = 0; j < x.size(); ++j) sum += square(x[j] - Real(prototypes[k * x.size() + j]));
        logs.push_back(-beta * sum);
    }
    return -log_sum_exp(logs) / beta;
}

inline Real banana(const Point& x, Real s, Real b) {
    return square(x[0] / s) / 2 + square(x[1] - b * (square(x[0]) - square(s))) / 2 + squares(x, 2) / 2;
}

inline Real rosenbrock(const Point& x, Real a) {
    Real sum = 0;
    for (std::size_t j = 0; j + 1 < x.size(); ++j) sum += a * square(x[j + 1] - square(x[j])) + square(1 - x[j]);
    return sum;
}

inline Real funnel(const Point& x, Real s) {
    return square(x[0] / s) / 2 + Real(x.size() - 1) / 2 * x[0] + std::exp(-x[0]) * squares(x, 1) / 2;
}

inline Real ring(const Point& x, Real radius, Real width) {
    return square((std::sqrt(squares(x)) - radius) / width) / 2;
}

inline Real double_well(const Point& x, Real height, Real separation) {
    return height * square(square(x[0] / separation) - 1) + squares(x, 1) / 2;
}

inline std::vector<Real> product(const std::vector<double>& matrix, const Point& x) {
    std::vector<Real> etas(matrix.size() / x.size());
    for (std::size_t i = 0; i < etas.size(); ++i)
        for (std::size_t j = 0; j < x.size(); ++j) etas[i] += Real(matrix[i * x.size() + j]) * x[j];
    return etas;
}

inline Real logistic(const Point& x, const std::vector<double>& features, const std::vector<double>& outcomes,
                     Real prior_sd) {
    const auto etas = product(features, x);
    Real sum = squares(x) / square(prior_sd) / 2;
    for (std::size_t i = 0; i < etas.size(); ++i) sum += std::log1p(std::exp(etas[i])) - Real(outcomes[i]) * etas[i];
    return sum;
}

inline Real linear(const Point& x, const std::vector<double>& features, const std::vector<double>& targets,
                   Real noise_sd, Real prior_sd) {
    const auto etas = product(features, x);
    Real sum = squares(x) / square(prior_sd) / 2;
    for (std::size_t i = 0; i < etas.size(); ++i) sum += square((etas[i] - Real(targets[i])) / noise_sd) / 2;
    return sum;
}

inline Real sparse(const Point& z, const std::vector<double>& dictionary, const std::vector<double>& signal,
                   Real lambda) {
    const auto etas = product(dictionary, z);
    Real sum = 0;
    for (std::size_t i = 0; i < etas.size(); ++i) sum += square(Real(signal[i]) - etas[i]);
    for (const Real value : z) sum += lambda * std::abs(value);
    return sum;
}

inline Real eight_schools(const Point& x, const std::vector<double>& effects, const std::vector<double>& errors,
                          bool centred) {
    const Real mu = x[0], deviation = std::exp(x[1]);
    Real sum = square(mu / 10) / 2 + square(x[1] - 5) / 2;
    for (std::size_t j = 0; j < effects.size(); ++j) {
        const Real theta = centred ? x[2 + j] : mu + deviation * x[2 + j];
        sum += square((Real(effects[j]) - theta) / Real(errors[j])) / 2;
        sum += centred ? square((theta - mu) / deviation) / 2 + x[1] : square(x[2 + j]) / 2;
    }
    return sum;
}

// Central differences, extrapolated once: the error is that of h^4 and of 1e-19 / h.
inline Point gradient(const EnergyFunction& energy, const Point& x) {
    Point result;
    for (std::size_t j = 0; j < x.size(); ++j) {
        const auto slope = [&](Real h) {
            Point low = x, high = x;
            low[j] -= h;
            high[j] += h;
            return (energy(high) - energy(low)) / (2 * h);
        };
        const Real h = 1e-4L;
        result.push_back((4 * slope(h) - slope(2 * h)) / 3);
    }
    return result;
}

}  // namespace cuebm::reference
