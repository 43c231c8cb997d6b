// Energies of points: a block turns its rows into columns, each thread runs the energy's program on its own, and
// gradients become rows again.
#pragma once

#include "cuda/assign/report.cuh"
#include "cuda/device.cuh"
#include "cuda/energy/config.hpp"
#include "energy_operations.hpp"
#include "math/energies/evaluate.hpp"

namespace cuebm::cuda {

// move(row, column) for the elements of a block's rows, neighbouring threads on neighbouring columns.
template <class Move>
__device__ __forceinline__ void for_elements(unsigned rows, unsigned d, Move move) {
    for (unsigned e = threadIdx.x; e < rows * d; e += blockDim.x) move(e / d, e % d);
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
        for_elements(count, static_cast<unsigned>(d), [&](unsigned row, unsigned j) {
            x[j * pitch + row] = points.data[(first + row) * points.stride + j];
        });
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
            for_elements(count, static_cast<unsigned>(d), [&](unsigned row, unsigned j) {
                gradients.data[(first + row) * gradients.stride + j] = gradient[j * pitch + row];
            });
        __syncthreads();
    }
}

}  // namespace cuebm::cuda
