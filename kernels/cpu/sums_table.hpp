// The table of one instruction set's sums. Included by its file, which names CUEBM_ISA.
#pragma once

#include "cpu/candidates.hpp"
#include "cpu/sums_moves.hpp"

namespace cuebm::cpu::CUEBM_ISA {
namespace {

template <class T>
constexpr SumsKernelsOf<T> sums_of() {
    return {largest<T>,       move<T>,       count_moves<T>, sort_moves,    add_sorted<T>, finish<T>,
            largest_value<T>, sum_values<T>, potentials<T>,  candidates<T>, variance<T>};
}

constexpr SumsKernels sums_table() { return {sums_of<float>(), sums_of<double>()}; }

}  // namespace
}  // namespace cuebm::cpu::CUEBM_ISA
