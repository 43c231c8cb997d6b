// The headers' texts, which the build writes.
#include "cuda/custom/program_source.hpp"

namespace cuebm::cuda {
namespace {

constexpr custom::Source files[] = {
#include "embedded_files.inc"
};

}  // namespace

std::span<const custom::Source> embedded_files() { return files; }

}  // namespace cuebm::cuda
