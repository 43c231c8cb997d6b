// Compiled kernels on disk (kernels/cuda/custom/disk_cache.cpp), and the C++ that they are compiled from.
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include <unistd.h>

#include "cuda/custom/disk_cache.hpp"
#include "cuda/custom/program_source.hpp"
#include "support/backends.hpp"

namespace fs = std::filesystem;
using namespace cuebm::cuda;

namespace {

class KernelCache : public testing::Test {
protected:
    KernelCache()
        : folder_(fs::path(testing::TempDir()) / ("cuebm-kernel-cache-" + std::to_string(getpid()))),
          chosen_("CUEBM_CACHE", folder_.c_str()) {}
    ~KernelCache() override { fs::remove_all(folder_); }

    std::vector<fs::path> files() const {
        std::vector<fs::path> all;
        for (const auto& entry : fs::directory_iterator(folder_)) all.push_back(entry.path());
        return all;
    }

    fs::path folder_;
    cuebm::test::ScopedVariable chosen_;
    KernelCode code_{"kernel", std::string("\0\1code\0 with zeros\xff", 18)};
};

std::string content_of(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

void write(const fs::path& path, const std::string& content) { std::ofstream(path, std::ios::binary) << content; }

}  // namespace

// Code that comes back otherwise, or for another key.
TEST_F(KernelCache, GivesBackWhatWasWritten) {
    EXPECT_FALSE(read_cached("key"));
    write_cached("key", code_);
    const auto got = read_cached("key");
    ASSERT_TRUE(got);
    EXPECT_EQ(got->name, code_.name);
    EXPECT_EQ(got->binary, code_.binary);
    EXPECT_FALSE(read_cached("another key"));
    EXPECT_EQ(files().size(), 1u);  // nothing half-written is left
}

// A file that a crash cut off, or that a disk changed, is run.
TEST_F(KernelCache, DoesNotBelieveADamagedFile) {
    write_cached("key", code_);
    const fs::path path = files().at(0);
    const std::string whole = content_of(path);
    for (std::size_t length = 0; length < whole.size(); ++length) {
        write(path, whole.substr(0, length));
        EXPECT_FALSE(read_cached("key")) << length;
    }
    for (std::size_t i = 0; i < whole.size(); ++i) {
        std::string changed = whole;
        changed[i] = static_cast<char>(changed[i] ^ 1);
        write(path, changed);
        EXPECT_FALSE(read_cached("key")) << i;
    }
    write_cached("key", code_);  // and is replaced
    EXPECT_TRUE(read_cached("key"));
}

// A home that is read-only makes a program fail.
TEST_F(KernelCache, GoesOnWithoutAFolder) {
    write(folder_, "a file where the folder should be");
    write_cached("key", code_);
    EXPECT_FALSE(read_cached("key"));
    const cuebm::test::ScopedVariable nowhere("CUEBM_CACHE", "");
    write_cached("key", code_);
    EXPECT_FALSE(read_cached("key"));
}

// Two files that use one name for different things, a file that is there twice, lines that are counted otherwise.
TEST(ProgramSource, HasEachFileOnceUnderItsOwnName) {
    const cuebm::custom::Source one{"one.cpp", "struct A {};\nstruct B {};\n"},
        other{"other.cpp", "\xef\xbb\xbfstruct A {};"};
    const cuebm::detail::CustomEnergy a{"A", &one, {}, {}}, b{"B", &one, {}, {}}, another{"A", &other, {}, {}};
    const std::string text = text_of({{&a, &another, &b}, 5, "cuda/kernel.cuh", "float"});
    EXPECT_EQ(text.find("#define CUEBM_PROGRAM_OPS 5u\n"), 0u) << text;
    for (const char* part :
         {"namespace file_0 {\n#line 1 \"one.cpp\"\nstruct A {};\nstruct B {};\n",
          "namespace file_1 {\n#line 1 \"other.cpp\"\nstruct A {};\n\n}",
          "case 0: return custom::run<file_0::A, CuebmElement>", "case 1: return custom::run<file_1::A, CuebmElement>",
          "case 2: return custom::run<file_0::B, CuebmElement>", "#include \"cuda/kernel.cuh\"\n"})
        EXPECT_NE(text.find(part), std::string::npos) << part << "\nis not in\n" << text;
    EXPECT_EQ(text.find("one.cpp"), text.rfind("one.cpp")) << text;
    EXPECT_LT(text.find("cuda/kernel.cuh"), text.find("one.cpp"));  // no macro of a user's is seen there
}
