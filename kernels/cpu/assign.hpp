// assign() on the CPU: which kernel runs (a plan), how the prototypes are prepared, and the blocks of points that
// threads share out (a run).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include <cuebm/assign.hpp>

#include "cpu/isa.hpp"
#include "cpu/screen_prototypes.hpp"
#include "workspace.hpp"

namespace cuebm::cpu {

// The paths that CUEBM_ASSIGN can name; a screened one is called as its kernels are.
inline constexpr const char *direct_path = "direct", *small_path = "small";

// What the environment's CUEBM_ASSIGN asks for, for tests and measurements; empty: nothing. It is used where it
// applies: only labels and energies of float, with nothing hidden, have other paths than the direct one. Throws
// InvalidArgument where no such path is known, or this CPU lacks it.
std::string path_of_environment(const Isa& isa);

// Whether a fit's labels use what earlier iterations have learnt of distances: where they seem to be worth their cost,
// or, for tests and measurements, as the environment's CUEBM_BOUNDS says. It changes no bit of what is found.
enum class BoundsUse : std::uint8_t { where_worth, always, never };
BoundsUse bounds_use_of_environment();

// How a task runs. Pure: it depends on shapes, on which outputs are wanted, and on the other arguments.
struct AssignPlan {
    const AssignKernels* kernels;
    const ScreenKernels* screen;  // null: directly, or by the kernel for small points
    bool small, fp64;
    BoundsUse bounds;           // where points are kept
    int threads, rows_a_task;   // points that a thread takes at a time
    std::int64_t rows, depth;   // the prototypes, padded to 16 rows and 16 coordinates
    std::size_t slot_bytes;     // scratch of a thread
    std::size_t scratch_bytes;  // of all, and for the prototypes
    std::string text() const;   // "screened fp32, 14 x 32 tiles, avx512"
};
template <class T>
AssignPlan plan(const Assign<T>& task, const Isa& isa, int threads, const std::string& path,
                BoundsUse bounds = BoundsUse::where_worth);

template <class T>
struct AssignScratch {
    AssignScratch(detail::Carver& carver, const AssignPlan& plan, std::int64_t k, std::int64_t d);
    T* prototypes;         // [rows x depth]
    ScreenScratch screen;  // if there is one
    std::byte* slots;      // [threads x slot_bytes]
};

// What decides whether the next call uses bounds.
struct BoundsState {
    std::int64_t aged;   // calls that the bounds have seen since they began; 0: there are none
    std::int64_t pause;  // calls that they are not to be tried in; at first 1, of which nothing is known
    std::int64_t next_pause;
};

// What a screened task may keep of its points, for tasks with the same points that follow.
struct KeptPoints {
    KeptPoints(detail::Carver& carver, const AssignPlan& plan, std::int64_t n, std::int64_t k, std::int64_t d);
    float* shift;         // [depth of the format]
    float* scale;         // [1]
    BoundsState* state;   // [1]
    float* previous;      // [k x d], the prototypes of the last call, by slot; null: no bounds are kept
    std::int32_t* order;  // [k], which prototype is in a slot; null without bounds
    PackedPoints packed;
};

// The steps of a run, in order. Tasks of one step may run in parallel.
template <class T>
class AssignRun {
public:
    // bound_factor: for the test that a bound which is too small gives wrong labels.
    AssignRun(const AssignPlan& plan, const Assign<T>& task, std::byte* scratch, std::byte* kept = nullptr,
              T* gaps = nullptr, float bound_factor = 1);

    struct Nothing {
        void operator()(std::int64_t, std::int64_t) const {}
    };
    // `each(tasks, body)` calls body(task, slot) for all tasks; `bad_prototype(row)` and `bad_point(row)` are told of
    // rows that are not finite, or have an energy that is not. `before(first, last)` is called for all rows, some
    // 256 KiB at a time, mostly just before they are read and so are near. (Of kept points the words are read instead.)
    template <class Each, class BadPrototype, class BadPoint, class Before = Nothing>
    void run(Each each, BadPrototype bad_prototype, BadPoint bad_point, Before before = {}) {
        prepare(each, bad_prototype, !kept_);
        const std::int64_t together = tasks_nearby();
        each(points_tasks(), [&](std::int64_t task, int slot) {
            if (task % together == 0) before(first_row(task), first_row(task + together));
            const std::int64_t bad = points(task, slot);
            if (bad != no_bad_row) bad_point(bad);
        });
    }
    // Packs the points, with a shift and a scale from these prototypes, for run() to use.
    template <class Each>
    void keep(Each each) {
        prepare(
            each, [](std::int64_t) {}, true);
        keep_shift();
        each(points_tasks(), [&](std::int64_t task, int slot) { pack_points(task, slot); });
    }

private:
    template <class Each, class BadPrototype>
    void prepare(Each each, BadPrototype bad_prototype, bool choose_shift) {
        if (screen_) {
            if (choose_shift) each(screen_->shift_tasks(), [&](std::int64_t task, int) { screen_->shift(task); });
            if (!choose_shift) screen_->use(kept_->shift, *kept_->scale, kept_->previous, kept_->order);
            each(screen_->row_tasks(), [&](std::int64_t task, int) { screen_->measure(task); });
            screen_->choose_scale();
            each(screen_->row_tasks(), [&](std::int64_t task, int) { screen_->pack(task); });
            screen_->finish();
            screened_ = screen_->screen(*plan_.kernels);
            if (kept_ && !choose_shift) use_bounds();
        }
        each(copy_tasks(), [&](std::int64_t task, int) {
            const std::int64_t bad = copy(task);
            if (bad != no_bad_row) bad_prototype(bad);
        });
    }
    std::int64_t copy_tasks() const;
    std::int64_t copy(std::int64_t task);
    std::int64_t points_tasks() const;
    std::int64_t first_row(std::int64_t task) const;
    std::int64_t tasks_nearby() const;
    std::int64_t points(std::int64_t task, int slot) const;
    void keep_shift();
    void use_bounds();
    bool bounds_are_worth(BoundsState& state) const;
    void pack_points(std::int64_t task, int slot) const;
    std::byte* slot_scratch(int slot) const {
        return scratch_.slots + static_cast<std::size_t>(slot) * plan_.slot_bytes;
    }

    AssignPlan plan_;
    Assign<T> task_;
    AssignScratch<T> scratch_;
    AssignData<T> data_{};
    std::optional<KeptPoints> kept_;
    std::optional<ScreenPrototypes> screen_;
    Screen screened_{};
};

}  // namespace cuebm::cpu
