// Samples of exp(-E(x)): many Markov chains at once, that move by the gradient of the energy or without it.
//
//   auto run = eb::sample(context, E, eb::Hmc{.leapfrogs = 16}, {.chains = 4096, .warmup = 500, .draws = 1000});
//   std::puts(to_string(run.summary()).c_str());
//
// Same seed, same bits: a chain's draws depend on the energy, the options, the seed and its own number alone, on no
// device, instruction set or thread count. What warm-up learns is pooled over the chains, so with adaptation they
// depend on how many chains there are; with a given step size, mass and trajectory, or without warm-up, chain j is the
// same among 10 as among 10,000. Sums over chains are pairwise in each 64 of them, then in order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <variant>
#include <vector>

#include <cuebm/array.hpp>
#include <cuebm/context.hpp>
#include <cuebm/diagnostics.hpp>
#include <cuebm/energy.hpp>
#include <cuebm/export.hpp>
#include <cuebm/kmeans.hpp>

namespace cuebm {

// Random-walk Metropolis: x' = x + step_size z / sqrt(M), accepted with probability min(1, exp(E(x) - E(x'))) (N.
// Metropolis and others, 1953). Cost of a transition: one value of E.
struct Metropolis {
    double step_size = 0;   // >= 0; 0: learnt in warm-up
    double target = 0.234;  // mean acceptance that warm-up aims at, in (0, 1)
};

// Langevin: x' = x - step_size^2 / 2 dE(x) / M + step_size z / sqrt(M). Adjusted by an accept step it is MALA (G. O.
// Roberts and R. L. Tweedie, Bernoulli 2, 1996); without, ULA: biased by its step size, which must be given. Cost: one
// value and gradient.
struct Langevin {
    bool adjusted = true;
    double step_size = 0;
    double target = 0.574;
};

// Leapfrog steps of a trajectory: always the same, or spread over 1 to 2 leapfrogs - 1, the same for all chains of a
// transition, at random or by the van der Corput sequence (so that no period of E is met for ever).
enum class Lengths : std::uint8_t { fixed, jittered, halton };

// Hamiltonian Monte Carlo (R. M. Neal, Handbook of Markov Chain Monte Carlo, 2011). Cost: leapfrogs gradients.
struct Hmc {
    // >= 1; 0: learnt in warm-up, up to 512, and the lengths are halton. It follows the slope of ChEES, the change of
    // the squared distance from the chains' mean (M. Hoffman, A. Radul and P. Sountsov, AISTATS 2021), so it wants some
    // 16 chains or more.
    int leapfrogs = 10;
    Lengths lengths = Lengths::fixed;
    double step_size = 0;  // >= 0; 0: learnt in warm-up
    double target = 0.8;   // harmonic mean over chains of the acceptance that warm-up aims at, in (0, 1)
};

// The No-U-Turn sampler (M. D. Hoffman and A. Gelman, JMLR 15, 2014), multinomial (M. Betancourt, 2017), in an
// iterative form: each chain ends its trees when they turn, and goes on to the next without waiting for the others (but
// for each transition of warm-up). Cost: 1 to 2^max_depth - 1 gradients; memory of 13 + 2 max_depth points a chain, and
// 17 at least.
struct Nuts {
    int max_depth = 10;    // 1 to 20
    double step_size = 0;  // >= 0; 0: learnt in warm-up
    double target = 0.8;   // as of Hmc
};

using Sampler = std::variant<Metropolis, Langevin, Hmc, Nuts>;

struct SampleProgress {
    std::int64_t transition = 0, transitions = 0;  // done, of warm-up and sampling
    bool warmup = false;
    double step_size = 0;
    double acceptance = 0;         // mean probability: of the last transition in warm-up, of all since then
    std::int64_t divergences = 0;  // since warm-up
};

// Draws that are handed over, on the context's device, until the function returns.
template <class T>
struct DrawBlock {
    MatrixView<const T> draws;     // [chains count x d]: row c count + t is draw first + t of chain c
    MatrixView<const T> values;    // [chains x count]: E of each
    MatrixView<const T> energies;  // likewise: the Hamiltonian at the end of each transition, as in Samples
    std::int64_t first = 0, count = 0;
};

template <class T>
struct SampleOptions {
    std::int64_t chains = 4;     // >= 1
    std::int64_t warmup = 1000;  // >= 0 transitions, in which step size and mass are learnt; none is a draw
    std::int64_t draws = 1000;   // >= 0 of each chain
    std::int64_t thin = 1;       // >= 1: transitions a draw
    std::uint64_t seed = 0;
    std::int64_t first_transition = 0;  // >= 0, of the seed's: where a run ended that goes on (cuebm/resume.hpp)
    MatrixView<const T> start{};  // [chains x d], optional: on the context's device. Else uniform in (-start_spread,
    double start_spread = 2;      // start_spread), > 0, drawn anew up to 100 times where E is not finite
    // M^-1, optional, and then it is not learnt: its diagonal [d], > 0, or all of it [d x d], symmetric and positive
    // definite.
    std::vector<double> inverse_mass{};
    bool adapt_mass = true;
    // All of M^-1 is learnt; d <= 2048. A leapfrog step costs d^2 operations more, a transition of warm-up chains d^2.
    bool dense_mass = false;
    // Optional: gets the draws in blocks of up to 64 MiB, or of one draw of all chains, in order, in the sampling
    // thread, and then Samples has none. See sample_running (cuebm/running.hpp).
    std::function<void(const DrawBlock<T>&)> receive{};
    std::function<void(const SampleProgress&)> progress{};  // called by the sampling thread about 100 times
    // Looked at before each transition of warm-up that is handed to the device, which has up to 64 at once: then that
    // is the last. Some ten times a second while draws are made. What there was is kept, and can go on
    // (cuebm/resume.hpp).
    std::stop_token cancel{};
};

// What sample() returns.
template <class T>
struct Samples {
    Matrix<T> draws;        // [chains draws x d]: row c draws + t is draw t of chain c, of the energy's own coordinates
    Matrix<T> values;       // [chains x draws]: E of each
    Matrix<T> energies;     // [chains x draws]: the Hamiltonian at the end of each transition, E of Metropolis and ULA
    Matrix<T> acceptances;  // [chains x draws]: its probability, of NUTS the mean over its leapfrog steps
    Matrix<std::uint8_t> divergent;       // [chains x draws]: 1 where that transition diverged
    Matrix<std::int32_t> tree_leapfrogs;  // [chains x draws] of NUTS, else empty: leapfrog steps of that transition
    Matrix<std::uint8_t> tree_depths;     // and how often its tree was doubled
    std::int64_t chains = 0, draws_a_chain = 0;
    std::uint64_t seed = 0;
    std::int64_t warmup = 0;  // transitions before the draws, also where an earlier run made some, or some are left
    std::int64_t transitions = 0;  // of the seed's, up to the last draw
    double step_size = 0;
    std::vector<double> inverse_mass;     // [d], or [d x d] of a dense mass
    std::vector<T> points{};              // [chains x d] on the host: where chains ended, if there are no draws here
    std::vector<std::byte> adaptation{};  // what was learnt, where warm-up was cancelled: for state_of()
    int trajectory = 0;                   // Hmc::leapfrogs, given or learnt; 1 of Langevin, 0 of others
    std::int64_t counted = 0;  // transitions of each chain after warm-up, which the numbers below are of: draws thin
    double acceptance = 0;     // mean probability
    // Transitions whose H was NaN or -infinity or, but for Metropolis, rose by over 1000; of ULA those to
    // where E is not finite, which alone it does not take.
    std::int64_t divergences = 0;
    std::int64_t leapfrogs = 0, deepest = 0;  // of NUTS: steps, and transitions that max_depth ended
    // `converged`, though whether chains have is for summary() to say; or `cancelled`, and then draws are those that
    // were complete (the rest of a block is handed to `receive`), and `counted` may be up to thin - 1 more.
    Status status = Status::converged;
    std::int64_t thin = 1;
    bool hamiltonian = true;  // the sampler follows trajectories, so that E-BFMI means something
    Energy energy;
    std::shared_ptr<const Context> context;  // where the draws lie

    // What follows is of the coordinates that people know (Energy::names), and copies the draws to the host. Errors:
    // InvalidArgument where there are no draws.
    // Quantiles, R-hat, ESS, and a verdict, but for the coordinates that are held. E-BFMI of Hamiltonian samplers, but
    // not where draws are thinned: it is of the steps of energies from one transition to the next.
    CUEBM_API diagnostics::Summary summary() const;
    // The draws of a chain as diagnostics::save_cmdstan_csv writes them, whose errors it has, those that are held as
    // constants, with what the sampler noted of each: lp__, accept_stat__, stepsize__, divergent__, energy__, and of
    // NUTS treedepth__ and n_leapfrog__; 0 <= chain < chains.
    CUEBM_API void save_cmdstan_csv(const std::string& path, std::int64_t chain) const;
};

// Warm-up in windows as Stan's (Reference Manual, "HMC algorithm parameters"): 75 transitions for the step size alone,
// windows of 25 and twice as many each time, each ended by a new mass, and 50 for the step size (a rest of fewer than
// 25 after the first window joins it, where Stan has a short one); of fewer than 150 transitions 15%, one window, and
// 10%; of fewer than 20 the step size alone. Step sizes by dual averaging of the acceptance of all chains, from 1; no
// search before. HMC and NUTS aim at its harmonic mean (M. Hoffman, A. Radul and P. Sountsov, AISTATS 2021), in which a
// chain that never moves counts as ten: some that are stuck make the steps shorter. Both forms block the calling
// thread, and wait for the device at least every 64 transitions of warm-up and, to report or to be cancelled, some ten
// times a second while they draw.
//
// Memory on the device: of chains rounded up to 64, 2 d + 12 elements each and (3 + 2 d) / 64 doubles; d + 3 elements
// and a byte a draw, with NUTS 5 bytes more, and while a cancelled run keeps what it has, d elements a draw once more,
// or with `receive` a block of draws, and once more what there is of it; of a dense mass d^2 elements and 2 d (d + 1)
// doubles; scratch of a transition, 3 d elements and the energy's, or for NUTS about (13 + 2 max_depth) d: on the CPU
// for 64 chains a thread (for a pack of 2 to 16, if d > 32), on a GPU for every chain, unless it fits in shared memory.
// Where no draws are stored, d elements a chain on the host, and for a moment on the device, for where chains ended.
//
// Errors: InvalidArgument for an energy that is none, sizes and step sizes out of range, nothing given to be learnt
// without warm-up, no step size for ULA, a dense mass of more than 2048 coordinates, a wrong start; DataError for the
// first chain whose start has an energy that is not finite.
template <class T = float>
CUEBM_API Samples<T> sample(const Context& context, const Energy& energy, const Sampler& sampler,
                            const SampleOptions<T>& options);
template <class T = float>
CUEBM_API Samples<T> sample(Stream& stream, const Energy& energy, const Sampler& sampler,
                            const SampleOptions<T>& options);

}  // namespace cuebm
