// See screen_prototypes.hpp.
#include "cpu/screen_prototypes.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <numeric>

#include "math/screening.hpp"
#include "parallel.hpp"

namespace cuebm::cpu {
namespace {

constexpr std::int64_t columns_a_task = 256, rows_a_task = 16;

using detail::divide_up;

// To nearest, ties to even; what is denormal becomes 0, as the instructions would take it.
std::uint16_t to_bf16(float x) {
    const auto bits = std::bit_cast<std::uint32_t>(x);
    const std::uint32_t rounded = bits + 0x7fff + (bits >> 16 & 1);
    return (rounded & 0x7f800000) == 0 ? 0 : static_cast<std::uint16_t>(rounded >> 16);
}
float from_bf16(std::uint16_t x) { return std::bit_cast<float>(std::uint32_t{x} << 16); }

}  // namespace

ScreenShape screen_shape(const ScreenKernels& kernels, std::int64_t k, std::int64_t d) {
    ScreenShape shape{};
    const std::int64_t together = kernels.words_together;
    shape.words_a_row = divide_up(divide_up(d, values_a_word(kernels.format)), together) * together;
    shape.depth = shape.words_a_row * values_a_word(kernels.format);
    shape.panels = divide_up(k, kernels.panel);
    shape.slots = shape.panels * kernels.panel;
    return shape;
}

ScreenScratch::ScreenScratch(detail::Carver& carver, const ScreenKernels& kernels, std::int64_t k, std::int64_t d) {
    const auto shape = screen_shape(kernels, k, d);
    shift = carver.take<float>(shape.depth);
    words = carver.take<std::uint32_t>(shape.slots * shape.words_a_row);
    half_squares = carver.take<float>(shape.slots);
    norms = carver.take<float>(shape.slots);
    steps = carver.take<float>(shape.slots);
    offsets = carver.take<std::int32_t>(shape.slots);
    squares = carver.take<double>(shape.slots);
    residual_norms = carver.take<float>(shape.slots);
    rounded_norms = carver.take<float>(shape.slots);
    hashes = carver.take<std::uint64_t>(shape.slots);
    by_hash = carver.take<std::int32_t>(shape.slots);
    drifts = carver.take<float>(shape.slots);
    panel_drifts = carver.take<float>(shape.panels);
    line = carver.take<float>(shape.depth);
    places = carver.take<float>(shape.slots);
}

ScreenPrototypes::ScreenPrototypes(const ScreenKernels& kernels, MatrixView<const float> prototypes,
                                   const ScreenScratch& scratch, float bound_factor)
    : kernels_(kernels),
      prototypes_(prototypes),
      shape_(screen_shape(kernels, prototypes.rows, prototypes.cols)),
      scratch_(scratch),
      bound_factor_(bound_factor),
      shift_(scratch.shift) {}

std::int64_t ScreenPrototypes::shift_tasks() const { return divide_up(shape_.depth, columns_a_task); }

void ScreenPrototypes::shift(std::int64_t task) {
    const std::int64_t k = prototypes_.rows, d = prototypes_.cols;
    const std::int64_t first = task * columns_a_task, last = std::min(d, first + columns_a_task);
    double sums[columns_a_task] = {};
    for (std::int64_t z = 0; z < k; ++z)
        for (std::int64_t j = first; j < last; ++j)
            sums[j - first] += static_cast<double>(prototypes_.data[z * prototypes_.stride + j]);
    for (std::int64_t j = first; j < std::min(shape_.depth, first + columns_a_task); ++j)
        scratch_.shift[j] = j < d ? static_cast<float>(sums[j - first] / static_cast<double>(k)) : 0.0f;
}

void ScreenPrototypes::use(const float* shift, float scale, float* previous, const std::int32_t* order) {
    shift_ = shift;
    scale_ = scale;
    previous_ = previous;
    order_ = order;
}

std::int64_t ScreenPrototypes::row_tasks() const { return divide_up(shape_.slots, rows_a_task); }

void ScreenPrototypes::measure(std::int64_t task) {
    const std::int64_t k = prototypes_.rows, d = prototypes_.cols;
    for (std::int64_t z = task * rows_a_task; z < std::min(k, (task + 1) * rows_a_task); ++z) {
        const float* w = row(z);
        double sums[4] = {};  // four chains each, since an addition waits for the one before
        std::uint64_t hashes[4] = {1, 2, 3, 4};
        for (std::int64_t j = 0; j < d; ++j) {
            const auto shifted = static_cast<double>(w[j] - shift_[j]);
            sums[j % 4] += shifted * shifted;
            hashes[j % 4] = hashes[j % 4] * 0x9e3779b97f4a7c15 + std::bit_cast<std::uint32_t>(w[j]);
        }
        scratch_.squares[z] = (sums[0] + sums[1]) + (sums[2] + sums[3]);
        scratch_.hashes[z] = hashes[0] ^ std::rotl(hashes[1], 16) ^ std::rotl(hashes[2], 32) ^ std::rotl(hashes[3], 48);
        if (previous_ == nullptr) continue;
        float* old = previous_ + z * d;
        double drift = 0;
        for (std::int64_t j = 0; j < d; ++j) {
            const float now = (w[j] - shift_[j]) * scale_, before = (old[j] - shift_[j]) * scale_;
            const double move = static_cast<double>(now) - static_cast<double>(before);
            drift += move * move;
            old[j] = w[j];
        }
        scratch_.drifts[z] = math::screening_norm(drift) * bound_factor_;
    }
}

// A power of two that brings the largest norm to [1/2, 1): low precision formats neither underflow nor overflow then.
void ScreenPrototypes::choose_scale() {
    if (scale_ != 0) return;
    double largest = 0;
    for (std::int64_t z = 0; z < prototypes_.rows; ++z) largest = std::max(largest, scratch_.squares[z]);
    int exponent = 0;
    if (largest > 0 && std::isfinite(largest)) (void)std::frexp(std::sqrt(largest), &exponent);
    scale_ = std::ldexp(1.0f, -std::clamp(exponent, -120, 120));
}

void ScreenPrototypes::pack(std::int64_t task) {
    const std::int64_t k = prototypes_.rows, d = prototypes_.cols, width = kernels_.panel;
    const int per = values_a_word(kernels_.format);
    for (std::int64_t z = task * rows_a_task; z < std::min(shape_.slots, (task + 1) * rows_a_task); ++z) {
        std::uint32_t* to = scratch_.words + (z / width * shape_.words_a_row * width + z % width);
        for (std::int64_t word = 0; word < shape_.words_a_row; ++word) to[word * width] = 0;
        scratch_.half_squares[z] = screen_absent;
        scratch_.norms[z] = scratch_.residual_norms[z] = scratch_.rounded_norms[z] = 0;
        scratch_.steps[z] = 1;
        scratch_.offsets[z] = 0;
        if (z >= k) continue;
        const float* w = row(z);
        const auto value = [&](std::int64_t j) { return (w[j] - shift_[j]) * scale_; };
        float step = 1, inverse = 1;
        if (kernels_.format == ScreenFormat::int8) {
            float top = 0;
            for (std::int64_t j = 0; j < d; ++j) top = std::max(top, std::fabs(value(j)));
            step = top / 127;
            if (!(step >= 0x1p-126f && step < infinity)) step = 1;
            inverse = 1 / step;
        }
        double square = 0, rest = 0, rounded = 0;
        std::int32_t integers = 0;
        for (std::int64_t j = 0; j < d; ++j) {
            const float v = value(j);
            double q = static_cast<double>(v);
            std::uint32_t bits = std::bit_cast<std::uint32_t>(v);
            if (kernels_.format == ScreenFormat::bf16) {
                const std::uint16_t half = to_bf16(v);
                q = static_cast<double>(from_bf16(half));
                bits = static_cast<std::uint32_t>(half) << 16 * (j % 2);
            } else if (kernels_.format == ScreenFormat::int8) {
                const float scaled = v * inverse;
                const auto integer = scaled >= 127        ? 127
                                     : scaled <= -127     ? -127
                                     : std::isnan(scaled) ? 0
                                                          : static_cast<std::int32_t>(std::lrint(scaled));
                q = static_cast<double>(step) * integer;
                integers += integer;
                bits = static_cast<std::uint32_t>(integer & 255) << 8 * (j % 4);
            }
            to[j / per * width] |= bits;
            const double wide = static_cast<double>(v);
            square += wide * wide;
            rest += (wide - q) * (wide - q);
            rounded += q * q;
        }
        scratch_.half_squares[z] = static_cast<float>(square / 2);
        scratch_.norms[z] = math::screening_norm(square);
        scratch_.residual_norms[z] = rest > 0 ? math::screening_norm(rest) : 0;  // a row of zeros is exact
        scratch_.rounded_norms[z] = math::screening_norm(rounded);
        scratch_.steps[z] = step;
        scratch_.offsets[z] = 128 * integers;
    }
}

// A prototype that repeats an earlier one never wins: ties go to the lower index. Without this, data with many equal
// prototypes would leave all of them as candidates.
void ScreenPrototypes::hide_repeated() {
    const std::int64_t k = prototypes_.rows, d = prototypes_.cols;
    std::int32_t* const slots = scratch_.by_hash;
    std::iota(slots, slots + k, 0);
    const auto* hashes = scratch_.hashes;
    std::sort(slots, slots + k, [&](std::int32_t a, std::int32_t b) {
        return hashes[a] < hashes[b] || (hashes[a] == hashes[b] && number(a) < number(b));
    });
    std::int32_t first = -1;  // of a run with one hash: rows that only share the hash stay
    for (std::int64_t i = 0; i < k; ++i) {
        const std::int32_t z = slots[i];
        if (first < 0 || hashes[z] != hashes[first]) {
            first = z;
        } else if (std::memcmp(row(z), row(first), static_cast<std::size_t>(d) * sizeof(float)) == 0) {
            scratch_.half_squares[z] = screen_absent;
            scratch_.norms[z] = 0;
            hides_some_ = true;
        }
    }
}

void ScreenPrototypes::finish() {
    const std::int64_t k = prototypes_.rows, d = prototypes_.cols;
    hide_repeated();
    math::LowPrecision precision{.coordinates = d,
                                 .smallest = kernels_.format == ScreenFormat::fp32 ? 0x1p-149 : 0x1p-126,
                                 .scale = static_cast<double>(scale_)};
    for (std::int64_t z = 0; z < k; ++z) {
        const auto norm = static_cast<double>(scratch_.norms[z]);
        precision.largest_norm = std::max(precision.largest_norm, norm);
        if (!(norm <= 1e300)) precision.largest_norm = norm;  // NaN and infinity stay
        if (!(norm > 0)) continue;
        precision.rest_ratio = std::max(precision.rest_ratio, static_cast<double>(scratch_.residual_norms[z]) / norm);
        precision.rounded_ratio =
            std::max(precision.rounded_ratio, static_cast<double>(scratch_.rounded_norms[z]) / norm);
    }
    if (kernels_.format == ScreenFormat::fp32) precision.rest_ratio = 0;
    precision.roundings = kernels_.format == ScreenFormat::fp32   ? 0
                          : kernels_.format == ScreenFormat::bf16 ? 2 * static_cast<double>(d + 2)
                                                                  : 6;
    precision.fp32 = kernels_.format == ScreenFormat::fp32;
    const auto ids = static_cast<unsigned>(divide_up(std::min(k, screen_chunk), screen_classes));
    id_mask_ = static_cast<std::int32_t>(std::bit_ceil(ids) - 1);
    precision.id_bits = static_cast<int>(std::bit_width(static_cast<unsigned>(id_mask_)));
    const auto line = math::screening_line(precision);
    largest_norm_ = static_cast<float>(precision.largest_norm);
    for (std::int64_t p = 0; previous_ != nullptr && p < shape_.panels; ++p) {
        const float* first = scratch_.drifts + p * kernels_.panel;
        scratch_.panel_drifts[p] =
            *std::max_element(first, first + std::min<std::int64_t>(kernels_.panel, k - p * kernels_.panel));
    }
    const auto factor = bound_factor_;
    bound_ = {.spread = line.spread * factor,
              .floor = line.floor * factor,
              .per_norm = line.per_norm * factor,
              .per_rest = line.per_rest * factor,
              .constant = line.constant * factor,
              .norm_growth = math::screening_norm_growth(d),
              .norm_floor = math::screening_norm_floor(d),
              .norm_shrink = math::screening_distances(d).shrink,
              .reach_limit = line.reach_limit};
}

bool ScreenPrototypes::fill(KeptBounds& bounds) const {
    const auto slack = math::screening_distances(prototypes_.cols);
    bounds.growth = slack.growth;
    bounds.slack = slack.slack;
    bounds.drifts = scratch_.drifts;
    bounds.panel_drifts = scratch_.panel_drifts;
    return bound_.floor < 0x1p-60f && bound_.reach_limit > 0;
}

Screen ScreenPrototypes::screen(const AssignKernels& direct) const {
    return {.shift = shift_,
            .scale = scale_,
            .words = scratch_.words,
            .half_squares = scratch_.half_squares,
            .norms = scratch_.norms,
            .steps = scratch_.steps,
            .offsets = scratch_.offsets,
            .order = order_,
            .words_a_row = shape_.words_a_row,
            .panels = shape_.panels,
            .k = prototypes_.rows,
            .largest_norm = largest_norm_,
            .id_mask = id_mask_,
            .bound = bound_,
            .direct = &direct};
}

}  // namespace cuebm::cpu
