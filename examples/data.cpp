// Readers of idx (zlib) and npy (xtensor) files.
#include "data.hpp"

#include <zlib.h>

#include <fstream>
#include <memory>
#include <stdexcept>
#include <xtensor/xnpy.hpp>

namespace examples {

Bytes read_idx(const std::string& path) {
    const std::unique_ptr<gzFile_s, int (*)(gzFile)> file(gzopen(path.c_str(), "rb"), gzclose);
    if (!file)
        throw std::runtime_error(path + " cannot be opened; install Debian's package dataset-fashion-mnist, or give " +
                                 "a file of your own (--npy)");
    const auto read = [&](std::uint8_t* data, std::size_t bytes) {
        if (gzread(file.get(), data, static_cast<unsigned>(bytes)) != static_cast<int>(bytes))
            throw std::runtime_error(path + " is cut short; reinstall its package");
    };
    std::uint8_t magic[4];
    read(magic, 4);
    if (magic[0] != 0 || magic[1] != 0 || magic[2] != 8 || magic[3] == 0)
        throw std::runtime_error(path + " is no idx file of bytes");
    Bytes result;
    for (int dimension = 0; dimension < magic[3]; ++dimension) {
        std::uint8_t b[4];
        read(b, 4);
        const std::int64_t size = std::int64_t{b[0]} << 24 | b[1] << 16 | b[2] << 8 | b[3];
        if (dimension == 0) result.n = size;
        if (dimension > 0) result.d *= size;
        if (result.n * result.d > 1 << 30) throw std::runtime_error(path + " claims more than 2^30 bytes");
    }
    result.values.resize(static_cast<std::size_t>(result.n * result.d));
    read(result.values.data(), result.values.size());
    return result;
}

Data read_images(const std::string& path) {
    const auto bytes = read_idx(path);
    Data data{.values = {}, .n = bytes.n, .d = bytes.d};
    for (const auto byte : bytes.values) data.values.push_back(static_cast<float>(byte) / 255.0f);
    return data;
}

namespace {
// False where the file holds another type.
template <class T>
bool take(const xt::detail::npy_file& file, std::vector<float>& values) {
    if (file.m_typestring != xt::detail::build_typestring<T>()) return false;
    const auto* first = reinterpret_cast<const T*>(file.m_buffer);
    values.assign(first, first + file.m_n_bytes / sizeof(T));
    return true;
}
}  // namespace

// xtensor's public load_npy wants the type beforehand, and does not notice a file that is cut short.
Data read_npy(const std::string& path) {
    std::ifstream stream(path, std::ios::binary);
    if (!stream) throw std::runtime_error(path + " cannot be opened; give --npy the path of a file that exists");
    const auto file = [&] {
        try {
            return xt::detail::load_npy_file(stream);
        } catch (const std::exception& error) {
            throw std::runtime_error(path + " is no npy file (" + error.what() + "); write it with numpy.save");
        }
    }();
    if (!stream) throw std::runtime_error(path + " is cut short; save it again");
    if (file.m_shape.size() != 2 || file.m_fortran_order)
        throw std::runtime_error(path + ": wanted a 2-d array in C order; save numpy.ascontiguousarray(x) instead");
    Data data{
        .values = {}, .n = static_cast<std::int64_t>(file.m_shape[0]), .d = static_cast<std::int64_t>(file.m_shape[1])};
    if (!take<float>(file, data.values) && !take<double>(file, data.values) && !take<std::uint8_t>(file, data.values))
        throw std::runtime_error(path + ": wanted float32, float64 or uint8; save x.astype('float32') instead");
    return data;
}

}  // namespace examples
