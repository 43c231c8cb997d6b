// assign() by the canonical energy of every pair: any type, any output, masks.
#pragma once

#include "cuda/assign/energies.cuh"
#include "cuda/assign/report.cuh"
#include "math/free_energy.hpp"

namespace cuebm::cuda {

// The m best of each point of a block, sorted, in shared memory; a half-warp works on its own points' lists alone.
template <class T>
struct BestLists {
    static constexpr int most = 32;  // two slots a lane
    T* energies;                     // [points x most]
    std::int32_t* labels;
};

template <class T>
__device__ __forceinline__ void start_best(const BestLists<T>& best, int point, int lane) {
    for (int slot = lane; slot < best.most; slot += half_warp) {
        best.energies[point * best.most + slot] = static_cast<T>(__builtin_inf());
        best.labels[point * best.most + slot] = 0;
    }
    __syncwarp(half_warp_mask());  // redundant: for_each_energy has a barrier before add_best reads
}

// Puts the energies of prototypes z + lane where they belong; those that are not below the m-th best stay out. In order
// of z, behind equal energies: ties keep the lower index.
template <class T>
__device__ __forceinline__ void add_best(const BestLists<T>& best, int m, int point, int lane, T energy,
                                         std::int64_t z) {
    const unsigned mask = half_warp_mask(), base = threadIdx.x % 32 < half_warp ? 0 : half_warp;
    T* energies = best.energies + point * best.most;
    std::int32_t* labels = best.labels + point * best.most;
    unsigned waiting = __ballot_sync(mask, energy < energies[m - 1]) >> base & 0xffffu;
    while (waiting != 0) {
        const int source = __ffs(static_cast<int>(waiting)) - 1;
        waiting &= waiting - 1;
        const T e = __shfl_sync(mask, energy, source, half_warp);
        const T low = energies[lane], high = energies[lane + half_warp];
        const std::int32_t low_label = labels[lane], high_label = labels[lane + half_warp];
        const int place = __popc(__ballot_sync(mask, low <= e)) + __popc(__ballot_sync(mask, high <= e));
        if (place < m) {
            // All lanes have read their slots (the ballots wait for them); slots from `place` on move up by one.
            __syncwarp(mask);
            if (lane >= place) {
                energies[lane + 1] = low;
                labels[lane + 1] = low_label;
            }
            if (lane + half_warp >= place && lane + half_warp + 1 < best.most) {
                energies[lane + half_warp + 1] = high;
                labels[lane + half_warp + 1] = high_label;
            }
            if (lane == 0) {
                energies[place] = e;
                labels[place] = static_cast<std::int32_t>(z + source);
            }
        }
        __syncwarp(mask);
    }
}

// A row whose energies are not all finite: are its known values, or did an energy overflow?
template <class T>
__device__ void report_row(const Assign<T>& task, std::uint64_t* status, std::int64_t i, int lane) {
    bool finite = true;
    for (std::int64_t j = lane; j < task.points.cols; j += half_warp)
        if (is_known(task.known, i, j) && !is_finite(values(task.points)[i * task.points.stride + j])) finite = false;
    finite = __all_sync(half_warp_mask(), finite) != 0;
    if (lane == 0) report(status, i, finite ? detail::energy_overflow : detail::points_not_finite);
}

// Block: 256 threads, 64 points (32 for double). Registers: the accumulators,
// and for each of a half-warp's points a least energy with its label and a partial free energy, which are those of
// class z mod 16 = lane. Shared memory: the two buffers of energies.cuh, and with `best` 32 energies and labels a
// point. Order: a class sees its prototypes in order of z; the classes are joined by the fixed tree.
template <class T, bool Masked, bool Product>
__global__ void __launch_bounds__(EnergyTile<T>::threads, 1)
    assign_direct(Assign<T> task, EnergyTask<T> energy_task, int m, T* gaps, std::uint64_t* status) {
    using Tile = EnergyTile<T>;
    constexpr int each = Tile::points_each;
    CUEBM_SHARED(T, points, [2 * Tile::point_elements]);
    CUEBM_SHARED(T, mask, [Masked ? 2 * Tile::point_elements : 1]);
    CUEBM_SHARED(T, prototypes, [2 * Tile::prototype_elements]);
    CUEBM_DYNAMIC_SHARED(T, lists);  // where the m best are wanted
    const EnergyBuffers<T> buffers{points, mask, prototypes};
    const BestLists<T> best{lists, reinterpret_cast<std::int32_t*>(lists + Tile::points * BestLists<T>::most)};
    const T beta = static_cast<T>(task.beta), huge = static_cast<T>(__builtin_inf());
    const std::int64_t n = task.points.rows, k = task.prototypes.rows;
    const int lane = half_warp_lane(), own = half_warp_index() * each;
    const bool list = task.best_labels.data != nullptr || task.best_energies.data != nullptr;
    const bool soft = task.free_energies.data != nullptr;

    const std::int64_t first = std::int64_t{blockIdx.x} * Tile::points;
    T least[each];
    std::int32_t label[each];
    math::FreeEnergy<T> free_energy[each];
    unsigned not_finite = 0;  // bit p: an energy of point p
#pragma unroll
    for (int p = 0; p < each; ++p) {
        least[p] = huge;
        label[p] = 0;
        free_energy[p] = math::free_energy_start<T>();
        if (list) start_best(best, own + p, lane);
    }

    for_each_energy<Masked, Product>(energy_task, buffers, first, [&](std::int64_t z, const T(&energies)[each]) {
        const bool there = z + lane < k;
#pragma unroll
        for (int p = 0; p < each; ++p) {
            const T energy = there ? energies[p] : huge;
            if (there && !is_finite(energy)) not_finite |= 1u << p;
            if (energy < least[p]) {
                least[p] = energy;
                label[p] = static_cast<std::int32_t>(z + lane);
            }
            if (soft && there) free_energy[p] = math::free_energy_add(free_energy[p], energy, beta);
            if (list) add_best(best, m, own + p, lane, energy, z);
            if (task.all_energies.data != nullptr && there && first + own + p < n)
                task.all_energies.data[(first + own + p) * task.all_energies.stride + z + lane] = energy;
        }
    });

#pragma unroll
    for (int p = 0; p < each; ++p) {
        const std::int64_t i = first + own + p;
        if (i >= n) continue;  // the same for all lanes of the half-warp
        least_of_half_warp(least[p], label[p]);
        if (soft) {
#pragma unroll
            for (int apart = half_warp / 2; apart >= 1; apart /= 2) {
                const math::FreeEnergy<T> other{__shfl_xor_sync(half_warp_mask(), free_energy[p].least, apart),
                                                __shfl_xor_sync(half_warp_mask(), free_energy[p].sum, apart)};
                free_energy[p] = math::free_energy_join(free_energy[p], other, beta);
            }
        }
        if (lane == 0) {
            if (task.labels.data != nullptr) task.labels.data[i * task.labels.stride] = label[p];
            if (task.energies.data != nullptr) task.energies.data[i * task.energies.stride] = least[p];
            if (soft) {
                const T gap = math::free_energy_gap(free_energy[p], beta);
                task.free_energies.data[i * task.free_energies.stride] = free_energy[p].least + gap;
                if (gaps != nullptr) gaps[i] = gap;
            }
        }
        for (int c = lane; list && c < m; c += half_warp) {
            if (task.best_labels.data != nullptr)
                task.best_labels.data[i * task.best_labels.stride + c] = best.labels[(own + p) * best.most + c];
            if (task.best_energies.data != nullptr)
                task.best_energies.data[i * task.best_energies.stride + c] = best.energies[(own + p) * best.most + c];
        }
        if (task.check_finite && __any_sync(half_warp_mask(), (not_finite >> p & 1) != 0))
            report_row(task, status, i, lane);
    }
}

// Rows of prototypes that are not finite. A half-warp takes a row.
template <class T>
__global__ void __launch_bounds__(256) check_prototypes(MatrixView<const T> prototypes, std::uint64_t* status) {
    const int lane = half_warp_lane(), rows = static_cast<int>(blockDim.x) / half_warp;
    for (std::int64_t z = std::int64_t{blockIdx.x} * rows + half_warp_index(); z < prototypes.rows;
         z += std::int64_t{gridDim.x} * rows) {
        bool finite = true;
        for (std::int64_t j = lane; j < prototypes.cols; j += half_warp)
            finite = finite && is_finite(prototypes.data[z * prototypes.stride + j]);
        if (!finite) report(status, z, detail::prototypes_not_finite);
    }
}

}  // namespace cuebm::cuda
