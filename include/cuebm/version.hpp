// The version of the headers, and of the library that is loaded. CMake reads the numbers from here.
#pragma once

#include <cuebm/export.hpp>

#define CUEBM_VERSION_MAJOR 0
#define CUEBM_VERSION_MINOR 1
#define CUEBM_VERSION_PATCH 0

namespace cuebm {

// "0.1.0" of the loaded library; compare with the macros to find a mismatch of headers and library.
CUEBM_API const char* version() noexcept;

}  // namespace cuebm
