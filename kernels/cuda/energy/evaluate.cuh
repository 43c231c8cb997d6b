// Energies of points: a block turns its rows into columns, each thread runs the energy's program on its own, and
// gradients become rows again.
#pragma once

#include "cuda/assign/report.cuh"
#include "cuda/device.cuh"
#include "cuda/energy/config.hpp"
#include "energy_operations.hpp"
#include "math/energies/evaluate.hpp"

namespace cuebm::cuda {

// The elements of a block's rows, neighbouring threads on neighbouring columns: load(row, column) for some of a
// thread's own, so that they are under way together, then store(row, column, value).
template <class T, class Load, class Store>
__device__ __forceinline__ void for_elements(unsigned rows, unsigned d, Load load, Store store) {
    constexpr int at_once = 8;
    const unsigned rows_a_step = blockDim.x / d, columns_a_step = blockDim.x % d;
    const auto advance = [&](unsigned& row, unsigned& column) {  // without a division for each element
        row += rows_a_step;
        column += columns_a_step;
        if (column >= d) column -= d, ++row;
    };
    unsigned row = threadIdx.x / d, column = threadIdx.x % d;
    while (row < rows) {
        T loaded[at_once];
        unsigned r = row, c = column;
#pragma unroll
        for (int e = 0; e < at_once; ++e, advance(r, c)) loaded[e] = r < rows ? load(r, c) : T(0);
#pragma unroll
        for (int e = 0; e < at_once; ++e, advance(row, column))
            if (row < rows) store(row, column, loaded[e]);
    }
}

template <bool Value, bool Gradient, class T>
__global__ void __launch_bounds__(EnergyLimits::most_threads, EnergyLimits::blocks_of<T>)
    evaluate_points(math::EnergyProgram<T> program, MatrixView<const T> points, VectorView<T> values,
                    MatrixView<T> gradients, T* columns, bool check_finite, std::uint64_t* status) {
    CUEBM_DYNAMIC_SHARED(T, shared);
    const int d = program.d, threads = static_cast<int>(blockDim.x), thread = static_cast<int>(threadIdx.x);
    const std::int64_t pitch = column_pitch(threads),
                       rows = (Gradient ? 2 : 1) * std::int64_t{d} + program.scratch_rows;
    T* const x = columns != nullptr ? columns + blockIdx.x * rows * pitch : shared;
    T* const gradient = x + (Gradient ? d * pitch : 0);
    const math::Coordinates<T> mine{x + thread, pitch}, my_gradient{gradient + thread, pitch},
        scratch{gradient + d * pitch + thread, pitch};
    for (std::int64_t first = std::int64_t{blockIdx.x} * threads; first < points.rows;
         first += std::int64_t{gridDim.x} * threads) {
        const auto count = static_cast<unsigned>(points.rows - first < threads ? points.rows - first : threads);
        const T* const from = points.data + first * points.stride;
        for_elements<T>(
            count, static_cast<unsigned>(d), [&](unsigned row, unsigned j) { return from[row * points.stride + j]; },
            [&](unsigned row, unsigned j, T value) { x[j * pitch + row] = value; });
        __syncthreads();
        if (thread < static_cast<int>(count)) {
            const T value = math::evaluate_energy<Value, Gradient>(program, mine, my_gradient, scratch);
            bool finite = true;
            for (int j = 0; j < d; ++j) finite = finite && is_finite(mine[j]);
            if (check_finite && !finite)
                report(status, first + thread, detail::points_not_finite);
            else if (check_finite && value != value)
                report(status, first + thread, detail::energy_overflow);
            if constexpr (Value) values.data[(first + thread) * values.stride] = value;
        }
        __syncthreads();
        if constexpr (Gradient)
            for_elements<T>(
                count, static_cast<unsigned>(d), [&](unsigned row, unsigned j) { return gradient[j * pitch + row]; },
                [&](unsigned row, unsigned j, T value) {
                    gradients.data[(first + row) * gradients.stride + j] = value;
                });
        __syncthreads();
    }
}

}  // namespace cuebm::cuda
