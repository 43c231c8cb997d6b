// See dense_mass.hpp.
#include "dense_mass.hpp"

#include <cmath>

namespace cuebm::detail {

std::vector<double> cholesky(const std::vector<double>& matrix, std::int64_t d) {
    const auto n = static_cast<std::size_t>(d);
    std::vector<double> lower(n * n);
    for (std::size_t i = 0; i < n; ++i)
        for (std::size_t j = 0; j <= i; ++j) {
            double sum = matrix[i * n + j];
            for (std::size_t k = 0; k < j; ++k) sum -= lower[i * n + k] * lower[j * n + k];
            if (i != j) {
                lower[i * n + j] = sum / lower[j * n + j];
                continue;
            }
            // What rounding may leave of a zero.
            if (!(sum > static_cast<double>(n) * 0x1p-52 * matrix[i * n + i])) return {};
            lower[i * n + i] = std::sqrt(sum);
        }
    return lower;
}

std::vector<double> inverse_mass_of(double n, const std::vector<double>& sums, std::int64_t d) {
    const auto size = static_cast<std::size_t>(d), width = size + 1;
    std::vector<double> inverse(size * size);
    for (std::size_t i = 0; i < size; ++i)
        for (std::size_t j = 0; j <= i; ++j) {
            const double covariance = (sums[i * width + 1 + j] - sums[i * width] * sums[j * width] / n) / (n - 1);
            const double prior = i == j ? 1e-3 * (5 / (n + 5)) : 0;
            inverse[i * size + j] = inverse[j * size + i] = n / (n + 5) * covariance + prior;
        }
    return inverse;
}

}  // namespace cuebm::detail
