// Energies of points. evaluate_rows: a warp copies its rows to shared memory, where each thread runs the energy's
// program on its own. evaluate_columns, for points that do not fit there: a thread's coordinates are a column in
// scratch, so that a warp's loads are whole lines.
#pragma once

#include "cuda/assign/report.cuh"
#include "cuda/device.cuh"
#include "cuda/energy/kernel_program.hpp"
#include "cuda/energy/room.hpp"
#include "math/energies/evaluate.hpp"

namespace cuebm::cuda {

// EvaluateEnergy as plain data.
template <class T>
struct PointsData {
    KernelProgram<T> program;
    std::int64_t n;
    Rows<const T> points;
    Rows<T> values, gradients;
    bool check_finite;
    std::uint64_t* status;
    WarpRoom room;
    T* columns;  // [blocks x rows x threads]
};

// move(e, row) for the elements e = row d + j of a tile's rows that this lane moves, neighbours by neighbouring lanes.
// Without a division for each.
template <class Move>
__device__ __forceinline__ void for_elements(int rows, int d, Move move) {
    const int lane = static_cast<int>(threadIdx.x) % warp_threads, step = warp_threads % d;
    int row = lane / d, j = lane % d;
    for (int e = lane; e < rows * d; e += warp_threads) {
        move(e, row);
        j += step;
        row += warp_threads / d + (j >= d ? 1 : 0);
        j -= j >= d ? d : 0;
    }
}

template <class T>
__device__ __forceinline__ void start_rows(const PointsData<T>& data, std::int64_t first, T* tile) {
    if (first >= data.n) return;
    const int d = data.program.of.d, rows = data.room.rows, pitch = data.room.pitch;
    const T* const from = data.points.data + first * data.points.stride;
    const std::int64_t gap = data.points.stride - d;
    for_elements(data.n - first < rows ? static_cast<int>(data.n - first) : rows, d, [&](int e, int row) {
        copy_async<sizeof(T)>(tile + e + row * (pitch - d), from + e + row * gap, true);
    });
}

template <class T>
__device__ __forceinline__ void report_point(const PointsData<T>& data, std::int64_t i, bool finite, T value) {
    if (!finite)
        report(data.status, i, detail::points_not_finite);
    else if (value != value)
        report(data.status, i, detail::energy_overflow);
}

template <bool Value, bool Gradient, class T>
__global__ void __launch_bounds__(EnergyLimits::most_threads, EnergyLimits::blocks_of(sizeof(T)))
    evaluate_rows(const __grid_constant__ PointsData<T> data) {
    CUEBM_DYNAMIC_SHARED(T, shared);
    const auto program = data.program.view();
    const WarpRoom room = data.room;
    const int d = program.d, warp = static_cast<int>(threadIdx.x) / warp_threads,
              lane = static_cast<int>(threadIdx.x) % warp_threads, warps = static_cast<int>(blockDim.x) / warp_threads;
    T *const points = shared + warp * room.elements(),
             *const gradients = points + room.buffers * room.rows * room.pitch,
             *const scratch = gradients + room.gradient_rows * room.pitch + lane * room.scratch_pitch;
    const std::int64_t step = std::int64_t{gridDim.x} * warps * room.rows;
    std::int64_t first = (std::int64_t{blockIdx.x} * warps + warp) * room.rows;
    for (int b = 0; b < room.buffers; ++b) {
        start_rows(data, first + b * step, points + b * room.rows * room.pitch);
        copy_async_commit();
    }
    for (int buffer = 0; first < data.n; first += step) {
        T* const tile = points + buffer * room.rows * room.pitch;
        if (room.buffers == 2)
            copy_async_wait<1>();
        else
            copy_async_wait<0>();
        __syncwarp();
        const int count = data.n - first < room.rows ? static_cast<int>(data.n - first) : room.rows;
        for (int row = lane; row < count; row += warp_threads) {
            const math::Coordinates<T> x{tile + row * room.pitch, 1},
                gradient{Gradient ? gradients + row * room.pitch : x.data, 1};
            const T value =
                math::evaluate_energy<Value, Gradient>(program, x, gradient, math::Coordinates<T>{scratch, 1});
            if (data.check_finite) {
                T nothing = 0;  // NaN where a coordinate is not finite
                for (int j = 0; j < d; ++j) nothing = math::fused(x[j], T(0), nothing);
                report_point(data, first + row, nothing == T(0), value);
            }
            if constexpr (Value) data.values.data[(first + row) * data.values.stride] = value;
        }
        __syncwarp();
        start_rows(data, first + room.buffers * step, tile);
        copy_async_commit();
        buffer = room.buffers - 1 - buffer;
        if constexpr (Gradient) {
            T* const to = data.gradients.data + first * data.gradients.stride;
            const std::int64_t gap = data.gradients.stride - d;
            for_elements(count, d, [&](int e, int row) { to[e + row * gap] = gradients[e + row * (room.pitch - d)]; });
        }
    }
}

// Without Gradient, of the value alone; with it of both, of which only what is wanted is written.
template <bool Gradient, class T>
__global__ void __launch_bounds__(EnergyLimits::most_threads, EnergyLimits::blocks_of(sizeof(T)))
    evaluate_columns(const __grid_constant__ PointsData<T> data) {
    const auto program = data.program.view();
    const int d = program.d, threads = static_cast<int>(blockDim.x);
    const std::int64_t rows = (Gradient ? 2 : 1) * std::int64_t{d} + program.scratch_rows;
    const math::Coordinates<T> x{data.columns + blockIdx.x * rows * threads + threadIdx.x, EnergyLimits::most_threads},
        gradient = x.from(Gradient ? d : 0), scratch = gradient.from(d);
    for (std::int64_t i = std::int64_t{blockIdx.x} * threads + threadIdx.x; i < data.n;
         i += std::int64_t{gridDim.x} * threads) {
        const T* const from = data.points.data + i * data.points.stride;
        T nothing = 0;  // NaN where a coordinate is not finite
        for (int j = 0; j < d; ++j) {
            x.set(j, from[j]);
            nothing = math::fused(from[j], T(0), nothing);
        }
        const T value = math::evaluate_energy<true, Gradient>(program, x, gradient, scratch);
        const bool wanted = data.values.data != nullptr;
        if (data.check_finite) report_point(data, i, nothing == T(0), wanted ? value : T(0));
        if (wanted) data.values.data[i * data.values.stride] = value;
        if constexpr (Gradient) {
            T* const to = data.gradients.data + i * data.gradients.stride;
            for (int j = 0; j < d; ++j) to[j] = gradient[j];
        }
    }
}

template <class T>
using EvaluateKernel = void (*)(PointsData<T>);
// Of columns.cu, which is compiled apart.
template <class T>
EvaluateKernel<T> columns_kernel(bool gradient);

}  // namespace cuebm::cuda
