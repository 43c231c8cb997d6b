// Draws that are handed to a receiver in blocks, and not kept.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>

#include <cuebm/sample.hpp>

#include "float_environment.hpp"
#include "math/samplers/kept_draws.hpp"

namespace cuebm::detail {

// Transitions are counted from the end of warm-up. A block is of whole draws of all chains: up to 64 MiB, or one.
template <class T>
class DrawBlocks {
public:
    DrawBlocks(const Context& context, const SampleOptions<T>& options, std::int64_t d)
        : context_(context), o_(options), d_(d) {}

    // The end of the block that this transition is in.
    std::int64_t last(std::int64_t transition) const {
        return std::min(first(transition) + length(), o_.draws * o_.thin);
    }
    // Where a launch from this transition on keeps its draws, and how many transitions of the block are done.
    std::pair<std::int64_t, math::KeptDraws<T>> keep(std::int64_t transition) {
        const std::int64_t begin = first(transition), draws = (last(transition) - begin) / o_.thin;
        if (values_.cols() != draws) {
            draws_ = {};  // before there is another, so that there is one at a time
            values_ = {};
            energies_ = {};
            draws_ = context_.matrix<T>(o_.chains * draws, d_);
            values_ = context_.matrix<T>(o_.chains, draws);
            energies_ = context_.matrix<T>(o_.chains, draws);
        }
        math::KeptDraws<T> kept;
        kept.draws_a_chain = draws;
        kept.thin = static_cast<std::int32_t>(o_.thin);
        kept.points = draws_.data();
        kept.values = values_.data();
        kept.energies = energies_.data();
        return {transition - begin, kept};
    }
    // The block that ends at this transition, whose work is done.
    void hand_over(std::int64_t end) {
        call_back(o_.receive, {.draws = draws_,
                               .values = values_,
                               .energies = energies_,
                               .first = first(end - 1) / o_.thin,
                               .count = (end - first(end - 1)) / o_.thin});
    }

    // [chains x d], of the block.
    MatrixView<const T> last_draw() const {
        const std::int64_t count = values_.cols();
        return {draws_.data() + (count - 1) * d_, o_.chains, d_, count * d_, context_.device()};
    }

private:
    std::int64_t length() const {
        constexpr std::int64_t most_bytes = 64 << 20;
        const std::int64_t bytes = o_.chains * (d_ + 2) * static_cast<std::int64_t>(sizeof(T));
        return std::clamp<std::int64_t>(most_bytes / bytes, 1, o_.draws) * o_.thin;
    }
    std::int64_t first(std::int64_t transition) const { return transition / length() * length(); }

    const Context context_;
    const SampleOptions<T>& o_;
    std::int64_t d_;
    Matrix<T> draws_, values_, energies_;
};

}  // namespace cuebm::detail
