// fp16 and bf16: every value, every rounding, against arithmetic in double; and the kernels' conversion of rows.
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include <cuebm/number.hpp>

#include "cpu/rows.hpp"

namespace eb = cuebm;

namespace {

// The value by the definition of the format; infinity and NaN as such.
double value_of(unsigned bits, int exponent_bits, int fraction_bits) {
    const int bias = (1 << (exponent_bits - 1)) - 1, sign = (bits >> (exponent_bits + fraction_bits)) != 0 ? -1 : 1;
    const int exponent = static_cast<int>(bits >> fraction_bits) & ((1 << exponent_bits) - 1);
    const double fraction = std::ldexp(static_cast<double>(bits & ((1u << fraction_bits) - 1)), -fraction_bits);
    if (exponent == (1 << exponent_bits) - 1)
        return fraction == 0 ? sign * std::numeric_limits<double>::infinity() : std::nan("");
    if (exponent == 0) return sign * std::ldexp(fraction, 1 - bias);
    return sign * std::ldexp(1 + fraction, exponent - bias);
}

template <class Number>
void expect_every_value(int exponent_bits, int fraction_bits) {
    for (unsigned bits = 0; bits < 0x10000; ++bits) {
        const auto number = Number::of_bits(static_cast<std::uint16_t>(bits));
        const double wanted = value_of(bits, exponent_bits, fraction_bits);
        const auto got = static_cast<float>(number);
        if (std::isnan(wanted)) {
            EXPECT_TRUE(std::isnan(got)) << bits;
            EXPECT_TRUE(std::isnan(static_cast<float>(Number(got)))) << bits;
            continue;
        }
        ASSERT_EQ(static_cast<double>(got), wanted) << bits;
        ASSERT_EQ(std::signbit(got), (bits & 0x8000) != 0) << bits;
        ASSERT_EQ(Number(got).bits, bits);
    }
}

// Between neighbours: below the middle goes down, above goes up, the middle to the even one. The neighbour above the
// largest is where infinity begins to be the nearest: a power of two.
template <class Number>
void expect_nearest(int exponent_bits, int fraction_bits) {
    const unsigned infinity = ((1u << exponent_bits) - 1) << fraction_bits;
    for (unsigned bits = 0; bits < infinity; ++bits) {
        const double low = value_of(bits, exponent_bits, fraction_bits);
        const double high = bits + 1 == infinity ? std::ldexp(1.0, 1 << (exponent_bits - 1))
                                                 : value_of(bits + 1, exponent_bits, fraction_bits);
        const auto middle = static_cast<float>((low + high) / 2);
        if (static_cast<double>(middle) != (low + high) / 2) continue;  // under the least float
        const float huge = std::numeric_limits<float>::infinity();
        ASSERT_EQ(Number(std::nextafter(middle, 0.0f)).bits, bits);
        ASSERT_EQ(Number(middle).bits, bits % 2 == 0 ? bits : bits + 1) << bits;
        ASSERT_EQ(Number(std::nextafter(middle, huge)).bits, bits + 1) << bits;
        ASSERT_EQ(Number(-std::nextafter(middle, huge)).bits, 0x8000 + bits + 1) << bits;
    }
    EXPECT_EQ(Number(std::numeric_limits<float>::max()).bits, infinity);
}

TEST(Number, EveryHalfIsItsValueAndComesBack) { expect_every_value<eb::Half>(5, 10); }
TEST(Number, EveryBFloat16IsItsValueAndComesBack) { expect_every_value<eb::BFloat16>(8, 7); }
TEST(Number, FloatsGoToTheNearestHalf) { expect_nearest<eb::Half>(5, 10); }
TEST(Number, FloatsGoToTheNearestBFloat16) { expect_nearest<eb::BFloat16>(8, 7); }

// Every length around a register's, so that a tail that is left out or written over shows.
TEST(Rows, AreConvertedAndNoMore) {
    std::vector<std::uint16_t> words(0x10000);
    for (std::size_t i = 0; i < words.size(); ++i) words[i] = static_cast<std::uint16_t>(i);
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(words.data());
    for (std::int64_t d = 1; d < 70; ++d) {
        const std::int64_t stride = d + 3;
        for (const auto type : {eb::ElementType::uint8, eb::ElementType::float16, eb::ElementType::bfloat16}) {
            const eb::cpu::Rows<float> rows{words.data(), stride, type};
            for (std::int64_t i = 0; i < 0x10000 / stride; ++i) {
                std::vector<float> to(static_cast<std::size_t>(d) + 1, 7.0f);
                ASSERT_EQ(eb::cpu::row_of(rows, i, d, to.data()), to.data());
                for (std::int64_t j = 0; j < d; ++j) {
                    const auto at = static_cast<std::size_t>(i * stride + j);
                    const float wanted = type == eb::ElementType::uint8 ? static_cast<float>(bytes[at])
                                         : type == eb::ElementType::float16
                                             ? static_cast<float>(eb::Half::of_bits(words[at]))
                                             : static_cast<float>(eb::BFloat16::of_bits(words[at]));
                    ASSERT_EQ(std::bit_cast<std::uint32_t>(to[static_cast<std::size_t>(j)]),
                              std::bit_cast<std::uint32_t>(wanted));
                }
                ASSERT_EQ(to.back(), 7.0f);
            }
        }
    }
}

}  // namespace
