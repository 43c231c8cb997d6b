// The No-U-Turn sampler (M. D. Hoffman and A. Gelman, JMLR 15, 2014) with multinomial draws and the U-turn criterion of
// momenta that are summed up (M. Betancourt, "A conceptual introduction to Hamiltonian Monte Carlo", 2017), in the
// iterative form of D. Phan, N. Pradhan and M. Jankowiak ("Composable effects for flexible and accelerated
// probabilistic programming in NumPyro", 2019): a leapfrog step at a time, with momenta remembered at logarithmically
// many places. A chain that has ended its tree begins the next one; it waits for no other.
//
// This is what chains do between two evaluations of the energy: one, by a lane or a crew, or those of a pack, which are
// at different places of their trees, so that everything is done to the lanes of a mask. Whoever calls it moves the
// frontier of all chains by a leapfrog step and evaluates there.
#pragma once

#include "math/functions_logarithm.hpp"
#include "math/samplers/chain_tile.hpp"

namespace cuebm::math {

// Rows of a chain's column, d each.
template <class R>
struct NutsColumn {
    Coordinates<R> column;
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
    CUEBM_MATH_MEMBER Coordinates<R> at(int row) const { return column.from(row * d); }
};

// A chain within a transition.
template <class R>
struct NutsChain {
    using Count = typename LaneTraits<R>::Bits;
    CounterWord<R> step;            // of the seed's transitions
    Count depth;                    // of the tree: 2^depth leaves, and as many that are being added
    Count leaf;                     // of those, done
    Count leaves;                   // of the transition
    MaskOf<R> behind;               // leaves are added behind the tree, else before it, in steps of -step_size
    R energy;                       // H at the start
    R subtree_weight, tree_weight;  // logs of sums of exp(H at the start - H)
    R subtree_value, tree_value;    // E of what would be drawn
    R subtree_energy, tree_energy;  // H there
    R acceptance;                   // sum over leaves of min(1, exp(H at the start - H))
    MaskOf<R> diverged;
};

// Of the lanes of `where` alone.
template <class R>
CUEBM_MATH void assign_where(MaskOf<R> where, R& to, R from) {
    to = select(where, from, to);
}
template <class R>
CUEBM_MATH void copy_row(MaskOf<R> where, int d, Coordinates<R> from, Coordinates<R> to) {
    for_coordinates(d, [&](int j) { to.set(j, select(where, from[j], to[j])); });
}
template <class R>
CUEBM_MATH void add_row(MaskOf<R> where, int d, Coordinates<R> sum, Coordinates<R> added) {
    for_coordinates(d, [&](int j) { sum.set(j, select(where, sum[j] + added[j], sum[j])); });
}

// v' rho <= 0 at either end of a stretch, v = p / M, for rho the sum of its momenta with halves at the ends.
template <class R, class T>
CUEBM_MATH MaskOf<R> is_turning(const Transition<T>& t, Coordinates<R> first, Coordinates<R> last, Coordinates<R> sum,
                                Coordinates<R> sum_before, bool whole) {
    const auto at = sum_coordinates<TwoSums<R>>(t.d, [&](int j, TwoSums<R> ends) {
        const R p = first[j], q = last[j], velocity = spread<R>(t.inverse_mass[j]);
        // The sum up to here, less that up to and with the first, and the first again.
        const R inside = whole ? sum[j] : (sum[j] - sum_before[j]) + p;
        const R rho = inside - T(0.5) * (p + q);
        return TwoSums<R>{fused(p * velocity, rho, ends.first), fused(q * velocity, rho, ends.second)};
    });
    return opposite((at.first > T(0)) & (at.second > T(0)));
}

template <class R>
CUEBM_MATH R nuts_uniform(const PhiloxWords<typename LaneTraits<R>::Unsigned>& block, int which) {
    if constexpr (sizeof(typename LaneTraits<R>::Scalar) == sizeof(float))
        return uniform_open<R>(block.word[which]);
    else
        return uniform_open<R>(join_words(block.word[2 * which], block.word[2 * which + 1]));
}

// Where 2^depth more leaves are added: at an end chosen by a coin.
template <class R, class T>
CUEBM_MATH void nuts_begin_subtree(MaskOf<R> where, const Transition<T>& t, NutsChain<R>& chain,
                                   const NutsColumn<R>& rows, LaneIndex<R> index) {
    using Row = typename NutsColumn<R>::Row;
    const auto coin = random_block_of_lanes<R>(t.length_key, index, chain.step, CounterWord<R>(chain.depth));
    chain.behind = (where & has_bit(coin.word[0], 1)) | (opposite(where) & chain.behind);
    chain.leaf = select(where, typename NutsChain<R>::Count{}, chain.leaf);
    for (int end = 0; end < 2; ++end) {
        const MaskOf<R> here = where & (end == 1 ? chain.behind : opposite(chain.behind));
        if (!any(here)) continue;
        copy_row<R>(here, t.d, rows.at(Row::end_x + end), rows.at(Row::x));
        copy_row<R>(here, t.d, rows.at(Row::end_momentum + end), rows.at(Row::momentum));
        copy_row<R>(here, t.d, rows.at(Row::end_gradient + end), rows.at(Row::gradient));
    }
    const auto sum = rows.at(Row::subtree_sum);
    for_coordinates(t.d, [&](int j) { sum.set(j, select(where, R{}, sum[j])); });
}

// Transition chain.step, from the chain's state.
template <class R, class T>
CUEBM_MATH void nuts_begin(MaskOf<R> where, const Transition<T>& t, NutsChain<R>& chain, const NutsColumn<R>& rows,
                           const ChainTile<R>& state, LaneIndex<R> index) {
    using Row = typename NutsColumn<R>::Row;
    using Count = typename NutsChain<R>::Count;
    const auto first = rows.at(Row::end_momentum);
    for_normals<R>(t.momentum_key, index, chain.step, t.d,
                   [&](int j, R normal) { first.set(j, select(where, normal * t.mass_root[j], first[j])); });
    const R squares = sum_coordinates<R>(t.d, [&](int j, R sum) {
        const R p = first[j];
        return fused(p * t.inverse_mass[j], p, sum);
    });
    const R value = state.numbers.value[0], energy = fused(squares, spread<R>(T(0.5)), value);
    chain.depth = select(where, Count{}, chain.depth);
    chain.leaves = select(where, Count{}, chain.leaves);
    chain.diverged = chain.diverged & opposite(where);
    assign_where(where, chain.tree_weight, R{});
    assign_where(where, chain.acceptance, R{});
    assign_where(where, chain.tree_value, value);
    assign_where(where, chain.energy, energy);
    assign_where(where, chain.tree_energy, energy);
    copy_row<R>(where, t.d, first, rows.at(Row::end_momentum + 1));
    copy_row<R>(where, t.d, first, rows.at(Row::tree_sum));
    for (int end = 0; end < 2; ++end) {
        copy_row<R>(where, t.d, state.x, rows.at(Row::end_x + end));
        copy_row<R>(where, t.d, state.gradient, rows.at(Row::end_gradient + end));
    }
    copy_row<R>(where, t.d, state.x, rows.at(Row::tree_x));
    copy_row<R>(where, t.d, state.gradient, rows.at(Row::tree_gradient));
    nuts_begin_subtree(where, t, chain, rows, index);
}

// Compares a leaf that ends subtrees with where each of them began; remembers one that begins some.
template <class R, class T>
CUEBM_MATH MaskOf<R> nuts_turns(MaskOf<R> where, const Transition<T>& t, const NutsChain<R>& chain,
                                const NutsColumn<R>& rows) {
    using Row = typename NutsColumn<R>::Row;
    using Count = typename NutsChain<R>::Count;
    const auto momentum = rows.at(Row::momentum), sum = rows.at(Row::subtree_sum);
    const auto place_of = [](int i) { return Row::checkpoint + 2 * i; };
    const Count one = Count{} + 1;
    const auto leaf = typename LaneTraits<R>::Unsigned(chain.leaf);
    const auto count_bits = [&](auto word) {
        Count count{};
        for (; any(MaskOf<R>(word != 0)); word &= word - 1) count = count + select(MaskOf<R>(word != 0), one, Count{});
        return count;
    };
    // Set bits above the lowest; set bits below the lowest that is not, as many as subtrees end here.
    const Count place = count_bits(leaf >> 1), ended = count_bits(leaf & (leaf ^ (leaf + 1)));
    const MaskOf<R> begins = where & (ended == Count{}), ends = where & (ended != Count{});
    MaskOf<R> turning{};
    for (int i = 0; any(where & (place >= i)); ++i) {
        const MaskOf<R> remembered = begins & (place == i);
        if (any(remembered)) {
            copy_row<R>(remembered, t.d, momentum, rows.at(place_of(i)));
            copy_row<R>(remembered, t.d, sum, rows.at(place_of(i) + 1));
        }
        const MaskOf<R> compared = ends & opposite(turning) & (place >= i) & (place - ended < i);
        if (any(compared))
            turning = turning | (compared & is_turning<R>(t, rows.at(place_of(i)), momentum, sum,
                                                          rows.at(place_of(i) + 1), false));
    }
    return turning;
}

// The frontier of the chains of `where` has come to a leaf with energy E and Hamiltonian H. Those whose transition is
// over.
template <class R, class T>
CUEBM_MATH MaskOf<R> nuts_advance(MaskOf<R> where, const Transition<T>& t, int max_depth, NutsChain<R>& chain,
                                  const NutsColumn<R>& rows, LaneIndex<R> index, R value, R hamiltonian) {
    using Row = typename NutsColumn<R>::Row;
    using Count = typename NutsChain<R>::Count;
    const Count one = Count{} + 1;
    const auto block = random_block_of_lanes<R>(t.accept_key, index, chain.step, CounterWord<R>(chain.leaves));
    const R weight = chain.energy - hamiltonian;
    const MaskOf<R> followed = where & (weight >= T(-divergence_limit)) & (weight < static_cast<T>(__builtin_inf()));
    chain.diverged = where & opposite(followed);
    chain.leaves = chain.leaves + select(where, one, Count{});
    assign_where(followed, chain.acceptance,
                 chain.acceptance + exponential_of_nonpositive(select(weight < T(0), weight, R{})));
    const MaskOf<R> is_first = chain.leaf == Count{};
    const R total = select(is_first, weight, chain.subtree_weight + log1p_exp(weight - chain.subtree_weight));
    const MaskOf<R> drawn = followed & (is_first | (nuts_uniform<R>(block, 0) < exponential(weight - total)));
    if (any(drawn)) {
        copy_row<R>(drawn, t.d, rows.at(Row::x), rows.at(Row::subtree_x));
        copy_row<R>(drawn, t.d, rows.at(Row::gradient), rows.at(Row::subtree_gradient));
        assign_where(drawn, chain.subtree_value, value);
        assign_where(drawn, chain.subtree_energy, hamiltonian);
    }
    MaskOf<R> over = chain.diverged;
    if (!any(followed)) return over;
    assign_where(followed, chain.subtree_weight, total);
    add_row<R>(followed, t.d, rows.at(Row::subtree_sum), rows.at(Row::momentum));
    const MaskOf<R> turning = nuts_turns(followed, t, chain, rows);
    chain.leaf = chain.leaf + select(followed, one, Count{});
    over = over | turning;
    MaskOf<R> joining = followed & opposite(turning) & (chain.leaf >= (one << chain.depth));
    if (!any(joining)) return over;
    // The subtree is whole, and joins the tree: what it would draw is drawn with a bias towards it.
    const MaskOf<R> taken =
        joining & (nuts_uniform<R>(block, 1) < exponential(chain.subtree_weight - chain.tree_weight));
    if (any(taken)) {
        copy_row<R>(taken, t.d, rows.at(Row::subtree_x), rows.at(Row::tree_x));
        copy_row<R>(taken, t.d, rows.at(Row::subtree_gradient), rows.at(Row::tree_gradient));
        assign_where(taken, chain.tree_value, chain.subtree_value);
        assign_where(taken, chain.tree_energy, chain.subtree_energy);
    }
    assign_where(joining, chain.tree_weight, chain.tree_weight + log1p_exp(chain.subtree_weight - chain.tree_weight));
    for (int end = 0; end < 2; ++end) {
        const MaskOf<R> here = joining & (end == 1 ? chain.behind : opposite(chain.behind));
        if (!any(here)) continue;
        copy_row<R>(here, t.d, rows.at(Row::x), rows.at(Row::end_x + end));
        copy_row<R>(here, t.d, rows.at(Row::momentum), rows.at(Row::end_momentum + end));
        copy_row<R>(here, t.d, rows.at(Row::gradient), rows.at(Row::end_gradient + end));
    }
    const auto sum = rows.at(Row::tree_sum);
    add_row<R>(joining, t.d, sum, rows.at(Row::subtree_sum));
    chain.depth = chain.depth + select(joining, one, Count{});
    const MaskOf<R> deepest = joining & (chain.depth == max_depth);
    over = over | deepest;
    joining = joining & opposite(deepest);
    if (!any(joining)) return over;
    const MaskOf<R> turned =
        joining & is_turning<R>(t, rows.at(Row::end_momentum), rows.at(Row::end_momentum + 1), sum, sum, true);
    over = over | turned;
    joining = joining & opposite(turned);
    if (any(joining)) nuts_begin_subtree(joining, t, chain, rows, index);
    return over;
}

// The chain's state becomes what was drawn.
template <class R, class T>
CUEBM_MATH void nuts_end(MaskOf<R> where, const Transition<T>& t, int max_depth, const NutsChain<R>& chain,
                         const NutsColumn<R>& rows, const ChainTile<R>& state) {
    using Row = typename NutsColumn<R>::Row;
    copy_row<R>(where, t.d, rows.at(Row::tree_x), state.x);
    copy_row<R>(where, t.d, rows.at(Row::tree_gradient), state.gradient);
    const auto& numbers = state.numbers;
    const R leaves = from_integer(chain.leaves), acceptance = chain.acceptance / leaves, one = spread<R>(T(1));
    const R diverged = select(chain.diverged, one, R{}), deepest = select(chain.depth == max_depth, one, R{});
    const auto set = [&](Coordinates<R> number, R to) { number.set(0, select(where, to, number[0])); };
    set(numbers.value, chain.tree_value);
    set(numbers.energy, chain.tree_energy);
    set(numbers.acceptance, acceptance);
    set(numbers.diverged, diverged);
    set(numbers.leaves, leaves);
    set(numbers.depth, from_integer(chain.depth));
    add_acceptance(numbers, select(where, acceptance, R{}));  // 0 changes nothing
    set(numbers.divergences, numbers.divergences[0] + diverged);
    set(numbers.leapfrogs, numbers.leapfrogs[0] + leaves);
    set(numbers.deepest, numbers.deepest[0] + deepest);
}

}  // namespace cuebm::math
