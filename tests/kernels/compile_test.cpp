// Users' own energies by NVRTC, which needs no GPU: every kernel compiles, and none spills.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <regex>
#include <string>

#include <gtest/gtest.h>

#include <cuebm/error.hpp>

#include "cuda/custom/compiler.hpp"
#include "cuda/custom/program_source.hpp"

using namespace cuebm::cuda;
using cuebm::math::EnergyOp;

namespace {

struct Kernel {
    const char *header, *name;
};
constexpr Kernel kernels[] = {
    {"cuda/energy/evaluate.cuh", "evaluate_rows<true, false, Element>"},
    {"cuda/energy/evaluate.cuh", "evaluate_rows<false, true, Element>"},
    {"cuda/energy/evaluate.cuh", "evaluate_rows<true, true, Element>"},
    {"cuda/energy/evaluate.cuh", "evaluate_columns<false, Element>"},
    {"cuda/energy/evaluate.cuh", "evaluate_columns<true, Element>"},
    {"cuda/chains/chains.cuh", "start_states<Element>"},
    {"cuda/chains/chains.cuh", "run_transitions<false, Element>"},
    {"cuda/chains/chains.cuh", "run_transitions<true, Element>"},
    {"cuda/chains/nuts.cuh", "run_nuts<Element>"},
};

std::string own_energies() {
    std::ifstream file(CUEBM_TEST_FOLDER "/parity/custom/own_energies.cpp");
    return {std::istreambuf_iterator<char>(file), {}};
}

// `energy`: of own_energies.cpp, differentiated for its author.
void expect_compiled(const char* energy_name, const Kernel& kernel, const char* element, int capability,
                     std::uint64_t ops = std::uint64_t{1} << static_cast<int>(EnergyOp::custom)) {
    SCOPED_TRACE(std::string(kernel.name) + " of " + element + " for " + std::to_string(capability));
    const std::string text = own_energies();
    const cuebm::custom::Source file{"own_energies.cpp", text.c_str()};
    const cuebm::detail::CustomEnergy energy{energy_name, &file, {}, {}};
    const std::string source = text_of({{&energy}, ops, kernel.header, element});
    std::string log;
    const auto begin = std::chrono::steady_clock::now();
    const KernelCode code = Compiler().compile({source, "cuebm::cuda::" + std::string(kernel.name), capability}, log);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
    std::printf("%-34s %-12s %-6s %3d %6.2f s\n", kernel.name, energy_name, element, capability, seconds.count());
    EXPECT_FALSE(code.binary.empty()) << log;
    EXPECT_FALSE(code.name.empty());
    if (capability == 999) return;  // PTX, which the driver finishes
    int functions = 0;
    const std::regex frame("([0-9]+) bytes stack frame, ([0-9]+) bytes spill stores");
    for (std::sregex_iterator found(log.begin(), log.end(), frame), end; found != end; ++found, ++functions)
        EXPECT_TRUE((*found)[1] == "0" && (*found)[2] == "0") << log;
    EXPECT_GE(functions, 1) << log;
}

class Compilation : public testing::Test {
protected:
    void SetUp() override { setenv("CUEBM_NVRTC", CUEBM_NVRTC, 0); }
};

}  // namespace

// A kernel that includes what NVRTC has not, or needs more registers than there are: OwnMixture has every function.
TEST_F(Compilation, OfEveryKernel) {
    for (const Kernel& kernel : kernels) expect_compiled("OwnMixture", kernel, "float", 90);
    for (const Kernel& kernel : kernels) expect_compiled("OwnGaussian", kernel, "double", 90);
}

// An instruction that an architecture lacks; one that NVRTC does not know.
TEST_F(Compilation, OfOneKernelForEveryArchitecture) {
    for (const int capability : {80, 86, 89, 90, 100, 120, 999})
        expect_compiled("OwnGaussian", kernels[2], "float", capability);
}

// A term or a map that cannot be compiled with own energies.
TEST_F(Compilation, WithAllThatCanBeInAProgram) {
    expect_compiled("OwnGaussian", kernels[0], "float", 90, ~std::uint64_t{0});
}

// A device that this NVRTC does not know is taken for a mistake of the user's.
TEST_F(Compilation, IsADeviceErrorIfTheCompilerIsTooNew) {
    std::string log;
    EXPECT_THROW((void)Compiler().compile({"", "", 30}, log), cuebm::DeviceError);
}
