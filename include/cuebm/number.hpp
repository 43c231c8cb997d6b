// Numbers of 16 bits, for storage: fp16 and bf16 as plain structs, with conversions that need no hardware.
#pragma once

#include <bit>
#include <cstdint>
#include <limits>

#include <cuebm/export.hpp>

namespace cuebm {

// How points are stored. Float holds every value of the last three exactly.
enum class ElementType : std::uint8_t { float32, float64, uint8, float16, bfloat16 };

// IEEE 754 binary16: 1 sign, 5 exponent and 10 fraction bits; largest 65504, least above zero 2^-24.
struct CUEBM_API Half {
    std::uint16_t bits = 0;

    Half() = default;
    static constexpr Half of_bits(std::uint16_t bits) {
        Half h;
        h.bits = bits;
        return h;
    }
    // Rounded to nearest, ties to even; infinity from 65520 on. NaN stays NaN.
    explicit constexpr Half(float value) : bits(rounded(value)) {}
    // Exact; NaN becomes quiet.
    explicit constexpr operator float() const {
        const std::uint32_t sign = std::uint32_t{bits} >> 15 << 31, magnitude = bits & 0x7fffu;
        if (magnitude < 0x400u) {  // subnormal: a multiple of 2^-24
            const float value = static_cast<float>(magnitude) * 0x1p-24f;
            return sign != 0 ? -value : value;
        }
        if (magnitude < 0x7c00u) return std::bit_cast<float>(sign | ((magnitude << 13) + (112u << 23)));
        return std::bit_cast<float>(sign | 0x7f800000u | magnitude << 13 | (magnitude > 0x7c00u ? 0x400000u : 0u));
    }

private:
    static constexpr std::uint16_t rounded(float value) {
        const auto all = std::bit_cast<std::uint32_t>(value);
        const std::uint32_t sign = all >> 31 << 15, magnitude = all & 0x7fffffffu;
        std::uint32_t half = 0x7e00u;                               // NaN
        if (magnitude <= 0x7f800000u) half = 0x7c00u;               // infinity, and what rounds to it
        if (magnitude < 0x477ff000u && magnitude >= 0x38800000u) {  // normal
            const std::uint32_t shifted = magnitude - (112u << 23);
            half = (shifted + 0xfffu + (shifted >> 13 & 1u)) >> 13;
        } else if (magnitude < 0x38800000u) {  // a multiple of 2^-24: adding 1/2 leaves it, rounded, in the low bits
            half = std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude) + 0.5f) - 0x3f000000u;
        }
        return static_cast<std::uint16_t>(sign | half);
    }
};

// The upper half of a float: 1 sign, 8 exponent and 7 fraction bits.
struct CUEBM_API BFloat16 {
    std::uint16_t bits = 0;

    BFloat16() = default;
    static constexpr BFloat16 of_bits(std::uint16_t bits) {
        BFloat16 b;
        b.bits = bits;
        return b;
    }
    // Rounded to nearest, ties to even; infinity beyond the largest. NaN stays NaN.
    explicit constexpr BFloat16(float value) : bits(rounded(value)) {}
    // Exact.
    explicit constexpr operator float() const { return std::bit_cast<float>(std::uint32_t{bits} << 16); }

private:
    static constexpr std::uint16_t rounded(float value) {
        const auto all = std::bit_cast<std::uint32_t>(value);
        if ((all & 0x7fffffffu) > 0x7f800000u) return static_cast<std::uint16_t>(all >> 16 | 0x40u);
        return static_cast<std::uint16_t>((all + 0x7fffu + (all >> 16 & 1u)) >> 16);
    }
};

}  // namespace cuebm
