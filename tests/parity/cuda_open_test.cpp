// Opening a CUDA device that is there and cannot be used, or is not there. The emulator plays both; it looks at its
// variables once, so each is a process of its own.
#include <cstdio>
#include <cstdlib>
#include <string>

#include <unistd.h>

#include <cuebm/error.hpp>

#include "support/assign_problem.hpp"
#include "support/backends.hpp"

namespace eb = cuebm;
using namespace cuebm::test;

namespace {

class CudaOpenDeathTest : public testing::Test {
protected:
    void SetUp() override {
        const char* path = std::getenv("CUEBM_CUDA_PLUGIN");
        if (path == nullptr || std::string(path).find("emulated") == std::string::npos)
            GTEST_SKIP() << "only with the emulated plug-in";
        GTEST_FLAG_SET(death_test_style, "threadsafe");
    }
};

// Says why a device does not open, and exits with 0 if it does not.
[[noreturn]] void expect_refused(int device) {
    try {
        (void)eb::Context::cuda(device);
    } catch (const eb::DeviceError& error) {
        std::fprintf(stderr, "%s\n", error.what());
        _exit(0);
    }
    _exit(1);
}

[[noreturn]] void expect_works(int device) {
    const auto problem = normal_problem<float>(10, 4, 3);
    auto context = eb::Context::cuda(device);
    expect_canonical(solve(context, problem, Want::labels), problem, Want::labels);
    _exit(testing::Test::HasFailure() || context.device().index != device ? 1 : 0);
}

}  // namespace

// A GPU that another process has for itself, found only by the first array or stream: best() could not go on to the
// CPU.
TEST_F(CudaOpenDeathTest, DeviceThatIsBusy) {
    const ScopedVariable variable("CUEBM_EMULATED_DRIVER", "busy");
    EXPECT_EXIT(expect_refused(0), testing::ExitedWithCode(0), "device 0, cannot be used: .*busy.*nvidia-smi");
}

// A compute capability that is written with a digit too many.
TEST_F(CudaOpenDeathTest, DeviceThatIsTooOld) {
    const ScopedVariable variable("CUEBM_EMULATED_DRIVER", "oldgpu");
    EXPECT_EXIT(expect_refused(0), testing::ExitedWithCode(0), "compute capability 7.5, .*8.0");
}

// The text by which best() knows that it has tried all devices; the last device, and work on it.
TEST_F(CudaOpenDeathTest, DevicesAreCounted) {
    const ScopedVariable variable("CUEBM_EMULATED_DEVICES", "2");
    EXPECT_EXIT(expect_refused(2), testing::ExitedWithCode(0), "no such device: asked for 2, there are 2");
    EXPECT_EXIT(expect_works(1), testing::ExitedWithCode(0), "");
}
