// See kernels.hpp.
#include "cuda/custom/kernels.hpp"

#include <map>
#include <mutex>
#include <tuple>

#include "cuda/custom/compiler.hpp"
#include "cuda/custom/disk_cache.hpp"
#include "cuda/launch.hpp"

namespace cuebm::cuda {
namespace {

// All texts that a program's may include.
const std::string& embedded_text() {
    static const std::string all = [] {
        std::string text;
        for (const EmbeddedFile& file : embedded_files) text.append(file.name).append("\n").append(file.text);
        return text;
    }();
    return all;
}

std::string names_of(const ProgramSource& source) {
    std::string names;
    for (const auto* custom : source.customs) names += (names.empty() ? "" : " with ") + custom->name;
    return names;
}

KernelCode code_of(const ProgramSource& source, const std::string& expression, int capability) {
    const Compiler compiler;
    const std::string text = text_of(source);
    const std::string key =
        compiler.version() + "\n" + std::to_string(capability) + "\n" + expression + "\n" + text + embedded_text();
    if (auto cached = read_cached(key)) return *cached;
    std::string log;
    KernelCode code = compiler.compile({text, expression, capability}, log);
    if (code.binary.empty())
        throw InvalidArgument("energy::custom", "name", names_of(source), "one that compiles for a GPU too:\n" + log);
    write_cached(key, code);
    return code;
}

struct Loaded {
    cudaKernel_t kernel;
    KernelCode code;
};

}  // namespace

void* compiled_kernel(const ProgramSource& source, const char* name, int capability) {
    using Key = std::tuple<std::vector<const detail::CustomEnergy*>, std::uint64_t, std::string, std::string, int>;
    static std::mutex mutex;
    static auto& loaded = *new std::map<Key, Loaded>;  // never destroyed: nor are the contexts that use them
    const std::scoped_lock lock(mutex);
    const Key key{source.customs, source.ops, source.element, name, capability};
    if (const auto found = loaded.find(key); found != loaded.end()) return found->second.kernel;
    Loaded fresh{nullptr, code_of(source, "cuebm::cuda::" + std::string(name), capability)};
    cudaLibrary_t library = nullptr;
    check(cudaLibraryLoadData(&library, fresh.code.binary.data(), nullptr, nullptr, 0, nullptr, nullptr, 0),
          "loading a compiled kernel");
    check(cudaLibraryGetKernel(&fresh.kernel, library, fresh.code.name.c_str()), "finding a compiled kernel");
    return loaded.emplace(key, std::move(fresh)).first->second.kernel;
}

}  // namespace cuebm::cuda
