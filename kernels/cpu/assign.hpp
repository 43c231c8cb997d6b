// assign() on the CPU: which kernel runs (a plan), how the prototypes are prepared, and the blocks of points that
// threads share out (a run).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include <cuebm/assign.hpp>

#include "cpu/assign_kernels.hpp"
#include "workspace.hpp"

namespace cuebm::cpu {

enum class Path { choose, direct, screened, small };

// What the environment's CUEBM_ASSIGN asks for: direct, screened or small (where they apply), for tests and
// measurements. Throws InvalidArgument for other values.
Path path_of_environment();

// How a task runs. Pure: it depends on shapes, on which outputs are wanted, and on the other arguments.
struct AssignPlan {
    const AssignKernels* isa;
    bool screened, small, fp64;
    int threads, rows_a_task;     // points that a thread takes at a time
    std::int64_t rows, depth;     // the prototypes, padded to 16 rows and 16 coordinates
    std::int64_t panels, groups;  // screened: of prototypes; of 4 coordinates
    std::size_t slot_bytes;       // scratch of a thread
    std::size_t scratch_bytes;    // of all, and for the prototypes
    std::string text() const;     // "screened fp32, 14 x 32 tiles, avx512"
};
template <class T>
AssignPlan plan(const Assign<T>& task, const AssignKernels& isa, int threads, Path path);

template <class T>
struct AssignScratch {
    AssignScratch(detail::Carver& carver, const AssignPlan& plan);
    T* prototypes;                                 // [rows x depth]
    float *shift, *panels, *half_squares, *norms;  // of Screen
    std::byte* slots;                              // [threads x slot_bytes]
};

// The steps of a run, in order. Tasks of one step may run in parallel.
template <class T>
class AssignRun {
public:
    // bound_factor: for the test that a bound which is too small gives wrong labels.
    AssignRun(const AssignPlan& plan, const Assign<T>& task, std::byte* scratch, float bound_factor = 1);

    std::int64_t shift_tasks() const;
    void shift(std::int64_t block);

    // Returns the first prototype of the block that is not finite, or no_bad_row.
    std::int64_t pack_tasks() const;
    std::int64_t pack(std::int64_t block);

    void finish_packing();

    // Returns the first row of the block that has an energy that is not finite, or no_bad_row.
    std::int64_t points_tasks() const;
    std::int64_t points(std::int64_t block, int slot) const;

private:
    void pack_for_screen(std::int64_t z);

    AssignPlan plan_;
    Assign<T> task_;
    AssignScratch<T> scratch_;
    AssignData<T> data_{};
    Screen screen_{};
};

}  // namespace cuebm::cpu
