// The header of a .npy file: a Python dictionary of three entries.
#pragma once

#include <cstdint>
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

// Version 1.0, a multiple of 64 bytes. `dimensions`: 1 or 2.
std::string npy_header(const NpyHeader& header, int dimensions);

}  // namespace cuebm::detail
