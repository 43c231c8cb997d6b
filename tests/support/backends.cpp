// See backends.hpp.
#include "support/backends.hpp"

#include <iostream>
#include <optional>

#include <cuebm/error.hpp>

namespace cuebm::test {

ScopedVariable::ScopedVariable(const char* name, const char* value) : name_(name) {
    const char* old = std::getenv(name);
    was_set_ = old != nullptr;
    if (was_set_) saved_ = old;
    if (value != nullptr)
        setenv(name, value, 1);
    else
        unsetenv(name);
}

ScopedVariable::~ScopedVariable() {
    if (was_set_)
        setenv(name_.c_str(), saved_.c_str(), 1);
    else
        unsetenv(name_.c_str());
}

Context Backend::make(std::size_t memory_limit, const Allocator& allocator) const {
    if (kind == Device::Kind::cuda)
        return Context::cuda(CudaOptions{.device = 0, .memory_limit = memory_limit, .allocator = allocator});
    const CpuOptions options{.threads = threads, .memory_limit = memory_limit, .allocator = allocator};
    std::optional<ScopedVariable> forced_isa, forced_path, forced_bounds;
    if (!isa.empty()) forced_isa.emplace("CUEBM_ISA", isa.c_str());
    if (!path.empty())
        forced_path.emplace("CUEBM_ASSIGN", path.c_str()), forced_bounds.emplace("CUEBM_BOUNDS", "always");
    return Context::cpu(options);
}

namespace {

std::string asked_for() {
    const char* chosen = std::getenv("CUEBM_TEST_BACKENDS");
    return chosen != nullptr ? chosen : "";
}

bool works(const Backend& backend, std::string* why) {
    try {
        (void)backend.make();
        return true;
    } catch (const Error& error) {
        *why = error.what();
        return false;
    }
}

}  // namespace

std::vector<Backend> cpu_backends() {
    if (asked_for() == "cuda") return {};
    std::vector<Backend> result{{.name = "cpu_1_thread", .threads = 1}, {.name = "cpu_3_threads", .threads = 3}};
    for (const char* isa : {"base", "avx2", "avx512"}) {
        const Backend forced{.name = std::string("cpu_") + isa, .threads = 2, .isa = isa};
        std::string why;
        if (works(forced, &why)) result.push_back(forced);  // else this machine lacks it
    }
    for (const char* path : {"direct", "fp32", "bf16", "int8", "amx", "small"}) {
        const Backend forced{.name = std::string("cpu_path_") + path, .threads = 2, .isa = {}, .path = path};
        std::string why;
        if (works(forced, &why)) result.push_back(forced);
    }
    return result;
}

std::vector<Backend> backends() {
    static const std::vector<Backend> all = [] {
        const std::string which = asked_for();
        auto result = cpu_backends();
        const Backend cuda{.name = "cuda", .kind = Device::Kind::cuda};
        std::string why;
        // One that is asked for by name is never left out: without it the tests fail.
        if (which == "cuda" || (which != "cpu" && works(cuda, &why)))
            result.push_back(cuda);
        else if (!why.empty())
            std::cerr << "no CUDA backend is tested: " << why << '\n';
        return result;
    }();
    return all;
}

std::vector<Backend> backends_of_one_path() {
    auto result = backends();
    std::erase_if(result, [](const Backend& backend) { return !backend.path.empty(); });
    return result;
}

std::vector<Case> cases(const std::vector<Backend>& backends) {
    std::vector<Case> result;
    for (const auto& backend : backends)
        for (const bool is_double : {false, true})
            if (!is_double || backend.path.empty()) result.push_back({backend, is_double});
    return result;
}

}  // namespace cuebm::test
