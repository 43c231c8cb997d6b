// The probability-weighted mean of prototypes, sum_k p_k w_k / sum_k p_k with p_k = exp(-beta (E_k - F_beta)), is
// what least squares would predict and where mean shift goes next. Every backend adds p_k w_k by fma in order of
// k; here is the gradient made of it: dF/dy = 2 weight (y - mean).
#pragma once

#include "math/free_energy.hpp"

namespace cuebm::math {

template <class T>
CUEBM_MATH T energy_gradient(T y, T mean, T weight) {
    const T off = y - mean;
    return (off + off) * weight;  // 0 of 0, also where twice the weight overflows
}

}  // namespace cuebm::math
