// See chains.hpp. The packed kernels are in chains_tiles.hpp.
#include "cpu/chains.hpp"

#include <algorithm>
#include <chrono>
#include <vector>

namespace cuebm::cpu {
namespace {

std::int64_t tiles_of(std::int64_t chains) { return (chains + tile_lanes - 1) / tile_lanes; }

// Fewer tiles than threads are cut into packs, which take as long whether their lanes are all used or not.
bool is_shared(const detail::CpuQueue& queue, std::int64_t chains, int pack_lanes) {
    return tiles_of(chains) < queue.team().threads() && chains > pack_lanes;
}

// Lanes of a tile's groups.
int group_of(const detail::CpuQueue& queue, std::int64_t d, std::int64_t chains, std::int64_t tile, int pack_lanes) {
    const bool together = !is_shared(queue, chains, pack_lanes) && chains - tile * tile_lanes > tile_lanes / 2;
    return together ? most_together(d, pack_lanes) : pack_lanes;
}

// The arrays of one tile.
template <class T, class Task>
ChainsData<T> tile_of(const detail::CpuQueue& queue, const Task& task, const EnergyKernels& energy, std::int64_t tile) {
    const std::int64_t point = tile * task.program->d * tile_lanes, chain = tile * tile_lanes;
    ChainsData<T> data{};
    data.program = task.program->view();
    data.energy = kernels_of<T>(energy).tile;
    data.first_chain = chain;
    data.chains = static_cast<int>(std::min<std::int64_t>(task.chains - chain, tile_lanes));
    data.group = group_of(queue, data.program.d, task.chains, tile, kernels_of<T>(energy).pack_lanes);
    data.x = task.state.x + point;
    data.gradient = task.state.gradient + point;
    data.numbers = task.state.numbers.map([chain](T* number) { return number + chain; });
    return data;
}

template <class T>
T* scratch_of(std::byte* scratch, const EnergyKernels& energy, const detail::OwnedProgram<T>& program, int max_depth,
              int slot) {
    const auto elements = chains_scratch(program.d, program.scratch_rows, max_depth, kernels_of<T>(energy).pack_lanes);
    return reinterpret_cast<T*>(scratch) + slot * elements;
}

// A pack of a tile that threads share, by itself.
template <class T>
ChainsData<T> pack_of(ChainsData<T> tile, int pack) {
    const int first = pack * tile.group;
    const std::int64_t point = std::int64_t{tile.program.d} * first;
    tile.first_chain += first;
    tile.chains = std::min(tile.chains - first, tile.group);
    tile.x += point;
    tile.gradient += point;
    tile.numbers = tile.numbers.map([first](T* number) { return number + first; });
    tile.sums = nullptr;
    return tile;
}

// Threads that wake up and wait for the last one cost about as long. Not tuned.
constexpr double worth_sharing_seconds = 50e-6;

}  // namespace

template <class T>
std::size_t chains_scratch_bytes(int threads, const EnergyKernels& energy, const detail::OwnedProgram<T>& program,
                                 int max_depth) {
    const auto elements = chains_scratch(program.d, program.scratch_rows, max_depth, kernels_of<T>(energy).pack_lanes);
    return static_cast<std::size_t>(threads) * static_cast<std::size_t>(elements) * sizeof(T);
}

template <class T>
void start_chains(detail::CpuQueue& queue, const EnergyKernels& energy, const ChainsKernels& kernels,
                  const detail::StartChains<T>& task, std::byte* scratch) {
    queue.team().parallel_for(tiles_of(task.chains), [&](std::int64_t tile, int slot) {
        auto data = tile_of<T>(queue, task, energy, tile);
        data.start = task.start.data;
        data.start_stride = task.start.stride;
        data.key = task.key;
        data.attempt = task.attempt;
        data.spread = task.spread;
        kernels_of<T>(kernels).start(data, scratch_of(scratch, energy, *task.program, task.max_depth, slot));
    });
}

template <class T>
void run_chains(detail::CpuQueue& queue, const EnergyKernels& energy, const ChainsKernels& kernels,
                const detail::RunChains<T>& task, std::byte* scratch) {
    auto transition = task.transition;
    const auto& [step, length] = *task.tuning;
    transition.step_size = static_cast<T>(task.average ? step.mean_step_size : step.step_size);
    if (task.learnt_length) transition.leapfrogs = task.average ? length.mean_leapfrogs : length.leapfrogs;
    const int max_depth = transition.max_depth;
    const auto run = max_depth > 0 ? kernels_of<T>(kernels).nuts : kernels_of<T>(kernels).run;
    const auto scratch_of_slot = [&](int slot) { return scratch_of(scratch, energy, *task.program, max_depth, slot); };
    const std::int64_t tiles = tiles_of(task.chains);
    // `count` transitions from `from` on, of the task's.
    const auto tile_at = [&](std::int64_t tile, int from, int count) {
        auto data = tile_of<T>(queue, task, energy, tile);
        data.transition = transition;
        data.metropolis = task.metropolis;
        data.first = task.first + static_cast<std::uint32_t>(from);
        data.count = count;
        data.done = task.done + from;
        data.kept = task.kept;
        data.sums = task.sums != nullptr ? task.sums + tile * math::sums_of_tile(task.program->d) : nullptr;
        data.origin = task.origin;
        return data;
    };
    const auto run_tiles = [&](int from, int count) {
        queue.team().parallel_for(
            tiles, [&](std::int64_t tile, int slot) { run(tile_at(tile, from, count), scratch_of_slot(slot)); });
    };
    const int pack_lanes = kernels_of<T>(energy).pack_lanes;
    if (!is_shared(queue, task.chains, pack_lanes)) return run_tiles(0, task.count);
    const std::int64_t packs = (task.chains + pack_lanes - 1) / pack_lanes;
    const auto run_packs = [&](int from, int count) {
        const int packs_a_tile = tile_lanes / pack_lanes;
        queue.team().parallel_for(packs, [&](std::int64_t i, int slot) {
            run(pack_of(tile_at(i / packs_a_tile, from, count), static_cast<int>(i % packs_a_tile)),
                scratch_of_slot(slot));
        });
        if (task.sums != nullptr) run_tiles(from + count, 0);  // adds the numbers up
    };
    // The clock chooses: no bit depends on who runs a pack.
    int from = 0;
    const auto go_on = [&](int count) {
        const auto begin = std::chrono::steady_clock::now();
        const bool worth_it = *task.seconds * count > worth_sharing_seconds;
        worth_it ? run_packs(from, count) : run_tiles(from, count);
        const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
        const auto at_once = std::min<std::int64_t>(worth_it ? packs : tiles, queue.team().threads());
        *task.seconds = took.count() * static_cast<double>(at_once) / count;
        from += count;
    };
    if (*task.seconds == 0 && task.count > 1) go_on(1);
    if (task.count > from) go_on(task.count - from);
}

template <class T>
void adapt_chains(detail::CpuQueue& queue, const EnergyKernels& energy, const detail::AdaptChains<T>& task) {
    const std::int64_t tiles = tiles_of(task.chains), width = math::sums_of_tile(task.d);
    const auto chains = static_cast<double>(task.chains);
    const int pitch = group_of(queue, task.d, task.chains, 0, kernels_of<T>(energy).pack_lanes);
    const auto set_origin = [&] {
        for (std::int64_t j = 0; j < task.d; ++j) task.origin[j] = task.x[j * pitch];
        std::fill_n(task.moments, 1 + 2 * task.d, 0.0);
    };
    if (task.first_step_size > 0) {
        *task.tuning = {math::start_dual_averaging(task.first_step_size), math::start_length()};
        std::fill_n(task.inverse_mass, task.d, T(1));
        std::fill_n(task.mass_root, task.d, T(1));
        set_origin();
        std::copy_n(task.origin, task.d, task.centre);
        return;
    }
    if (task.begin_window) return set_origin();
    std::vector<double> totals(
        static_cast<std::size_t>(task.collect || task.learn_length ? width : math::sums_of_numbers));
    for (std::int64_t tile = 0; tile < tiles; ++tile)
        for (std::size_t s = 0; s < totals.size(); ++s)
            totals[s] += task.sums[tile * width + static_cast<std::int64_t>(s)];
    math::learn(*task.tuning, {.acceptance = totals[0],
                               .inverse_acceptance = totals[1],
                               .slope = totals[2],
                               .chains = chains,
                               .target = task.target,
                               .harmonic = task.harmonic,
                               .step = task.step,
                               .learn_step = task.learn_step,
                               .learn_length = task.learn_length,
                               .end_window = task.end_window,
                               .restart_length = task.restart_length});
    for (std::int64_t j = 0; task.learn_length && j < task.d; ++j)
        task.centre[j] = static_cast<T>(static_cast<double>(task.origin[j]) +
                                        totals[static_cast<std::size_t>(math::sums_of_numbers + 2 * j)] / chains);
    if (task.collect) {
        task.moments[0] += chains;
        for (std::int64_t s = 1; s <= 2 * task.d; ++s)
            task.moments[s] += totals[static_cast<std::size_t>(math::sums_of_numbers - 1 + s)];
    }
    if (!task.end_window) return;
    for (std::int64_t j = 0; task.learn_mass && j < task.d; ++j) {
        const double inverse = math::inverse_mass_of(task.moments[0], task.moments[1 + 2 * j], task.moments[2 + 2 * j]);
        task.inverse_mass[j] = static_cast<T>(inverse);
        task.mass_root[j] = static_cast<T>(1 / math::square_root(static_cast<double>(task.inverse_mass[j])));
    }
    set_origin();
}

template <class T>
void add_products(detail::CpuQueue& queue, const EnergyKernels& energy, const detail::AddProducts<T>& task) {
    const std::int64_t d = task.d;
    const int pack_lanes = kernels_of<T>(energy).pack_lanes;
    queue.team().parallel_for(d, [&](std::int64_t i, int) {
        double* const sums = task.sums + i * (1 + d);
        for (std::int64_t chain = 0; chain < task.chains; ++chain) {
            const std::int64_t lane = chain % tile_lanes, tile = chain / tile_lanes;
            const std::int64_t group = group_of(queue, d, task.chains, tile, pack_lanes);
            const T* const x = task.x + (chain - lane % group) * d + lane % group;
            const auto off = [&](std::int64_t j) {
                return static_cast<double>(x[j * group]) - static_cast<double>(task.origin[j]);
            };
            const double mine = off(i);
            sums[0] += mine;
            for (std::int64_t j = 0; j <= i; ++j) sums[1 + j] += mine * off(j);
        }
    });
}

#define CUEBM_INSTANTIATE(T)                                                                                      \
    template std::size_t chains_scratch_bytes<T>(int, const EnergyKernels&, const detail::OwnedProgram<T>&, int); \
    template void start_chains<T>(detail::CpuQueue&, const EnergyKernels&, const ChainsKernels&,                  \
                                  const detail::StartChains<T>&, std::byte*);                                     \
    template void run_chains<T>(detail::CpuQueue&, const EnergyKernels&, const ChainsKernels&,                    \
                                const detail::RunChains<T>&, std::byte*);                                         \
    template void adapt_chains<T>(detail::CpuQueue&, const EnergyKernels&, const detail::AdaptChains<T>&);        \
    template void add_products<T>(detail::CpuQueue&, const EnergyKernels&, const detail::AddProducts<T>&);
CUEBM_INSTANTIATE(float)
CUEBM_INSTANTIATE(double)

}  // namespace cuebm::cpu
