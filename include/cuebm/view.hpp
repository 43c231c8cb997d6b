// Views of memory that somebody else owns: a vector or a row-major matrix, in host or in device memory.
#pragma once

#include <cstdint>
#include <type_traits>
#include <vector>

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

// [rows x cols], row-major: element (i, j) is data[i * stride + j]; stride >= cols.
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
