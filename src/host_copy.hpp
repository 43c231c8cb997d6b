// Small copies between the host and a stream's device, in the stream's order.
#pragma once

#include <vector>

#include <cuebm/array.hpp>

namespace cuebm::detail {

// The values once the stream's work so far is done; throws what was wrong with it.
template <class T>
std::vector<T> read(Stream& stream, MatrixView<const T> source) {
    std::vector<T> values(static_cast<std::size_t>(source.rows * source.cols));
    copy(stream, source, view(values, source.rows, source.cols));
    stream.wait();
    return values;
}
template <class T>
std::vector<T> read(Stream& stream, VectorView<const T> source) {
    return read(stream, MatrixView<const T>{source.data, source.size, 1, source.stride, source.device});
}
template <class T>
std::vector<T> read(Stream& stream, const Matrix<T>& source) {
    return read<T>(stream, source.view());
}
template <class T>
std::vector<T> read(Stream& stream, const Vector<T>& source) {  // one long row copies faster than many short ones
    return read<T>(stream, MatrixView<const T>{source.data(), 1, source.size(), source.size(), source.view().device});
}

// A copy on the device; the source must live until the stream has passed it.
template <class T>
Matrix<std::remove_const_t<T>> duplicate(Stream& stream, MatrixView<T> source) {
    auto result = stream.context().matrix<std::remove_const_t<T>>(source.rows, source.cols);
    copy(stream, source, result.view());
    return result;
}
template <class T>
Vector<T> upload(Stream& stream, const std::vector<T>& source) {
    const auto size = static_cast<std::int64_t>(source.size());
    auto result = stream.context().vector<T>(size);
    copy(stream, view(source, 1, size), MatrixView<T>{result.data(), 1, size, size, result.view().device});
    return result;
}

}  // namespace cuebm::detail
