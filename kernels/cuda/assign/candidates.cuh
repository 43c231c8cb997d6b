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

// What screening leaves of a block's points, in classes of prototypes: pairs of a point and a class of which one
// prototype is a candidate, or any may be. Their canonical energies are shared out to all half-warps, since a point
// whose classes are crowded costs a hundred times what another does. Lies in shared memory.
template <int Points, int Classes>
struct Undecided {
    static constexpr int pairs = Points * Classes, at_once = 4;  // pairs of a half-warp

    Word least[Points];             // canonical energy, whose bits order as it does, and label
    std::int32_t labels[pairs];     // [Classes x Points], the candidate of each
    unsigned counts[2];             // of the lists
    std::uint16_t lists[2][pairs];  // of single candidates, and of crowded classes
    bool open[Points], finite[Points], all_finite;

    // By all threads, with a barrier after it.
    __device__ __forceinline__ void clear() {
        for (int row = static_cast<int>(threadIdx.x); row < Points; row += static_cast<int>(blockDim.x)) {
            least[row] = ~Word{0};
            open[row] = false;
            finite[row] = true;
        }
        if (threadIdx.x < 2) counts[threadIdx.x] = 0;
        if (threadIdx.x == 0) all_finite = true;
    }

    // By one thread for point i, the block's `row`-th. Bit c of `candidates`: that label of class c is one; of
    // `crowded`: so may be others of the class. One candidate needs no energy.
    __device__ __forceinline__ void add(const Assign<float>& task, int row, std::int64_t i, unsigned candidates,
                                        unsigned crowded) {
        if (task.energies.data == nullptr && crowded == 0 && __popc(candidates) == 1) {
            const int pair = (__ffs(static_cast<int>(candidates)) - 1) * Points + row;
            task.labels.data[i * task.labels.stride] = labels[pair];
            return;
        }
        open[row] = true;
        for (; candidates != 0; candidates &= candidates - 1) {
            const int c = __ffs(static_cast<int>(candidates)) - 1;
            const unsigned list = crowded >> c & 1;
            lists[list][atomicAdd(&counts[list], 1u)] = static_cast<std::uint16_t>(c * Points + row);
        }
    }

    // By all threads, after a barrier. member(c, r) is the r-th prototype of class c, ascending in r.
    template <class Member>
    __device__ __forceinline__ void decide(const Assign<float>& task, std::int64_t first, std::uint64_t* status,
                                           Member member) {
        const int lane = half_warp_lane(), own = half_warp_index();
        const int half_warps = static_cast<int>(blockDim.x) / half_warp;
        const std::int64_t k = task.prototypes.rows;
        const auto count = [&](int list) { return static_cast<int>(counts[list]); };
        for (int begin = own * at_once; begin < count(0); begin += half_warps * at_once) {
            int rows[at_once];
            std::int64_t prototypes[at_once];
#pragma unroll
            for (int c = 0; c < at_once; ++c) {  // the last one again, beyond the end
                const int pair = lists[0][begin + c < count(0) ? begin + c : count(0) - 1];
                rows[c] = pair % Points;
                prototypes[c] = labels[pair];
            }
            weigh(task, first, rows, prototypes, lane);
        }
        for (int list = 0; list < count(1); ++list) {
            const int row = lists[1][list] % Points, of = lists[1][list] / Points;
            const int rows[at_once] = {row, row, row, row};
            for (std::int64_t r = own * at_once; member(of, r) < k; r += half_warps * at_once) {
                std::int64_t prototypes[at_once];
#pragma unroll
                for (int c = 0; c < at_once; ++c) {
                    const std::int64_t z = member(of, r + c);
                    prototypes[c] = z < k ? z : member(of, r);
                }
                weigh(task, first, rows, prototypes, lane);
            }
        }
        __syncthreads();
        for (int row = static_cast<int>(threadIdx.x); row < Points; row += static_cast<int>(blockDim.x)) {
            if (!open[row]) continue;
            const std::int64_t i = first + row;
            const bool found = least[row] != ~Word{0};
            if (task.labels.data != nullptr)
                task.labels.data[i * task.labels.stride] = found ? static_cast<std::int32_t>(least[row]) : 0;
            if (task.energies.data != nullptr)
                task.energies.data[i * task.energies.stride] =
                    found ? __uint_as_float(static_cast<unsigned>(least[row] >> 32))
                          : static_cast<float>(__builtin_inf());
        }
        for (int row = own; task.check_finite && !all_finite && row < Points; row += half_warps)
            if (!finite[row]) report_row(task, status, first + row, lane);
    }

private:
    __device__ __forceinline__ void weigh(const Assign<float>& task, std::int64_t first, const int (&rows)[at_once],
                                          const std::int64_t (&prototypes)[at_once], int lane) {
        const float *y[at_once], *w[at_once];
        float energies[at_once];
#pragma unroll
        for (int c = 0; c < at_once; ++c) {
            y[c] = values(task.points) + (first + rows[c]) * task.points.stride;
            w[c] = task.prototypes.data + prototypes[c] * task.prototypes.stride;
        }
        pair_energies(y, w, task.points.cols, lane, energies);
#pragma unroll
        for (int c = 0; c < at_once; ++c) {
            if (lane != c) continue;
            if (energies[c] < static_cast<float>(__builtin_inf()))
                atomicMin(&least[rows[c]], Word{__float_as_uint(energies[c])} << 32 | static_cast<Word>(prototypes[c]));
            else
                finite[rows[c]] = all_finite = false;
        }
    }
};

}  // namespace cuebm::cuda
