// A dense mass from the products of deviations: M^-1, shrunk as Stan's dense metric is (Reference Manual, "HMC
// algorithm parameters"), and its Cholesky factor, on the device. One code for CPUs and GPUs, and an order of sums that
// does not depend on who does what, so that the bits are the same.
#pragma once

#include "math/functions_basic.hpp"

namespace cuebm::math {

template <class T>
struct DenseMassTask {
    std::int32_t d;   // at most 2048, so that indices fit 32 bits
    double points;    // n, of the sums; 0: `sums` has M^-1 itself, on and below the diagonal
    double* sums;     // [d x (1 + d)] as AddProducts leaves them, and d more behind; overwritten
    double* inverse;  // [d x d]: M^-1
    T* factor;        // [d x d]: L of M^-1 = L L', row by row, 0 above the diagonal
};

struct OneThread {
    static constexpr int rows = 1, lanes = 1, row = 0, lane = 0;
    CUEBM_MATH_MEMBER void sync() const {}
};

// False where M^-1 is not positive definite in double, to rounding: then `inverse` and `factor` stay as they are. The
// team is `rows` x `lanes` threads, each of which has its own row and lane, and sync(). Costs d^3 / 3 operations.
template <class T, class Team>
CUEBM_MATH bool learn_dense_mass(const DenseMassTask<T>& task, const Team& team) {
    const int d = task.d, width = 1 + d;
    double* const totals = task.sums;     // element i width: the sum of y_i, later the diagonal of M^-1
    double* const lower = task.sums + 1;  // element i width + j: M^-1, later L; above the diagonal, M^-1 once more
    double* const column = task.sums + d * width;
    const auto each = [&](int first, const auto& body) {
        for (int i = first + team.row; i < d; i += Team::rows)
            for (int j = first + team.lane; j <= i; j += Team::lanes) body(i, j);
    };
    if (task.points > 0) {
        const double n = task.points, share = 1 / n, weight = n / ((n + 5) * (n - 1)), prior = 1e-3 * (5 / (n + 5));
        each(0, [&](int i, int j) {
            const double products = lower[i * width + j] - totals[i * width] * totals[j * width] * share;
            lower[i * width + j] = weight * products + (i == j ? prior : 0);
        });
        team.sync();
    }
    each(0, [&](int i, int j) { (i == j ? totals[i * width] : lower[j * width + i]) = lower[i * width + j]; });
    team.sync();
    for (int k = 0; k < d; ++k) {
        const double pivot = lower[k * width + k];
        // What rounding may leave of a zero.
        if (!(pivot > static_cast<double>(d) * 0x1p-52 * totals[k * width])) return false;
        const double root = square_root(pivot), inverse = 1 / root;
        const int thread = team.row * Team::lanes + team.lane;
        for (int i = k + 1 + thread; i < d; i += Team::rows * Team::lanes) column[i] = lower[i * width + k] * inverse;
        team.sync();
        for (int i = k + 1 + thread; i < d; i += Team::rows * Team::lanes) lower[i * width + k] = column[i];
        if (thread == 0) lower[k * width + k] = root;
        for (int i = k + 1 + team.row; i < d; i += Team::rows) {
            double* const __restrict row = lower + i * width;  // so that g++ takes lanes of it
            const double* const __restrict others = column;
            const double own = column[i];
            for (int j = k + 1 + team.lane; j <= i; j += Team::lanes) row[j] -= own * others[j];
        }
        team.sync();
    }
    each(0, [&](int i, int j) {
        task.factor[i * d + j] = static_cast<T>(lower[i * width + j]);
        task.inverse[i * d + j] = i == j ? totals[i * width] : lower[j * width + i];
        if (i == j) return;
        task.factor[j * d + i] = 0;
        task.inverse[j * d + i] = lower[j * width + i];
    });
    return true;
}

}  // namespace cuebm::math
