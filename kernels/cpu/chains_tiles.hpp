// Transitions of a tile of chains. Included by the file of one instruction set, which names CUEBM_ISA.
#pragma once

#include "cpu/pack.hpp"  // before the templates of kernels/math/, which find its overloads

#include "cpu/chains_kernels.hpp"
#include "cpu/transpose.hpp"
#include "math/samplers/adaptation.hpp"
#include "math/samplers/hamiltonian.hpp"
#include "math/samplers/metropolis.hpp"

namespace cuebm::cpu::CUEBM_ISA {
namespace {

using math::Coordinates;

// The energy of a group of chains, by its function.
template <int Packs, class T>
struct GroupEnergy {
    using Pack = typename math::PackOf<T>::Type;
    static constexpr int lanes = Packs * pack_lanes<T>;
    const ChainsData<T>& data;
    T *kept, *scratch;  // [lanes], the energy's

    CUEBM_MATH_MEMBER const math::EnergyProgram<T>& program() const { return data.program; }
    CUEBM_MATH_MEMBER void gradient(Coordinates<Pack> x, Coordinates<Pack> to) const {
        data.energy(data.program, x.data, nullptr, to.data, scratch, lanes);
    }
    CUEBM_MATH_MEMBER void value(Coordinates<Pack> x, Pack (&values)[Packs]) const {
        data.energy(data.program, x.data, kept, nullptr, scratch, lanes);
        load_values(values);
    }
    CUEBM_MATH_MEMBER void both(Coordinates<Pack> x, Coordinates<Pack> to, Pack (&values)[Packs]) const {
        data.energy(data.program, x.data, kept, to.data, scratch, lanes);
        load_values(values);
    }
    CUEBM_MATH_MEMBER void load_values(Pack (&values)[Packs]) const {
        for (int p = 0; p < Packs; ++p) values[p] = math::load(kept + p * pack_lanes<T>);
    }
};

template <class T>
void add_tile(const ChainsData<T>& data) {
    double terms[math::chains_a_tile];
    const auto add = [&](auto term) {
        for (int l = 0; l < tile_lanes; ++l) terms[l] = l < data.chains ? term(l) : 0.0;
        return math::add_chains(terms);
    };
    data.sums[0] = add([&](int l) { return static_cast<double>(data.numbers.acceptance[l]); });
    data.sums[1] =
        add([&](int l) { return math::inverse_acceptance(static_cast<double>(data.numbers.acceptance[l])); });
    data.sums[2] = add([&](int l) { return static_cast<double>(data.numbers.slope[l]); });
    if (data.origin == nullptr) return;
    const int d = data.program.d, group = data.group;
    for (int j = 0; j < d; ++j) {
        const double origin = static_cast<double>(data.origin[j]);
        const auto off = [&](int l) {
            return static_cast<double>(data.x[(static_cast<std::int64_t>(l / group) * d + j) * group + l % group]) -
                   origin;
        };
        data.sums[math::sums_of_numbers + 2 * j] = add(off);
        data.sums[math::sums_of_numbers + 1 + 2 * j] = add([&](int l) { return off(l) * off(l); });
    }
}

template <class T>
math::ChainNumbers<Coordinates<T>> numbers_of(const ChainsData<T>& data, int lane) {
    return data.numbers.map([lane](T* number) { return Coordinates<T>{number + lane, 1}; });
}

// Chains first_lane to first_lane + Packs * pack_lanes<T> - 1 of the tile.
template <int Packs, class T>
void run_group(const ChainsData<T>& data, int first_lane, T* scratch) {
    using Pack = typename math::PackOf<T>::Type;
    constexpr int lanes = Packs * pack_lanes<T>;
    const int d = data.program.d;
    const std::int64_t size = static_cast<std::int64_t>(d) * lanes,
                       at_first = static_cast<std::int64_t>(d) * first_lane;
    T *proposal = scratch, *proposal_gradient = proposal + size, *momentum = proposal_gradient + size,
      *kept = momentum + size, *rest = kept + lanes;
    const auto at = [](T* rows) { return Coordinates<Pack>{rows, lanes}; };
    const math::ChainTile<Pack> tile{at(data.x + at_first),
                                     at(data.gradient + at_first),
                                     data.numbers.map([&](T* number) { return at(number + first_lane); }),
                                     at(proposal),
                                     at(proposal_gradient),
                                     at(momentum)};
    math::LaneIndex<Pack> index[Packs];
    const std::int64_t first_chain = data.first_chain + first_lane;
    for (int p = 0; p < Packs; ++p)
        index[p] = math::lane_index<Pack>(static_cast<std::uint64_t>(first_chain + p * pack_lanes<T>));
    const GroupEnergy<Packs, T> energy{data, kept, rest};
    const int chains = data.chains - first_lane < lanes ? data.chains - first_lane : lanes;
    std::int64_t draw = data.done;
    for (int t = 0; t < data.count; ++t) {
        const std::uint32_t step = data.first + static_cast<std::uint32_t>(t);
        if (data.metropolis)
            math::metropolis_transition(data.transition, tile, index, step, energy);
        else
            math::hamiltonian_transition(data.transition, tile, index, step, energy);
        const std::int64_t row = data.kept.row(first_chain, ++draw), pitch = data.kept.draws_a_chain;
        if (row < 0) continue;
        if (data.kept.points != nullptr)
            store_rows(tile.x.data, lanes, d, chains, data.kept.points + row * d, pitch * d);
        for (int l = 0; l < chains; ++l)
            math::keep_numbers(data.kept, numbers_of(data, first_lane + l), row + l * pitch);
    }
}

template <class T>
void run_chains(const ChainsData<T>& data, T* scratch) {
    constexpr int packs = tile_lanes / pack_lanes<T>;
    const int group = data.group;
    for (int lane = 0; lane < data.chains; lane += group) {
        if (group == tile_lanes)
            run_group<packs>(data, lane, scratch);
        else
            run_group<1>(data, lane, scratch);
    }
    if (data.sums != nullptr) add_tile(data);
}

template <class T>
void start_chains(const ChainsData<T>& data, T* scratch) {
    using Pack = typename math::PackOf<T>::Type;
    const int d = data.program.d, group = data.group;
    for (int l = 0; l < tile_lanes; l += pack_lanes<T>) {
        const auto index = math::lane_index<Pack>(static_cast<std::uint64_t>(data.first_chain + l));
        const Pack value = math::load(data.numbers.value + l);
        T* const x = data.x + static_cast<std::int64_t>(l / group) * d * group + l % group;
        for (int j = 0; j < d; ++j) {
            Pack start{};
            if (data.start != nullptr) {
                for (int i = 0; i < pack_lanes<T>; ++i) {
                    const int chain = l + i < data.chains ? l + i : data.chains - 1;
                    start[i] = data.start[(data.first_chain + chain) * data.start_stride + j];
                }
            } else {
                start = math::start_coordinate<Pack>(data.key, index, data.attempt, j, data.spread);
            }
            T* const at = x + static_cast<std::int64_t>(j) * group;
            if (data.attempt > 0) start = math::select(value - value == T(0), math::load(at), start);
            math::store(at, start);
        }
    }
    for (int l = 0; l < tile_lanes; l += group) {
        const std::int64_t at = static_cast<std::int64_t>(l) * d;
        data.energy(data.program, data.x + at, data.numbers.value + l, data.gradient + at, scratch, group);
    }
}

}  // namespace
}  // namespace cuebm::cpu::CUEBM_ISA
