// Tensor cores. A lane brings the address of what it holds; when all have come, each gets its part in place. Without
// ThreadSanitizer, as the scheduler: the lanes' own stacks are read across.
#include <cmath>
#include <cstdint>
#include <cstring>

#include "emulator.hpp"

namespace cuebm::emulator {
namespace {

constexpr unsigned whole_warp = 0xffffffffu;

template <class Brings>
Brings& of_lane(const Brought& all, unsigned lane) {
    return *from_bits<Brings*>(all.value[lane]);
}

float element(unsigned pair, unsigned high) {
    const float2 both = cuda::from_fp16_pair(pair);
    return high ? both.y : both.x;
}

// Cut off, not rounded: what the hardware may do at worst.
float add_and_truncate(float a, float product) {
    const double sum = double{a} + double{product};
    const auto nearest = static_cast<float>(sum);
    return std::fabs(double{nearest}) > std::fabs(sum) ? std::nextafter(nearest, 0.0f) : nearest;
}

std::uint64_t take_parts(const Brought& all, unsigned lane) {
    auto& own = of_lane<MatrixRow>(all, lane);
    std::memset(own.parts, 0xff, sizeof own.parts);
    if (all.lanes != whole_warp) return 0;  // the GPU gives anything, we give NaN
    for (unsigned matrix = 0; matrix < 4; ++matrix)
        own.parts[matrix] = of_lane<MatrixRow>(all, 8 * matrix + lane / 4).row[lane % 4];
    return 0;
}

// Element (row, column) of A is in lane 4 (row % 8) + column % 8 / 2, of B in lane 4 column + row % 8 / 2.
std::uint64_t take_sums(const Brought& all, unsigned lane) {
    auto& own = of_lane<MatrixOperands>(all, lane);
    if (all.lanes != whole_warp) std::memset(own.sums, 0xff, sizeof own.sums);
    if (all.lanes != whole_warp) return 0;
    for (unsigned e = 0; e < 4; ++e) {
        const unsigned row = lane / 4 + e / 2 * 8, column = lane % 4 * 2 + e % 2;
        for (unsigned j = 0; j < 16; ++j) {
            const auto& a = of_lane<MatrixOperands>(all, row % 8 * 4 + j % 8 / 2);
            const auto& b = of_lane<MatrixOperands>(all, column * 4 + j % 8 / 2);
            const float product = element(a.a[row / 8 + j / 8 * 2], j % 2) * element(b.b[j / 8], j % 2);
            own.sums[e] = add_and_truncate(own.sums[e], product);
        }
    }
    return 0;
}

}  // namespace

void load_matrices(MatrixRow& own, Site site) {
    collective(whole_warp, reinterpret_cast<std::uintptr_t>(&own), take_parts, lane(), false, site);
}

void multiply_matrices(MatrixOperands& own, Site site) {
    collective(whole_warp, reinterpret_cast<std::uintptr_t>(&own), take_sums, lane(), false, site);
}

}  // namespace cuebm::emulator
