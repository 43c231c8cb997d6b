// The table of one instruction set. Included by its file, which names CUEBM_ISA.
#pragma once

#include "cpu/assign_direct.hpp"
#include "cpu/assign_small.hpp"
#include "cpu/assign_soft.hpp"

namespace cuebm::cpu::CUEBM_ISA {
namespace {

constexpr AssignKernels table(const char* name) {
    return {name,
            math::pack_fma,
            tile_points,
            tile_prototypes,
            small_points,
            small_depth,
            direct_rows,
            small_rows,
            soft_rows,
            direct_scratch,
            small_scratch,
            soft_scratch,
            direct<float>,
            direct<double>,
            small,
            soft_mean<float>,
            soft_mean<double>,
            soft_sums<float>,
            soft_sums<double>};
}

}  // namespace
}  // namespace cuebm::cpu::CUEBM_ISA
