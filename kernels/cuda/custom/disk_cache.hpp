// Compiled kernels on disk, so that a program that starts again need not compile them again. A file that is missing,
// cut off, of other sources or not writable costs a compilation and is no error.
#pragma once

#include <optional>
#include <string>

#include "cuda/custom/compiler.hpp"

namespace cuebm::cuda {

// `key`: all that the code depends on. Files lie in CUEBM_CACHE, else in $XDG_CACHE_HOME/cuebm, else in ~/.cache/cuebm;
// an empty CUEBM_CACHE: nowhere. Nothing is ever removed: a user may, at any time.
std::optional<KernelCode> read_cached(const std::string& key);
void write_cached(const std::string& key, const KernelCode& code);

}  // namespace cuebm::cuda
