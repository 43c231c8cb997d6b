// The CUDA plug-in that is missing, is another's, or finds no driver: each a sentence that says what is wrong and what
// to do, and the library works on.
#include <cstdio>
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
std::string complaint() {
    try {
        (void)eb::Context::cuda(0);
    } catch (const eb::DeviceError& error) {
        return error.what();
    }
    return "";
}

std::string complaint_with(const char* plugin) {
    const ScopedVariable path("CUEBM_CUDA_PLUGIN", plugin);
    return complaint();
}

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
    EXPECT_TRUE(says(complaint_with(text.c_str()), {text, "CUEBM_CUDA_PLUGIN"}));
    std::remove(text.c_str());
    EXPECT_TRUE(says(complaint_with(CUEBM_TEST_NO_PLUGIN), {CUEBM_TEST_NO_PLUGIN, "no CUDA plug-in of cuebm"}));
    expect_working(eb::Context::cpu());
}

// A crash in a plug-in of another build; an error without a word.
TEST(Plugin, OfAnotherInterface) {
    EXPECT_TRUE(says(complaint_with(CUEBM_TEST_OTHER_PLUGIN), {"interface", "install"}));
    const ScopedVariable silent("CUEBM_TEST_SILENT", "1");
    EXPECT_TRUE(says(complaint_with(CUEBM_TEST_OTHER_PLUGIN), {CUEBM_TEST_OTHER_PLUGIN, "does not open"}));
}

// The plug-in in use, asked by a core of another build.
TEST(Plugin, RefusesAnotherInterface) {
    const char* path = std::getenv("CUEBM_CUDA_PLUGIN");
    if (path == nullptr) GTEST_SKIP() << "set CUEBM_CUDA_PLUGIN";
    void* plugin = dlopen(path, RTLD_NOW | RTLD_LOCAL);
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

// A driver that is missing or too old, which the emulator plays. In a child process, which has the variable from its
// start: a driver is looked at once.
TEST(PluginDeathTest, DriverThatIsMissingOrOld) {
    const char* path = std::getenv("CUEBM_CUDA_PLUGIN");
    if (path == nullptr || std::string(path).find("emulated") == std::string::npos)
        GTEST_SKIP() << "only with the emulated plug-in";
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    for (const auto& [driver, says] :
         {std::pair{"none", "no NVIDIA driver"}, {"old", "update the driver"}, {"nodevice", "no GPU"}}) {
        const ScopedVariable emulated("CUEBM_EMULATED_DRIVER", driver);
        const auto child = [] {
            const std::string why = complaint();
            std::fprintf(stderr, "%s\n", why.c_str());
            _exit(why.empty() || eb::Context::best().device() != eb::Device{} ? 1 : 0);
        };
        EXPECT_EXIT(child(), testing::ExitedWithCode(0), says);
    }
}

// The CPU's own options.
TEST(CpuContext, BadOptionsAreRefused) {
    EXPECT_THROW((void)eb::Context::cpu({.threads = -1}), eb::InvalidArgument);
    EXPECT_EQ(eb::Context::cpu({.threads = 3}).properties().processors, 3);
    EXPECT_GE(eb::Context::cpu().properties().processors, 1);
    EXPECT_GT(eb::Context::cpu().properties().memory_bytes, 0u);
}
