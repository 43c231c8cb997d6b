// A dense mass as the host sees it: learnt from sums over chains, checked, and factorised as the kernels want it.
#pragma once

#include <cstdint>
#include <vector>

namespace cuebm::detail {

// L of M^-1 = L L', [d x d] row by row, zero above its diagonal; empty where the matrix is not positive definite in
// double, to rounding.
std::vector<double> cholesky(const std::vector<double>& matrix, std::int64_t d);

// M^-1 [d x d] from the sums of AddProducts over n points: their covariance, shrunk to 1e-3 as Stan's dense metric is
// (Reference Manual, "HMC algorithm parameters").
std::vector<double> inverse_mass_of(double n, const std::vector<double>& sums, std::int64_t d);

}  // namespace cuebm::detail
