// An inference to make, and its answers, brought from the device.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include <cuebm/assign.hpp>

#include "reference/assign.hpp"
#include "support/data.hpp"

namespace cuebm::test {

template <class T>
struct Problem {
    std::int64_t n = 0, k = 0, d = 0;
    std::vector<T> points{}, prototypes{};
    std::vector<std::uint8_t> known{};  // n d or d bytes; empty: all
    double beta = infinity;
};

template <class T>
Problem<T> normal_problem(std::int64_t n, std::int64_t k, std::int64_t d, double mean = 0, double sd = 1) {
    return {
        .n = n, .k = k, .d = d, .points = normal<T>(n * d, 1, mean, sd), .prototypes = normal<T>(k * d, 2, mean, sd)};
}

// Which outputs are asked for; kernels may take other ways for other sets.
enum Want : unsigned { labels = 1, energies = 2, best = 4, all_energies = 8, free_energies = 16 };
inline constexpr unsigned everything =
    Want::labels | Want::energies | Want::best | Want::all_energies | Want::free_energies;

template <class T>
struct Answers {
    std::vector<std::int32_t> labels{}, best_labels{};
    std::vector<T> energies{}, best_energies{}, all_energies{}, free_energies{};
};

// A problem on a device, with room for its answers.
template <class T>
class OnDevice {
public:
    OnDevice(const Context& context, const Problem<T>& p, unsigned want, std::int64_t m = 1, Layout layout = {})
        : want_(want),
          points_(context, p.points, p.n, p.d, layout),
          prototypes_(context, p.prototypes, p.k, p.d, layout),
          known_(context, p.known, p.known.empty() ? 0 : static_cast<std::int64_t>(p.known.size()) / p.d, p.d, layout),
          labels_(context, want & Want::labels ? p.n : 0, 1, layout),
          best_labels_(context, want & Want::best ? p.n : 0, m, layout),
          energies_(context, want & Want::energies ? p.n : 0, 1, layout),
          best_energies_(context, want & Want::best ? p.n : 0, m, layout),
          all_energies_(context, want & Want::all_energies ? p.n : 0, p.k, layout),
          free_energies_(context, want & Want::free_energies ? p.n : 0, 1, layout) {
        task_ = {.points = points_.view(), .prototypes = prototypes_.view(), .beta = p.beta};
        if (!p.known.empty()) task_.known = known_.view();
        if (want & Want::labels) task_.labels = labels_.vector();
        if (want & Want::energies) task_.energies = energies_.vector();
        if (want & Want::best) task_.best_labels = best_labels_.view();
        if (want & Want::best) task_.best_energies = best_energies_.view();
        if (want & Want::all_energies) task_.all_energies = all_energies_.view();
        if (want & Want::free_energies) task_.free_energies = free_energies_.vector();
    }
    const Assign<T>& task() const { return task_; }
    MatrixView<T> points() const { return points_.view(); }
    // The inputs are checked to be as they were.
    Answers<T> answers(const Problem<T>& p) const {
        EXPECT_TRUE(same_bits(points_.host(), p.points));
        EXPECT_TRUE(same_bits(prototypes_.host(), p.prototypes));
        Answers<T> a;
        if (want_ & Want::labels) a.labels = labels_.host();
        if (want_ & Want::energies) a.energies = energies_.host();
        if (want_ & Want::best) a.best_labels = best_labels_.host();
        if (want_ & Want::best) a.best_energies = best_energies_.host();
        if (want_ & Want::all_energies) a.all_energies = all_energies_.host();
        if (want_ & Want::free_energies) a.free_energies = free_energies_.host();
        return a;
    }

private:
    unsigned want_;
    Placed<T> points_, prototypes_;
    Placed<std::uint8_t> known_;
    Placed<std::int32_t> labels_, best_labels_;
    Placed<T> energies_, best_energies_, all_energies_, free_energies_;
    Assign<T> task_;
};

template <class T>
Answers<T> solve(Context& context, const Problem<T>& p, unsigned want, std::int64_t m = 1, Layout layout = {}) {
    const OnDevice<T> there(context, p, want, m, layout);
    assign(context, there.task());
    return there.answers(p);
}

// The answers by the canonical definition: everything but F_beta must have these bits.
template <class T>
class Canonical {
public:
    explicit Canonical(const Problem<T>& p)
        : k_(p.k),
          energies_(reference::canonical_energies(p.points, p.prototypes, p.n, p.k, p.d, p.known)),
          order_(reference::lowest(energies_, p.k, std::min<std::int64_t>(p.k, 32))) {}

    void expect(const Answers<T>& got, unsigned want, std::int64_t m = 1) const {
        const auto check = [&](unsigned output, const auto& values, const auto& wanted) {
            if ((want & output) != 0) {
                EXPECT_TRUE(same_bits(values, wanted));
            }
        };
        check(Want::labels, got.labels, labels(1));
        check(Want::energies, got.energies, lowest(1));
        check(Want::best, got.best_labels, labels(m));
        check(Want::best, got.best_energies, lowest(m));
        check(Want::all_energies, got.all_energies, energies_);
    }

private:
    template <class Use>
    void for_best(std::int64_t m, Use use) const {
        const auto kept = static_cast<std::size_t>(std::min<std::int64_t>(k_, 32));
        for (std::size_t row = 0; row < order_.size() / kept; ++row)
            for (std::size_t c = 0; c < static_cast<std::size_t>(m); ++c) use(row, order_[row * kept + c]);
    }
    std::vector<std::int32_t> labels(std::int64_t m) const {
        std::vector<std::int32_t> result;
        for_best(m, [&](std::size_t, std::int32_t label) { result.push_back(label); });
        return result;
    }
    std::vector<T> lowest(std::int64_t m) const {
        std::vector<T> result;
        for_best(m, [&](std::size_t row, std::int32_t label) {
            result.push_back(energies_[row * static_cast<std::size_t>(k_) + static_cast<std::size_t>(label)]);
        });
        return result;
    }
    std::int64_t k_;
    std::vector<T> energies_;
    std::vector<std::int32_t> order_;
};

template <class T>
void expect_canonical(const Answers<T>& got, const Problem<T>& p, unsigned want, std::int64_t m = 1) {
    Canonical<T>(p).expect(got, want, m);
}

}  // namespace cuebm::test
