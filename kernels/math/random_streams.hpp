// Every stream of random numbers in the library, and the layout of its counter. A draw depends on (seed,
// purpose, index, step, draw) alone: never on a thread, a chunk or the number of points.
//
//   key     = the first two words of Philox(counter {seed low, seed high, purpose, 0}, key 0)
//   counter = {index low, index high, step, draw}
#pragma once

#include "math/philox.hpp"

namespace cuebm::math {

enum class RandomPurpose : std::uint32_t {
    kmeans_subsample = 1,   // index: rows chosen so far;   step: n_init start
    kmeans_first = 2,       // index: 0;                    step: n_init start
    kmeans_candidates = 3,  // index: prototypes so far;    step: n_init start;  draw: candidate
    kmeans_random = 4,      // index: prototypes so far;    step: n_init start
    kmeans_parallel =
        5,  // index: row of the subsample; step: n_init start;  draw: round; index 0, draw 5: the first row
    kmeans_perturb = 16,   // index: coordinate of W;      step: rise of beta
    chains_start = 32,     // index: chain;                step: attempt;      draw: coordinate
    chains_momentum = 33,  // index: chain;               step: transition;   draw: block of normal numbers
    // NUTS always; other samplers but where normals_leave_words(): they take a word of chains_momentum there.
    chains_accept = 34,  // index: chain;               step: transition;   draw: leaf of NUTS, else 0
    chains_length = 35,  // index: 0, of NUTS chain;    step: transition;   draw: depth of NUTS, else 0
};

CUEBM_MATH PhiloxKey random_key(std::uint64_t seed, RandomPurpose purpose) {
    const PhiloxBlock b = philox({{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32),
                                   static_cast<std::uint32_t>(purpose), 0}},
                                 {{0, 0}});
    return {{b.word[0], b.word[1]}};
}

CUEBM_MATH PhiloxBlock random_block(PhiloxKey key, std::uint64_t index, std::uint32_t step, std::uint32_t draw) {
    return philox({{static_cast<std::uint32_t>(index), static_cast<std::uint32_t>(index >> 32), step, draw}}, key);
}

// The first words of the counters of lanes: lane l is for index + l.
template <class R>
struct LaneIndex {
    typename LaneTraits<R>::Unsigned low, high;
};
template <class R>
CUEBM_MATH LaneIndex<R> lane_index(std::uint64_t index) {
    using U = typename LaneTraits<R>::Unsigned;
    const auto low = static_cast<WordOf<R>>(index);
    const U lane = lane_numbers(U{}), sum = lane + low;
    if constexpr (sizeof(WordOf<R>) == 8)
        return {sum, sum >> 32};
    else  // the carry is the highest bit that both had, or one had and the sum has not
        return {sum, (((lane & low) | ((lane | low) & ~sum)) >> 31) + static_cast<std::uint32_t>(index >> 32)};
}

// A word of the counter that may differ from lane to lane.
template <class U>
struct CounterWordOf {
    using Type = U;
};
template <>
struct CounterWordOf<std::uint64_t> {  // of a lane of double alone
    using Type = std::uint32_t;
};
template <class R>
using CounterWord = typename CounterWordOf<typename LaneTraits<R>::Unsigned>::Type;

template <class R>
CUEBM_MATH PhiloxWords<typename LaneTraits<R>::Unsigned> random_block(PhiloxKey key, LaneIndex<R> index,
                                                                      std::uint32_t step, std::uint32_t draw) {
    return philox_of_lanes(index.low, index.high, step, draw, key);
}
// Of lanes at steps and draws of their own.
template <class R>
CUEBM_MATH PhiloxWords<typename LaneTraits<R>::Unsigned> random_block_of_lanes(PhiloxKey key, LaneIndex<R> index,
                                                                               CounterWord<R> step,
                                                                               CounterWord<R> draw) {
    return philox_of_lanes(index.low, index.high, step, draw, key);
}

CUEBM_MATH std::uint64_t random_u64(PhiloxKey key, std::uint64_t index, std::uint32_t step, std::uint32_t draw) {
    const PhiloxBlock b = random_block(key, index, step, draw);
    return std::uint64_t{b.word[0]} | std::uint64_t{b.word[1]} << 32;
}

// floor(r * bound / 2^64): uniform in [0, bound) to within bound / 2^64.
CUEBM_MATH std::uint64_t scale_down(std::uint64_t r, std::uint64_t bound) {
#if defined(__CUDA_ARCH__)
    return __umul64hi(r, bound);
#else
    return static_cast<std::uint64_t>((static_cast<unsigned __int128>(r) * bound) >> 64);
#endif
}

}  // namespace cuebm::math
