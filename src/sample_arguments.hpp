// What sample() is asked for: its arguments, checked; and the schedule of warm-up.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <variant>
#include <vector>

#include <cuebm/sample.hpp>

#include "check.hpp"
#include "math/samplers/dense_mass_learning.hpp"
#include "math/samplers/transition.hpp"

namespace cuebm::detail {

inline constexpr auto sample_function = "sample";

// A sampler, whichever it is.
struct SamplerKind {
    bool metropolis = false, adjusted = true, learns_length = false;
    bool harmonic = false;  // its target is of the harmonic mean over chains
    int leapfrogs = 1, max_depth = 0;
    Lengths lengths = Lengths::fixed;
    double step_size = 0, target = 0;
};
inline SamplerKind kind_of(const Sampler& sampler) {
    if (const auto* m = std::get_if<Metropolis>(&sampler))
        return {.metropolis = true, .step_size = m->step_size, .target = m->target};
    if (const auto* l = std::get_if<Langevin>(&sampler))
        return {.adjusted = l->adjusted, .step_size = l->step_size, .target = l->target};
    if (const auto* n = std::get_if<Nuts>(&sampler))
        return {.harmonic = true, .max_depth = n->max_depth, .step_size = n->step_size, .target = n->target};
    const auto& h = std::get<Hmc>(sampler);
    if (h.leapfrogs == 0)
        return {.learns_length = true,
                .harmonic = true,
                .lengths = Lengths::halton,
                .step_size = h.step_size,
                .target = h.target};
    return {
        .harmonic = true, .leapfrogs = h.leapfrogs, .lengths = h.lengths, .step_size = h.step_size, .target = h.target};
}

// Transitions of warm-up after which the mass is learnt anew, and from which moments are collected: Stan's, but for a
// rest of fewer than 25 after the first window, from which a mass would be learnt badly: it joins that window.
struct WarmupWindows {
    std::int64_t first = 0, last = 0;  // moments are collected in [first, last)
    std::vector<std::int64_t> ends;    // of each window, exclusive
};
inline WarmupWindows windows_of(std::int64_t warmup) {
    if (warmup < 20) return {};
    std::int64_t before = 75, after = 50, window = 25;
    if (before + window + after > warmup) {
        before = warmup * 15 / 100;
        after = warmup / 10;
        window = warmup - before - after;
    }
    if (warmup - after < before + 2 * window) window = warmup - after - before;
    WarmupWindows windows{.first = before, .last = warmup - after, .ends = {before + window}};
    while (windows.ends.back() < windows.last) {
        window *= 2;
        std::int64_t end = windows.ends.back() + window;
        if (end + 2 * window > windows.last) end = windows.last;  // the next would not be whole
        windows.ends.push_back(end);
    }
    return windows;
}

inline void check_in(const char* argument, double value, double low, double high) {
    if (!(value > low && value < high))
        refuse(sample_function, argument, text_of(value), "between " + text_of(low) + " and " + text_of(high));
}

inline constexpr std::int64_t most_dense = 2048;
inline bool is_dense(const std::vector<double>& inverse_mass, std::int64_t d) {
    return d > 1 && static_cast<std::int64_t>(inverse_mass.size()) == d * d;
}
inline bool is_positive_definite(const std::vector<double>& matrix, std::int64_t d) {
    const auto size = static_cast<std::size_t>(d);
    std::vector<double> sums(size * (2 + size)), inverse(size * size), factor(size * size);
    for (std::size_t i = 0; i < size; ++i)
        std::copy_n(matrix.begin() + static_cast<std::ptrdiff_t>(i * size), i + 1,
                    sums.begin() + static_cast<std::ptrdiff_t>(i * (1 + size) + 1));
    return math::learn_dense_mass<double>({.d = static_cast<std::int32_t>(d),
                                           .points = 0,
                                           .sums = sums.data(),
                                           .inverse = inverse.data(),
                                           .factor = factor.data()},
                                          math::OneThread{});
}
inline void check_inverse_mass(const std::vector<double>& inverse, std::int64_t d, double least, double largest) {
    const auto size = static_cast<std::int64_t>(inverse.size());
    if (size != 0 && size != d && size != d * d)
        refuse(sample_function, "inverse_mass", std::to_string(size) + " values",
               std::to_string(d) + ", its diagonal, or " + std::to_string(d * d));
    if (!is_dense(inverse, d)) {
        for (const double value : inverse) check_in("inverse_mass", value, least, largest);
        return;
    }
    const auto at = [&](std::int64_t i, std::int64_t j) { return inverse[static_cast<std::size_t>(i * d + j)]; };
    for (std::int64_t i = 0; i < d; ++i) {
        check_in("inverse_mass", at(i, i), least, largest);
        for (std::int64_t j = 0; j < i; ++j)
            if (at(i, j) != at(j, i))
                refuse(sample_function, "inverse_mass",
                       text_of(at(i, j)) + " at " + shape(i, j) + " and " + text_of(at(j, i)) + " across the diagonal",
                       "a symmetric matrix");
    }
    if (!is_positive_definite(inverse, d))
        refuse(sample_function, "inverse_mass", "a matrix that is not positive definite", "one that is");
}

template <class T>
void check_sample(const Context& context, const Energy& energy, const SamplerKind& kind, bool nuts,
                  const SampleOptions<T>& o) {
    if (!energy) refuse(sample_function, "energy", "none", "an energy");
    const std::int64_t d = energy.dimension();
    constexpr std::int64_t most = std::int64_t{1} << 31;
    const auto check_count = [](const char* argument, std::int64_t value, std::int64_t least) {
        if (value < least || value >= most)
            refuse(sample_function, argument, std::to_string(value), std::to_string(least) + " to 2^31 - 1");
    };
    check_count("chains", o.chains, 1);
    check_count("warmup", o.warmup, 0);
    check_count("draws", o.draws, 0);
    check_count("thin", o.thin, 1);
    if (o.first_transition < 0 || o.first_transition >= 2 * most)
        refuse(sample_function, "first_transition", std::to_string(o.first_transition), "0 to 2^32 - 1");
    if (o.first_transition + o.warmup + o.draws * o.thin >= 2 * most)
        refuse(sample_function, "draws", std::to_string(o.draws) + " of " + std::to_string(o.thin) + " transitions",
               "fewer than 2^32 transitions in all");
    if (kind.leapfrogs < 1 || kind.leapfrogs > 1 << 30)
        refuse(sample_function, "leapfrogs", std::to_string(kind.leapfrogs), "1 to 2^30");
    if (kind.max_depth < (nuts ? 1 : 0) || kind.max_depth > math::most_tree_depth)
        refuse(sample_function, "max_depth", std::to_string(kind.max_depth),
               "1 to " + std::to_string(math::most_tree_depth));
    if (kind.learns_length && o.warmup == 0)
        refuse(sample_function, "leapfrogs", "0, to be learnt", "leapfrogs >= 1, or warm-up to learn them in");
    if (kind.lengths != Lengths::fixed && kind.lengths != Lengths::jittered && kind.lengths != Lengths::halton)
        refuse(sample_function, "lengths", std::to_string(static_cast<int>(kind.lengths)), "a Lengths");
    if (!(kind.step_size >= 0) || kind.step_size == infinity)
        refuse(sample_function, "step_size", text_of(kind.step_size), "a finite step size > 0, or 0 to learn it");
    if (kind.step_size == 0 && (o.warmup == 0 || !kind.adjusted))
        refuse(sample_function, "step_size", "0, to be learnt",
               kind.adjusted ? "a step size > 0, or warm-up to learn it in" : "a step size > 0: ULA has none to learn");
    check_in("target", kind.target, 0, 1);
    // Any that T holds, since adaptation may end there and chains go on with it.
    constexpr double least = std::numeric_limits<T>::min(), largest = std::numeric_limits<T>::max();
    if (kind.step_size > 0) check_in("step_size", kind.step_size, least, largest);
    check_in("start_spread", o.start_spread, least, 1e30);
    if ((o.dense_mass || is_dense(o.inverse_mass, d)) && d > most_dense)
        refuse(sample_function, o.dense_mass ? "dense_mass" : "inverse_mass",
               "a matrix of " + std::to_string(d) + " coordinates",
               "at most " + std::to_string(most_dense) + "; a diagonal mass has no such limit");
    check_inverse_mass(o.inverse_mass, d, least, largest);
    check_optional(sample_function, "start", o.start, o.chains, d, context.device());
}

}  // namespace cuebm::detail
