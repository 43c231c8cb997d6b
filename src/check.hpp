// Checks of arguments that every family shares. Each failure is an InvalidArgument that names the argument.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <initializer_list>
#include <limits>
#include <string>
#include <type_traits>

#include <cuebm/assign.hpp>
#include <cuebm/error.hpp>
#include <cuebm/view.hpp>

namespace cuebm::detail {

inline constexpr std::int64_t most_columns = std::numeric_limits<std::int32_t>::max();

[[noreturn]] inline void refuse(const char* function, const char* argument, const std::string& got,
                                const std::string& wanted) {
    throw InvalidArgument(function, argument, got, wanted);
}

inline std::string text_of(double value) {
    char text[32];
    std::snprintf(text, sizeof text, "%g", value);
    return text;
}

inline std::string shape(std::int64_t rows, std::int64_t cols) {
    return std::to_string(rows) + " x " + std::to_string(cols);
}

// Memory that a view claims: there, aligned, wide enough, on this device, and of a size that can be addressed.
template <class View>
void check_memory(const char* function, const char* argument, const View& view, std::size_t element, Device here) {
    if (view.rows > 0 && view.cols > 0 && view.data == nullptr)
        refuse(function, argument, "nullptr", "memory of shape " + shape(view.rows, view.cols));
    if (reinterpret_cast<std::uintptr_t>(view.data) % element != 0)
        refuse(function, argument, "a misaligned pointer", "alignment of " + std::to_string(element) + " bytes");
    if (view.rows > 1 && view.stride < view.cols)
        refuse(function, argument, "stride " + std::to_string(view.stride),
               "stride >= cols = " + std::to_string(view.cols));
    std::int64_t bytes = 0;
    if (view.rows > 1 && (__builtin_mul_overflow(view.rows, view.stride, &bytes) ||
                          __builtin_mul_overflow(bytes, static_cast<std::int64_t>(element), &bytes)))
        refuse(function, argument, shape(view.rows, view.cols) + " with stride " + std::to_string(view.stride),
               "fewer than 2^63 bytes");
    if (view.device != here) refuse(function, argument, "memory of another device", "memory of the context's device");
}
template <class T>
void check_memory(const char* function, const char* argument, const MatrixView<T>& view, Device here) {
    static_assert(alignof(T) == sizeof(T));
    check_memory(function, argument, view, sizeof(T), here);
}
template <class T>
void check_memory(const char* function, const char* argument, const PointsView<T>& view, Device here) {
    constexpr bool is_double = sizeof(T) == sizeof(double);
    if (view.type > ElementType::bfloat16 || (view.type == ElementType::float64) != is_double)
        refuse(function, argument, "elements of type " + std::to_string(static_cast<int>(view.type)),
               is_double ? "float64" : "float32, float16, bfloat16 or uint8");
    check_memory(function, argument, view, bytes_of(view.type), here);
}

// A matrix that must be there, of this shape.
template <class T>
void check_shape(const char* function, const char* argument, const MatrixView<T>& view, std::int64_t rows,
                 std::int64_t cols, Device here) {
    if (view.rows != rows || view.cols != cols)
        refuse(function, argument, shape(view.rows, view.cols), shape(rows, cols));
    check_memory(function, argument, view, here);
}

template <class T>
void check_shape(const char* function, const char* argument, const VectorView<T>& view, std::int64_t size,
                 Device here) {
    if (view.size != size) refuse(function, argument, std::to_string(view.size) + " elements", std::to_string(size));
    check_memory(function, argument, MatrixView<T>{view.data, size, 1, view.stride, view.device}, here);
}

// The same, if it is there at all.
template <class T>
void check_optional(const char* function, const char* argument, const MatrixView<T>& view, std::int64_t rows,
                    std::int64_t cols, Device here) {
    if (view) check_shape(function, argument, view, rows, cols, here);
}

template <class T>
void check_optional(const char* function, const char* argument, const VectorView<T>& view, std::int64_t size,
                    Device here) {
    if (view) check_shape(function, argument, view, size, here);
}

// The memory of a view, for the rule that an output overlaps neither an input nor another output.
struct Region {
    const char* argument;
    std::uintptr_t begin = 0, end = 0;
    std::int64_t row = 0, width = 0;  // bytes from one row to the next, and of a row
};
template <class View>
Region region(const char* argument, const View& view, std::int64_t size) {
    if (view.data == nullptr || view.rows < 1 || view.cols < 1) return {argument};
    const auto begin = reinterpret_cast<std::uintptr_t>(view.data);
    const std::int64_t row = view.rows > 1 ? view.stride * size : 0, width = view.cols * size;
    return {argument, begin, begin + static_cast<std::uintptr_t>((view.rows - 1) * row + width), row, width};
}
template <class T>
Region region(const char* argument, const MatrixView<T>& view) {
    return region(argument, view, sizeof(T));
}
template <class T>
Region region(const char* argument, const PointsView<T>& view) {
    return region(argument, view, static_cast<std::int64_t>(bytes_of(view.type)));
}
template <class T>
Region region(const char* argument, const VectorView<T>& view) {
    return region(argument, MatrixView<T>{view.data, view.size, 1, view.stride, view.device});
}

inline bool overlap(const Region& a, const Region& b) {
    if (a.begin >= b.end || b.begin >= a.end) return false;
    if (a.row == b.row && a.row > 0) {  // columns of one wide matrix may be views side by side
        const auto apart = (static_cast<std::int64_t>(a.begin - b.begin) % a.row + a.row) % a.row;
        if (apart >= b.width && apart + a.width <= a.row) return false;
    }
    return true;
}

inline void check_apart(const char* function, std::initializer_list<Region> outputs,
                        std::initializer_list<Region> inputs) {
    const auto check = [&](const Region& output, const Region& other) {
        if (overlap(output, other))
            refuse(function, output.argument, std::string("memory that overlaps ") + other.argument,
                   "memory of its own");
    };
    for (const auto* output = outputs.begin(); output != outputs.end(); ++output) {
        for (const auto& input : inputs) check(*output, input);
        for (const auto* other = outputs.begin(); other != output; ++other) check(*output, *other);
    }
}

// Points [n x d] and prototypes [k x d] that belong together.
template <class Points, class U>
void check_points_and_prototypes(const char* function, const Points& points, const MatrixView<U>& prototypes,
                                 std::int64_t least_rows, Device here) {
    const std::int64_t d = points.cols, k = prototypes.rows;
    if (points.rows < least_rows)
        refuse(function, "points", shape(points.rows, d), "rows >= " + std::to_string(least_rows));
    if (d < 1 || d > most_columns) refuse(function, "points", shape(points.rows, d), "1 <= cols < 2^31");
    if (k < 1 || k > most_columns) refuse(function, "prototypes", shape(k, prototypes.cols), "1 <= rows < 2^31");
    check_memory(function, "points", points, here);
    check_shape(function, "prototypes", prototypes, k, d, here);
}

inline void check_metric(const char* function, Metric metric) {
    if (metric != Metric::squared_euclidean && metric != Metric::inner_product && metric != Metric::cosine)
        refuse(function, "metric", std::to_string(static_cast<int>(metric)), "a Metric");
}

// An inverse temperature that T can hold, with the log(k) / beta by which F_beta may lie under the least energy;
// infinity where zero temperature is allowed.
template <class T>
void check_beta(const char* function, double beta, bool may_be_infinite, std::int64_t k,
                const char* argument = "beta") {
    constexpr double least = static_cast<double>(std::numeric_limits<T>::min());
    constexpr double most = static_cast<double>(std::numeric_limits<T>::max());
    const bool finite = beta >= least && beta <= most && std::log(static_cast<double>(k)) <= beta * (most / 2);
    if (finite || (may_be_infinite && beta == std::numeric_limits<double>::infinity())) return;
    refuse(function, argument, text_of(beta),
           std::string(may_be_infinite ? "beta > 0" : "a finite beta > 0") + ", with log(k) / beta in range");
}

}  // namespace cuebm::detail
