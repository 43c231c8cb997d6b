// Draws that are added up as they come and not kept, so that 10^5 chains need no storage: moments, quantiles from a
// sketch, and what many chains say of each other.
//
//   const auto run = eb::sample_running(context, E, eb::Hmc{}, {.chains = 100'000, .draws = 200});
//   std::puts(to_string(run.summary).c_str());
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <cuebm/diagnostics.hpp>
#include <cuebm/energy.hpp>
#include <cuebm/export.hpp>
#include <cuebm/sample.hpp>
#include <cuebm/view.hpp>

namespace cuebm {

namespace diagnostics {

struct RunningOptions {
    std::int64_t chains = 0;  // >= 1
    std::int64_t draws = 0;   // >= 1 of each chain, in all: batches are of floor(sqrt(draws))
    // 2 to chains, of about as many chains each, or 1 of one chain; 0: chains / 64, but at least 4 if there are so
    // many.
    std::int64_t superchains = 0;
    bool covariance = false;  // quantities^2 / 2 operations a draw
    int threads = 0;          // >= 0; 0: as many as the machine has
};

// Sums over the draws of some chains, on the host. From them: mean and sd; nested R-hat (see nested_r_hat) and the
// effective sample size by batch means (see batch_means_ess), which are those of the stored draws to rounding; and
// quantiles. They come from counts in bins of 1/128 of the standard deviation of the first block, up to 8 of them from
// its mean and an eighth of an octave beyond, in which draws are taken to lie evenly. A first block without 64 draws
// that differ from the very first is too little for that: then bins are those of the blocks up to the one that brings
// them, and quantiles before that are of the draws themselves.
// No bit depends on the threads and, but for covariances, on where blocks end after those.
// Memory: 40 bytes a chain and quantity, 41 KB a quantity. Cost: some 20 ns a value on one thread (by hand, not
// recorded).
class Running {
public:
    // Errors: InvalidArgument for sizes out of range, and no names; OutOfMemory, of the host's.
    CUEBM_API Running(std::vector<std::string> names, const RunningOptions& options);
    CUEBM_API ~Running();
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;

    // The next draws of all chains, [chains b x quantities], row c b + t being the t-th of chain c; b >= 1. Errors:
    // InvalidArgument for another shape, memory of a device, or more draws than were announced.
    CUEBM_API void add(MatrixView<const float> block);
    CUEBM_API void add(MatrixView<const double> block);

    // Of what has been added. A row of NaN for a quantity with a draw that is not finite. 0 < prob < 1, 0 <= quantity <
    // names. Errors: InvalidArgument before there is a draw, or without covariance.
    CUEBM_API Summary summary(const SamplerReport& sampler = {}) const;
    CUEBM_API double quantile(std::int64_t quantity, double prob) const;
    CUEBM_API std::vector<double> covariance() const;  // [quantities x quantities]
    CUEBM_API std::int64_t superchains() const;        // chains [k n / s, (k + 1) n / s) of n are superchain k of s

private:
    struct Sums;
    std::unique_ptr<Sums> sums_;
};

}  // namespace diagnostics

// What is wanted of the draws beside their coordinates.
struct Accumulate {
    std::vector<std::pair<std::string, Energy>> functions{};  // of the energy's own coordinates, by name
    std::int64_t superchains = 0;                             // as diagnostics::RunningOptions
    bool covariance = false;
};

template <class T>
struct RunningSamples {
    Samples<T> run;                // without draws, values, and what is noted of each draw
    diagnostics::Summary summary;  // of the coordinates that people know, but for those that are held; then functions.
                                   // Of what there was if cancelled. E-BFMI as in Samples::summary, but of 100 draws
                                   // a chain and more alone: of fewer it is noise
    std::vector<double> covariance;                      // [quantities x quantities], if wanted
    std::shared_ptr<const diagnostics::Running> sums{};  // for other quantiles: sums->quantile(quantity, 0.99)
};

// sample() whose draws are added up. All chains of a superchain begin at one place, unless options.start says
// otherwise: nested R-hat then sees whether chains have left where they began. Draws are handed over in blocks of up to
// 64 MiB, or one draw of all chains, and from a GPU are copied to the host. Where chains begin depends on how many
// there are, and on the superchains. Errors: those of sample(), and InvalidArgument for draws = 0, for functions of
// other dimensions or without a name, and for superchains; DataError for a function that is NaN, with the chain as its
// row. Both forms block the calling thread.
template <class T = float>
CUEBM_API RunningSamples<T> sample_running(const Context& context, const Energy& energy, const Sampler& sampler,
                                           const SampleOptions<T>& options, const Accumulate& wanted = {});
template <class T = float>
CUEBM_API RunningSamples<T> sample_running(Stream& stream, const Energy& energy, const Sampler& sampler,
                                           const SampleOptions<T>& options, const Accumulate& wanted = {});

}  // namespace cuebm
