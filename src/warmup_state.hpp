// A warm-up that was cancelled and goes on: what it had learnt, as bytes that a state keeps. A header, and the arrays
// of Chains::learnt() (sample.cpp).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <cuebm/sample.hpp>

#include "sample_arguments.hpp"

namespace cuebm::detail {

// Both of numbers of 8 bytes, so that nothing in them is padding.
struct WarmingSampler {  // which goes on as it was
    std::int64_t metropolis = 0, adjusted = 0, learns_length = 0, harmonic = 0, leapfrogs = 0, max_depth = 0,
                 lengths = 0;
    double step_size = 0, target = 0;

    bool operator==(const WarmingSampler&) const = default;
};
struct WarmupHeader {
    std::int64_t warmup = 0, done = 0;  // transitions
    std::int64_t learns_mass = 0, dense = 0;
    WarmingSampler sampler{};
};

inline WarmingSampler warming(const SamplerKind& kind) {
    return {.metropolis = kind.metropolis,
            .adjusted = kind.adjusted,
            .learns_length = kind.learns_length,
            .harmonic = kind.harmonic,
            .leapfrogs = kind.leapfrogs,
            .max_depth = kind.max_depth,
            .lengths = static_cast<std::int64_t>(kind.lengths),
            .step_size = kind.step_size,
            .target = kind.target};
}

// sample(), from transition `done` of the warm-up on where there is an adaptation; null: there is none.
template <class T>
Samples<T> sample_from(Stream& stream, const Energy& energy, const Sampler& sampler, const SampleOptions<T>& options,
                       const std::vector<std::byte>* adaptation);

}  // namespace cuebm::detail
