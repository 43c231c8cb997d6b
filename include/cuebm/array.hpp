// Arrays that own memory of a context, and copies between them and views.
#pragma once

#include <cstdint>
#include <type_traits>
#include <utility>
#include <vector>

#include <cuebm/context.hpp>
#include <cuebm/error.hpp>
#include <cuebm/view.hpp>

namespace cuebm {

// `size` contiguous elements on a device. Move-only; converts to a view.
template <class T>
class Vector {
public:
    Vector() = default;
    Vector(Buffer buffer, std::int64_t size) : buffer_(std::move(buffer)), size_(size) {}

    T* data() const { return static_cast<T*>(buffer_.data()); }
    std::int64_t size() const { return size_; }
    VectorView<T> view() const { return {data(), size_, 1, buffer_.device()}; }
    operator VectorView<T>() const { return view(); }
    operator VectorView<const T>() const { return view(); }

private:
    Buffer buffer_;
    std::int64_t size_ = 0;
};

// [rows x cols] contiguous elements on a device, row-major. Move-only; converts to a view.
template <class T>
class Matrix {
public:
    Matrix() = default;
    Matrix(Buffer buffer, std::int64_t rows, std::int64_t cols)
        : buffer_(std::move(buffer)), rows_(rows), cols_(cols) {}

    T* data() const { return static_cast<T*>(buffer_.data()); }
    std::int64_t rows() const { return rows_; }
    std::int64_t cols() const { return cols_; }
    MatrixView<T> view() const { return {data(), rows_, cols_, cols_, buffer_.device()}; }
    operator MatrixView<T>() const { return view(); }
    operator MatrixView<const T>() const { return view(); }

private:
    Buffer buffer_;
    std::int64_t rows_ = 0, cols_ = 0;
};

namespace detail {
template <class T, class U>
CopyBytes describe(MatrixView<T> source, MatrixView<U> target) {
    constexpr auto size = sizeof(T);
    return {source.data,
            target.data,
            static_cast<std::size_t>(source.rows),
            static_cast<std::size_t>(source.cols) * size,
            static_cast<std::size_t>(source.stride) * size,
            static_cast<std::size_t>(target.stride) * size,
            source.device,
            target.device};
}
}  // namespace detail

template <class T>
Vector<T> Context::vector(std::int64_t size) {
    return {allocate(detail::checked_bytes("Context::vector", size, 1, sizeof(T))), size};
}

template <class T>
Matrix<T> Context::matrix(std::int64_t rows, std::int64_t cols) {
    return {allocate(detail::checked_bytes("Context::matrix", rows, cols, sizeof(T))), rows, cols};
}

template <class T>
auto Context::copy(VectorView<T> source) {
    using Value = std::remove_const_t<T>;
    detail::check_copy("Context::copy", source.data, source.size, 1, source.stride, alignof(T));
    auto result = vector<Value>(source.size);
    MatrixView<Value> target{result.data(), source.size, 1, 1, device()};
    MatrixView<T> rows{source.data, source.size, 1, source.stride, source.device};
    if (source.stride == 1) {  // one long row copies faster than many short ones
        target = {result.data(), 1, source.size, source.size, device()};
        rows = {source.data, 1, source.size, source.size, source.device};
    }
    detail::copy_bytes(*this, detail::describe(rows, target));
    return result;
}

template <class T>
auto Context::copy(MatrixView<T> source) {
    detail::check_copy("Context::copy", source.data, source.rows, source.cols, source.stride, alignof(T));
    auto result = matrix<std::remove_const_t<T>>(source.rows, source.cols);
    detail::copy_bytes(*this, detail::describe(source, result.view()));
    return result;
}

template <class T>
auto Context::copy_transposed(MatrixView<T> source) {
    using Value = std::remove_const_t<T>;
    detail::check_copy("Context::copy_transposed", source.data, source.rows, source.cols, source.stride, alignof(T));
    if (source.device != Device{})
        throw InvalidArgument("Context::copy_transposed", "source", "device memory", "host memory");
    std::vector<Value> rows(static_cast<std::size_t>(source.rows * source.cols));
    for (std::int64_t i = 0; i < source.cols; ++i)
        for (std::int64_t j = 0; j < source.rows; ++j)
            rows[static_cast<std::size_t>(i * source.rows + j)] = source.data[j * source.stride + i];
    return copy(cuebm::view(rows, source.cols, source.rows));
}

// Enqueues target = source. Shapes must be equal; each side lies on the host or on the stream's device.
template <class T, class U>
requires std::is_same_v<std::remove_const_t<T>, U>
void copy(Stream& stream, MatrixView<T> source, MatrixView<U> target) {
    detail::check_copy("copy", source.data, source.rows, source.cols, source.stride, alignof(T));
    detail::check_copy("copy", target.data, target.rows, target.cols, target.stride, alignof(T));
    if (source.rows != target.rows || source.cols != target.cols)
        throw InvalidArgument("copy", "target", std::to_string(target.rows) + " x " + std::to_string(target.cols),
                              std::to_string(source.rows) + " x " + std::to_string(source.cols));
    detail::copy_bytes(stream, detail::describe(source, target));
}

// The values on the host, row by row. Returns when they are there.
template <class T>
std::vector<T> to_host(const Context& context, MatrixView<const T> source) {
    std::vector<T> values(static_cast<std::size_t>(source.rows * source.cols));
    detail::copy_bytes(context, detail::describe(source, cuebm::view(values, source.rows, source.cols)));
    return values;
}
template <class T>
std::vector<T> to_host(const Context& context, const Matrix<T>& source) {
    return to_host<T>(context, source.view());
}
template <class T>
std::vector<T> to_host(const Context& context, const Vector<T>& source) {
    return to_host<T>(context,
                      MatrixView<const T>{source.data(), 1, source.size(), source.size(), source.view().device});
}

}  // namespace cuebm
