// See compiler.hpp. NVRTC's functions are looked up by name, so that neither its library nor its header is needed to
// build or to load the plug-in.
#include "cuda/custom/compiler.hpp"

#include <algorithm>
#include <cstdlib>
#include <vector>

#include <dlfcn.h>

#include <cuebm/error.hpp>

#include "cuda/custom/program_source.hpp"

namespace cuebm::cuda {
namespace {

// NVIDIA, NVRTC's documentation, "User interface": a status is 0 when all went well.
using Program = struct NvrtcProgram*;
constexpr int success = 0;

void* open_library() {
    const char* const wanted = std::getenv("CUEBM_NVRTC");
    const std::string versioned = "libnvrtc.so." + std::to_string(CUEBM_NVRTC_MAJOR);
    std::string why;
    for (const std::string& name :
         wanted != nullptr && *wanted != '\0'
             ? std::vector<std::string>{wanted}
             : std::vector<std::string>{versioned, "libnvrtc.so", "/usr/local/cuda/lib64/" + versioned}) {
        if (void* library = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL)) return library;
        const char* const error = dlerror();
        if (why.empty()) why = error != nullptr ? error : name;
    }
    throw DeviceError("an energy of one's own is compiled for a GPU by NVRTC, which does not load: " + why +
                      "; install that of CUDA " + std::to_string(CUEBM_NVRTC_MAJOR) +
                      " (the toolkit's, or nvidia-cuda-nvrtc from PyPI), or set CUEBM_NVRTC to its path");
}

template <class... Parameters>
auto function(void* library, const char* name) {
    const auto found = reinterpret_cast<int (*)(Parameters...)>(dlsym(library, name));
    if (found == nullptr) throw DeviceError(std::string("the library that CUEBM_NVRTC names has no ") + name);
    return found;
}

// Of a string that is asked for in two calls: its size with the 0 at its end, and its bytes.
std::string string_of(void* library, Program program, const char* size_name, const char* name) {
    std::size_t size = 0;
    if (function<Program, std::size_t*>(library, size_name)(program, &size) != success) return "";
    std::string text(size, '\0');
    if (function<Program, char*>(library, name)(program, text.data()) != success) return "";
    return text;
}

// The newest architecture that this compiler knows and the device runs. Code runs on later devices of the same major
// number; for others the driver finishes PTX.
struct Target {
    int architecture;
    bool binary;
};
Target target_of(void* library, int capability) {
    int count = 0;
    if (function<int*>(library, "nvrtcGetNumSupportedArchs")(&count) != success || count == 0)
        return {capability, true};
    std::vector<int> known(static_cast<std::size_t>(count));
    (void)function<int*>(library, "nvrtcGetSupportedArchs")(known.data());
    const auto above = std::upper_bound(known.begin(), known.end(), capability);
    if (above == known.begin()) return {capability, true};  // which the compiler then refuses
    const int architecture = *(above - 1);
    return {architecture, architecture / 10 == capability / 10};
}

}  // namespace

Compiler::Compiler() : library_(open_library()) {
    int major = 0, minor = 0;
    (void)function<int*, int*>(library_, "nvrtcVersion")(&major, &minor);
    version_ = std::to_string(major) + "." + std::to_string(minor);
}

KernelCode Compiler::compile(const KernelSource& source, std::string& log) const {
    const auto [architecture, binary] = target_of(library_, source.capability);
    // -fmad=false: no contraction but where fma is written, as everywhere. Users' functions have no __device__.
    const std::string target = (binary ? "-arch=sm_" : "-arch=compute_") + std::to_string(architecture);
    const char* const options[] = {target.c_str(),    "-std=c++20", "-fmad=false",
                                   "-default-device", "-w",         "--ptxas-options=-v"};
    std::vector<const char*> names, texts;
    for (const EmbeddedFile& file : embedded_files) {
        names.push_back(file.name);
        texts.push_back(file.text);
    }
    Program program{};
    (void)function<Program*, const char*, const char*, int, const char* const*, const char* const*>(
        library_, "nvrtcCreateProgram")(&program, source.text.c_str(), "cuebm_program.cu",
                                        static_cast<int>(names.size()), texts.data(), names.data());
    (void)function<Program, const char*>(library_, "nvrtcAddNameExpression")(program, source.expression.c_str());
    const int status = function<Program, int, const char* const*>(library_, "nvrtcCompileProgram")(
        program, static_cast<int>(std::size(options)), options);
    log = string_of(library_, program, "nvrtcGetProgramLogSize", "nvrtcGetProgramLog").c_str();
    KernelCode code;
    if (status == success) {
        const char* name = nullptr;
        (void)function<Program, const char*, const char**>(library_, "nvrtcGetLoweredName")(
            program, source.expression.c_str(), &name);
        code.name = name != nullptr ? name : "";
        code.binary = binary ? string_of(library_, program, "nvrtcGetCUBINSize", "nvrtcGetCUBIN")
                             : string_of(library_, program, "nvrtcGetPTXSize", "nvrtcGetPTX");
    }
    (void)function<Program*>(library_, "nvrtcDestroyProgram")(&program);
    if (code.binary.empty() && log.empty()) log = "NVRTC " + version_ + " failed, status " + std::to_string(status);
    return code;
}

}  // namespace cuebm::cuda
