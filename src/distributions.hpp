// Quantiles of the two distributions that diagnostics of chains need.
#pragma once

namespace cuebm::detail {

// The standard normal's at 0 < p < 1: M. J. Wichura, "Algorithm AS 241", Applied Statistics 37, 1988; 16 digits.
double normal_quantile(double p);

// P(X <= x) of X ~ Beta(a, b), 0 <= x <= 1, a and b >= 1: the continued fraction of DiDonato and Morris, ACM TOMS 18,
// 1992, which takes some sqrt(max(a, b)) terms.
double beta_probability(double x, double a, double b);

// The x of that probability p, 0 < p < 1, to 1e-14 or so of itself.
double beta_quantile(double p, double a, double b);

}  // namespace cuebm::detail
