// See disk_cache.hpp. A file is the hash of what follows, the kernel's name, a 0, and the code; its own name is the
// hash of the key.
#include "cuda/custom/disk_cache.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <unistd.h>

#include "fingerprint.hpp"

namespace cuebm::cuda {
namespace {

namespace fs = std::filesystem;

std::string variable(const char* name) {
    const char* const value = std::getenv(name);
    return value != nullptr ? value : "";
}

fs::path folder() {
    if (const char* const chosen = std::getenv("CUEBM_CACHE")) return chosen;
    if (const auto cache = variable("XDG_CACHE_HOME"); !cache.empty()) return fs::path(cache) / "cuebm";
    if (const auto home = variable("HOME"); !home.empty()) return fs::path(home) / ".cache" / "cuebm";
    return {};
}

fs::path path_of(const std::string& key) {
    const fs::path in = folder();
    if (in.empty()) return {};
    // Two hashes of 64 bits, which begin apart: one alone meets by chance among some billion kernels.
    char name[40];
    std::snprintf(name, sizeof name, "%016llx%016llx.kernel",
                  static_cast<unsigned long long>(detail::fingerprint_of_bytes(key)),
                  static_cast<unsigned long long>(detail::fingerprint_of_bytes("again" + key)));
    return in / name;
}

std::string hash_bytes(const std::string& content) {
    const std::uint64_t hash = detail::fingerprint_of_bytes(content);
    std::string bytes(sizeof hash, '\0');
    std::memcpy(bytes.data(), &hash, sizeof hash);
    return bytes;
}

}  // namespace

std::optional<KernelCode> read_cached(const std::string& key) {
    const fs::path path = path_of(key);
    std::ifstream file(path, std::ios::binary);
    if (path.empty() || !file) return std::nullopt;
    std::ostringstream read;
    read << file.rdbuf();
    const std::string all = read.str();
    if (all.size() < sizeof(std::uint64_t)) return std::nullopt;
    const std::string content = all.substr(sizeof(std::uint64_t));
    const auto end_of_name = content.find('\0');
    if (end_of_name == std::string::npos || all.substr(0, sizeof(std::uint64_t)) != hash_bytes(content))
        return std::nullopt;
    return KernelCode{content.substr(0, end_of_name), content.substr(end_of_name + 1)};
}

void write_cached(const std::string& key, const KernelCode& code) {
    const fs::path path = path_of(key);
    if (path.empty()) return;
    std::error_code ignored;
    fs::create_directories(path.parent_path(), ignored);
    // Under another name first: who reads meanwhile sees all of it or nothing.
    const fs::path part = path.string() + "." + std::to_string(getpid());
    std::ofstream file(part, std::ios::binary);
    const std::string content = code.name + '\0' + code.binary;
    file << hash_bytes(content) << content;
    file.close();
    if (file) fs::rename(part, path, ignored);
    if (!file || ignored) fs::remove(part, ignored);
}

}  // namespace cuebm::cuda
