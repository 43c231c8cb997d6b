// The K-means energy in the obvious loops, in double, and the canonical energy written out from its definition in
// docs/design/canonical-energy.md. What every backend is tested against; linked by tests only.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <vector>

namespace cuebm::reference {

// [rows x cols], row-major.
struct Matrix {
    std::int64_t rows = 0, cols = 0;
    std::vector<double> values{};

    Matrix(std::int64_t r, std::int64_t c) : rows(r), cols(c), values(static_cast<std::size_t>(r * c)) {}
    template <class T>
    Matrix(const std::vector<T>& v, std::int64_t r, std::int64_t c) : rows(r), cols(c), values(v.begin(), v.end()) {}
    double& operator()(std::int64_t i, std::int64_t j) { return values[static_cast<std::size_t>(i * cols + j)]; }
    double operator()(std::int64_t i, std::int64_t j) const { return values[static_cast<std::size_t>(i * cols + j)]; }
};

// Which coordinates are known: a byte each, for all rows (d of them) or for each (n d); empty: all.
using Mask = std::vector<std::uint8_t>;
inline bool is_known(const Mask& mask, std::int64_t d, std::int64_t i, std::int64_t j) {
    if (mask.empty()) return true;
    const bool one_row = mask.size() == static_cast<std::size_t>(d);
    return mask[static_cast<std::size_t>(one_row ? j : i * d + j)] != 0;
}

// ||y_i - w_k||^2 over the coordinates that are known.
inline Matrix energies(const Matrix& y, const Matrix& w, const Mask& mask = {}) {
    Matrix e(y.rows, w.rows);
    for (std::int64_t i = 0; i < y.rows; ++i)
        for (std::int64_t k = 0; k < w.rows; ++k)
            for (std::int64_t j = 0; j < y.cols; ++j)
                if (is_known(mask, y.cols, i, j)) e(i, k) += (y(i, j) - w(k, j)) * (y(i, j) - w(k, j));
    return e;
}

// The canonical energy, in the type of the data: coordinate j is added to sum j mod 16 by fused multiply-add; then the
// sums 8 apart are added, then those 4, 2 and 1 apart.
template <class T>
T canonical_energy(const T* y, const T* w, std::int64_t d) {
    T s[16] = {};
    for (std::int64_t j = 0; j < d; ++j) s[j % 16] = std::fma(y[j] - w[j], y[j] - w[j], s[j % 16]);
    const auto four = [&](int i) { return (s[i] + s[i + 8]) + (s[i + 4] + s[i + 12]); };
    return (four(0) + four(2)) + (four(1) + four(3));
}

// All of them, [n x k]. A hidden coordinate has the difference 0.
template <class T>
std::vector<T> canonical_energies(const std::vector<T>& y, const std::vector<T>& w, std::int64_t n, std::int64_t k,
                                  std::int64_t d, const Mask& mask = {}) {
    std::vector<T> result, row(static_cast<std::size_t>(d)), prototype(row);
    for (std::int64_t i = 0; i < n; ++i)
        for (std::int64_t z = 0; z < k; ++z) {
            for (std::int64_t j = 0; j < d; ++j) {
                const bool known = is_known(mask, d, i, j);
                row[static_cast<std::size_t>(j)] = known ? y[static_cast<std::size_t>(i * d + j)] : T(0);
                prototype[static_cast<std::size_t>(j)] = known ? w[static_cast<std::size_t>(z * d + j)] : T(0);
            }
            result.push_back(canonical_energy(row.data(), prototype.data(), d));
        }
    return result;
}

// The m lowest of each row of k energies, best first, ties by lower index: their indices, [n x m].
template <class T>
std::vector<std::int32_t> lowest(const std::vector<T>& energies, std::int64_t k, std::int64_t m) {
    std::vector<std::int32_t> result, order(static_cast<std::size_t>(k));
    for (auto row = energies.begin(); row != energies.end(); row += k) {
        std::iota(order.begin(), order.end(), 0);
        std::stable_sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) { return row[a] < row[b]; });
        result.insert(result.end(), order.begin(), order.begin() + m);
    }
    return result;
}

// -1/beta log sum_k exp(-beta E_k); min E at beta = infinity.
inline std::vector<double> free_energies(const Matrix& e, double beta) {
    std::vector<double> f;
    for (std::int64_t i = 0; i < e.rows; ++i) {
        double least = e(i, 0), sum = 0;
        for (std::int64_t k = 0; k < e.cols; ++k) least = std::min(least, e(i, k));
        for (std::int64_t k = 0; k < e.cols; ++k) sum += std::exp(-beta * (e(i, k) - least));
        f.push_back(std::isinf(beta) ? least : least - std::log(sum) / beta);
    }
    return f;
}

// exp(-beta (E_ik - F_i)); one-hot at the lowest-index argmin for beta = infinity.
inline Matrix probabilities(const Matrix& e, double beta) {
    Matrix p(e.rows, e.cols);
    const auto f = free_energies(e, beta);
    const auto labels = lowest(e.values, e.cols, 1);
    for (std::int64_t i = 0; i < e.rows; ++i)
        for (std::int64_t k = 0; k < e.cols; ++k) {
            const auto row = static_cast<std::size_t>(i);
            p(i, k) = std::isinf(beta) ? (labels[row] == k ? 1 : 0) : std::exp(-beta * (e(i, k) - f[row]));
        }
    return p;
}

// sum_k p_ik w_k, [n x d].
inline Matrix mean(const Matrix& p, const Matrix& w) {
    Matrix result(p.rows, w.cols);
    for (std::int64_t i = 0; i < p.rows; ++i)
        for (std::int64_t k = 0; k < w.rows; ++k)
            for (std::int64_t j = 0; j < w.cols; ++j) result(i, j) += p(i, k) * w(k, j);
    return result;
}

// Of sum_i weight_i F_beta(y_i) with respect to the points: 2 weight_i (y_i - sum_k p_ik w_k).
inline Matrix point_gradients(const Matrix& y, const Matrix& w, const std::vector<double>& weights, double beta) {
    const Matrix m = mean(probabilities(energies(y, w), beta), w);
    Matrix g(y.rows, y.cols);
    for (std::int64_t i = 0; i < y.rows; ++i)
        for (std::int64_t j = 0; j < y.cols; ++j)
            g(i, j) = 2 * weights[static_cast<std::size_t>(i)] * (y(i, j) - m(i, j));
    return g;
}

// And with respect to the prototypes: 2 sum_i weight_i p_ik (w_k - y_i).
inline Matrix prototype_gradients(const Matrix& y, const Matrix& w, const std::vector<double>& weights, double beta) {
    const Matrix p = probabilities(energies(y, w), beta);
    Matrix g(w.rows, w.cols);
    for (std::int64_t i = 0; i < y.rows; ++i)
        for (std::int64_t k = 0; k < w.rows; ++k)
            for (std::int64_t j = 0; j < w.cols; ++j)
                g(k, j) += 2 * weights[static_cast<std::size_t>(i)] * p(i, k) * (w(k, j) - y(i, j));
    return g;
}

// The means of the clusters; a prototype without weight keeps its value.
inline Matrix update(const Matrix& y, const std::vector<std::int32_t>& labels, const std::vector<double>& weights,
                     const Matrix& w) {
    Matrix sums(w.rows, w.cols), result = w;
    std::vector<double> counts(static_cast<std::size_t>(w.rows));
    for (std::int64_t i = 0; i < y.rows; ++i) {
        const auto k = labels[static_cast<std::size_t>(i)];
        const double weight = weights[static_cast<std::size_t>(i)];
        counts[static_cast<std::size_t>(k)] += weight;
        for (std::int64_t j = 0; j < y.cols; ++j) sums(k, j) += weight * y(i, j);
    }
    for (std::int64_t k = 0; k < w.rows; ++k)
        for (std::int64_t j = 0; j < w.cols; ++j)
            if (counts[static_cast<std::size_t>(k)] > 0)
                result(k, j) = sums(k, j) / counts[static_cast<std::size_t>(k)];
    return result;
}

// sum_i weight_i min_k E_ik.
inline double inertia(const Matrix& y, const Matrix& w, const std::vector<double>& weights) {
    const auto f = free_energies(energies(y, w), std::numeric_limits<double>::infinity());
    return std::inner_product(f.begin(), f.end(), weights.begin(), 0.0);
}

// One iteration of Lloyd's: inference, then means.
inline Matrix lloyd(const Matrix& y, const Matrix& w, const std::vector<double>& weights) {
    return update(y, lowest(energies(y, w).values, w.rows, 1), weights, w);
}

// The nearest prototype at beta = infinity; else one step of mean shift, y <- sum_k p_k(y) w_k.
inline Matrix project(const Matrix& y, const Matrix& w, double beta) {
    return mean(probabilities(energies(y, w), beta), w);
}

}  // namespace cuebm::reference
