// Numbers of 16 bits as floats, exactly, from their bits: as the conversions of <cuebm/number.hpp>, without a branch.
#pragma once

#include "math/platform.hpp"

namespace cuebm::math {

CUEBM_MATH float float_of_bits(std::uint32_t bits) {
    float value;
    __builtin_memcpy(&value, &bits, sizeof value);
    return value;
}
CUEBM_MATH std::uint32_t bits_of_float(float value) {
    std::uint32_t bits;
    __builtin_memcpy(&bits, &value, sizeof bits);
    return bits;
}

CUEBM_MATH float float_of_half(std::uint16_t half) {
    const std::uint32_t sign = (half & 0x8000u) << 16, magnitude = half & 0x7fffu, shifted = magnitude << 13;
    const std::uint32_t subnormal = bits_of_float(static_cast<float>(static_cast<std::int32_t>(magnitude)) * 0x1p-24f);
    const std::uint32_t quiet = magnitude > 0x7c00u ? 0x400000u : 0u, special = shifted | 0x7f800000u | quiet;
    const std::uint32_t normal = magnitude < 0x7c00u ? shifted + (112u << 23) : special;
    return float_of_bits(sign | (magnitude < 0x400u ? subnormal : normal));
}

CUEBM_MATH float float_of_bfloat16(std::uint16_t bits) { return float_of_bits(std::uint32_t{bits} << 16); }

}  // namespace cuebm::math
