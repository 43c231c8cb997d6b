// The bound of screening by tensor cores is needed: the same kernels with a smaller one give wrong labels.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "cuda/assign/tensor.cuh"
#include "device_array.hpp"
#include "reference/assign.hpp"

namespace cuebm::cuda {
namespace {

struct Problem {
    std::int64_t n, k, d;
    std::vector<float> points, prototypes;
};

std::vector<std::int32_t> canonical(const Problem& p) {
    return reference::lowest(reference::canonical_energies(p.points, p.prototypes, p.n, p.k, p.d), p.k, 1);
}

// The kernels of assign(), with a bound that `change` has been at.
template <class Change>
std::vector<std::int32_t> labels_with(const Problem& p, Change change) {
    constexpr int columns = TensorTile::wide_chunk;
    const std::int64_t depth = TensorTile::depth(p.d), stride = TensorTile::stride(p.d), slots = TensorTile::slots(p.k);
    DeviceArray<float> points(p.points), prototypes(p.prototypes), shift(static_cast<std::size_t>(depth));
    DeviceArray<std::uint16_t> rows(static_cast<std::size_t>(slots * stride));
    DeviceArray<float2> terms(static_cast<std::size_t>(slots));
    DeviceArray<unsigned> largest(std::vector<unsigned>(3));
    DeviceArray<std::uint64_t> status(std::vector<std::uint64_t>(1, ~std::uint64_t{0}));
    DeviceArray<std::int32_t> labels(static_cast<std::size_t>(p.n));
    Assign<float> task{.points = {points.data(), p.n, p.d, p.d, {}},
                       .prototypes = {prototypes.data(), p.k, p.d, p.d, {}},
                       .labels = {labels.data(), p.n, 1, {}}};
    TensorScreen screen{rows.data(), terms.data(), shift.data(), largest.data(),
                        depth,       stride,       slots,        math::fp16_bound(p.d)};
    change(screen.bound);
    const auto blocks = [](std::int64_t all, std::int64_t each) {
        return static_cast<unsigned>((all + each - 1) / each);
    };
    launch(screen_shift, {.grid = blocks(depth, 32), .block = 256}, task.prototypes, screen.shift, depth);
    launch(tensor_scale, {.grid = blocks(p.k, 16), .block = 256}, task.prototypes, screen);
    launch(tensor_prototypes, {.grid = blocks(slots, 16), .block = 256}, task.prototypes, screen);
    launch(assign_tensor<columns>,
           {.grid = blocks(p.n, TensorTile::points),
            .block = TensorTile::threads,
            .shared_bytes = TensorTile::shared_bytes(p.d, columns)},
           task, screen, false, status.data());
    return labels.host();
}

// A point 1 + e, 1 - e, 1 + e, ... that is rounded to ones; prototypes r and -s times the signs of e, of which the
// rounding swaps the order: its whole error e.w goes one way. All else is exact: no sum, prototype or shift is rounded.
// Two more prototypes, far away, make the mean 0. `second` is where the winner stands: beside the loser, or in another
// class.
Problem rounded_away(std::int64_t second) {
    constexpr std::int64_t signs = 64, d = signs + 1, k = 4;
    constexpr float e = 0x1.fp-13f, s = 0x1p-4f, more = 0x7p-14f;  // more is 0.90 of 2 e
    Problem p{3, k, d, {}, std::vector<float>(static_cast<std::size_t>(k * d))};
    const auto at = [&](std::int64_t z, std::int64_t j) -> float& {
        return p.prototypes[static_cast<std::size_t>(z * d + j)];
    };
    const std::int64_t third = second == 1 ? 2 : 1;
    for (std::int64_t j = 0; j < signs; ++j) {
        const float sign = j % 2 == 0 ? 1.0f : -1.0f;
        at(0, j) = -s * sign;
        at(second, j) = (s + more) * sign;
        at(third, j) = at(3, j) = -more / 2 * sign;
    }
    at(third, signs) = 8, at(3, signs) = -8;
    for (std::int64_t i = 0; i < p.n; ++i)
        for (std::int64_t j = 0; j < d; ++j) p.points.push_back(j == signs ? 0.0f : 1 + (j % 2 == 0 ? e : -e));
    return p;
}

// Prototypes that are permutations of each other, and points that are constant: ties, but for how sums are cut off.
Problem cut_off() {
    constexpr std::int64_t n = 100, k = 128, d = 300;
    std::mt19937 generator(1);
    Problem p{n, k, d, {}, {}};
    std::vector<float> row;
    for (std::int64_t j = 0; j < d; ++j)
        row.push_back(std::ldexp(static_cast<float>(128 + generator() % 128), -7 - static_cast<int>(generator() % 8)) *
                      (j < d / 2 ? 1.0f : -1.0f));
    for (std::int64_t z = 0; z < k; z += 2) {
        std::shuffle(row.begin(), row.end(), generator);
        p.prototypes.insert(p.prototypes.end(), row.begin(), row.end());
        for (const float w : row) p.prototypes.push_back(-w);  // so that the mean is 0
    }
    for (std::int64_t i = 0; i < n; ++i) p.points.insert(p.points.end(), d, static_cast<float>(128 + i) * 0x1p-7f);
    return p;
}

}  // namespace

// A bound without what rounding to fp16 loses; and that it is not far from the least that will do: it holds at its own
// width, on data for which three fifths of it are too little.
TEST(TensorBound, CoversRoundingToFp16) {
    for (const std::int64_t second : {1, 2}) {
        const Problem p = rounded_away(second);
        const std::vector<std::int32_t> right(3, static_cast<std::int32_t>(second));
        EXPECT_EQ(canonical(p), right);
        EXPECT_EQ(labels_with(p, [](math::Fp16Bound&) {}), right);
        EXPECT_EQ(labels_with(p, [](math::Fp16Bound& bound) { bound.widening = 0.6f; }),
                  std::vector<std::int32_t>(3, 0));
    }
}

// A bound without what the sums lose.
TEST(TensorBound, CoversSumsThatAreCutOff) {
    const Problem p = cut_off();
    const auto right = canonical(p);
    EXPECT_EQ(labels_with(p, [](math::Fp16Bound&) {}), right);
    EXPECT_NE(labels_with(p, [](math::Fp16Bound& bound) { bound.accumulation = bound.square = bound.point = 0; }),
              right);
}

}  // namespace cuebm::cuda
