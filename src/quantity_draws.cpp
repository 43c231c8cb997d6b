// See quantity_draws.hpp.
#include "quantity_draws.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <iterator>
#include <limits>

#include "autocovariance.hpp"
#include "distributions.hpp"

namespace cuebm::detail {
namespace {

double square(double x) { return x * x; }

}  // namespace

ChainMoments::ChainMoments(const double* values, std::int64_t chains, std::int64_t draws) {
    const auto n = static_cast<double>(draws);
    for (std::int64_t c = 0; c < chains; ++c) {
        const double* x = values + c * draws;
        double from_first = 0, squares = 0;
        for (std::int64_t i = 0; i < draws; ++i) from_first += x[i] - x[0];
        from_first /= n;
        means.push_back(x[0] + from_first);
        for (std::int64_t i = 0; i < draws; ++i) squares += square(x[i] - x[0] - from_first);
        if (draws > 1) variance += squares / (n - 1);
    }
    variance /= static_cast<double>(chains);
}

double variance_of(const std::vector<double>& values) {
    return values.size() < 2 ? 0 : ChainMoments(values.data(), 1, static_cast<std::int64_t>(values.size())).variance;
}

double basic_r_hat(const double* values, std::int64_t chains, std::int64_t draws) {
    const ChainMoments chain(values, chains, draws);
    const double n = static_cast<double>(draws), between = n * variance_of(chain.means);
    if (chain.variance == 0)
        return between > 0 ? std::numeric_limits<double>::infinity() : std::numeric_limits<double>::quiet_NaN();
    return std::sqrt((between / chain.variance + n - 1) / n);
}

double basic_ess(std::vector<double>& values, std::int64_t chains, std::int64_t draws) {
    const double n = static_cast<double>(draws), size = static_cast<double>(chains) * n;
    const auto [least, most] = std::minmax_element(values.begin(), values.end());
    if (*least == *most) return size;
    // Values that are far from 0 and near each other keep their digits.
    for (const double origin = values[0]; auto& value : values) value -= origin;
    const ChainMoments chain(values.data(), chains, draws);
    for (std::int64_t c = 0; c < chains; ++c)
        for (std::int64_t i = 0; i < draws; ++i)
            values[static_cast<std::size_t>(c * draws + i)] -= chain.means[static_cast<std::size_t>(c)];
    Autocovariances covariances(values.data(), chains, draws);
    const double within = covariances.at(0) * n / (n - 1);
    const double variance = within * (n - 1) / n + variance_of(chain.means);
    const auto rho_at = [&](std::int64_t lag) { return 1 - (within - covariances.at(lag)) / variance; };

    // Geyer's initial positive sequence: pairs of lags (even, odd), until the sum of a pair is negative.
    std::vector<double> rho{1.0, rho_at(1)};
    double even = 1, odd = rho[1];
    std::int64_t t = 1;
    while (t < draws - 3 && even + odd > 0) {
        even = rho_at(t + 1);
        odd = rho_at(t + 2);
        if (even + odd >= 0) rho.insert(rho.end(), {even, odd});
        t += 2;
    }
    // The first lag behind the last whole pair counts if it is positive: antithetic chains end there.
    const auto last = static_cast<std::size_t>(t - 1);
    rho.resize(std::max(rho.size(), last + 2), 0.0);
    if (even > 0) rho[last] = even;
    // His initial monotone sequence: no pair above the one before it.
    for (std::size_t i = 2; i + 1 < last; i += 2) {
        const double before = rho[i - 2] + rho[i - 1];
        if (rho[i] + rho[i + 1] > before) rho[i] = rho[i + 1] = before / 2;
    }
    double sum = 0;
    for (std::size_t i = 0; i < last; ++i) sum += rho[i];
    const double tau = std::max(-1 + 2 * sum + rho[last], 1 / std::log10(size));
    return size / tau;
}

QuantityDraws::QuantityDraws(std::int64_t chains, std::int64_t draws)
    : chains_(chains), draws_(draws), half_(draws / 2) {
    order_.resize(static_cast<std::size_t>(chains * draws));
    split_.resize(static_cast<std::size_t>(2 * chains * half_));
}

void QuantityDraws::look_at(const double* values) {
    values_ = values;
    sorted_ = false;
    const std::int64_t size = chains_ * draws_;
    double largest = 0;
    for (std::int64_t i = 0; i < size; ++i) largest = std::max(largest, std::fabs(values[i]));
    // A power of two that brings values near 1, so that no square of them overflows or vanishes.
    int exponent = 0;
    (void)std::frexp(largest, &exponent);
    scale_ = std::ldexp(1.0, std::clamp(-exponent, -1022, 1022));
    double from_first = 0, squares = 0;
    for (std::int64_t i = 0; i < size; ++i) from_first += values[i] * scale_ - values[0] * scale_;
    from_first /= static_cast<double>(size);
    for (std::int64_t i = 0; i < size; ++i) squares += square(values[i] * scale_ - values[0] * scale_ - from_first);
    mean_ = (values[0] * scale_ + from_first) / scale_;
    sd_ = std::sqrt(squares / static_cast<double>(size - 1)) / scale_;
}

// The place of a draw among the halves of chains, in the order first half of chain 0, second half of chain 0, ...: of
// an odd number of draws the middle one is left out.
std::int64_t QuantityDraws::split_place(std::int64_t chain, std::int64_t draw) const {
    const std::int64_t second = draws_ - half_;
    if (draw < half_) return 2 * chain * half_ + draw;
    return draw < second ? -1 : (2 * chain + 1) * half_ + draw - second;
}

void QuantityDraws::sort() {
    if (sorted_) return;
    std::size_t next = 0;
    for (std::int64_t c = 0; c < chains_; ++c)
        for (std::int64_t i = 0; i < draws_; ++i) order_[next++] = {values_[c * draws_ + i], split_place(c, i)};
    sort_by_value(order_, folded_);
    split_order_.clear();
    std::copy_if(order_.begin(), order_.end(), std::back_inserter(split_order_),
                 [](const Ranked& r) { return r.place >= 0; });
    sorted_ = true;
}

// Of the type that R numbers 7, between the two values about (size - 1) prob: never outside them, whatever is rounded.
double QuantityDraws::quantile(double prob) {
    sort();
    const auto size = static_cast<double>(order_.size());
    if (order_.size() == 1) return order_[0].value;
    const double at = size * prob + (1 - prob), low = std::floor(std::clamp(at, 1.0, size - 1));
    const double part = std::clamp(at - low, 0.0, 1.0);
    const double a = order_[static_cast<std::size_t>(low) - 1].value, b = order_[static_cast<std::size_t>(low)].value;
    return std::clamp((1 - part) * a + part * b, a, b);
}

// Writes the normal scores of the average ranks to split_: Blom's (rank - 3/8) / (size + 1/4).
void QuantityDraws::normal_scores(const std::vector<Ranked>& ascending) {
    const std::size_t size = ascending.size();
    if (scores_.size() != 2 * size - 1) {
        scores_.resize(2 * size - 1);
        for (std::size_t i = 0; i < size; ++i) {
            const double rank = 1 + 0.5 * static_cast<double>(i);
            scores_[i] = normal_quantile((rank - 0.375) / (static_cast<double>(size) + 0.25));
            scores_[2 * size - 2 - i] = -scores_[i];
        }
    }
    for (std::size_t first = 0, end = 0; first < size; first = end) {
        while (end < size && ascending[end].value == ascending[first].value) ++end;
        for (std::size_t i = first; i < end; ++i)
            split_[static_cast<std::size_t>(ascending[i].place)] = scores_[first + end - 1];
    }
}

// |value - median|, ascending: those under the median, backwards, merged with those over it.
void QuantityDraws::fold() {
    const std::size_t size = split_order_.size();
    const double median = 0.5 * split_order_[(size - 1) / 2].value + 0.5 * split_order_[size / 2].value;
    const auto folded = [&](std::size_t i) {
        return Ranked{std::fabs(split_order_[i].value - median), split_order_[i].place};
    };
    folded_.clear();
    std::size_t over = size / 2, under = over;  // under: one behind
    while (under > 0 || over < size) {
        const bool take_under = over == size || (under > 0 && folded(under - 1).value < folded(over).value);
        folded_.push_back(take_under ? folded(--under) : folded(over++));
    }
}

double QuantityDraws::r_hat() {
    sort();
    normal_scores(split_order_);
    const double bulk = basic_r_hat(split_.data(), 2 * chains_, half_);
    fold();
    normal_scores(folded_);
    return std::fmax(bulk, basic_r_hat(split_.data(), 2 * chains_, half_));  // folded is NaN of two equal peaks
}

double QuantityDraws::ess_bulk() {
    sort();
    normal_scores(split_order_);
    return basic_ess(split_, 2 * chains_, half_);
}

template <class Value>
double QuantityDraws::ess_of_split(Value value) {
    for (std::int64_t c = 0; c < chains_; ++c)
        for (std::int64_t i = 0; i < draws_; ++i)
            if (const std::int64_t place = split_place(c, i); place >= 0)
                split_[static_cast<std::size_t>(place)] = value(values_[c * draws_ + i]);
    return basic_ess(split_, 2 * chains_, half_);
}

double QuantityDraws::ess_mean() {
    return ess_of_split([this](double x) { return x * scale_; });
}

double QuantityDraws::ess_quantile(double prob) {
    const double limit = quantile(prob);
    return ess_of_split([limit](double x) { return x <= limit ? 1.0 : 0.0; });
}

double QuantityDraws::ess_tail() { return std::min(ess_quantile(0.05), ess_quantile(0.95)); }

double QuantityDraws::mcse_mean() { return sd_ / std::sqrt(ess_mean()); }

// By the delta method: the error of the mean of squares, then of its root.
double QuantityDraws::mcse_sd() {
    const double mean = mean_ * scale_, size = static_cast<double>(chains_) * static_cast<double>(draws_);
    const auto squared = [this, mean](double x) { return square(x * scale_ - mean); };
    double variance = 0, of_squares = 0;
    for (std::int64_t i = 0; i < chains_ * draws_; ++i) variance += squared(values_[i]);
    variance /= size;
    if (variance == 0) return 0;
    for (std::int64_t i = 0; i < chains_ * draws_; ++i) of_squares += square(squared(values_[i]) - variance);
    of_squares /= size;
    return std::sqrt(of_squares / ess_of_split(squared) / variance / 4) / scale_;
}

// Half the distance of the two order statistics between which a quantile of so many independent draws lies with the
// probability that a normal variable lies within one standard deviation.
double QuantityDraws::mcse_quantile(double prob) {
    const double ess = ess_quantile(prob), size = static_cast<double>(order_.size());
    const auto at = [&](double p) { return beta_quantile(p, ess * prob + 1, ess * (1 - prob) + 1) * size - 1; };
    const double low = std::floor(std::max(at(0.1586553), 0.0)), high = std::ceil(std::min(at(0.8413447), size - 1));
    return (order_[static_cast<std::size_t>(high)].value - order_[static_cast<std::size_t>(low)].value) / 2;
}

double QuantityDraws::batch_means_ess() const {
    const auto length = static_cast<std::int64_t>(std::sqrt(static_cast<double>(draws_)));
    const std::int64_t batches = draws_ / length, left_out = draws_ - batches * length;
    std::vector<double> scaled(static_cast<std::size_t>(length)), means;
    for (std::int64_t c = 0; c < chains_; ++c)
        for (std::int64_t b = 0; b < batches; ++b) {
            const double* x = values_ + c * draws_ + left_out + b * length;
            std::transform(x, x + length, scaled.begin(), [this](double value) { return value * scale_; });
            means.push_back(ChainMoments(scaled.data(), 1, length).means[0]);
        }
    const double variance = square(sd_ * scale_), size = static_cast<double>(chains_ * draws_);
    if (variance == 0) return size;
    const double tau = static_cast<double>(length) * variance_of(means) / variance;
    return size / std::max(tau, 1 / std::log10(size));
}

}  // namespace cuebm::detail
