// Data for tests, in fixed pseudo-random sequences; their placement on a device; and how results are compared.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <cuebm/array.hpp>

namespace cuebm::test {

template <class T>
std::vector<T> normal(std::int64_t size, unsigned seed, double mean = 0, double sd = 1) {
    std::mt19937 generator(seed);
    std::normal_distribution<double> draw;
    std::vector<T> values(static_cast<std::size_t>(size));
    for (auto& value : values) value = static_cast<T>(mean + sd * draw(generator));  // sd may be 0
    return values;
}

// n points around `centres` well separated centres, in turn.
template <class T>
std::vector<T> blobs(std::int64_t n, std::int64_t d, std::int64_t centres, unsigned seed = 5) {
    auto values = normal<T>(n * d, seed);
    const auto at = normal<T>(centres * d, seed + 1, 0, 10);
    for (std::int64_t i = 0; i < n; ++i)
        for (std::int64_t j = 0; j < d; ++j)
            values[static_cast<std::size_t>(i * d + j)] += at[static_cast<std::size_t>(i % centres * d + j)];
    return values;
}

// A stride of cols + pad, and a start `offset` elements into an aligned block: memory aligned to its type alone.
struct Layout {
    std::int64_t pad = 0, offset = 0;
};

// Values on a device in a given layout. What lies between and behind them is NaN (0xff), and must stay so.
template <class T>
class Placed {
public:
    Placed(Context context, const std::vector<T>& values, std::int64_t rows, std::int64_t cols, Layout layout = {})
        : context_(context), rows_(rows), cols_(cols), layout_(layout) {
        if (rows == 0) return;
        std::vector<T> block(static_cast<std::size_t>(layout.offset + rows * stride() + 4));
        std::memset(static_cast<void*>(block.data()), 0xff, block.size() * sizeof(T));
        for (std::int64_t i = 0; i < rows; ++i)
            for (std::int64_t j = 0; j < cols; ++j) block[place(i, j)] = values[static_cast<std::size_t>(i * cols + j)];
        device_ = context_.copy(cuebm::view(std::as_const(block)));
    }
    // Room for results.
    Placed(Context context, std::int64_t rows, std::int64_t cols, Layout layout = {})
        : Placed(context, std::vector<T>(static_cast<std::size_t>(rows * cols), T(77)), rows, cols, layout) {}

    MatrixView<T> view() const { return {device_.data() + layout_.offset, rows_, cols_, stride(), context_.device()}; }
    VectorView<T> vector() const {  // of the first column
        return {device_.data() + layout_.offset, rows_, stride(), context_.device()};
    }
    std::vector<T> host() const {
        std::vector<T> values;
        auto block = to_host(context_, device_);
        for (std::int64_t i = 0; i < rows_; ++i)
            for (std::int64_t j = 0; j < cols_; ++j) {
                values.push_back(block[place(i, j)]);
                std::memset(&block[place(i, j)], 0xff, sizeof(T));
            }
        const auto* bytes = reinterpret_cast<const unsigned char*>(block.data());
        for (std::size_t b = 0; b < block.size() * sizeof(T); ++b)
            if (bytes[b] != 0xff) {
                ADD_FAILURE() << "written outside the view, at element " << b / sizeof(T);
                break;
            }
        return values;
    }

private:
    std::int64_t stride() const { return cols_ + layout_.pad; }
    std::size_t place(std::int64_t i, std::int64_t j) const {
        return static_cast<std::size_t>(layout_.offset + i * stride() + j);
    }
    Context context_;
    std::int64_t rows_, cols_;
    Layout layout_;
    Vector<T> device_;
};

// Equal to the last bit; says where not.
template <class T>
testing::AssertionResult same_bits(const std::vector<T>& got, const std::vector<T>& wanted) {
    if (got.size() != wanted.size())
        return testing::AssertionFailure() << got.size() << " values, wanted " << wanted.size();
    for (std::size_t i = 0; i < got.size(); ++i)
        if (std::memcmp(&got[i], &wanted[i], sizeof(T)) != 0)
            return testing::AssertionFailure()
                   << "element " << i << " of " << got.size() << ": got " << testing::PrintToString(got[i])
                   << ", wanted " << testing::PrintToString(wanted[i]);
    return testing::AssertionSuccess();
}

// The one tolerance: the error that `steps` roundings of numbers of this size add up to.
template <class T>
double tolerance(double steps, double size) {
    return steps * static_cast<double>(std::numeric_limits<T>::epsilon()) * size;
}

// Within `steps` roundings of `size` of the reference, every one.
template <class T>
testing::AssertionResult close_to(const std::vector<T>& got, const std::vector<double>& wanted, double steps,
                                  double size) {
    if (got.size() != wanted.size())
        return testing::AssertionFailure() << got.size() << " values, wanted " << wanted.size();
    for (std::size_t i = 0; i < got.size(); ++i) {
        const double off = std::abs(static_cast<double>(got[i]) - wanted[i]);
        if (!(off <= tolerance<T>(steps, size)))
            return testing::AssertionFailure() << "element " << i << " of " << got.size() << ": got " << got[i]
                                               << ", wanted " << wanted[i] << " within " << tolerance<T>(steps, size);
    }
    return testing::AssertionSuccess();
}

}  // namespace cuebm::test
