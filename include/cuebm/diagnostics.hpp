// Diagnostics of Markov chains from their stored draws: have the chains forgotten where they began, how much are their
// draws worth, how far may an estimate be off.
//
// The draws of one quantity are a matrix [chains x draws] in host memory, a row for each chain, after warm-up, in float
// or double; everything is computed in double. Definitions are those of ArviZ and of Stan's `posterior`:
//   Vehtari, Gelman, Simpson, Carpenter, Buerkner, "Rank-normalization, folding, and localization: an improved R-hat
//   for assessing convergence of MCMC", Bayesian Analysis 16, 2021; below VGSCB;
//   Geyer, "Practical Markov chain Monte Carlo", Statistical Science 7, 1992: where the sum over lags ends.
// R-hat and effective sample sizes have no unit; Monte Carlo standard errors (MCSE) have that of the quantity.
//
// For all functions: NaN if a draw is NaN or infinite, or if a chain has fewer than 4 draws (nested_r_hat and
// autocorrelation want fewer). Of an odd number of draws the middle one is left out where chains are split.
// Errors: InvalidArgument for a view without rows or columns, null, misaligned or not on the host, and for parameters
// out of range.
// Cost, of N = chains x draws: that of sorting N values where ranks or quantiles are wanted; of effective sample sizes
// N operations a lag, up to the lag where Geyer's sum ends, or from lag 64 on N log(draws) for all of them. Memory: up
// to 100 bytes a draw of one quantity.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <cuebm/export.hpp>
#include <cuebm/file.hpp>
#include <cuebm/view.hpp>

namespace cuebm::diagnostics {

// Rank-normalised split R-hat: the larger one of that of the draws (bulk) and that of their distances from the median
// (folded, which sees chains of other scales). Near 1 when chains agree; VGSCB ask for less than 1.01. One chain is
// compared with itself, half by half (`posterior`; ArviZ gives NaN). Infinity if every half of a chain is stuck, not
// all at one value; NaN if all draws are equal.
CUEBM_API double r_hat(MatrixView<const float> draws);
CUEBM_API double r_hat(MatrixView<const double> draws);

// Effective sample sizes: how many independent draws would estimate as well, from Geyer's initial monotone sequence of
// the split chains. At most N log10 N (antithetic chains); N, less middle draws, if all draws are equal.
// Of rank-normalised draws: for the location of the distribution, defined whatever its tails.
CUEBM_API double ess_bulk(MatrixView<const float> draws);
CUEBM_API double ess_bulk(MatrixView<const double> draws);
// The smaller one of those of the 5% and the 95% quantile.
CUEBM_API double ess_tail(MatrixView<const float> draws);
CUEBM_API double ess_tail(MatrixView<const double> draws);
// Of the draws as they are: for their mean, where it exists.
CUEBM_API double ess_mean(MatrixView<const float> draws);
CUEBM_API double ess_mean(MatrixView<const double> draws);
// Of whether draws are at most the quantile. 0 < prob < 1.
CUEBM_API double ess_quantile(MatrixView<const float> draws, double prob);
CUEBM_API double ess_quantile(MatrixView<const double> draws, double prob);

// sd / sqrt(ess_mean).
CUEBM_API double mcse_mean(MatrixView<const float> draws);
CUEBM_API double mcse_mean(MatrixView<const double> draws);
// Of the standard deviation, by the delta method from the squared distances from the mean. 0 if all draws
// are equal (ArviZ: NaN).
CUEBM_API double mcse_sd(MatrixView<const float> draws);
CUEBM_API double mcse_sd(MatrixView<const double> draws);
// Of a quantile: half the width of the interval that has the probability of one standard deviation, from
// ess_quantile (VGSCB). 0 < prob < 1.
CUEBM_API double mcse_quantile(MatrixView<const float> draws, double prob);
CUEBM_API double mcse_quantile(MatrixView<const double> draws, double prob);

// E-BFMI of each chain, from the energies [chains x draws] that Hamiltonian Monte Carlo had: the sum of the squares of
// their steps over that of their distances from the chain's mean (Betancourt, "Diagnosing suboptimal cotangent
// disintegrations in Hamiltonian Monte Carlo", 2016). Below 0.3, fresh momenta are too small for the energies' spread.
// NaN for a chain whose energies are all equal, or some not finite. Cost: N.
CUEBM_API std::vector<double> e_bfmi(MatrixView<const float> energies);
CUEBM_API std::vector<double> e_bfmi(MatrixView<const double> energies);

// R-hat for many short chains (Margossian, Hoffman, Sountsov, Riou-Durand, Vehtari, Gelman, "Nested R-hat", Bayesian
// Analysis 2024): chains that began at one place make a superchain, and the means of superchains are compared. Rows
// [k m, (k + 1) m) are superchain k, m = chains / superchains. One draw a chain is enough if m > 1. Neither ranks nor
// split chains, as in `posterior`. superchains >= 2 and a divisor of chains. Infinity and NaN as r_hat. Cost: N.
CUEBM_API double nested_r_hat(MatrixView<const float> draws, std::int64_t superchains);
CUEBM_API double nested_r_hat(MatrixView<const double> draws, std::int64_t superchains);

// Effective sample size of the mean from batches of floor(sqrt(draws)) draws, those of all chains about their common
// mean: a second opinion on ess_mean that looks at no lag (Flegal and Jones, "Batch means and spectral variance
// estimators in Markov chain Monte Carlo", Annals of Statistics 38, 2010; Gupta and Vats, "Estimating Monte Carlo
// variance from multiple Markov chains", 2020). The first draws that fill no batch are left out. At most N log10 N; N
// if all draws are equal. Cost: N.
CUEBM_API double batch_means_ess(MatrixView<const float> draws);
CUEBM_API double batch_means_ess(MatrixView<const double> draws);

// The autocorrelation of each chain at lags 0 to `most_lag`, [chains x (most_lag + 1)]: biased, with division by draws
// at every lag. NaN for a chain of equal or not finite draws. 0 <= most_lag < draws; chains of any length. Cost: N a
// lag, or N log(draws).
CUEBM_API HostMatrix<double> autocorrelation(MatrixView<const float> draws, std::int64_t most_lag);
CUEBM_API HostMatrix<double> autocorrelation(MatrixView<const double> draws, std::int64_t most_lag);

// A quantity's row in a summary, by the functions above; mean, sd, quantiles and mcse_mean in the quantity's unit.
struct Quantity {
    std::string name{};
    double mean = 0, sd = 0, median = 0, q5 = 0, q95 = 0;  // quantiles 0.5, 0.05, 0.95, of R's type 7
    double mcse_mean = 0, ess_bulk = 0, ess_tail = 0, r_hat = 0;
};

// What the sampler knows beside the draws; all of it is optional.
struct SamplerReport {
    std::optional<std::int64_t> divergences{};         // >= 0, transitions in all chains
    std::optional<std::int64_t> max_treedepth_hits{};  // >= 0, likewise
    std::vector<double> e_bfmi{};                      // [chains], from e_bfmi(energies)
    std::optional<std::int64_t> transitions{};  // >= 0, in all chains, that these are counts of; none: one a draw
    std::optional<double> acceptance{};         // 0 to 1, the mean probability of it
};

// What a run was worth.
struct Summary {
    std::vector<Quantity> quantities{};
    std::int64_t chains = 0, draws_a_chain = 0;
    SamplerReport sampler{};
    // Of sums alone (cuebm/running.hpp): r_hat is nested_r_hat, ess_bulk and ess_tail are both batch_means_ess, and the
    // table says so.
    bool running = false;
    std::int64_t stuck_chains = 0;  // in which no quantity ever changed; of sums alone, to rounding

    // What is wrong, a sentence each, with what to try; empty if nothing was found. By the rules of VGSCB and Stan:
    // R-hat over 1.01, bulk or tail ESS under 400 in all, any divergence or hit of the greatest tree depth, E-BFMI
    // under 0.3 or NaN; also draws that are not finite or all equal, chains that never moved, if none did or there are
    // 100 draws of each, a single chain, fewer than 4 draws a chain.
    CUEBM_API std::vector<std::string> problems() const;
    // These, a line each, or one line that says that nothing was found.
    CUEBM_API std::string verdict() const;
};

// Of many quantities: draws [chains draws_a_chain x quantities], row c draws_a_chain + t being draw t of chain c. A row
// of NaN for a quantity with a draw that is not finite; with fewer than 4 draws a chain, NaN for what wants 4.
// Errors: also InvalidArgument for names that are not one a column, and for a report that does not fit.
// Cost: for each quantity that of sorting and of 4 effective sample sizes: 0.2 ms for 4 x 1000 draws on one core, 4 ms
// for 64 x 1000. Memory: 64 / sizeof(T) quantities at a time in double, so that a cache line of draws is read once.
CUEBM_API Summary summarise(const std::vector<std::string>& names, MatrixView<const float> draws, std::int64_t chains,
                            std::int64_t draws_a_chain, const SamplerReport& sampler = {});
CUEBM_API Summary summarise(const std::vector<std::string>& names, MatrixView<const double> draws, std::int64_t chains,
                            std::int64_t draws_a_chain, const SamplerReport& sampler = {});

// The table, a line for each quantity, under a line of headings, and the verdict.
CUEBM_API std::string to_string(const Summary& summary);

}  // namespace cuebm::diagnostics
