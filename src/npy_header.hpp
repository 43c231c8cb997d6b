// The header of a .npy file: a Python dictionary of three entries.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>

#include "file_io.hpp"

namespace cuebm::detail {

struct NpyHeader {
    std::string type{};  // "<f4"
    std::int64_t rows = 0, cols = 0;
    std::int64_t type_at = 0;  // the byte of the file
};

// Reads to the first value. Errors: FileError for anything but a C-ordered array of one or two dimensions.
NpyHeader read_npy_header(InputFile& file);

// Version 1.0, a multiple of 64 bytes. Of one size or more.
std::string npy_header(const std::string& type, std::initializer_list<std::int64_t> sizes);

}  // namespace cuebm::detail
