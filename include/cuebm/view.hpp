// Views of memory that somebody else owns: a vector or a row-major matrix, in host or in device memory.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <vector>

#include <cuebm/number.hpp>

namespace cuebm {

// Where memory lies, and where work runs.
struct Device {
    enum class Kind : std::uint8_t { cpu, cuda };
    Kind kind = Kind::cpu;
    int index = 0;  // the number of the GPU; 0 for the CPU

    friend bool operator==(const Device&, const Device&) = default;
};

// `size` elements, `stride` elements apart. A view with data == nullptr is absent (an optional argument).
template <class T>
struct VectorView {
    T* data = nullptr;
    std::int64_t size = 0;
    std::int64_t stride = 1;
    Device device = {};

    explicit operator bool() const { return data != nullptr; }
    operator VectorView<const T>() const requires(!std::is_const_v<T>) { return {data, size, stride, device}; }
};

// [rows x cols], row-major: element (i, j) is data[i * stride + j]; stride >= cols, but with one row or none it may be
// anything.
template <class T>
struct MatrixView {
    T* data = nullptr;
    std::int64_t rows = 0;
    std::int64_t cols = 0;
    std::int64_t stride = 0;
    Device device = {};

    explicit operator bool() const { return data != nullptr; }
    operator MatrixView<const T>() const requires(!std::is_const_v<T>) { return {data, rows, cols, stride, device}; }
    // Rows [first, first + count), in the same memory.
    MatrixView slice(std::int64_t first, std::int64_t count) const {
        return {data + first * stride, count, cols, stride, device};
    }
};

template <class T>
inline constexpr ElementType element_type = ElementType::float32;
template <>
inline constexpr ElementType element_type<double> = ElementType::float64;
template <>
inline constexpr ElementType element_type<std::uint8_t> = ElementType::uint8;
template <>
inline constexpr ElementType element_type<Half> = ElementType::float16;
template <>
inline constexpr ElementType element_type<BFloat16> = ElementType::bfloat16;

constexpr std::size_t bytes_of(ElementType type) {
    return type == ElementType::float64 ? 8 : type == ElementType::float32 ? 4 : type == ElementType::uint8 ? 1 : 2;
}

namespace detail {
template <class Source, class T>
concept MatrixOf = std::convertible_to<const Source&, MatrixView<const T>>;
}

// [rows x cols] points of T as they are stored: in T, or for T = float also in uint8, fp16 or bf16, all of whose values
// float holds exactly: results have the bits that a copy in float would give. All points are copied so by two alone: a
// spherical fit, to unit length, and a fit on a CPU that screens in fp32, which packs them if there is memory.
// k-means++ copies its subsample; cosine energies and a GPU convert a chunk at a time: docs/design/element-types.md.
// Made from anything that converts to a MatrixView of one of these types.
template <class T>
struct PointsView {
    const void* data = nullptr;
    std::int64_t rows = 0;
    std::int64_t cols = 0;
    std::int64_t stride = 0;  // in elements
    Device device = {};
    ElementType type = element_type<T>;

    PointsView() = default;
    PointsView(const T* values, std::int64_t n, std::int64_t d, std::int64_t apart, Device where = {})
        : data(values), rows(n), cols(d), stride(apart), device(where) {}
    template <class Source>
    requires(!std::same_as<Source, PointsView> && detail::MatrixOf<Source, T>) PointsView(const Source& source)
        : PointsView(static_cast<MatrixView<const T>>(source), element_type<T>) {}
    template <class Source>
    requires(!std::same_as<Source, PointsView> && std::same_as<T, float> && detail::MatrixOf<Source, std::uint8_t>)
        PointsView(const Source& source)
        : PointsView(static_cast<MatrixView<const std::uint8_t>>(source), ElementType::uint8) {}
    template <class Source>
    requires(!std::same_as<Source, PointsView> && std::same_as<T, float> && detail::MatrixOf<Source, Half>)
        PointsView(const Source& source)
        : PointsView(static_cast<MatrixView<const Half>>(source), ElementType::float16) {}
    template <class Source>
    requires(!std::same_as<Source, PointsView> && std::same_as<T, float> && detail::MatrixOf<Source, BFloat16>)
        PointsView(const Source& source)
        : PointsView(static_cast<MatrixView<const BFloat16>>(source), ElementType::bfloat16) {}

    explicit operator bool() const { return data != nullptr; }
    // Rows [first, first + count), in the same memory.
    PointsView slice(std::int64_t first, std::int64_t count) const {
        PointsView part = *this;
        part.data = static_cast<const std::byte*>(data) + first * stride * static_cast<std::int64_t>(bytes_of(type));
        part.rows = count;
        return part;
    }

private:
    template <class Element>
    PointsView(MatrixView<const Element> view, ElementType stored)
        : data(view.data), rows(view.rows), cols(view.cols), stride(view.stride), device(view.device), type(stored) {}
};

// Views of a user's own contiguous memory: on the host unless told otherwise.
template <class T>
VectorView<T> view(T* data, std::int64_t size, Device device = {}) {
    return {data, size, 1, device};
}
template <class T>
MatrixView<T> view(T* data, std::int64_t rows, std::int64_t cols, Device device = {}) {
    return {data, rows, cols, cols, device};
}
template <class T>
VectorView<T> view(std::vector<T>& values) {
    return {values.data(), static_cast<std::int64_t>(values.size()), 1, {}};
}
template <class T>
VectorView<const T> view(const std::vector<T>& values) {
    return {values.data(), static_cast<std::int64_t>(values.size()), 1, {}};
}
template <class T>
MatrixView<T> view(std::vector<T>& values, std::int64_t rows, std::int64_t cols) {
    return {values.data(), rows, cols, cols, {}};
}
template <class T>
MatrixView<const T> view(const std::vector<T>& values, std::int64_t rows, std::int64_t cols) {
    return {values.data(), rows, cols, cols, {}};
}

}  // namespace cuebm
