// NUTS over a tile of chains: the frontiers of a group move together, a leapfrog step at a time; then the chains of a
// pack do what their trees want. Included by the file of one instruction set, which names CUEBM_ISA.
#pragma once

#include "cpu/chains_tiles.hpp"
#include "math/samplers/dense_mass.hpp"
#include "math/samplers/nuts.hpp"

namespace cuebm::cpu::CUEBM_ISA {
namespace {

// One leapfrog step of each chain, forwards or backwards, or none; values and Hamiltonians where it ends.
template <int Packs, class T>
void move_frontiers(const math::Transition<T>& t, const GroupEnergy<Packs, T>& energy, T* frontier, const T* directions,
                    T* values, T* hamiltonians) {
    using Pack = typename math::PackOf<T>::Type;
    constexpr int lanes = Packs * pack_lanes<T>;
    const std::int64_t size = static_cast<std::int64_t>(t.d) * lanes;
    const auto at = [&](int row, int p) { return Coordinates<Pack>{frontier + row * size + p * pack_lanes<T>, lanes}; };
    for (int p = 0; p < Packs; ++p) {
        const Pack step = math::load(directions + p * pack_lanes<T>) * t.step_size, kick = step * T(-0.5);
        if (math::is_dense(t)) {
            math::kick_dense(t, kick, at(2, p), at(1, p));
            math::drift_dense(t, step, at(1, p), at(0, p), at(0, p));
            continue;
        }
        for (int j = 0; j < t.d; ++j) {
            const Pack moved = math::fused(at(2, p)[j], kick, at(1, p)[j]);
            at(1, p).set(j, moved);
            at(0, p).set(j, math::fused(moved, step * t.inverse_mass[j], at(0, p)[j]));
        }
    }
    Pack value[Packs];
    energy.both({frontier, lanes}, {frontier + 2 * size, lanes}, value);
    for (int p = 0; p < Packs; ++p) {
        const Pack kick = math::load(directions + p * pack_lanes<T>) * t.step_size * T(-0.5);
        if (math::is_dense(t))
            math::kick_dense(t, kick, at(2, p), at(1, p));
        else
            for (int j = 0; j < t.d; ++j) at(1, p).set(j, math::fused(at(2, p)[j], kick, at(1, p)[j]));
        const Pack squares = math::sum_coordinates<Pack>(t.d, [&](int j, Pack sum) {
            const Pack momentum = at(1, p)[j];
            return math::fused(momentum * t.inverse_mass[j], momentum, sum);
        });
        math::store(values + p * pack_lanes<T>, value[p]);
        math::store(hamiltonians + p * pack_lanes<T>, math::fused(squares, Pack{} + T(0.5), value[p]));
    }
}

template <int Packs, class T>
void run_nuts_group(const ChainsData<T>& data, int first_lane, T* scratch) {
    using Pack = typename math::PackOf<T>::Type;
    using Mask = math::MaskOf<Pack>;
    using Word = math::CounterWord<Pack>;
    constexpr int lanes = Packs * pack_lanes<T>;
    const math::Transition<T>& t = data.transition;
    const std::int64_t d = t.d, rows = math::nuts_rows(t.max_depth);
    T *column = scratch, *values = column + rows * d * lanes, *hamiltonians = values + lanes,
      *directions = hamiltonians + lanes, *kept = directions + lanes, *rest = kept + lanes;
    const int there = data.chains - first_lane < lanes ? data.chains - first_lane : lanes;
    const std::int64_t first_chain = data.first_chain + first_lane;
    const auto at = [](T* row) { return Coordinates<Pack>{row, lanes}; };
    const auto state_of = [&](int p) {
        const int lane = first_lane + p * pack_lanes<T>;
        const auto point = [&](T* points) { return at(points + d * first_lane + p * pack_lanes<T>); };
        return math::ChainTile<Pack>{point(data.x),
                                     point(data.gradient),
                                     data.numbers.map([&](T* number) { return at(number + lane); }),
                                     {},
                                     {},
                                     {}};
    };
    // The draw of the group's lane l.
    const auto keep = [&](int l, std::int64_t row) {
        const auto point = [&](T* points) { return Coordinates<T>{points + d * first_lane + l, lanes}; };
        math::keep_draw<T>(
            data.kept, {point(data.x), point(data.gradient), numbers_of(data, first_lane + l), {}, {}, {}}, t.d, row);
    };
    math::NutsChain<Pack> chains[Packs]{};
    math::LaneIndex<Pack> index[Packs];
    Mask running[Packs];
    const auto rows_of = [&](int p) { return math::NutsColumn<Pack>{pack_of(at(column), p), t.d}; };
    const auto begin = [&](int p, Mask where) {
        math::nuts_begin(where, t, chains[p], rows_of(p), state_of(p), index[p]);
    };
    const auto set_directions = [&](int p) {
        const Pack forwards = Pack{} + T(1);
        const Pack direction = math::select(chains[p].behind, forwards, -forwards);
        math::store(directions + p * pack_lanes<T>, math::select(running[p], direction, Pack{}));
    };
    for (std::int64_t e = 0; e < 3 * d * lanes; ++e) column[e] = 0;  // frontiers of lanes without a chain stay there
    for (int p = 0; p < Packs; ++p) {
        const int first = p * pack_lanes<T>;
        index[p] = math::lane_index<Pack>(static_cast<std::uint64_t>(first_chain + first));
        const int here = data.count > 0 && there > first ? there - first : 0;
        running[p] = Mask(math::lane_numbers(Word{}) < static_cast<math::WordOf<Pack>>(here));
        chains[p].step = Word{} + data.first;
        if (math::any(running[p])) begin(p, running[p]);
        set_directions(p);
    }
    const GroupEnergy<Packs, T> energy{data, kept, rest};
    for (bool any_running = data.count > 0; any_running;) {
        move_frontiers<Packs>(t, energy, column, directions, values, hamiltonians);
        any_running = false;
        for (int p = 0; p < Packs; ++p) {
            if (!math::any(running[p])) continue;
            const int first = p * pack_lanes<T>;
            const Mask over = math::nuts_advance(running[p], t, t.max_depth, chains[p], rows_of(p), index[p],
                                                 math::load(values + first), math::load(hamiltonians + first));
            if (math::any(over)) {
                math::nuts_end(over, t, t.max_depth, chains[p], rows_of(p), state_of(p));
                const Word done = chains[p].step - data.first + 1;
                for (unsigned left = math::lane_bits(over); left != 0; left &= left - 1) {
                    const int l = __builtin_ctz(left);
                    keep(first + l,
                         data.kept.row(first_chain + first + l, data.done + static_cast<std::int64_t>(done[l])));
                }
                chains[p].step = chains[p].step + (Word(over) & 1);  // not read where the last one ended
                const Mask ended = over & Mask(done >= static_cast<math::WordOf<Pack>>(data.count));
                running[p] = running[p] & ~ended;
                if (const Mask again = over & ~ended; math::any(again)) begin(p, again);
            }
            set_directions(p);
            any_running = any_running || math::any(running[p]);
        }
    }
}

template <class T>
void run_nuts(const ChainsData<T>& data, T* scratch) {
    constexpr int packs = tile_lanes / pack_lanes<T>;
    const int group = data.group;
    for (int lane = 0; lane < data.chains; lane += group) {
        if (group == tile_lanes)
            run_nuts_group<packs>(data, lane, scratch);
        else
            run_nuts_group<1>(data, lane, scratch);
    }
    if (data.sums != nullptr) add_tile(data);
}

constexpr ChainsKernels chains_table() {
    return {{start_chains<float>, run_chains<float>, run_nuts<float>},
            {start_chains<double>, run_chains<double>, run_nuts<double>}};
}

}  // namespace
}  // namespace cuebm::cpu::CUEBM_ISA
