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

// `size` contiguous elements on a device. Move-only; converts to a view. Moved from, it is empty.
template <class T>
class Vector {
public:
    Vector() = default;
    Vector(Buffer buffer, std::int64_t size) : buffer_(std::move(buffer)), size_(size) {}
    Vector(Vector&& other) noexcept : buffer_(std::move(other.buffer_)), size_(std::exchange(other.size_, 0)) {}
    Vector& operator=(Vector&& other) noexcept {
        buffer_ = std::move(other.buffer_);
        size_ = std::exchange(other.size_, 0);
        return *this;
    }

    T* data() const { return static_cast<T*>(buffer_.data()); }
    std::int64_t size() const { return size_; }
    VectorView<T> view() const { return {data(), size_, 1, buffer_.device()}; }
    operator VectorView<T>() const { return view(); }
    operator VectorView<const T>() const { return view(); }

private:
    Buffer buffer_;
    std::int64_t size_ = 0;
};

// [rows x cols] contiguous elements on a device, row-major. Move-only; converts to a view. Moved from, it is empty.
template <class T>
class Matrix {
public:
    Matrix() = default;
    Matrix(Buffer buffer, std::int64_t rows, std::int64_t cols)
        : buffer_(std::move(buffer)), rows_(rows), cols_(cols) {}
    Matrix(Matrix&& other) noexcept
        : buffer_(std::move(other.buffer_)),
          rows_(std::exchange(other.rows_, 0)),
          cols_(std::exchange(other.cols_, 0)) {}
    Matrix& operator=(Matrix&& other) noexcept {
        buffer_ = std::move(other.buffer_);
        rows_ = std::exchange(other.rows_, 0);
        cols_ = std::exchange(other.cols_, 0);
        return *this;
    }

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

// Arrays and views as the matrix that a copy moves; a vector is one long row if it can be, since that copies faster.
template <class T>
MatrixView<T> as_matrix(MatrixView<T> view) {
    return view;
}
template <class T>
MatrixView<T> as_matrix(VectorView<T> view) {
    if (view.stride == 1) return {view.data, 1, view.size, view.size, view.device};
    return {view.data, view.size, 1, view.stride, view.device};
}
template <class T>
MatrixView<T> as_matrix(const Matrix<T>& matrix) {
    return matrix.view();
}
template <class T>
MatrixView<T> as_matrix(const Vector<T>& vector) {
    return as_matrix(vector.view());
}
template <class Data>
using ElementOf = std::remove_pointer_t<decltype(as_matrix(std::declval<const Data&>()).data)>;

template <class T>
void check_copy(const char* function, const char* argument, MatrixView<T> view) {
    check_copy(function, argument, view.data, view.rows, view.cols, view.stride, alignof(T));
}

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
Vector<T> Context::vector(std::int64_t size) const {
    return {allocate(detail::checked_bytes("Context::vector", size, 1, sizeof(T))), size};
}

template <class T>
Matrix<T> Context::matrix(std::int64_t rows, std::int64_t cols) const {
    return {allocate(detail::checked_bytes("Context::matrix", rows, cols, sizeof(T))), rows, cols};
}

template <class T>
Vector<std::remove_const_t<T>> Context::copy(VectorView<T> source) const {
    const auto rows = detail::as_matrix(source);
    detail::check_copy("Context::copy", "source", rows);
    auto result = vector<std::remove_const_t<T>>(source.size);
    MatrixView<std::remove_const_t<T>> target{result.data(), rows.rows, rows.cols, rows.cols, device()};
    detail::copy_bytes(*this, detail::describe(rows, target));
    return result;
}

template <class T>
Matrix<std::remove_const_t<T>> Context::copy(MatrixView<T> source) const {
    detail::check_copy("Context::copy", "source", source);
    auto result = matrix<std::remove_const_t<T>>(source.rows, source.cols);
    detail::copy_bytes(*this, detail::describe(source, result.view()));
    return result;
}

template <class T>
Matrix<std::remove_const_t<T>> Context::copy_transposed(MatrixView<T> source) const {
    using Value = std::remove_const_t<T>;
    detail::check_copy("Context::copy_transposed", "source", source);
    if (source.device != Device{})
        throw InvalidArgument("Context::copy_transposed", "source", "device memory", "host memory");
    (void)detail::checked_bytes("Context::copy_transposed", source.rows, source.cols, sizeof(T));
    std::vector<Value> rows(static_cast<std::size_t>(source.rows * source.cols));
    for (std::int64_t i = 0; i < source.cols; ++i)
        for (std::int64_t j = 0; j < source.rows; ++j)
            rows[static_cast<std::size_t>(i * source.rows + j)] = source.data[j * source.stride + i];
    return copy(cuebm::view(rows, source.cols, source.rows));
}

// Enqueues target = source, for matrices, vectors and views of both. Shapes must be equal; each side lies on the host
// or on the stream's device, and lives until the stream has passed the copy. Errors: InvalidArgument.
template <class Source, class Target>
requires std::is_same_v<std::remove_const_t<detail::ElementOf<Source>>, detail::ElementOf<Target>>
void copy(Stream& stream, const Source& source, const Target& target) {
    auto from = detail::as_matrix(source);
    auto to = detail::as_matrix(target);
    detail::check_copy("copy", "source", from);
    detail::check_copy("copy", "target", to);
    if (from.rows == to.cols && from.cols == to.rows && (from.rows == 1 || from.cols == 1)) {  // a row and a column
        if (from.rows == 1)
            from = {from.data, from.cols, 1, 1, from.device};
        else
            to = {to.data, to.cols, 1, 1, to.device};
    }
    if (from.rows != to.rows || from.cols != to.cols)
        throw InvalidArgument("copy", "target", std::to_string(to.rows) + " x " + std::to_string(to.cols),
                              std::to_string(from.rows) + " x " + std::to_string(from.cols));
    detail::copy_bytes(stream, detail::describe(from, to));
}

// The values of an array or view on the host, row by row. Returns when they are there.
template <class Source>
std::vector<std::remove_const_t<detail::ElementOf<Source>>> to_host(const Context& context, const Source& source) {
    using Value = std::remove_const_t<detail::ElementOf<Source>>;
    const auto from = detail::as_matrix(source);
    detail::check_copy("to_host", "source", from);
    (void)detail::checked_bytes("to_host", from.rows, from.cols, sizeof(Value));
    std::vector<Value> values(static_cast<std::size_t>(from.rows * from.cols));
    detail::copy_bytes(context, detail::describe(from, cuebm::view(values, from.rows, from.cols)));
    return values;
}
template <class T>
std::vector<T> to_host(const Context& context, MatrixView<const T> source) {
    return to_host<MatrixView<const T>>(context, source);
}

}  // namespace cuebm
