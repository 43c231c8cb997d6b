// Rows from files, and files of rows. See cuebm/file.hpp.
#include <cuebm/file.hpp>

#include <algorithm>
#include <bit>
#include <initializer_list>
#include <limits>
#include <string_view>

#include "check.hpp"
#include "file_io.hpp"
#include "npy_header.hpp"

static_assert(std::endian::native == std::endian::little, "files are read and written as they lie in memory");

namespace cuebm {
namespace detail {

// Rows of `row_bytes`, `head` bytes before each.
class RowFile {
public:
    RowFile(InputFile file, std::int64_t rows, std::int64_t cols, std::int64_t row_bytes, bool counted)
        : file(std::move(file)), rows(rows), cols(cols), row_bytes(row_bytes), counted(counted) {}
    InputFile file;
    std::int64_t rows, cols, row_bytes, done = 0;
    bool counted;         // each row begins with its number of values
    bool failed = false;  // while reading: where the next row begins is not known
};

namespace {

template <class T>
constexpr const char* npy_type = "<f4";
template <>
constexpr const char* npy_type<double> = "<f8";
template <>
constexpr const char* npy_type<std::uint8_t> = "|u1";
template <>
constexpr const char* npy_type<Half> = "<f2";
template <>
constexpr const char* npy_type<std::int32_t> = "<i4";

// Whatever stands for the order of bytes, which is ours: NumPy takes 'f4' and '=f4' for '<f4'.
std::string_view without_order(std::string_view type) {
    const bool marked = !type.empty() && std::string_view("<|=").find(type[0]) != std::string_view::npos;
    return type.substr(marked ? 1 : 0);
}

template <class T>
std::unique_ptr<RowFile> open_npy(const std::string& path) {
    InputFile file(path);
    const auto header = read_npy_header(file);
    if (without_order(header.type) != without_order(npy_type<T>))
        file.fail(header.type_at, "values of type '" + header.type + "'", std::string("'") + npy_type<T> + "'");
    const std::string values = shape(header.rows, header.cols) + " values";
    std::int64_t row_bytes = 0, bytes = 0;
    if (__builtin_mul_overflow(header.cols, std::int64_t{sizeof(T)}, &row_bytes) ||
        __builtin_mul_overflow(header.rows, row_bytes, &bytes) || bytes != file.left())
        file.fail(file.offset(), std::to_string(file.left()) + " bytes", values + " and no more");
    return std::make_unique<RowFile>(std::move(file), header.rows, header.cols, row_bytes, false);
}

std::int32_t read_count(InputFile& file) {
    std::int32_t count = 0;
    file.read(&count, sizeof count, "a row's number of values");
    return count;
}

template <class T>
std::unique_ptr<RowFile> open_vecs(const std::string& path) {
    std::int64_t cols = 0, size = 0;
    {
        InputFile first(path);
        cols = read_count(first);
        size = first.size();
        if (cols < 1) first.fail(0, "a row of " + std::to_string(cols) + " values", "1 or more");
        const std::int64_t row = 4 + cols * std::int64_t{sizeof(T)};
        if (size < row) first.fail(0, std::to_string(size) + " bytes", "a row of " + std::to_string(row));
        if (size % row != 0)
            first.fail(size / row * row, std::to_string(size % row) + " bytes behind the last row",
                       "rows of " + std::to_string(row) + " each");
    }
    const std::int64_t row_bytes = cols * std::int64_t{sizeof(T)};
    return std::make_unique<RowFile>(InputFile(path), size / (4 + row_bytes), cols, row_bytes, true);
}

template <class T>
void check_host(const char* function, const MatrixView<const T>& values) {
    if (values.rows < 0 || values.cols < 0) refuse(function, "values", shape(values.rows, values.cols), "sizes >= 0");
    check_memory(function, "values", values, Device{});
}

template <class T>
void save_npy(const std::string& path, const MatrixView<const T>& values, std::initializer_list<std::int64_t> sizes) {
    check_host("write_npy", values);
    OutputFile file(path);
    const auto header = npy_header(npy_type<T>, sizes);
    file.write(header.data(), header.size());
    for (std::int64_t i = 0; i < values.rows; ++i)
        file.write(values.data + i * values.stride, static_cast<std::size_t>(values.cols) * sizeof(T));
    file.commit();
}

template <class T>
void save_npy(const std::string& path, const VectorView<const T>& values) {
    if (values.size > 1 && values.stride < 1)
        refuse("write_npy", "values", "stride " + std::to_string(values.stride), "stride >= 1");
    save_npy(path, MatrixView<const T>{values.data, values.size, 1, values.stride, values.device}, {values.size});
}

template <class T>
void save_planes(const std::string& path, const MatrixView<const T>& values, std::int64_t planes) {
    if (planes < 1 || values.rows % planes != 0)
        refuse("write_npy", "planes", std::to_string(planes),
               "1 or more that divide the " + std::to_string(values.rows) + " rows");
    save_npy(path, values, {planes, values.rows / planes, values.cols});
}

template <class T>
void save_vecs(const std::string& path, const MatrixView<const T>& values) {
    check_host("write_vecs", values);
    if (values.rows < 1 || values.cols < 1 || values.cols > most_columns)
        refuse("write_vecs", "values", shape(values.rows, values.cols), "rows >= 1, 1 <= cols < 2^31");
    OutputFile file(path);
    const auto count = static_cast<std::int32_t>(values.cols);
    for (std::int64_t i = 0; i < values.rows; ++i) {
        file.write(&count, sizeof count);
        file.write(values.data + i * values.stride, static_cast<std::size_t>(values.cols) * sizeof(T));
    }
    file.commit();
}

}  // namespace
}  // namespace detail

template <NpyElement T>
RowReader<T>::RowReader(std::unique_ptr<detail::RowFile> file) : file_(std::move(file)) {}
template <NpyElement T>
RowReader<T>::RowReader(RowReader&&) noexcept = default;
template <NpyElement T>
RowReader<T>& RowReader<T>::operator=(RowReader&&) noexcept = default;
template <NpyElement T>
RowReader<T>::~RowReader() = default;

template <NpyElement T>
RowReader<T> RowReader<T>::npy(const std::string& path) {
    return RowReader(detail::open_npy<T>(path));
}
template <NpyElement T>
RowReader<T> RowReader<T>::vecs(const std::string& path) requires VecsElement<T> {
    return RowReader(detail::open_vecs<T>(path));
}

template <NpyElement T>
std::int64_t RowReader<T>::rows() const {
    return file_->rows;
}
template <NpyElement T>
std::int64_t RowReader<T>::cols() const {
    return file_->cols;
}

template <NpyElement T>
HostMatrix<T> RowReader<T>::next(std::int64_t count) {
    if (count < 1) detail::refuse("RowReader::next", "count", std::to_string(count), "count >= 1");
    auto& f = *file_;
    if (f.failed) f.file.fail(f.file.offset(), "a reader that has failed", "a new one");
    HostMatrix<T> result{.values = {}, .rows = std::min(count, f.rows - f.done), .cols = f.cols};
    result.values.resize(static_cast<std::size_t>(result.rows * f.cols));
    f.failed = true;
    if (!f.counted) f.file.read(result.values.data(), result.rows * f.row_bytes, "rows");
    for (std::int64_t i = 0; f.counted && i < result.rows; ++i) {
        const std::int64_t at = f.file.offset();
        const std::int32_t values = detail::read_count(f.file);
        if (values != f.cols)
            f.file.fail(at, "a row of " + std::to_string(values) + " values",
                        std::to_string(f.cols) + ", as the first has");
        f.file.read(result.values.data() + i * f.cols, f.row_bytes, "a row");
    }
    f.done += result.rows;
    f.failed = false;
    return result;
}

template class RowReader<float>;
template class RowReader<double>;
template class RowReader<std::uint8_t>;
template class RowReader<Half>;
template class RowReader<std::int32_t>;

#define CUEBM_WRITE_NPY(T)                                                                                  \
    void write_npy(const std::string& path, MatrixView<const T> values) {                                   \
        detail::save_npy(path, values, {values.rows, values.cols});                                         \
    }                                                                                                       \
    void write_npy(const std::string& path, VectorView<const T> values) { detail::save_npy(path, values); } \
    void write_npy(const std::string& path, MatrixView<const T> values, std::int64_t planes) {              \
        detail::save_planes(path, values, planes);                                                          \
    }
CUEBM_WRITE_NPY(float)
CUEBM_WRITE_NPY(double)
CUEBM_WRITE_NPY(std::uint8_t)
CUEBM_WRITE_NPY(Half)
CUEBM_WRITE_NPY(std::int32_t)
void write_vecs(const std::string& path, MatrixView<const float> values) { detail::save_vecs(path, values); }
void write_vecs(const std::string& path, MatrixView<const std::uint8_t> values) { detail::save_vecs(path, values); }
void write_vecs(const std::string& path, MatrixView<const std::int32_t> values) { detail::save_vecs(path, values); }

}  // namespace cuebm
