// See kernels.hpp.
#include "cuda/custom/kernels.hpp"

#include <map>
#include <mutex>
#include <string_view>
#include <tuple>

#include "cuda/custom/compiler.hpp"
#include "cuda/custom/disk_cache.hpp"
#include "cuda/launch.hpp"

namespace cuebm::cuda {
namespace {

// All that a program may include.
const std::string& headers_text() {
    static const std::string all = [] {
        std::string text;
        for (const auto& file : embedded_files()) text.append(file.name).append("\n").append(file.text);
        return text;
    }();
    return all;
}

cudaError_t load(const KernelCode& code, cudaKernel_t& kernel) {
    cudaLibrary_t library = nullptr;  // never unloaded
    const cudaError_t status =
        cudaLibraryLoadData(&library, code.binary.data(), nullptr, nullptr, 0, nullptr, nullptr, 0);
    return status != cudaSuccess ? status : cudaLibraryGetKernel(&kernel, library, code.name.c_str());
}

cudaKernel_t make(const char* function, const ProgramSource& source, const char* name, int capability) {
    const Compiler compiler;
    const KernelSource kernel_source{text_of(source), "cuebm::cuda::" + std::string(name), capability};
    const std::string key = compiler.key(kernel_source) + headers_text();
    cudaKernel_t kernel = nullptr;
    if (const auto cached = read_cached(key)) {
        if (load(*cached, kernel) == cudaSuccess) return kernel;
        (void)cudaGetLastError();  // of another driver, perhaps: compiled again
    }
    std::string log;
    const KernelCode code = compiler.compile(kernel_source, log);
    if (code.binary.empty())
        throw InvalidArgument(function, "energy", names_of(source) + ", which a GPU's compiler refuses",
                              "one that compiles there too:\n" + log);
    check(load(code, kernel), "loading a compiled kernel");
    write_cached(key, code);
    return kernel;
}

struct Entry {
    std::mutex making;
    cudaKernel_t kernel = nullptr;
};

}  // namespace

void* compiled_kernel(const char* function, const ProgramSource& source, const char* name, int capability) {
    using Key = std::tuple<std::vector<const detail::CustomEnergy*>, std::uint64_t, std::string_view, std::string_view,
                           int>;  // literals, which stay
    static std::mutex mutex;
    static auto& entries = *new std::map<Key, Entry>;  // never destroyed: nor are the contexts that use them
    std::unique_lock lock(mutex);
    Entry& entry = entries[Key{source.customs, source.ops, source.element, name, capability}];
    lock.unlock();  // others need not wait while this one is compiled
    const std::scoped_lock making(entry.making);
    if (entry.kernel == nullptr) entry.kernel = make(function, source, name, capability);
    return entry.kernel;
}

}  // namespace cuebm::cuda
