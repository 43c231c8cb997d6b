// See assign.hpp.
#include "cpu/assign.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include <cuebm/error.hpp>

#include "math/canonical.hpp"
#include "math/screening.hpp"

namespace cuebm::cpu {
namespace {

constexpr std::int64_t lanes = math::canonical_lanes;
constexpr std::int64_t columns_a_task = 256;  // of the shift

// From here on preparing and settling are repaid. On 1 thread of a shared Xeon, screened against direct: 20,000 x 784,
// k = 32: 19 and 17 ms (avx512), 22 and 26 (avx2); k = 256: 62 and 90, 86 and 156. Without FMA the direct kernel is so
// slow that few prototypes repay it. Fewer points than a block leave its tiles empty; that limit is not measured.
constexpr std::int64_t least_screened_prototypes = 32, least_without_fma = 4, least_screened_points = 32;

std::int64_t divide_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

template <class T>
bool can_be_screened(const Assign<T>& task) {
    return sizeof(T) == sizeof(float) && !task.known && !task.best_labels && !task.best_energies &&
           !task.all_energies && !task.free_energies && task.points.cols <= math::screening_max_depth;
}

}  // namespace

Path path_of_environment() {
    const char* wanted = std::getenv("CUEBM_ASSIGN");
    const std::string path = wanted == nullptr ? "" : wanted;
    if (path.empty()) return Path::choose;
    if (path == "direct") return Path::direct;
    if (path == "screened") return Path::screened;
    throw InvalidArgument("Context::cpu", "CUEBM_ASSIGN", path, "direct or screened");
}

template <class T>
AssignPlan plan(const Assign<T>& task, const AssignKernels& isa, int threads, Path path) {
    const std::int64_t d = task.points.cols, k = task.prototypes.rows;
    AssignPlan p{};
    p.isa = &isa;
    p.threads = threads;
    p.fp64 = sizeof(T) == sizeof(double);
    p.screened = can_be_screened(task) && path != Path::direct &&
                 (path == Path::screened || (k >= (isa.fma ? least_screened_prototypes : least_without_fma) &&
                                             task.points.rows >= least_screened_points));
    p.rows = divide_up(k, lanes) * lanes;
    p.depth = divide_up(d, lanes) * lanes;
    if (p.screened) {
        p.panels = divide_up(k, isa.screened_prototypes);
        p.groups = divide_up(d, 4);
    }
    p.rows_a_task = p.screened ? isa.screened_rows_a_task : isa.direct_rows_a_task;
    p.slot_bytes =
        p.screened ? isa.screened_scratch(p.depth) : isa.direct_scratch(sizeof(T), p.depth, bool(task.known));
    p.slot_bytes = (p.slot_bytes + 255) / 256 * 256;  // slots share no cache line
    p.scratch_bytes = detail::layout_bytes<AssignScratch<T>>(p);
    return p;
}

std::string AssignPlan::text() const {
    const int points = screened ? isa->screened_points : isa->direct_points;
    const int prototypes = screened ? isa->screened_prototypes : isa->direct_prototypes;
    return std::string(screened ? "screened" : "direct") + (fp64 ? " fp64, " : " fp32, ") + std::to_string(points) +
           " x " + std::to_string(prototypes) + " tiles, " + isa->name;
}

template <class T>
AssignScratch<T>::AssignScratch(detail::Carver& carver, const AssignPlan& plan)
    : prototypes(carver.take<T>(plan.rows * plan.depth)),
      shift(carver.take<float>(plan.groups * 4)),
      panels(carver.take<float>(plan.panels * plan.isa->screened_prototypes * plan.groups * 4)),
      half_squares(carver.take<float>(plan.panels * plan.isa->screened_prototypes)),
      norms(carver.take<float>(plan.panels * plan.isa->screened_prototypes)),
      slots(carver.take<std::byte>(plan.threads * static_cast<std::int64_t>(plan.slot_bytes))) {}

namespace {
template <class T>
AssignScratch<T> carve(std::byte* scratch, const AssignPlan& plan) {
    detail::Carver carver(scratch);
    return AssignScratch<T>(carver, plan);
}
}  // namespace

template <class T>
AssignRun<T>::AssignRun(const AssignPlan& plan, const Assign<T>& task, std::byte* scratch, float bound_factor)
    : plan_(plan), task_(task), scratch_(carve<T>(scratch, plan)) {
    const std::int64_t d = task.points.cols;
    data_ = {.points = rows_of(task.points),
             .d = d,
             .known = task.known.data,
             .known_stride = task.known.rows == 1 ? 0 : task.known.stride,
             .prototypes = scratch_.prototypes,
             .k = task.prototypes.rows,
             .depth = plan.depth,
             .labels = task.labels.data,
             .energies = task.energies.data,
             .best_labels = task.best_labels.data,
             .best_energies = task.best_energies.data,
             .all_energies = task.all_energies.data,
             .free_energies = task.free_energies.data,
             .labels_stride = task.labels.stride,
             .energies_stride = task.energies.stride,
             .best_labels_stride = task.best_labels.stride,
             .best_energies_stride = task.best_energies.stride,
             .all_energies_stride = task.all_energies.stride,
             .free_energies_stride = task.free_energies.stride,
             .m = task.best_labels     ? task.best_labels.cols
                  : task.best_energies ? task.best_energies.cols
                                       : 1,
             .beta = static_cast<T>(task.beta)};
    screen_ = {.shift = scratch_.shift,
               .panels = scratch_.panels,
               .half_squares = scratch_.half_squares,
               .norms = scratch_.norms,
               .groups = plan.groups,
               .largest_norm = 0,
               .spread = math::screening_spread(d) * bound_factor,
               .floor = math::screening_floor(d) * bound_factor,
               .norm_growth = math::screening_norm_growth(d),
               .norm_floor = math::screening_norm_floor(d)};
}

template <class T>
std::int64_t AssignRun<T>::shift_tasks() const {
    return divide_up(plan_.groups * 4, columns_a_task);
}

// The mean of the prototypes. Any shift is exact; this one keeps norms, and so the bound, small.
template <class T>
void AssignRun<T>::shift(std::int64_t block) {
    const std::int64_t k = task_.prototypes.rows, d = task_.prototypes.cols;
    const std::int64_t first = block * columns_a_task, last = std::min(d, first + columns_a_task);
    double sums[columns_a_task] = {};
    for (std::int64_t z = 0; z < k; ++z)
        for (std::int64_t j = first; j < last; ++j)
            sums[j - first] += static_cast<double>(task_.prototypes.data[z * task_.prototypes.stride + j]);
    for (std::int64_t j = first; j < std::min(plan_.groups * 4, first + columns_a_task); ++j)
        scratch_.shift[j] = static_cast<float>(sums[j - first] / static_cast<double>(k));
}

template <class T>
std::int64_t AssignRun<T>::pack_tasks() const {
    return divide_up(std::max(plan_.rows, plan_.panels * plan_.isa->screened_prototypes), lanes);
}

template <class T>
std::int64_t AssignRun<T>::pack(std::int64_t block) {
    const std::int64_t k = task_.prototypes.rows, d = task_.prototypes.cols;
    std::int64_t bad = no_bad_row;
    for (std::int64_t z = block * lanes; z < (block + 1) * lanes; ++z) {
        const T* from = task_.prototypes.data + std::min(z, k - 1) * task_.prototypes.stride;
        if (z < plan_.rows) {
            T* to = scratch_.prototypes + z * plan_.depth;
            std::copy_n(from, d, to);
            std::fill(to + d, to + plan_.depth, T(0));
        }
        if (plan_.screened && z < plan_.panels * plan_.isa->screened_prototypes) pack_for_screen(z);
        if (z < k && bad == no_bad_row && !std::all_of(from, from + d, [](T x) { return std::isfinite(x); })) bad = z;
    }
    return bad;
}

template <class T>
void AssignRun<T>::pack_for_screen(std::int64_t z) {
    const std::int64_t k = task_.prototypes.rows, d = task_.prototypes.cols, width = plan_.isa->screened_prototypes;
    float* to = scratch_.panels + (z / width * plan_.groups * 4 * width + z % width);
    double square = 0;  // exact enough to be taken as exact: docs/design/screening.md
    for (std::int64_t j = 0; j < plan_.groups * 4; ++j, to += width) {
        *to = 0;
        if (z >= k || j >= d) continue;
        *to = static_cast<float>(task_.prototypes.data[z * task_.prototypes.stride + j]) - scratch_.shift[j];
        square += static_cast<double>(*to) * static_cast<double>(*to);
    }
    scratch_.half_squares[z] = z < k ? static_cast<float>(square / 2) : static_cast<float>(infinity);
    scratch_.norms[z] = math::screening_norm(square);
}

template <class T>
void AssignRun<T>::finish_packing() {
    screen_.largest_norm = 0;
    for (std::int64_t z = 0; plan_.screened && z < task_.prototypes.rows; ++z)
        screen_.largest_norm = std::max(screen_.largest_norm, scratch_.norms[z]);  // NaN has spoilt the shift, too
}

template <class T>
std::int64_t AssignRun<T>::points_tasks() const {
    return divide_up(task_.points.rows, plan_.rows_a_task);
}

template <class T>
std::int64_t AssignRun<T>::points(std::int64_t block, int slot) const {
    const std::int64_t first = block * plan_.rows_a_task;
    const std::int64_t last = std::min(task_.points.rows, first + plan_.rows_a_task);
    std::byte* scratch = scratch_.slots + static_cast<std::size_t>(slot) * plan_.slot_bytes;
    if constexpr (sizeof(T) == sizeof(float))
        return plan_.screened ? plan_.isa->screened(data_, screen_, first, last, scratch)
                              : plan_.isa->direct_float(data_, first, last, scratch);
    else
        return plan_.isa->direct_double(data_, first, last, scratch);
}

template AssignPlan plan(const Assign<float>&, const AssignKernels&, int, Path);
template AssignPlan plan(const Assign<double>&, const AssignKernels&, int, Path);
template class AssignRun<float>;
template class AssignRun<double>;

}  // namespace cuebm::cpu
