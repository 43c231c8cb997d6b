// The No-U-Turn sampler (M. D. Hoffman and A. Gelman, JMLR 15, 2014) with multinomial draws and the U-turn criterion of
// momenta that are summed up (M. Betancourt, "A conceptual introduction to Hamiltonian Monte Carlo", 2017), in the
// iterative form of D. Phan, N. Pradhan and M. Jankowiak ("Composable effects for flexible and accelerated
// probabilistic programming in NumPyro", 2019): a leapfrog step at a time, with momenta remembered at logarithmically
// many places. A chain that has ended its tree begins the next one; it waits for no other.
//
// This is what one chain does between two evaluations of the energy, by one lane or a crew. Whoever calls it
// moves the frontier of all chains by a leapfrog step and evaluates there.
#pragma once

#include "math/functions_logarithm.hpp"
#include "math/samplers/chain_tile.hpp"

namespace cuebm::math {

// Rows of a chain's column, d each.
template <class T>
struct NutsColumn {
    Coordinates<T> column;
    int d;
    enum Row {
        x,
        momentum,
        gradient,
        end_x = 3,
        end_momentum = 5,
        end_gradient = 7,
        subtree_x = 9,
        subtree_gradient,
        tree_x,
        tree_gradient,
        subtree_sum,
        tree_sum,
        checkpoint
    };
    static_assert(checkpoint == nuts_arrays);
    CUEBM_MATH_MEMBER Coordinates<T> at(int row) const { return column.from(row * d); }
};

template <class T>
CUEBM_MATH void copy_row(int d, Coordinates<T> from, Coordinates<T> to) {
    for_coordinates(d, [&](int j) { to.set(j, from[j]); });
}

// A chain within a transition.
template <class T>
struct NutsChain {
    std::uint32_t step;             // of the seed's transitions
    std::int32_t depth;             // of the tree: 2^depth leaves, and as many that are being added
    std::int32_t leaf;              // of those, done
    std::int32_t leaves;            // of the transition
    std::int32_t end;               // 0: they are added before the tree, in steps of -step_size; 1: behind it
    T energy;                       // H at the start
    T subtree_weight, tree_weight;  // logs of sums of exp(H at the start - H)
    T subtree_value, tree_value;    // E of what would be drawn
    T subtree_energy, tree_energy;  // H there
    T acceptance;                   // sum over leaves of min(1, exp(H at the start - H))
    bool diverged;
};

// v' rho <= 0 at either end of a stretch, v = p / M, for rho the sum of its momenta with halves at the ends.
template <class T>
CUEBM_MATH bool is_turning(const Transition<T>& t, Coordinates<T> first, Coordinates<T> last, Coordinates<T> sum,
                           Coordinates<T> sum_before, bool whole) {
    const auto at = sum_coordinates<TwoSums<T>>(t.d, [&](int j, TwoSums<T> ends) {
        const T p = first[j], q = last[j];
        // The sum up to here, less that up to and with the first, and the first again.
        const T inside = whole ? sum[j] : (sum[j] - sum_before[j]) + p;
        const T rho = inside - T(0.5) * (p + q);
        return TwoSums<T>{fused(p * t.inverse_mass[j], rho, ends.first),
                          fused(q * t.inverse_mass[j], rho, ends.second)};
    });
    return !(at.first > T(0) && at.second > T(0));
}

template <class T>
CUEBM_MATH T nuts_uniform(const PhiloxBlock& block, int which) {
    if constexpr (sizeof(T) == sizeof(float))
        return uniform_open<T>(block.word[which]);
    else
        return uniform_open<T>(join_words(block.word[2 * which], block.word[2 * which + 1]));
}

// Where 2^depth more leaves are added: at an end chosen by a coin.
template <class T>
CUEBM_MATH void nuts_begin_subtree(const Transition<T>& t, NutsChain<T>& chain, const NutsColumn<T>& rows,
                                   std::uint64_t index) {
    using Row = typename NutsColumn<T>::Row;
    const auto coin = random_block(t.length_key, index, chain.step, static_cast<std::uint32_t>(chain.depth));
    chain.end = static_cast<std::int32_t>(coin.word[0] & 1u);
    chain.leaf = 0;
    copy_row(t.d, rows.at(Row::end_x + chain.end), rows.at(Row::x));
    copy_row(t.d, rows.at(Row::end_momentum + chain.end), rows.at(Row::momentum));
    copy_row(t.d, rows.at(Row::end_gradient + chain.end), rows.at(Row::gradient));
    for_coordinates(t.d, [&](int j) { rows.at(Row::subtree_sum).set(j, T(0)); });
}

// A transition from the chain's state.
template <class T>
CUEBM_MATH void nuts_begin(const Transition<T>& t, NutsChain<T>& chain, const NutsColumn<T>& rows,
                           const ChainTile<T>& state, std::uint64_t index, std::uint32_t step) {
    using Row = typename NutsColumn<T>::Row;
    chain = {};
    chain.step = step;
    const auto first = rows.at(Row::end_momentum);
    for_normals<T>(t.momentum_key, lane_index<T>(index), step, t.d,
                   [&](int j, T normal) { first.set(j, normal * t.mass_root[j]); });
    const T squares = sum_coordinates<T>(t.d, [&](int j, T sum) {
        const T p = first[j];
        return fused(p * t.inverse_mass[j], p, sum);
    });
    chain.tree_value = state.numbers.value[0];
    chain.energy = chain.tree_energy = fused(squares, T(0.5), chain.tree_value);
    copy_row(t.d, first, rows.at(Row::end_momentum + 1));
    copy_row(t.d, first, rows.at(Row::tree_sum));
    for (int end = 0; end < 2; ++end) {
        copy_row(t.d, state.x, rows.at(Row::end_x + end));
        copy_row(t.d, state.gradient, rows.at(Row::end_gradient + end));
    }
    copy_row(t.d, state.x, rows.at(Row::tree_x));
    copy_row(t.d, state.gradient, rows.at(Row::tree_gradient));
    nuts_begin_subtree(t, chain, rows, index);
}

// Compares a leaf that ends subtrees with where each of them began; remembers one that begins some.
template <class T>
CUEBM_MATH bool nuts_turns(const Transition<T>& t, const NutsChain<T>& chain, const NutsColumn<T>& rows) {
    using Row = typename NutsColumn<T>::Row;
    const auto momentum = rows.at(Row::momentum), sum = rows.at(Row::subtree_sum);
    int place = 0, ended = 0;  // set bits above the lowest; subtrees that end here
    for (int bits = chain.leaf >> 1; bits != 0; bits &= bits - 1) ++place;
    for (int bits = chain.leaf; (bits & 1) != 0; bits >>= 1) ++ended;
    if (ended == 0) {
        copy_row(t.d, momentum, rows.at(Row::checkpoint + 2 * place));
        copy_row(t.d, sum, rows.at(Row::checkpoint + 2 * place + 1));
        return false;
    }
    for (int i = place; i > place - ended; --i)
        if (is_turning(t, rows.at(Row::checkpoint + 2 * i), momentum, sum, rows.at(Row::checkpoint + 2 * i + 1), false))
            return true;
    return false;
}

// The frontier has come to a leaf with energy E and Hamiltonian H. True: the transition is over.
template <class T>
CUEBM_MATH bool nuts_advance(const Transition<T>& t, int max_depth, NutsChain<T>& chain, const NutsColumn<T>& rows,
                             std::uint64_t index, T value, T hamiltonian) {
    using Row = typename NutsColumn<T>::Row;
    const auto block = random_block(t.accept_key, index, chain.step, static_cast<std::uint32_t>(chain.leaves));
    const T weight = chain.energy - hamiltonian;
    chain.diverged = !(weight >= T(-divergence_limit) && weight < static_cast<T>(__builtin_inf()));
    ++chain.leaves;
    chain.acceptance += chain.diverged ? T(0) : exponential_of_nonpositive(weight < T(0) ? weight : T(0));
    bool turning = false;
    if (!chain.diverged) {
        const T total = chain.leaf == 0 ? weight : chain.subtree_weight + log1p_exp(weight - chain.subtree_weight);
        if (chain.leaf == 0 || nuts_uniform<T>(block, 0) < exponential(weight - total)) {
            copy_row(t.d, rows.at(Row::x), rows.at(Row::subtree_x));
            copy_row(t.d, rows.at(Row::gradient), rows.at(Row::subtree_gradient));
            chain.subtree_value = value;
            chain.subtree_energy = hamiltonian;
        }
        chain.subtree_weight = total;
        const auto sum = rows.at(Row::subtree_sum), momentum = rows.at(Row::momentum);
        for_coordinates(t.d, [&](int j) { sum.set(j, sum[j] + momentum[j]); });
        turning = nuts_turns(t, chain, rows);
        ++chain.leaf;
        if (!turning && chain.leaf < 1 << chain.depth) return false;
    }
    if (chain.diverged || turning) return true;
    // The subtree is whole, and joins the tree: what it would draw is drawn with a bias towards it.
    if (nuts_uniform<T>(block, 1) < exponential(chain.subtree_weight - chain.tree_weight)) {
        copy_row(t.d, rows.at(Row::subtree_x), rows.at(Row::tree_x));
        copy_row(t.d, rows.at(Row::subtree_gradient), rows.at(Row::tree_gradient));
        chain.tree_value = chain.subtree_value;
        chain.tree_energy = chain.subtree_energy;
    }
    chain.tree_weight = chain.tree_weight + log1p_exp(chain.subtree_weight - chain.tree_weight);
    copy_row(t.d, rows.at(Row::x), rows.at(Row::end_x + chain.end));
    copy_row(t.d, rows.at(Row::momentum), rows.at(Row::end_momentum + chain.end));
    copy_row(t.d, rows.at(Row::gradient), rows.at(Row::end_gradient + chain.end));
    const auto sum = rows.at(Row::tree_sum), added = rows.at(Row::subtree_sum);
    for_coordinates(t.d, [&](int j) { sum.set(j, sum[j] + added[j]); });
    if (++chain.depth == max_depth) return true;
    if (is_turning(t, rows.at(Row::end_momentum), rows.at(Row::end_momentum + 1), sum, sum, true)) return true;
    nuts_begin_subtree(t, chain, rows, index);
    return false;
}

// The chain's state becomes what was drawn.
template <class T>
CUEBM_MATH void nuts_end(const Transition<T>& t, int max_depth, const NutsChain<T>& chain, const NutsColumn<T>& rows,
                         const ChainTile<T>& state) {
    using Row = typename NutsColumn<T>::Row;
    copy_row(t.d, rows.at(Row::tree_x), state.x);
    copy_row(t.d, rows.at(Row::tree_gradient), state.gradient);
    const auto& numbers = state.numbers;
    const auto leaves = static_cast<T>(chain.leaves), diverged = chain.diverged ? T(1) : T(0);
    numbers.value.set(0, chain.tree_value);
    numbers.energy.set(0, chain.tree_energy);
    numbers.acceptance.set(0, chain.acceptance / leaves);
    numbers.diverged.set(0, diverged);
    numbers.leaves.set(0, leaves);
    numbers.depth.set(0, static_cast<T>(chain.depth));
    add_acceptance(numbers, chain.acceptance / leaves);
    numbers.divergences.set(0, numbers.divergences[0] + diverged);
    numbers.leapfrogs.set(0, numbers.leapfrogs[0] + leaves);
    numbers.deepest.set(0, numbers.deepest[0] + (chain.depth == max_depth ? T(1) : T(0)));
}

}  // namespace cuebm::math
