// What kernels that screen have in common: the shift of their scores, and the decision between what the bound leaves.
#pragma once

#include "cuda/assign/direct.cuh"

namespace cuebm::cuda {

// The shift is the mean of at most this many prototypes, evenly spread: any shift is right, one near the data is good.
inline constexpr std::int64_t shift_rows = 256;

// Block: 32 columns x 8 threads, each of which sums every eighth row; added over the 8 in order. Zeros beyond d.
static __global__ void __launch_bounds__(256)
    screen_shift(MatrixView<const float> prototypes, float* shift, std::int64_t columns) {
    CUEBM_SHARED(float, sums, [8][32]);
    const int column = static_cast<int>(threadIdx.x) % 32, part = static_cast<int>(threadIdx.x) / 32;
    const std::int64_t rows = prototypes.rows < shift_rows ? prototypes.rows : shift_rows;
    const std::int64_t j = std::int64_t{blockIdx.x} * 32 + column;
    float sum = 0;
    for (std::int64_t r = part; r < rows && j < prototypes.cols; r += 8)
        sum = sum + prototypes.data[r * (prototypes.rows / rows) * prototypes.stride + j];
    sums[part][column] = sum;
    __syncthreads();
    if (part == 0 && j < columns) {
        float all = 0;
        for (int p = 0; p < 8; ++p) all = all + sums[p][column];
        shift[j] = all / static_cast<float>(rows);
    }
}

// What screening leaves of the prototypes for a point, in classes of at most 16: lane c of its half-warp has the label
// of class c. Bit c of `classes`: that one is a candidate; of `scanned`: so may be others of class c.
struct Candidates {
    unsigned classes, scanned;
    std::int32_t label;
};

// The canonical argmin of point i among its candidates, by its half-warp. member(c, r) is the r-th prototype of class
// c.
template <class Member>
__device__ __forceinline__ void settle(const Assign<float>& task, Candidates candidates, std::int64_t i, int lane,
                                       std::uint64_t* status, Member member) {
    const unsigned mask = half_warp_mask();
    const std::int64_t d = task.points.cols, k = task.prototypes.rows;
    const float* y = values(task.points) + i * task.points.stride;
    unsigned classes = candidates.classes;
    float energy = static_cast<float>(__builtin_inf());
    std::int32_t label = 0;
    bool finite = true;
    if (task.energies.data == nullptr && candidates.scanned == 0 && __popc(classes) == 1) {
        label = __shfl_sync(mask, candidates.label, __ffs(static_cast<int>(classes)) - 1, half_warp);
        classes = 0;  // one candidate needs no energy
    }
    while (classes != 0) {
        const int source = __ffs(static_cast<int>(classes)) - 1;
        classes &= classes - 1;
        const bool whole = (candidates.scanned >> source & 1) != 0;
        const std::int64_t only = __shfl_sync(mask, candidates.label, source, half_warp);
        std::int64_t r = 0;
        for (std::int64_t z = whole ? member(source, r) : only; z < k; z = member(source, ++r)) {
            const float e = pair_energy(y, task.prototypes.data + z * task.prototypes.stride, d, lane);
            if (!(e < static_cast<float>(__builtin_inf()))) finite = false;
            if (e < energy || (e == energy && z < label)) {
                energy = e;
                label = static_cast<std::int32_t>(z);
            }
            if (!whole) break;
        }
    }
    if (lane == 0) {
        if (task.labels.data != nullptr) task.labels.data[i * task.labels.stride] = label;
        if (task.energies.data != nullptr) task.energies.data[i * task.energies.stride] = energy;
    }
    if (task.check_finite && !finite) report_row(task, status, i, lane);
}

}  // namespace cuebm::cuda
