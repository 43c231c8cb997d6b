// Half a warp is the 16 lanes of the canonical energy: lane l holds accumulator l, and exchanging by xor is its tree.
#pragma once

#include "cuda/device.cuh"
#include "math/canonical.hpp"

namespace cuebm::cuda {

inline constexpr int half_warp = math::canonical_lanes;

__device__ __forceinline__ int half_warp_lane() { return static_cast<int>(threadIdx.x) % half_warp; }
__device__ __forceinline__ int half_warp_index() { return static_cast<int>(threadIdx.x) / half_warp; }
__device__ __forceinline__ unsigned half_warp_mask() {
    return threadIdx.x % 32 < half_warp ? 0x0000ffffu : 0xffff0000u;
}

// The tree of math::tree_sum: pairs 8, 4, 2, 1 apart. Addition commutes, so all lanes get the same bits.
template <class T>
__device__ __forceinline__ T tree_sum(T a) {
#pragma unroll
    for (int apart = half_warp / 2; apart >= 1; apart /= 2) a = a + __shfl_xor_sync(half_warp_mask(), a, apart);
    return a;
}

// The same tree for 16 sums at once: a[z] is this lane's accumulator of prototype z; returns the whole sum of
// prototype `lane`. At each exchange a lane keeps half of its prototypes and gives the others away. By recursion, which
// the compiler unrolls where it leaves a loop over `Apart` in local memory.
template <int Apart = half_warp / 2, class T>
__device__ __forceinline__ T transposed_tree_sum(T (&a)[half_warp], int lane) {
    const bool upper = (lane & Apart) != 0;
#pragma unroll
    for (int z = 0; z < Apart; ++z) {
        const T given = upper ? a[z] : a[z + Apart];
        const T kept = upper ? a[z + Apart] : a[z];
        a[z] = kept + __shfl_xor_sync(0xffffffffu, given, Apart);
    }
    if constexpr (Apart > 1)
        return transposed_tree_sum<Apart / 2>(a, lane);
    else
        return a[0];
}

// The canonical energies of Count pairs of rows of d, from global memory; all lanes get them. All loads of a step are
// under way together: what a pair costs is waiting.
template <int Count, class T>
__device__ __forceinline__ void pair_energies(const T* const (&y)[Count], const T* const (&w)[Count], std::int64_t d,
                                              int lane, T (&energies)[Count]) {
    T sums[Count] = {};
#pragma unroll 2
    for (std::int64_t j = lane; j < d; j += half_warp) {
        T off[Count];
#pragma unroll
        for (int c = 0; c < Count; ++c) off[c] = y[c][j] - w[c][j];
#pragma unroll
        for (int c = 0; c < Count; ++c) sums[c] = math::fused(off[c], off[c], sums[c]);
    }
#pragma unroll
    for (int c = 0; c < Count; ++c) energies[c] = tree_sum(sums[c]);
}

// The lowest value of 16 lanes with its lowest label.
template <class T>
__device__ __forceinline__ void least_of_half_warp(T& energy, std::int32_t& label) {
#pragma unroll
    for (int apart = half_warp / 2; apart >= 1; apart /= 2) {
        const T other = __shfl_xor_sync(half_warp_mask(), energy, apart);
        const std::int32_t other_label = __shfl_xor_sync(half_warp_mask(), label, apart);
        if (other < energy || (other == energy && other_label < label)) {
            energy = other;
            label = other_label;
        }
    }
}

}  // namespace cuebm::cuda
