// See compiler.hpp. NVRTC's functions are looked up by name, so that neither its library nor its header is needed to
// build or to load the plug-in.
#include "cuda/custom/compiler.hpp"

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <vector>

#include <dlfcn.h>

#include <cuebm/error.hpp>

#include "cuda/custom/program_source.hpp"

namespace cuebm::cuda {
namespace {

// NVIDIA, NVRTC's documentation, "User interface".
using Program = struct NvrtcProgram*;
constexpr int success = 0, error_in_text = 6;

// -fmad=false: no contraction but where fma is written, as everywhere. Users' functions have no __device__.
constexpr const char* options[] = {"-std=c++20", "-fmad=false", "-default-device", "-w", "--ptxas-options=-v"};

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
                      "; install CUDA " + std::to_string(CUEBM_NVRTC_MAJOR) +
                      "'s, or set CUEBM_NVRTC to the path of a libnvrtc.so (the wheel nvidia-cuda-nvrtc has one)");
}

template <class... Parameters>
auto function(void* library, const char* name) {
    const auto found = reinterpret_cast<int (*)(Parameters...)>(dlsym(library, name));
    if (found == nullptr) throw DeviceError(std::string("the library that was opened as NVRTC has no ") + name);
    return found;
}

void check(int status, const char* what) {
    if (status != success) throw DeviceError(std::string("NVRTC: ") + what + ": status " + std::to_string(status));
}

// Of a string that is asked for in two calls: its size with the 0 at its end, and its bytes.
std::string string_of(void* library, Program program, const char* size_name, const char* name) {
    std::size_t size = 0;
    check(function<Program, std::size_t*>(library, size_name)(program, &size), size_name);
    std::string text(size, '\0');
    check(function<Program, char*>(library, name)(program, text.data()), name);
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
    check(function<int*>(library, "nvrtcGetNumSupportedArchs")(&count), "nvrtcGetNumSupportedArchs");
    std::vector<int> known(static_cast<std::size_t>(count));
    check(function<int*>(library, "nvrtcGetSupportedArchs")(known.data()), "nvrtcGetSupportedArchs");
    const auto above = std::upper_bound(known.begin(), known.end(), capability);
    if (above == known.begin())
        throw DeviceError("NVRTC knows no device as old as compute capability " + std::to_string(capability / 10) +
                          "." + std::to_string(capability % 10) + ": set CUEBM_NVRTC to an older one");
    const int architecture = *(above - 1);
    return {architecture, architecture / 10 == capability / 10};
}

}  // namespace

Compiler::Compiler() : library_(open_library()) {
    int major = 0, minor = 0;
    check(function<int*, int*>(library_, "nvrtcVersion")(&major, &minor), "nvrtcVersion");
    version_ = std::to_string(major) + "." + std::to_string(minor);
}

std::string Compiler::key(const KernelSource& source) const {
    std::string key = version_ + "\n" + std::to_string(source.capability) + "\n" + source.expression + "\n";
    for (const char* option : options) key.append(option).append("\n");
    return key + source.text;
}

KernelCode Compiler::compile(const KernelSource& source, std::string& log) const {
    const auto [architecture, binary] = target_of(library_, source.capability);
    const std::string target = (binary ? "-arch=sm_" : "-arch=compute_") + std::to_string(architecture);
    std::vector<const char*> all_options{target.c_str()}, names, texts;
    all_options.insert(all_options.end(), std::begin(options), std::end(options));
    for (const auto& file : embedded_files()) {
        names.push_back(file.name);
        texts.push_back(file.text);
    }
    Program made{};
    check(function<Program*, const char*, const char*, int, const char* const*, const char* const*>(
              library_, "nvrtcCreateProgram")(&made, source.text.c_str(), "cuebm_program.cu",
                                              static_cast<int>(names.size()), texts.data(), names.data()),
          "nvrtcCreateProgram");
    const auto destroy = function<Program*>(library_, "nvrtcDestroyProgram");
    const auto forget = [destroy](Program program) { (void)destroy(&program); };
    const std::unique_ptr<NvrtcProgram, decltype(forget)> owner(made, forget);
    check(function<Program, const char*>(library_, "nvrtcAddNameExpression")(made, source.expression.c_str()),
          "nvrtcAddNameExpression");
    const int status = function<Program, int, const char* const*>(library_, "nvrtcCompileProgram")(
        made, static_cast<int>(all_options.size()), all_options.data());
    log = string_of(library_, made, "nvrtcGetProgramLogSize", "nvrtcGetProgramLog").c_str();
    if (status == error_in_text) return {};
    check(status, log.empty() ? "nvrtcCompileProgram" : log.c_str());
    const char* name = nullptr;
    check(function<Program, const char*, const char**>(library_, "nvrtcGetLoweredName")(made, source.expression.c_str(),
                                                                                        &name),
          "nvrtcGetLoweredName");
    return {name, binary ? string_of(library_, made, "nvrtcGetCUBINSize", "nvrtcGetCUBIN")
                         : string_of(library_, made, "nvrtcGetPTXSize", "nvrtcGetPTX")};
}

}  // namespace cuebm::cuda
