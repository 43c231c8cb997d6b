// Chains that go on where they ended: in the same program, or from a file. A run of 1000 draws, and one of 400, or of
// warm-up alone, that is resumed for the rest, have the same bits; so has one whose draws went to a receiver, that of
// sample_running too.
//
//   const auto run = eb::sample(context, E, eb::Hmc{}, {.chains = 64, .draws = 400});
//   eb::save("chains.bin", eb::state_of(run));
//   const auto more = eb::resume(context, E, eb::Hmc{}, eb::load_chains<float>("chains.bin"), {.draws = 600});
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <cuebm/export.hpp>
#include <cuebm/file.hpp>
#include <cuebm/sample.hpp>

namespace cuebm {

// Where chains are, and how they move. On the host.
template <class T>
struct ChainsState {
    std::vector<T> points;  // [chains x dimension]
    std::int64_t chains = 0, dimension = 0;
    std::uint64_t seed = 0;
    std::int64_t transitions = 0;  // done, of the seed's
    double step_size = 0;
    int trajectory = 0;                // Samples::trajectory
    std::vector<double> inverse_mass;  // [dimension], or [dimension x dimension] of a dense mass
    std::string energy;                // Energy::text()
    std::uint64_t fingerprint = 0;     // of the energy's parameters in T
    // What a warm-up that was cancelled had learnt so far; else empty.
    std::vector<std::byte> adaptation{};
};

// Also of a run that was cancelled: it goes on from its last draw, or in the middle of its warm-up, and the bits stay
// those of an unbroken one. Errors: InvalidArgument for a run without warm-up that was cancelled before its first draw,
// or that had neither.
template <class T>
CUEBM_API ChainsState<T> state_of(const Samples<T>& run);

// The chains go on, without warm-up, with their step size and mass, whatever the sampler says of its step size; Hmc of
// 0 leapfrogs takes the state's trajectory, and its lengths are halton. Another sampler, or one of other lengths, is
// taken too: the chains then go on by it. But where warm-up was cancelled, what is left of it comes first, with the
// sampler as it was. Of the options draws, thin, receive, progress and cancel are looked at. Errors: also
// InvalidArgument for a state of another energy, or, in warm-up, another sampler.
template <class T>
CUEBM_API Samples<T> resume(const Context& context, const Energy& energy, const Sampler& sampler,
                            const ChainsState<T>& state, const SampleOptions<T>& options);
template <class T>
CUEBM_API Samples<T> resume(Stream& stream, const Energy& energy, const Sampler& sampler, const ChainsState<T>& state,
                            const SampleOptions<T>& options);

// A file of its own format, little endian: whole, or as before, not there. It has a checksum of 64 bits. Errors:
// FileError, for reading also where it is no such file, of another type or an older version's format, truncated, or
// damaged.
CUEBM_API void save(const std::string& path, const ChainsState<float>& state);
CUEBM_API void save(const std::string& path, const ChainsState<double>& state);
template <class T>
CUEBM_API ChainsState<T> load_chains(const std::string& path);

}  // namespace cuebm
