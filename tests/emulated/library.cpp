// Loads what the emulated NVRTC compiled (nvrtc.cpp).
#include <cstring>
#include <string>

#include <dlfcn.h>
#include <elf.h>
#include <sys/mman.h>
#include <unistd.h>

#include "internal.hpp"

namespace {

// An object's size, which the API is not told: its section headers come last, as GNU's linker writes them.
std::size_t size_of_object(const void* code) {
    Elf64_Ehdr header;
    std::memcpy(&header, code, sizeof header);
    if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) return 0;
    return header.e_shoff + std::size_t{header.e_shnum} * header.e_shentsize;
}

}  // namespace

cudaError_t cudaLibraryLoadData(cudaLibrary_t* library, const void* code, cudaJitOption*, void**, unsigned,
                                cudaLibraryOption*, void**, unsigned) {
    const std::size_t size = size_of_object(code);
    // Stays open: the loader takes two objects of one path for one.
    const int file = memfd_create("cuebm-emulated-kernel", 0);
    if (size == 0 || file < 0 || write(file, code, size) != static_cast<ssize_t>(size))
        return cuebm::emulator::remember(cudaErrorInvalidValue);
    const std::string path = "/proc/self/fd/" + std::to_string(file);
    *library = reinterpret_cast<cudaLibrary_t>(dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL));
    return *library != nullptr ? cudaSuccess : cuebm::emulator::remember(cudaErrorInvalidValue, dlerror());
}

cudaError_t cudaLibraryGetKernel(cudaKernel_t* kernel, cudaLibrary_t library, const char* name) {
    auto* const found = static_cast<cudaKernel_t*>(dlsym(library, name));
    if (found == nullptr) return cuebm::emulator::remember(cudaErrorInvalidValue);
    *kernel = *found;
    return cudaSuccess;
}
