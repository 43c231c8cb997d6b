// Prototypes prepared for screening: shifted, scaled, rounded and packed, with the constants of their bound. A few
// steps in order; the tasks of a step may run in parallel.
#pragma once

#include <cstddef>
#include <cstdint>

#include <cuebm/view.hpp>

#include "cpu/screen_kernels.hpp"
#include "workspace.hpp"

namespace cuebm::cpu {

struct ScreenShape {
    std::int64_t depth, words_a_row, panels, slots;  // slots: prototypes, padded to whole panels
};
ScreenShape screen_shape(const ScreenKernels& kernels, std::int64_t k, std::int64_t d);

struct ScreenScratch {
    ScreenScratch(detail::Carver& carver, const ScreenKernels& kernels, std::int64_t k, std::int64_t d);
    ScreenScratch() = default;
    float* shift;                           // [depth]
    std::uint32_t* words;                   // [slots x words_a_row]
    float *half_squares, *norms, *steps;    // [slots]
    std::int32_t* offsets;                  // [slots]
    double* squares;                        // [slots]: |w'|^2 before scaling
    float *residual_norms, *rounded_norms;  // [slots]: |w' - wq| and |wq|
    std::uint64_t* hashes;                  // [slots], of the rows' bits
    std::int32_t* by_hash;                  // [slots]: slots in the order of their hashes
    float *drifts, *panel_drifts;           // [slots], [panels]
    float *line, *places;                   // [depth], [slots]: of group_prototypes()
};

class ScreenPrototypes {
public:
    // bound_factor: for the test that a bound which is too small gives wrong labels.
    ScreenPrototypes(const ScreenKernels& kernels, MatrixView<const float> prototypes, const ScreenScratch& scratch,
                     float bound_factor);

    // The shift: the mean of the prototypes. Any shift is exact; this one keeps norms, and so the bound, small.
    std::int64_t shift_tasks() const;
    void shift(std::int64_t task);
    // Or one that points have been packed with, and the scale. previous [k x d]: the prototypes of the last call by
    // slot, from which drifts are measured and which these replace; order [k]: which prototype is in a slot. null: not
    // wanted.
    void use(const float* shift, float scale, float* previous, const std::int32_t* order);

    std::int64_t row_tasks() const;
    void measure(std::int64_t task);
    void choose_scale();  // unless it is given
    void pack(std::int64_t task);
    void finish();

    bool hides_some() const { return hides_some_; }
    // The constants of KeptBounds, and where its drifts are; false where bounds would say nothing.
    bool fill(KeptBounds& bounds) const;
    Screen screen(const AssignKernels& direct) const;

private:
    void hide_repeated();
    std::int64_t number(std::int64_t slot) const { return order_ == nullptr ? slot : order_[slot]; }
    const float* row(std::int64_t slot) const { return prototypes_.data + number(slot) * prototypes_.stride; }

    const ScreenKernels& kernels_;
    MatrixView<const float> prototypes_;
    ScreenShape shape_;
    ScreenScratch scratch_;
    float bound_factor_, scale_ = 0, largest_norm_ = 0;
    const float* shift_;
    float* previous_ = nullptr;
    const std::int32_t* order_ = nullptr;
    bool hides_some_ = false;
    std::int32_t id_mask_ = 0;
    ScreenBound bound_{};
};

}  // namespace cuebm::cpu
