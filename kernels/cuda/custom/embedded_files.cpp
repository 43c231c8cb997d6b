// The headers' texts, which the build writes beside this file's object.
#include "cuda/custom/program_source.hpp"

namespace cuebm::cuda {

const std::vector<EmbeddedFile> embedded_files = {
#include "embedded_files.inc"
};

}  // namespace cuebm::cuda
