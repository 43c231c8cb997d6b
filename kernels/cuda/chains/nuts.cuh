// NUTS on a GPU; a file of its own, so that it compiles beside the other samplers.
#pragma once

#include "cuda/chains/chains.cuh"
#include "math/samplers/nuts.hpp"

namespace cuebm::cuda {

// The transitions of a chain, a leapfrog step at a time: threads of a warp meet at the evaluation, however far their
// trees are. `column`: rows of NutsColumn and the energy's scratch.
template <class T>
__device__ __forceinline__ void make_trees(const ChainsData<T>& data, math::Coordinates<T> column,
                                           const math::ChainTile<T>& state, std::int64_t chain) {
    const auto program = data.program.view();
    const int d = program.d;
    const auto t = tuned(data);
    const math::NutsColumn<T> rows{column, d};
    const math::Coordinates<T> x = rows.at(0), momentum = rows.at(1), gradient = rows.at(2),
                               scratch = column.from(math::nuts_rows(t.max_depth) * d);
    const auto index = math::lane_index<T>(static_cast<std::uint64_t>(chain));
    math::NutsChain<T> tree{};
    tree.step = data.first;
    math::nuts_begin(true, t, tree, rows, state, index);
    for (std::int32_t done = 0;;) {
        const T step = (tree.behind ? T(1) : T(-1)) * t.step_size, kick = step * T(-0.5);
        if (math::is_dense(t)) {
            math::kick_dense(t, kick, gradient, momentum);
            math::drift_dense(t, step, momentum, x, x);
        } else {
            math::for_coordinates(d, [&](int j) {
                const T moved = math::fused(gradient[j], kick, momentum[j]);
                momentum.set(j, moved);
                x.set(j, math::fused(moved, step * t.inverse_mass[j], x[j]));
            });
        }
        const T value = math::evaluate_energy<true, true>(program, x, gradient, scratch);
        if (math::is_dense(t))
            math::kick_dense(t, kick, gradient, momentum);
        else
            math::for_coordinates(d, [&](int j) { momentum.set(j, math::fused(gradient[j], kick, momentum[j])); });
        const T squares = math::sum_coordinates<T>(d, [&](int j, T sum) {
            const T p = momentum[j];
            return math::fused(p * t.inverse_mass[j], p, sum);
        });
        if (!math::nuts_advance(true, t, t.max_depth, tree, rows, index, value, math::fused(squares, T(0.5), value)))
            continue;
        math::nuts_end(true, t, t.max_depth, tree, rows, state);
        ++done;
        math::keep_draw(data.kept, state, d, data.kept.row(chain, data.done + done));
        if (done == data.count) return;
        ++tree.step;
        math::nuts_begin(true, t, tree, rows, state, index);
    }
}

template <class T>
__global__ void __launch_bounds__(chain_threads, 4) run_nuts(const __grid_constant__ ChainsData<T> data) {
    CUEBM_DYNAMIC_SHARED(T, shared);
    T* const column = column_of(data, shared);
    const std::int64_t chain = std::int64_t{blockIdx.x} * chain_threads + threadIdx.x;
    if (chain >= data.chains || data.count == 0) return;
    make_trees(data, {column, chain_threads}, chain_of(data, column), chain);
}

}  // namespace cuebm::cuda
