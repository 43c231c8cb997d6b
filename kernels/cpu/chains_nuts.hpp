// NUTS over a tile of chains: the frontiers of a group move together, a leapfrog step at a time; then each chain does
// what its tree wants. Included by the file of one instruction set, which names CUEBM_ISA.
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
    constexpr int lanes = Packs * pack_lanes<T>;
    const math::Transition<T>& t = data.transition;
    const std::int64_t d = t.d, rows = math::nuts_rows(t.max_depth);
    T *column = scratch, *values = column + rows * d * lanes, *hamiltonians = values + lanes,
      *directions = hamiltonians + lanes, *kept = directions + lanes, *rest = kept + lanes;
    auto* chains = reinterpret_cast<math::NutsChain<T>*>(rest + std::int64_t{data.program.scratch_rows} * lanes);
    static_assert(sizeof(math::NutsChain<T>) <= nuts_chain_elements * sizeof(T));
    const int there = data.chains - first_lane < lanes ? data.chains - first_lane : lanes;
    const std::int64_t first_chain = data.first_chain + first_lane;
    const auto rows_of = [&](int l) { return math::NutsColumn<T>{{column + l, lanes}, t.d}; };
    const auto state_of = [&](int l) {
        const auto point = [&](T* points) { return Coordinates<T>{points + d * first_lane + l, lanes}; };
        return math::ChainTile<T>{point(data.x), point(data.gradient), numbers_of(data, first_lane + l), {}, {}, {}};
    };
    const auto begin = [&](int l, std::uint32_t step) {
        math::nuts_begin(t, chains[l], rows_of(l), state_of(l), static_cast<std::uint64_t>(first_chain + l), step);
        directions[l] = chains[l].end == 1 ? T(1) : T(-1);
    };
    for (std::int64_t e = 0; e < 3 * d * lanes; ++e) column[e] = 0;  // frontiers of lanes without a chain stay there
    for (int l = 0; l < lanes; ++l) directions[l] = 0;
    for (int l = 0; l < there; ++l) begin(l, data.first);
    int running = data.count > 0 ? there : 0;
    const GroupEnergy<Packs, T> energy{data, kept, rest};
    while (running > 0) {
        move_frontiers<Packs>(t, energy, column, directions, values, hamiltonians);
        for (int l = 0; l < there; ++l) {
            if (directions[l] == T(0)) continue;
            const auto index = static_cast<std::uint64_t>(first_chain + l);
            const bool over =
                math::nuts_advance(t, t.max_depth, chains[l], rows_of(l), index, values[l], hamiltonians[l]);
            directions[l] = chains[l].end == 1 ? T(1) : T(-1);
            if (!over) continue;
            const auto state = state_of(l);
            math::nuts_end(t, t.max_depth, chains[l], rows_of(l), state);
            const std::int64_t done = static_cast<std::int64_t>(chains[l].step - data.first) + 1;
            math::keep_draw(data.kept, state, t.d, data.kept.row(first_chain + l, data.done + done));
            if (done < data.count) {
                begin(l, chains[l].step + 1);
            } else {
                directions[l] = 0;
                --running;
            }
        }
    }
}

template <class T>
void run_nuts(const ChainsData<T>& data, T* scratch) {
    constexpr int packs = tile_lanes / pack_lanes<T>;
    const int group = group_of(data);
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
