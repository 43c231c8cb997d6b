// For each point, one pass over the prototypes: canonical energies 16 prototypes at a time, the m best, and
// the free energy online. The compiler's clones for AVX-512, AVX2 and the portable base give the same bits.
#include "cpu/assign.hpp"

#include "math/free_energy.hpp"

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(CUEBM_ONE_ISA)
#define CUEBM_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define CUEBM_CLONES
#endif

namespace cuebm::cpu {
namespace {

template <class T>
CUEBM_MATH T masked_energy(const T* y, const T* mask, const T* w, std::int64_t d) {
    T a[math::canonical_lanes] = {};
    std::int64_t j = 0;
    for (; j + math::canonical_lanes <= d; j += math::canonical_lanes)
        for (int l = 0; l < math::canonical_lanes; ++l) {
            const T t = (y[j + l] - w[j + l]) * mask[j + l];
            a[l] = math::fused(t, t, a[l]);
        }
    for (int l = 0; j < d; ++j, ++l) {
        const T t = (y[j] - w[j]) * mask[j];
        a[l] = math::fused(t, t, a[l]);
    }
    return math::tree_sum(a);
}

template <class T>
CUEBM_MATH std::int64_t rows(const Assign<T>& task, std::int64_t first, std::int64_t last, T* y, T* mask) {
    constexpr int most = 32;
    const std::int64_t k = task.prototypes.rows, d = task.points.cols;
    const std::int64_t m = task.best_labels ? task.best_labels.cols : task.best_energies ? task.best_energies.cols : 1;
    const T huge = static_cast<T>(infinity), beta = static_cast<T>(task.beta);
    std::int64_t bad = no_bad_row;
    for (std::int64_t j = 0; j < d; ++j) mask[j] = 1;
    for (std::int64_t i = first; i < last; ++i) {
        const T* row = task.points.data + i * task.points.stride;
        for (std::int64_t j = 0; j < d; ++j) y[j] = row[j];
        if (task.known) {
            const std::uint8_t* known = task.known.data + (task.known.rows == 1 ? 0 : i * task.known.stride);
            for (std::int64_t j = 0; j < d; ++j) {
                mask[j] = known[j] != 0 ? T(1) : T(0);
                if (known[j] == 0) y[j] = 0;  // what is hidden may be NaN
            }
        }
        T best[most];
        std::int32_t label[most];
        for (std::int64_t c = 0; c < m; ++c) best[c] = huge, label[c] = 0;
        T least[math::canonical_lanes], sum[math::canonical_lanes];
        for (int l = 0; l < math::canonical_lanes; ++l) least[l] = huge, sum[l] = 0;
        bool finite = true;
        for (std::int64_t z = 0; z < k; ++z) {
            const T energy = masked_energy(y, mask, task.prototypes.data + z * task.prototypes.stride, d);
            finite = finite && energy < huge;
            if (task.all_energies) task.all_energies.data[i * task.all_energies.stride + z] = energy;
            if (energy < best[m - 1]) {  // ties keep the lower index
                std::int64_t c = m - 1;
                for (; c > 0 && energy < best[c - 1]; --c) best[c] = best[c - 1], label[c] = label[c - 1];
                best[c] = energy;
                label[c] = static_cast<std::int32_t>(z);
            }
            if (task.free_energies) {
                const auto lane = z % math::canonical_lanes;
                const auto added = math::free_energy_add(math::FreeEnergy<T>{least[lane], sum[lane]}, energy, beta);
                least[lane] = added.least;
                sum[lane] = added.sum;
            }
        }
        if (!finite && bad == no_bad_row) bad = i;
        if (task.labels) task.labels.data[i * task.labels.stride] = label[0];
        if (task.energies) task.energies.data[i * task.energies.stride] = best[0];
        for (std::int64_t c = 0; c < m; ++c) {
            if (task.best_labels) task.best_labels.data[i * task.best_labels.stride + c] = label[c];
            if (task.best_energies) task.best_energies.data[i * task.best_energies.stride + c] = best[c];
        }
        if (task.free_energies)
            task.free_energies.data[i * task.free_energies.stride] = math::free_energy_of_classes(least, sum, beta);
    }
    return bad;
}

}  // namespace

CUEBM_CLONES std::int64_t assign_rows(const Assign<float>& task, std::int64_t first, std::int64_t last, float* y,
                                      float* mask) {
    return rows(task, first, last, y, mask);
}
CUEBM_CLONES std::int64_t assign_rows(const Assign<double>& task, std::int64_t first, std::int64_t last, double* y,
                                      double* mask) {
    return rows(task, first, last, y, mask);
}

}  // namespace cuebm::cpu
