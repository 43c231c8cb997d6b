// What is computed from the draws of one quantity: moments, quantiles, R-hat, effective sample sizes and their errors.
// The definitions stand in cuebm/diagnostics.hpp.
#pragma once

#include <cstdint>
#include <vector>

#include "ranked.hpp"

namespace cuebm::detail {

// The means, and the mean variance, of chains of `draws` values each, one chain after the other. A chain of equal
// values has a variance of exactly 0.
struct ChainMoments {
    std::vector<double> means{};
    double variance = 0;  // the mean over chains of the unbiased estimates

    ChainMoments(const double* values, std::int64_t chains, std::int64_t draws);
};

// Of a few values, unbiased; 0 if all are equal.
double variance_of(const std::vector<double>& values);

// sqrt((between / within + draws - 1) / draws); infinity for chains that are stuck at different values, NaN if no value
// differs from another.
double basic_r_hat(const double* values, std::int64_t chains, std::int64_t draws);

// Of 2 or more chains of 2 or more draws. Writes over the values.
double basic_ess(std::vector<double>& values, std::int64_t chains, std::int64_t draws);

// One quantity at a time; memory is kept from one to the next.
class QuantityDraws {
public:
    QuantityDraws(std::int64_t chains, std::int64_t draws);  // chains >= 1, draws >= 1
    // Finite values [chains x draws], one chain after the other; they must stay while this is used.
    void look_at(const double* values);

    double mean() const { return mean_; }
    double sd() const { return sd_; }
    double quantile(double prob);
    // All that follow want draws >= 4.
    double r_hat();
    double ess_bulk();
    double ess_tail();
    double ess_mean();
    double ess_quantile(double prob);
    double mcse_mean();
    double mcse_sd();
    double mcse_quantile(double prob);
    double batch_means_ess() const;

private:
    std::int64_t split_place(std::int64_t chain, std::int64_t draw) const;
    void sort();
    void normal_scores(const std::vector<Ranked>& ascending);
    void fold();
    template <class Value>
    double ess_of_split(Value value);

    std::int64_t chains_, draws_, half_;
    double mean_ = 0, sd_ = 0, scale_ = 1;
    bool sorted_ = false;
    const double* values_ = nullptr;
    std::vector<Ranked> order_{};        // of all draws; a place in the split chains, or -1 for a middle draw
    std::vector<Ranked> split_order_{};  // without these
    std::vector<Ranked> folded_{};       // and of distances from the median; else scratch
    std::vector<double> split_{};        // [2 chains x half]
    std::vector<double> scores_{};       // of the ranks 1, 1.5, 2, ... of so many values
};

}  // namespace cuebm::detail
