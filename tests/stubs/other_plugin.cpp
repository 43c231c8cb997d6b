// A plug-in of another build, for tests: it knows another interface and says so. With CUEBM_TEST_SILENT it fails
// without a word.
#include <cstdlib>
#include <string>

#include "backend.hpp"

extern "C" __attribute__((visibility("default"))) cuebm::detail::Backend* cuebm_open_cuda_backend(
    int interface, int, std::string* problem) {
    if (std::getenv("CUEBM_TEST_SILENT") == nullptr)
        *problem = "this plug-in has interface " + std::to_string(interface + 1) + ", the library wants " +
                   std::to_string(interface) + ": install the plug-in that belongs to it";
    return nullptr;
}
