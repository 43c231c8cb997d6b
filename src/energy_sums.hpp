// Energies of chains that are added up as they come.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace cuebm::detail {

// E-BFMI of each chain, from energies that come in blocks: sums of deviations from its first one.
class EnergySums {
public:
    explicit EnergySums(std::int64_t chains) : of_chains_(static_cast<std::size_t>(chains)) {}

    template <class T>
    void add(const std::vector<T>& energies, std::int64_t first) {  // [chains x count], from draw `first` on
        const std::size_t count = energies.size() / of_chains_.size();
        for (std::size_t c = 0; c < of_chains_.size(); ++c)
            for (std::size_t t = 0; t < count; ++t) {
                const auto energy = static_cast<double>(energies[c * count + t]);
                OfChain& s = of_chains_[c];
                if (first == 0 && t == 0) s.first = s.last = energy;
                const double off = energy - s.first, step = energy - s.last;
                s.sum += off;
                s.squares += off * off;
                s.steps += step * step;
                s.last = energy;
            }
    }
    // NaN where energies are all equal, or some not finite.
    std::vector<double> e_bfmi(std::int64_t draws) const {
        std::vector<double> result;
        for (const OfChain& s : of_chains_)
            result.push_back(s.steps / (s.squares - s.sum * (s.sum / static_cast<double>(draws))));
        return result;
    }

private:
    struct OfChain {
        double first = 0, last = 0, sum = 0, squares = 0, steps = 0;
    };
    std::vector<OfChain> of_chains_;
};

}  // namespace cuebm::detail
