// See ranked.hpp.
#include "ranked.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>

namespace cuebm::detail {
namespace {

constexpr int digit_bits = 11, digits = 6;
constexpr std::size_t radix = std::size_t{1} << digit_bits;

// An integer with the order of the value: negative ones have all their bits turned, the others their sign alone.
std::uint64_t key_of(double value) {
    const auto bits = std::bit_cast<std::uint64_t>(value);
    return bits ^ (bits >> 63 != 0 ? ~std::uint64_t{0} : std::uint64_t{1} << 63);
}
std::size_t digit_of(double value, int digit) {
    return static_cast<std::size_t>(key_of(value) >> (digit * digit_bits)) & (radix - 1);
}

}  // namespace

void sort_by_value(std::vector<Ranked>& ranked, std::vector<Ranked>& scratch) {
    if (ranked.size() < 1024) {
        std::sort(ranked.begin(), ranked.end(), [](const Ranked& a, const Ranked& b) { return a.value < b.value; });
        return;
    }
    scratch.resize(ranked.size());
    std::vector<std::array<std::size_t, radix>> counts(digits);
    for (const auto& one : ranked)
        for (int d = 0; d < digits; ++d) ++counts[static_cast<std::size_t>(d)][digit_of(one.value, d)];
    for (int d = 0; d < digits; ++d) {
        auto& starts = counts[static_cast<std::size_t>(d)];
        if (starts[digit_of(ranked[0].value, d)] == ranked.size()) continue;  // the same digit in all
        std::size_t start = 0;
        for (auto& count : starts) {
            const std::size_t next = start + count;
            count = start;
            start = next;
        }
        for (const auto& one : ranked) scratch[starts[digit_of(one.value, d)]++] = one;
        ranked.swap(scratch);
    }
}

}  // namespace cuebm::detail
