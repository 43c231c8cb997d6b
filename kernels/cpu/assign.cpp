// See assign.hpp.
#include "cpu/assign.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <numeric>

#include <cuebm/error.hpp>

#include "cpu/screen_groups.hpp"
#include "math/canonical.hpp"
#include "math/screening.hpp"
#include "parallel.hpp"

namespace cuebm::cpu {
namespace {

constexpr std::int64_t lanes = math::canonical_lanes;

// Screening repays preparing the prototypes nearly from the start, and low precision where it saves enough products.
// Milliseconds of one thread (CPU time) on a Xeon with AMX, direct / fp32 / int8 / amx, some 2e7 coordinates:
//   d  16  k   4:   8   6  12   9    d  64  k   4:  15  12  13  11    d 784  k   4:  15  17  12   9
//          k  64:  30   8  16  11           k  64:  45  18  18  14           k  64:  35  24  16  11
//          k 256:  76  18  31  19           k 256: 132  48  37  25           k 256: 112  61  33  19
// Fewer points than a block leave its tiles empty; that limit is not measured.
constexpr std::int64_t least_screened_prototypes = 4, least_screened_points = 32;
bool repays(const ScreenKernels& screen, std::int64_t k, std::int64_t d) {
    if (std::string(screen.name) == "amx") return d >= 64 || d * k >= 4096;
    if (screen.format == ScreenFormat::int8) return d >= 256 || (d >= 64 && d * k >= 8192);
    return true;
}

// Bounds cost time: what a point's panels tell is written down, and what is skipped leaves tiles and threads less to do
// than they could. So they are begun where few points still change their label, and given up where too many pairs of a
// point and a panel have to be met. Fits of blobs on 1 thread of a Xeon (family 6, model 207), by hand: milliseconds an
// iteration without bounds / with them, all pairs met / some share of the pairs: milliseconds:
//   fp32  100,000 x 64, k = 256    34 / 44 / 0.75: 38, 0.23: 21, 0.04: 12
//          50,000 x 128, k = 1024  88 / 98 / 0.12: 32
//   int8  100,000 x 64, k = 256    16 / 25 / 0.53: 22, 0.17: 14, 0.05: 11
//          50,000 x 128, k = 1024  42 / 52 / 0.60: 48, 0.13: 25
//   amx   200,000 x 64, k = 256    15 / 25 / 0.42: 20, 0.12: 17, 0.04: 13
//         200,000 x 128, k = 1024 128 / 217 / 0.45: 151, 0.24: 116, 0.13: 94
//          60,000 x 784, k = 16    21 / 25 / 0.13: 10
// The more words a row has, the less the rest weighs; products on AMX weigh least. When labels change is a guess.
double most_met_pairs(const ScreenKernels& screen, std::int64_t k, std::int64_t d) {
    const auto words = static_cast<double>(screen_shape(screen, k, d).words_a_row);
    return words / (words + (std::string(screen.name) == "amx" ? 256 : 64));
}
double most_changed_labels(const ScreenKernels& screen, std::int64_t k, std::int64_t d) {
    return most_met_pairs(screen, k, d) / 16;
}
constexpr std::int64_t first_pause = 4;  // iterations without bounds; doubled each time that they are given up

// Sums of products of bytes stay below 2^31.
constexpr std::int64_t most_int8_coordinates = 65536;

using detail::divide_up;

template <class T>
bool can_be_screened(const Assign<T>& task) {
    return sizeof(T) == sizeof(float) && task.metric == Metric::squared_euclidean && !task.known && !task.best_labels &&
           !task.best_energies && !task.all_energies && !task.free_energies &&
           task.points.cols <= math::screening_max_depth;
}

template <class T>
const ScreenKernels* choose(const Assign<T>& task, const Isa& isa, const std::string& path) {
    if (!can_be_screened(task) || path == direct_path) return nullptr;
    const bool forced = !path.empty() && path != small_path;
    if (!forced && (task.points.rows < least_screened_points || task.prototypes.rows < least_screened_prototypes))
        return nullptr;
    for (const auto* screen : isa.screens) {
        if (screen->format == ScreenFormat::int8 && task.points.cols > most_int8_coordinates) continue;
        if (forced ? path == screen->name : repays(*screen, task.prototypes.rows, task.points.cols)) return screen;
    }
    return nullptr;
}

// Milliseconds as above, small / fp32 / amx, 200,000 points (125,000 for d = 32):
//   d  2  k   64:  1.1    7   12     d 16  k  64:  6.6    7   10
//         k 1024: 14     51  131           k 256: 23     16   16
//   d  8  k   64:  3.5    7   10     d 32  k  16:  2.4  4.4  5.7
//         k 1024: 45     54   39           k  64:  7.6  5.9  6.3
// With AVX2, small / fp32: d 8, k 1024: 74 / 88; d 16, k 64: 5.9 / 6.0; d 32, k 64: 4.8 / 4.1 (fewer points).
bool small_is_faster(std::int64_t d, std::int64_t k) { return d <= 4 || (d <= 8 && k <= 512) || d * k <= 1024; }

}  // namespace

std::string path_of_environment(const Isa& isa) {
    const char* wanted = std::getenv("CUEBM_ASSIGN");
    std::string path = wanted == nullptr ? "" : wanted, names = std::string(direct_path) + ", " + small_path;
    if (path.empty() || path == direct_path || path == small_path) return path;
    if (path == "tensor") return "";  // a path of GPUs
    if (path == "screened") return isa.screens.front()->name;
    for (const auto* screen : isa.screens) {
        if (path == screen->name) return path;
        names += std::string(", ") + screen->name;
    }
    throw InvalidArgument("Context::cpu", "CUEBM_ASSIGN", path, "one that this CPU has: " + names);
}

BoundsUse bounds_use_of_environment() {
    const char* wanted = std::getenv("CUEBM_BOUNDS");
    const std::string use = wanted == nullptr ? "" : wanted;
    if (use.empty()) return BoundsUse::where_worth;
    if (use == "always") return BoundsUse::always;
    if (use == "never") return BoundsUse::never;
    throw InvalidArgument("Context::cpu", "CUEBM_BOUNDS", use, "always or never");
}

template <class T>
AssignPlan plan(const Assign<T>& task, const Isa& isa, int threads, const std::string& path, BoundsUse bounds) {
    const std::int64_t d = task.points.cols, k = task.prototypes.rows;
    AssignPlan p{};
    p.kernels = isa.kernels;
    p.bounds = bounds;
    p.threads = threads;
    p.fp64 = sizeof(T) == sizeof(double);
    p.small = can_be_screened(task) && d <= p.kernels->small_depth &&
              (path == small_path || (path.empty() && small_is_faster(d, k)));
    p.screen = p.small ? nullptr : choose(task, isa, path);
    p.rows = divide_up(k, lanes) * lanes;
    p.depth = divide_up(d, lanes) * lanes;
    p.rows_a_task = p.small    ? p.kernels->small_rows_a_task
                    : p.screen ? p.screen->rows_a_task
                               : p.kernels->direct_rows_a_task;
    p.slot_bytes =
        p.small ? p.kernels->small_scratch(p.depth) : p.kernels->direct_scratch(sizeof(T), p.depth, bool(task.known));
    if (p.screen) p.slot_bytes = p.screen->scratch(screen_shape(*p.screen, k, d).words_a_row, p.depth, p.slot_bytes);
    p.slot_bytes = (p.slot_bytes + 255) / 256 * 256;  // slots share no cache line
    p.scratch_bytes = detail::layout_bytes<AssignScratch<T>>(p, k, d);
    return p;
}

std::string AssignPlan::text() const {
    if (small) return "small fp32, tiles of " + std::to_string(kernels->small_points) + " points, " + kernels->name;
    const int points = screen ? screen->tile_points : kernels->direct_points;
    const int prototypes = screen ? screen->panel : kernels->direct_prototypes;
    const char* formats[] = {"fp32", "bf16", "int8"};
    return (screen ? std::string("screened ") + formats[static_cast<int>(screen->format)]
                   : std::string(fp64 ? "direct fp64" : "direct fp32")) +
           ", " + std::to_string(points) + " x " + std::to_string(prototypes) + " tiles, " +
           (screen ? screen->isa : kernels->name);
}

template <class T>
AssignScratch<T>::AssignScratch(detail::Carver& carver, const AssignPlan& plan, std::int64_t k, std::int64_t d)
    : prototypes(carver.take<T>(plan.rows * plan.depth)) {
    if (plan.screen) screen = ScreenScratch(carver, *plan.screen, k, d);
    slots = carver.take<std::byte>(plan.threads * static_cast<std::int64_t>(plan.slot_bytes));
}

// Bounds take 4 bytes for a point and a panel: about as much as the packed point itself, at most, or as one of 16
// words.
static bool keeps_bounds(const AssignPlan& plan, std::int64_t k, std::int64_t d) {
    const auto shape = screen_shape(*plan.screen, k, d);
    const std::int64_t words = divide_up(shape.words_a_row, 16) * 16;
    return plan.bounds != BoundsUse::never && k <= screen_chunk && shape.panels <= words;
}

KeptPoints::KeptPoints(detail::Carver& carver, const AssignPlan& plan, std::int64_t n, std::int64_t k, std::int64_t d) {
    const auto shape = screen_shape(*plan.screen, k, d);
    const std::int64_t block = plan.screen->rows_a_task, blocks = divide_up(n, block), points = blocks * block;
    constexpr std::int64_t behind = 16;  // what is read a register at a time
    shift = carver.take<float>(shape.depth);
    scale = carver.take<float>(1);
    state = carver.take<BoundsState>(1);
    packed = {.words = carver.take<std::uint32_t>(points * shape.words_a_row),
              .norms = carver.take<float>(points + behind),
              .residual_norms = carver.take<float>(points + behind),
              .steps = carver.take<float>(points + behind),
              .bounds = {}};
    previous = nullptr;
    order = nullptr;
    if (!keeps_bounds(plan, k, d)) return;
    previous = carver.take<float>(k * d);
    packed.bounds.lower = carver.take<float>(blocks * shape.panels * bounds_stride(static_cast<int>(block)));
    packed.bounds.upper = carver.take<float>(points);
    packed.bounds.own_panel_lower = carver.take<float>(points);
    packed.bounds.slots = carver.take<std::int32_t>(points);
    packed.bounds.changed = carver.take<std::int32_t>(blocks);
    packed.bounds.met = carver.take<std::int32_t>(blocks);
    order = carver.take<std::int32_t>(k);
}

namespace {
template <class T>
AssignScratch<T> carve(std::byte* scratch, const AssignPlan& plan, std::int64_t k, std::int64_t d) {
    detail::Carver carver(scratch);
    return AssignScratch<T>(carver, plan, k, d);
}
}  // namespace

template <class T>
AssignRun<T>::AssignRun(const AssignPlan& plan, const Assign<T>& task, std::byte* scratch, std::byte* kept, T* gaps,
                        float bound_factor)
    : plan_(plan), task_(task), scratch_(carve<T>(scratch, plan, task.prototypes.rows, task.prototypes.cols)) {
    data_ = {.points = rows_of(task.points),
             .d = task.points.cols,
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
             .gaps = gaps,
             .labels_stride = task.labels.stride,
             .energies_stride = task.energies.stride,
             .best_labels_stride = task.best_labels.stride,
             .best_energies_stride = task.best_energies.stride,
             .all_energies_stride = task.all_energies.stride,
             .free_energies_stride = task.free_energies.stride,
             .m = task.best_labels     ? task.best_labels.cols
                  : task.best_energies ? task.best_energies.cols
                                       : 1,
             .beta = static_cast<T>(task.beta),
             .rows = nullptr,
             .inner_product = task.metric == Metric::inner_product};
    if constexpr (sizeof(T) == sizeof(float)) {
        if (plan.screen) screen_.emplace(*plan.screen, task.prototypes, scratch_.screen, bound_factor);
        if (plan.screen && kept != nullptr) {
            detail::Carver carver(kept);
            kept_.emplace(carver, plan, task.points.rows, task.prototypes.rows, task.points.cols);
        }
    }
}

template <class T>
std::int64_t AssignRun<T>::copy_tasks() const {
    return plan_.rows / lanes;
}

// Prototypes, padded; the last is repeated. Returns the first of the task's that is not finite, or no_bad_row.
template <class T>
std::int64_t AssignRun<T>::copy(std::int64_t task) {
    const std::int64_t k = task_.prototypes.rows, d = task_.prototypes.cols;
    std::int64_t bad = no_bad_row;
    for (std::int64_t z = task * lanes; z < (task + 1) * lanes; ++z) {
        const T* from = task_.prototypes.data + std::min(z, k - 1) * task_.prototypes.stride;
        T* to = scratch_.prototypes + z * plan_.depth;
        std::copy_n(from, d, to);
        std::fill(to + d, to + plan_.depth, T(0));
        if (z < k && bad == no_bad_row && !std::all_of(from, from + d, [](T x) { return std::isfinite(x); })) bad = z;
    }
    return bad;
}

template <class T>
std::int64_t AssignRun<T>::points_tasks() const {
    return divide_up(task_.points.rows, plan_.rows_a_task);
}

template <class T>
std::int64_t AssignRun<T>::first_row(std::int64_t task) const {
    return std::min(task_.points.rows, task * plan_.rows_a_task);
}

template <class T>
std::int64_t AssignRun<T>::tasks_nearby() const {
    constexpr std::int64_t near_bytes = 1 << 18;
    const auto row_bytes = task_.points.cols * static_cast<std::int64_t>(bytes_of(task_.points.type));
    return std::max<std::int64_t>(1, near_bytes / (plan_.rows_a_task * row_bytes));
}

template <class T>
std::int64_t AssignRun<T>::points(std::int64_t task, int slot) const {
    const std::int64_t first = first_row(task), last = first_row(task + 1);
    if constexpr (sizeof(T) == sizeof(float)) {
        if (plan_.screen)
            return plan_.screen->run(data_, screened_, kept_ ? &kept_->packed : nullptr, first, last,
                                     slot_scratch(slot));
        if (plan_.small) return plan_.kernels->small(data_, first, last, slot_scratch(slot));
        return plan_.kernels->direct_float(data_, first, last, slot_scratch(slot));
    } else {
        return plan_.kernels->direct_double(data_, first, last, slot_scratch(slot));
    }
}

template <class T>
void AssignRun<T>::keep_shift() {
    std::copy_n(screened_.shift, screen_shape(*plan_.screen, 1, task_.points.cols).depth, kept_->shift);
    *kept_->scale = screened_.scale;
    *kept_->state = {.aged = 0, .pause = 1, .next_pause = first_pause};
    if (kept_->previous == nullptr) return;
    const std::int64_t block = plan_.rows_a_task, points = divide_up(task_.points.rows, block) * block;
    std::fill_n(kept_->previous, task_.prototypes.rows * task_.prototypes.cols, 0.0f);
    std::fill_n(kept_->packed.bounds.slots, points, 0);
    if constexpr (sizeof(T) == sizeof(float))
        group_prototypes(task_.prototypes, plan_.screen->panel, kept_->order, scratch_.screen.line,
                         scratch_.screen.places);
}

// Bounds are of no use to the next call where a prototype was hidden in this one: it may move away from its twin.
template <class T>
void AssignRun<T>::use_bounds() {
    KeptBounds& bounds = kept_->packed.bounds;
    if (kept_->previous == nullptr) return;
    BoundsState& state = *kept_->state;
    const bool lasts = state.aged > 0 || !screen_->hides_some();  // else the next call cannot use what this one learns
    const bool used =
        screen_->fill(bounds) && (plan_.bounds == BoundsUse::always || (lasts && bounds_are_worth(state)));
    if (!used) state.aged = 0;
    if (state.aged == 0) bounds.drifts = bounds.panel_drifts = nullptr;
    if (!used) bounds.lower = nullptr;
    state.aged = used && !screen_->hides_some() ? state.aged + 1 : 0;
}

// By what the last call did; a pause is counted here.
template <class T>
bool AssignRun<T>::bounds_are_worth(BoundsState& state) const {
    const KeptBounds& bounds = kept_->packed.bounds;
    const std::int64_t n = task_.points.rows, k = task_.prototypes.rows, d = task_.points.cols, blocks = points_tasks();
    const auto sum = [&](const std::int32_t* counts) {
        return static_cast<double>(std::accumulate(counts, counts + blocks, std::int64_t{0}));
    };
    if (state.aged == 1) return true;  // they had nothing to go by
    if (state.aged > 1) {
        const double pairs = static_cast<double>(n) * static_cast<double>(screened_.panels);
        if (sum(bounds.met) <= most_met_pairs(*plan_.screen, k, d) * pairs) return true;
        state.pause = state.next_pause - 1;
        state.next_pause *= 2;
        return false;
    }
    if (state.pause > 0) return --state.pause, false;
    return sum(bounds.changed) <= most_changed_labels(*plan_.screen, k, d) * static_cast<double>(n);
}

template <class T>
void AssignRun<T>::pack_points(std::int64_t task, int slot) const {
    const std::int64_t first = first_row(task), last = first_row(task + 1);
    if constexpr (sizeof(T) == sizeof(float))
        plan_.screen->pack(data_, screened_, kept_->packed, first, last, slot_scratch(slot));
}

template AssignPlan plan(const Assign<float>&, const Isa&, int, const std::string&, BoundsUse);
template AssignPlan plan(const Assign<double>&, const Isa&, int, const std::string&, BoundsUse);
template class AssignRun<float>;
template class AssignRun<double>;

}  // namespace cuebm::cpu
