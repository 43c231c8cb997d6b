// Compiles a kernel at run time by NVRTC, a library that is opened for it.
#pragma once

#include <string>

namespace cuebm::cuda {

struct KernelSource {
    std::string text;        // C++; what it includes is among embedded_files()
    std::string expression;  // the kernel's, as C++ names it
    int capability;          // of the device: 90 for 9.0
};

struct KernelCode {
    std::string name;    // the kernel's in the code
    std::string binary;  // for cudaLibraryLoadData
};

class Compiler {
public:
    // CUEBM_NVRTC, or the libnvrtc.so that the loader finds, which stays open. Throws DeviceError: there is none.
    Compiler();

    // All that code depends on, beside the headers.
    std::string key(const KernelSource& source) const;
    // Without a binary if the text does not compile: then `log` says why, with the names and lines of files. Else it
    // has the kernel's resources, as ptxas says them. Throws DeviceError for all else that goes wrong.
    KernelCode compile(const KernelSource& source, std::string& log) const;

private:
    void* library_;
    std::string version_;
};

}  // namespace cuebm::cuda
