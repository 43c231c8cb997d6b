// The CUDA plug-in that is missing, is another's, or finds no driver: each a sentence that says what is wrong and what
// to do, and the library works on.
#include <cstdio>
#include <filesystem>
#include <fstream>

#include <dlfcn.h>
#include <unistd.h>

#include <cuebm/error.hpp>

#include "backend.hpp"
#include "support/assign_problem.hpp"
#include "support/backends.hpp"

namespace eb = cuebm;
using namespace cuebm::test;

namespace {

// What asking for a GPU says; empty if there is one.
std::string what_stops_it() {
    try {
        (void)eb::Context::cuda(0);
    } catch (const eb::DeviceError& error) {
        return error.what();
    }
    return "";
}

std::string complaint_with(const std::string& plugin) {
    const ScopedVariable path("CUEBM_CUDA_PLUGIN", plugin.c_str());
    return what_stops_it();
}

// A library of this build, by its place beside this program: both folders may have been carried to another machine.
std::string library(const std::string& name) {
    const auto program = std::filesystem::read_symlink("/proc/self/exe");
    return program.parent_path().parent_path() / "lib" / ("lib" + name + ".so");
}
const std::string no_plugin = library("cuebm_test_no_plugin"), other_plugin = library("cuebm_test_other_plugin");

testing::AssertionResult says(const std::string& text, const std::vector<std::string>& parts) {
    for (const auto& part : parts)
        if (text.find(part) == std::string::npos)
            return testing::AssertionFailure() << "no \"" << part << "\" in \"" << text << '"';
    return testing::AssertionSuccess();
}

void expect_working(eb::Context context) {
    const auto problem = normal_problem<float>(10, 4, 3);
    expect_canonical(solve(context, problem, Want::labels), problem, Want::labels);
}

bool emulated() {
    const char* path = std::getenv("CUEBM_CUDA_PLUGIN");
    return path != nullptr && std::string(path).find("emulated") != std::string::npos;
}

}  // namespace

// A crash, or an error without the path and what to do.
TEST(Plugin, ThatIsMissing) {
    EXPECT_TRUE(says(complaint_with("/nonexistent/libcuebm_cuda.so"),
                     {"/nonexistent/libcuebm_cuda.so", "CUEBM_CUDA_PLUGIN", "install"}));
    expect_working(eb::Context::cpu());
}

// best() that throws, or does not say why it took the CPU.
TEST(Plugin, ThatIsMissingLeavesTheCpu) {
    const ScopedVariable path("CUEBM_CUDA_PLUGIN", "/nonexistent/libcuebm_cuda.so");
    const auto context = eb::Context::best();
    EXPECT_EQ(context.device(), eb::Device{});
    EXPECT_TRUE(says(context.description(), {"CPU", "no GPU", "/nonexistent/libcuebm_cuda.so"}));
    expect_working(context);
}

// A file that is no library, and a library that is no plug-in.
TEST(Plugin, ThatIsNone) {
    const std::string text = testing::TempDir() + "cuebm_no_library_" + std::to_string(getpid());
    std::ofstream(text) << "this is no library\n";
    EXPECT_TRUE(says(complaint_with(text), {text, "CUEBM_CUDA_PLUGIN"}));
    std::remove(text.c_str());
    EXPECT_TRUE(says(complaint_with(no_plugin), {no_plugin, "no CUDA plug-in of cuebm"}));
    expect_working(eb::Context::cpu());
}

// A crash in a plug-in of another build; an error without a word.
TEST(Plugin, OfAnotherInterface) {
    EXPECT_TRUE(says(complaint_with(other_plugin), {"interface", "install"}));
    const ScopedVariable silent("CUEBM_TEST_SILENT", "1");
    EXPECT_TRUE(says(complaint_with(other_plugin), {other_plugin, "does not open"}));
}

// The plug-in in use, asked by a core of another build.
TEST(Plugin, RefusesAnotherInterface) {
    const char* chosen = std::getenv("CUEBM_CUDA_PLUGIN");
    const std::string path = chosen != nullptr ? chosen : library("cuebm_cuda");
    if (!std::filesystem::exists(path)) GTEST_SKIP() << "no " << path;
    void* plugin = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    ASSERT_NE(plugin, nullptr) << dlerror();
    const auto open = reinterpret_cast<eb::detail::OpenCudaBackend>(dlsym(plugin, eb::detail::open_cuda_backend_name));
    ASSERT_NE(open, nullptr);
    for (const int other : {eb::detail::backend_interface - 1, eb::detail::backend_interface + 1}) {
        std::string problem;
        EXPECT_EQ(open(other, 0, &problem), nullptr);
        EXPECT_TRUE(says(problem, {"interface"}));
    }
}

// A device that is not there.
TEST(Plugin, DeviceOutOfRange) {
    EXPECT_THROW((void)eb::Context::cuda(-1), eb::InvalidArgument);
    EXPECT_THROW((void)eb::Context::cuda(1000), eb::DeviceError);
}

// A driver that is missing or too old, which the emulator plays. It looks once, so each is a process of its own, which
// starts with the variable.
TEST(PluginDeathTest, DriverThatIsMissingOrOld) {
    if (!emulated()) GTEST_SKIP() << "only with the emulated plug-in";
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    const auto child = [] {
        const std::string why = what_stops_it();
        std::fprintf(stderr, "%s\n", why.c_str());
        const auto best = eb::Context::best();
        _exit(why.empty() || best.device() != eb::Device{} ? 1 : 0);
    };
    for (const auto& [driver, sentence] :
         {std::pair{"none", "no NVIDIA driver"}, {"old", "update the driver"}, {"nodevice", "no GPU"}}) {
        const ScopedVariable variable("CUEBM_EMULATED_DRIVER", driver);
        EXPECT_EXIT(child(), testing::ExitedWithCode(0), sentence);
    }
}

// The CPU's own options.
TEST(CpuContext, BadOptionsAreRefused) {
    EXPECT_THROW((void)eb::Context::cpu({.threads = -1}), eb::InvalidArgument);
    EXPECT_THROW((void)eb::Context::cpu({.threads = 1 << 16}), eb::InvalidArgument);
    EXPECT_EQ(eb::Context::cpu({.threads = 3}).properties().processors, 3);
    EXPECT_GE(eb::Context::cpu().properties().processors, 1);
    EXPECT_GT(eb::Context::cpu().properties().memory_bytes, 0u);
}
