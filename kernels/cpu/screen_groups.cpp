// See screen_groups.hpp.
#include "cpu/screen_groups.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace cuebm::cpu {
namespace {

class Groups {
public:
    Groups(MatrixView<const float> prototypes, std::int64_t panel, std::int32_t* order, float* line, float* places)
        : prototypes_(prototypes), panel_(panel), order_(order), line_(line), places_(places) {
        std::iota(order_, order_ + prototypes.rows, 0);
        halve(0, prototypes.rows);
    }

private:
    void halve(std::int64_t first, std::int64_t last) {
        const std::int64_t panels = (last - first + panel_ - 1) / panel_;
        if (panels < 2) return;
        const std::int64_t middle = first + (panels + 1) / 2 * panel_;
        constexpr int rounds = 3;  // the line turns little after that
        for (int round = 0; round < rounds; ++round) {
            std::fill_n(line_, prototypes_.cols, 0.0f);
            add(first, middle, -1 / static_cast<float>(middle - first));
            add(middle, last, 1 / static_cast<float>(last - middle));
            for (std::int64_t i = first; i < last; ++i) place(order_[i]);
            std::nth_element(order_ + first, order_ + middle, order_ + last, [&](std::int32_t a, std::int32_t b) {
                const float at_a = place_of(a), at_b = place_of(b);
                return at_a < at_b || (at_a == at_b && a < b);
            });
        }
        halve(first, middle);
        halve(middle, last);
    }

    const float* row(std::int32_t z) const { return prototypes_.data + z * prototypes_.stride; }
    float& place_of(std::int32_t z) { return places_[z]; }

    void add(std::int64_t first, std::int64_t last, float share) {
        for (std::int64_t i = first; i < last; ++i) {
            const float* w = row(order_[i]);
            for (std::int64_t j = 0; j < prototypes_.cols; ++j) line_[j] += share * w[j];
        }
    }
    void place(std::int32_t z) {
        constexpr std::int64_t chains = 8;  // so that the sum is not one chain of additions
        const std::int64_t d = prototypes_.cols;
        const float* w = row(z);
        float sums[chains] = {};
        for (std::int64_t j = 0; j + chains <= d; j += chains)
            for (std::int64_t c = 0; c < chains; ++c) sums[c] += line_[j + c] * w[j + c];
        for (std::int64_t j = d / chains * chains; j < d; ++j) sums[0] += line_[j] * w[j];
        const float sum = std::accumulate(sums, sums + chains, 0.0f);
        place_of(z) = std::isfinite(sum) ? sum : 0;  // what is compared has an order
    }

    MatrixView<const float> prototypes_;
    std::int64_t panel_;
    std::int32_t* order_;
    float *line_, *places_;
};

}  // namespace

void group_prototypes(MatrixView<const float> prototypes, std::int64_t panel, std::int32_t* order, float* line,
                      float* places) {
    Groups(prototypes, panel, order, line, places);
}

}  // namespace cuebm::cpu
