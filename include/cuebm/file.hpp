// Matrices in files: NumPy's .npy, and the .fvecs, .bvecs and .ivecs of nearest-neighbour data sets. Whole, or a chunk
// of rows at a time where a file is larger than memory. All data are on the host.
//
// .npy: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html, versions 1.0 to 3.0, in C order and
// little endian, of one dimension (read as n x 1) or two; written as version 1.0, of one to three dimensions. Fortran
// order and big endian are refused: numpy.ascontiguousarray and astype turn them.
//
// .fvecs, .bvecs, .ivecs: for each row the number of its values d as int32, then d values: float, uint8, int32; the
// same d in all rows (http://corpus-texmex.irisa.fr).
#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <cuebm/error.hpp>
#include <cuebm/export.hpp>
#include <cuebm/number.hpp>
#include <cuebm/view.hpp>

namespace cuebm {

// A file that cannot be read or written, or does not hold what was wanted; what() names it, the place, what was there
// and what was wanted.
class CUEBM_API FileError : public Error {
public:
    FileError(std::string path, std::int64_t offset, const std::string& problem);
    ~FileError() override;
    const std::string& path() const noexcept { return path_; }
    std::int64_t offset() const noexcept { return offset_; }  // in bytes, where it went wrong

private:
    std::string path_;
    std::int64_t offset_;
};

template <class T>
concept NpyElement = std::same_as<T, float> || std::same_as<T, double> || std::same_as<T, std::uint8_t> ||
    std::same_as<T, Half> || std::same_as<T, std::int32_t>;
template <class T>
concept VecsElement = std::same_as<T, float> || std::same_as<T, std::uint8_t> || std::same_as<T, std::int32_t>;

// [rows x cols] values on the host, row by row.
template <class T>
struct HostMatrix {
    std::vector<T> values{};
    std::int64_t rows = 0;
    std::int64_t cols = 0;

    MatrixView<const T> view() const { return {values.data(), rows, cols, cols, {}}; }
    operator MatrixView<const T>() const { return view(); }
};

namespace detail {
class RowFile;
}

// Reads a file from its first row to its last. The size of the file is checked when it is opened, so that a file that
// is too short, or a shape that is not that of the data, is found before any row is read. Opening reads the header
// alone, or the first row's count. Cost: every byte of the rows once, in order: of .npy in one read a chunk, of the
// others in two reads a row. Memory: the rows that next() returns, and the buffer of a C stream.
template <NpyElement T>
class CUEBM_API RowReader {
public:
    // Errors: FileError for a file that is not there, is empty, too short or too long, has another type or order than
    // T's.
    static RowReader npy(const std::string& path);
    // Errors: the same; while reading, a row of another length.
    static RowReader vecs(const std::string& path) requires VecsElement<T>;
    RowReader(RowReader&&) noexcept;
    RowReader& operator=(RowReader&&) noexcept;
    ~RowReader();

    std::int64_t rows() const;  // in the file
    std::int64_t cols() const;
    // The next `count` rows, or as many as are left: none at the end. Takes sizeof(T) bytes a value, zeroed before they
    // are read. Errors: InvalidArgument for count < 1; FileError, after which the reader reads no more.
    HostMatrix<T> next(std::int64_t count);

private:
    explicit RowReader(std::unique_ptr<detail::RowFile> file);
    std::unique_ptr<detail::RowFile> file_;
};

// The whole file in memory: rows cols sizeof(T) bytes. Errors and cost: as RowReader.
template <NpyElement T>
HostMatrix<T> read_npy(const std::string& path) {
    auto reader = RowReader<T>::npy(path);
    return reader.next(reader.rows() > 0 ? reader.rows() : 1);
}
template <VecsElement T>
HostMatrix<T> read_vecs(const std::string& path) {
    auto reader = RowReader<T>::vecs(path);
    return reader.next(reader.rows());
}

// Writes beside `path`, to .cuebm.*.part, then renames: a file of that name is replaced by the whole new one, which
// keeps its mode, or stays as it was.
// Errors: InvalidArgument for a null, too narrow or device view, and for vecs of no columns or no rows; FileError.
CUEBM_API void write_npy(const std::string& path, MatrixView<const float> values);
CUEBM_API void write_npy(const std::string& path, MatrixView<const double> values);
CUEBM_API void write_npy(const std::string& path, MatrixView<const std::uint8_t> values);
CUEBM_API void write_npy(const std::string& path, MatrixView<const Half> values);
CUEBM_API void write_npy(const std::string& path, MatrixView<const std::int32_t> values);
// Of one dimension.
CUEBM_API void write_npy(const std::string& path, VectorView<const float> values);
CUEBM_API void write_npy(const std::string& path, VectorView<const double> values);
CUEBM_API void write_npy(const std::string& path, VectorView<const std::uint8_t> values);
CUEBM_API void write_npy(const std::string& path, VectorView<const Half> values);
CUEBM_API void write_npy(const std::string& path, VectorView<const std::int32_t> values);
// Of three dimensions, [planes x rows / planes x cols]: the draws of chains, a plane for each. RowReader does not read
// them. Errors: also InvalidArgument for planes that do not divide the rows.
CUEBM_API void write_npy(const std::string& path, MatrixView<const float> values, std::int64_t planes);
CUEBM_API void write_npy(const std::string& path, MatrixView<const double> values, std::int64_t planes);
CUEBM_API void write_npy(const std::string& path, MatrixView<const std::uint8_t> values, std::int64_t planes);
CUEBM_API void write_npy(const std::string& path, MatrixView<const Half> values, std::int64_t planes);
CUEBM_API void write_npy(const std::string& path, MatrixView<const std::int32_t> values, std::int64_t planes);
CUEBM_API void write_vecs(const std::string& path, MatrixView<const float> values);
CUEBM_API void write_vecs(const std::string& path, MatrixView<const std::uint8_t> values);
CUEBM_API void write_vecs(const std::string& path, MatrixView<const std::int32_t> values);

}  // namespace cuebm
