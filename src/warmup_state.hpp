// A warm-up that was cancelled and goes on: what it had learnt, as bytes that a state keeps. A header, and the arrays
// of adaptation in the order of Chains::learnt() (sample.cpp).
#pragma once

#include <cstddef>
#include <cstring>
#include <vector>

#include <cuebm/sample.hpp>

#include "sample_arguments.hpp"

namespace cuebm::detail {

struct WarmupHeader {
    double warmup = 0, done = 0;  // transitions
    double learns_mass = 0, dense = 0;
    double metropolis = 0, adjusted = 0, is_nuts = 0, learns_length = 0, step_size = 0, target = 0;

    static WarmupHeader of(const SamplerKind& kind) {
        return {.metropolis = static_cast<double>(kind.metropolis),
                .adjusted = static_cast<double>(kind.adjusted),
                .is_nuts = static_cast<double>(kind.max_depth > 0),
                .learns_length = static_cast<double>(kind.learns_length),
                .step_size = kind.step_size,
                .target = kind.target};
    }
    bool is_of(const SamplerKind& kind) const {
        auto other = of(kind);
        other.warmup = warmup, other.done = done, other.learns_mass = learns_mass, other.dense = dense;
        return std::memcmp(this, &other, sizeof other) == 0;
    }
};
static_assert(sizeof(WarmupHeader) == 10 * sizeof(double));  // no padding

// sample() from transition `done` of its warm-up on; errors are of resume().
template <class T>
Samples<T> go_on_warming_up(Stream& stream, const Energy& energy, const Sampler& sampler,
                            const SampleOptions<T>& options, const std::vector<std::byte>& adaptation);

}  // namespace cuebm::detail
