// What a backend must do for chains. Chains lie in tiles of 64: coordinate j of chain c is element (c / 64, j, c % 64)
// of [tiles x d x 64]; those behind the last chain are chains too, which nothing is read of.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "energy_node.hpp"
#include "math/samplers/adaptation.hpp"
#include "math/samplers/dense_mass_learning.hpp"
#include "math/samplers/kept_draws.hpp"

namespace cuebm::detail {

class Queue;

// x from `start`, or uniform in (-spread, spread) by (seed, chain, attempt), for all chains or at a later attempt for
// those whose energy is not finite; then energies and gradients there.
template <class T>
struct StartChains {
    std::shared_ptr<const OwnedProgram<T>> program;  // kept until the work is done
    std::int64_t chains;
    math::ChainState<T> state;
    int max_depth;              // of the run, for the scratch
    MatrixView<const T> start;  // [chains x d], optional
    math::PhiloxKey key;
    std::uint32_t attempt;
    T spread;
};

// Some transitions of all chains.
template <class T>
struct RunChains {
    std::shared_ptr<const OwnedProgram<T>> program;
    std::int64_t chains;
    math::ChainState<T> state;
    math::Transition<T> transition;  // without its step size, which is
    const math::Tuning* tuning;
    bool average;        // the mean one, or the one to try next
    bool learnt_length;  // so is the number of leapfrog steps
    bool metropolis;
    std::uint32_t first;  // transition, of the seed's
    std::int32_t count;
    std::int64_t done;  // of the transitions that draws are made of
    math::KeptDraws<T> kept;
    // Of each tile's chains after the last transition, math::sums_of_tile(d): of that transition's numbers, and if
    // `origin` is there, of each coordinate. Optional.
    double* sums;
    const T* origin;  // [d]
    // The run's own, 0 at first: what a transition of all chains lately took, or would have taken, one thread. The
    // CPU's threads share packs of few chains where that is worth waking them.
    double* seconds;
};

// Sums over tiles, in order; then the step size learns, and if wanted the mass does.
template <class T>
struct AdaptChains {
    math::Tuning* tuning;
    std::int64_t chains, d;
    const double* sums;  // [tiles x math::sums_of_tile(d)]
    double target;
    bool harmonic;    // of the harmonic mean over chains
    double* moments;  // [1 + 2 d]: number, sums and squares of the window
    bool learn_step;
    bool learn_length;                              // for which the centre becomes the chains' mean
    std::uint32_t step;                             // the transition's, of the seed's
    bool collect;                                   // adds to the moments
    bool begin_window;                              // moments are of deviations from where chain 0 is now
    bool end_window;                                // the step size and the moments begin again
    bool learn_mass;                                // and the mass becomes that of the moments
    bool restart_length;                            // and it is another one, so that the length begins again
    T *inverse_mass, *mass_root, *origin, *centre;  // [d]
    const T* x;                                     // the state's; the point of chain 0 is the next origin
    double first_step_size;                         // > 0: begin, before all else, with this one and unit mass
};

// For a dense mass: adds, chain by chain, what is where they are now. Row i of `sums` [d x (1 + d)] has the sum of y_i
// = x_i - origin_i, and of y_i y_j in its column 1 + j, j <= i.
template <class T>
struct AddProducts {
    std::int64_t chains, d;
    const T *x, *origin;
    double* sums;
};

template <class T>
class ChainsOperations {
public:
    virtual ~ChainsOperations() = default;
    virtual std::size_t scratch_bytes(const OwnedProgram<T>&, std::int64_t chains, int max_depth) const = 0;
    virtual void start(Queue&, const StartChains<T>&, std::byte* scratch) const = 0;
    virtual void run(Queue&, const RunChains<T>&, std::byte* scratch) const = 0;
    virtual void adapt(Queue&, const AdaptChains<T>&) const = 0;
    virtual void add_products(Queue&, const AddProducts<T>&) const = 0;
    virtual void learn_dense_mass(Queue&, const math::DenseMassTask<T>&) const = 0;
};

}  // namespace cuebm::detail
