// Opens the CUDA plug-in, libcuebm_cuda.so, the first time a CUDA context is asked for. The core links no CUDA.
#include <cstdlib>
#include <string>

#include <dlfcn.h>
#include <unistd.h>

#include <cuebm/error.hpp>
#include <cuebm/version.hpp>

#include "backend.hpp"

namespace cuebm::detail {
namespace {

// CUEBM_CUDA_PLUGIN, or the plug-in beside this library.
std::string plugin_path() {
    if (const char* path = std::getenv("CUEBM_CUDA_PLUGIN"); path != nullptr && *path != '\0') return path;
    const std::string number = version();  // major.minor.patch; a minor version may change the seam
    std::string name = "libcuebm_cuda.so." + number.substr(0, number.rfind('.'));
    Dl_info self{};
    if (dladdr(reinterpret_cast<void*>(&make_cuda_backend), &self) == 0 || self.dli_fname == nullptr) return name;
    const std::string library = self.dli_fname;
    const auto slash = library.rfind('/');
    return slash == std::string::npos ? name : library.substr(0, slash + 1) + name;
}

}  // namespace

std::unique_ptr<Backend> make_cuda_backend(int device) {
    const std::string path = plugin_path();
    // Never closed: objects of a context may outlive whoever opened it.
    void* plugin = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (plugin == nullptr) {
        const char* why = dlerror();
        const bool missing = access(path.c_str(), F_OK) != 0;
        throw DeviceError((missing ? "there is no CUDA plug-in " + path
                                   : "the CUDA plug-in does not load: " + std::string(why != nullptr ? why : path)) +
                          "; install the one that belongs to this library, or set CUEBM_CUDA_PLUGIN to its path");
    }
    const auto open = reinterpret_cast<OpenCudaBackend>(dlsym(plugin, open_cuda_backend_name));
    if (open == nullptr) throw DeviceError(path + " is no CUDA plug-in of cuebm: it has no " + open_cuda_backend_name);
    std::string problem;
    std::unique_ptr<Backend> backend(open(backend_interface, device, &problem));
    if (backend == nullptr)
        throw DeviceError(problem.empty() ? path + " does not open, and does not say why" : problem);
    return backend;
}

}  // namespace cuebm::detail
