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
    DrawBlocks(Stream& stream, const SampleOptions<T>& options, std::int64_t d)
        : stream_(stream),
          context_(stream.context()),
          o_(options),
          d_(d),
          draws_(context_.matrix<T>(o_.chains * most_draws(), d)),
          values_(context_.matrix<T>(o_.chains, most_draws())),
          energies_(context_.matrix<T>(o_.chains, most_draws())) {}

    // The end of the block that this transition is in.
    std::int64_t last(std::int64_t transition) const {
        return std::min(first(transition) + length(), o_.draws * o_.thin);
    }
    // Where a launch from this transition on keeps its draws, and how many transitions of the block are done.
    std::pair<std::int64_t, math::KeptDraws<T>> keep(std::int64_t transition) {
        math::KeptDraws<T> kept;
        kept.draws_a_chain = draws_of_block(transition);
        kept.thin = static_cast<std::int32_t>(o_.thin);
        kept.points = draws_.data();
        kept.values = values_.data();
        kept.energies = energies_.data();
        return {transition - first(transition), kept};
    }
    // The draws that are complete of the block whose work is done up to this transition.
    void hand_over(std::int64_t end) {
        const std::int64_t begin = first(end - 1), all = draws_of_block(begin), count = (end - begin) / o_.thin;
        if (count == 0) return;
        const auto rows = count < all ? part_of(draws_, all * d_, count * d_) : Matrix<T>();
        const auto values = count < all ? part_of(values_, all, count) : Matrix<T>();
        const auto energies = count < all ? part_of(energies_, all, count) : Matrix<T>();
        const auto view = [&](const Matrix<T>& whole, const Matrix<T>& part, std::int64_t n, std::int64_t cols) {
            return MatrixView<const T>{(count < all ? part : whole).data(), n, cols, cols, context_.device()};
        };
        call_back(o_.receive, {.draws = view(draws_, rows, o_.chains * count, d_),
                               .values = view(values_, values, o_.chains, count),
                               .energies = view(energies_, energies, o_.chains, count),
                               .first = begin / o_.thin,
                               .count = count});
    }

    // [chains x d]: the last draw that was complete at this transition, which stays until the next one is.
    MatrixView<const T> last_draw(std::int64_t end) const {
        const std::int64_t whole = end / o_.thin * o_.thin, begin = first(whole - 1), all = draws_of_block(begin);
        return {draws_.data() + ((whole - begin) / o_.thin - 1) * d_, o_.chains, d_, all * d_, context_.device()};
    }

private:
    std::int64_t most_draws() const {
        constexpr std::int64_t most_bytes = 64 << 20;
        const std::int64_t bytes = o_.chains * (d_ + 2) * static_cast<std::int64_t>(sizeof(T));
        return std::clamp<std::int64_t>(most_bytes / bytes, 1, o_.draws);
    }
    std::int64_t length() const { return most_draws() * o_.thin; }
    std::int64_t first(std::int64_t transition) const { return transition / length() * length(); }
    std::int64_t draws_of_block(std::int64_t transition) const {
        return (last(transition) - first(transition)) / o_.thin;
    }
    // The first `cols` of `stride` values of each chain, without gaps.
    Matrix<T> part_of(const Matrix<T>& block, std::int64_t stride, std::int64_t cols) {
        auto part = context_.matrix<T>(o_.chains, cols);
        copy(stream_, MatrixView<const T>{block.data(), o_.chains, cols, stride, context_.device()}, part);
        stream_.wait();
        return part;
    }

    Stream& stream_;
    const Context context_;
    const SampleOptions<T>& o_;
    std::int64_t d_;
    Matrix<T> draws_, values_, energies_;
};

}  // namespace cuebm::detail
