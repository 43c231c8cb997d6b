// Canonical energies of a few candidates, as far as they matter: a partial sum of squares never falls when a coordinate
// is added, in rounded arithmetic too, nor does the tree over the lanes. So where it has reached closest_i, the energy
// is not below closest_i, exactly, and the rest of the row is not looked at. Included like sums.hpp, after it.
#pragma once

#include "cpu/pack_tree.hpp"
#include "cpu/sums.hpp"

namespace cuebm::cpu::CUEBM_ISA {
namespace {

constexpr int lanes = math::canonical_lanes;
template <class T>
constexpr int parts = lanes / width<T>;  // packs that hold 16 lanes

// Candidates at a time: their accumulators stay in registers.
constexpr int together = math::pack_registers == 32 ? 4 : 2;
constexpr std::int64_t between_looks = 128;  // coordinates; 64 and 256 were not faster at d = 784

// energies[c] of `count` candidates, or a value from `closest` on where the energy is not below it.
template <int count, class T>
CUEBM_MATH void candidate_energies(const T* y, const T* tail, std::int64_t d, const T* w, std::int64_t stride,
                                   T closest, T* energies) {
    const std::int64_t whole = d / lanes * lanes;
    Pack<T> a[count][parts<T>] = {};
    const auto step = [&](const T* from, std::int64_t j) {
#pragma GCC unroll 8
        for (int p = 0; p < parts<T>; ++p) {
            const Pack<T> v = math::load(from + p * width<T>);
#pragma GCC unroll 8
            for (int c = 0; c < count; ++c) {
                const Pack<T> t = v - math::load(w + c * stride + j + p * width<T>);
                a[c][p] = math::fused(t, t, a[c][p]);
            }
        }
    };
    for (std::int64_t j = 0; j < whole;) {
        const std::int64_t end = whole - j < between_looks ? whole : j + between_looks;
        for (; j < end; j += lanes) step(y + j, j);
        if (j == whole) break;
        bool below = false;
        for (int c = 0; c < count; ++c) {
            energies[c] = math::tree_sum_of_packs(a[c]);
            below = below || energies[c] < closest;
        }
        if (!below) return;
    }
    if (whole < d) step(tail, whole);
    for (int c = 0; c < count; ++c) energies[c] = math::tree_sum_of_packs(a[c]);
}

// energies(i, c) of rows [first, last) and m candidates, whose rows are zero from d to a multiple of 16.
template <class T>
void candidates(const CandidatesData<T>& data, std::int64_t first, std::int64_t last) {
    const std::int64_t d = data.d, whole = d / lanes * lanes;
    for (std::int64_t i = first; i < last; ++i) {
        const T* y = data.points + i * data.point_stride;
        const T closest = data.closest[i * data.closest_stride];
        T tail[lanes] = {};
        for (std::int64_t j = whole; j < d; ++j) tail[j - whole] = y[j];
        const T* w = data.candidates;
        T* energies = data.energies + i * data.energies_stride;
        int c = 0;
        for (; c + together <= data.m; c += together, w += together * data.candidate_stride)
            candidate_energies<together>(y, tail, d, w, data.candidate_stride, closest, energies + c);
        if (together == 4 && c + 2 <= data.m) {
            candidate_energies<2>(y, tail, d, w, data.candidate_stride, closest, energies + c);
            c += 2, w += 2 * data.candidate_stride;
        }
        if (c < data.m) candidate_energies<1>(y, tail, d, w, data.candidate_stride, closest, energies + c);
    }
}

}  // namespace
}  // namespace cuebm::cpu::CUEBM_ISA
