// The backends that a test runs on: what the machine has, or what CUEBM_TEST_BACKENDS=cpu|cuda asks for.
#pragma once

#include <cstdlib>
#include <ostream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <cuebm/context.hpp>

namespace cuebm::test {

// Sets an environment variable, or with nullptr removes it, until the end of the scope.
class ScopedVariable {
public:
    ScopedVariable(const char* name, const char* value);
    ~ScopedVariable();
    ScopedVariable(const ScopedVariable&) = delete;
    ScopedVariable& operator=(const ScopedVariable&) = delete;

private:
    std::string name_, saved_;
    bool was_set_;
};

struct Backend {
    std::string name;
    Device::Kind kind = Device::Kind::cpu;
    int threads = 1;
    std::string isa{};   // CUEBM_ISA while the context is made; empty: the library's own choice
    std::string path{};  // CUEBM_ASSIGN, likewise, and bounds in every iteration of a fit; matters to float alone

    Context make(std::size_t memory_limit = 0, const Allocator& allocator = {}) const;
};

std::vector<Backend> cpu_backends();
std::vector<Backend> backends();
std::vector<Backend> backends_of_one_path();  // without those that force a way of assign, for the other families

// A backend with a type of data.
struct Case {
    Backend backend;
    bool is_double = false;
};
std::vector<Case> cases(const std::vector<Backend>& backends);
inline void PrintTo(const Case& c, std::ostream* out) { *out << c.backend.name; }

class OnEachCase : public testing::TestWithParam<Case> {};

// Tests of the CPU alone; left out where CUEBM_TEST_BACKENDS=cuda.
class OnCpu : public testing::Test {
protected:
    void SetUp() override {
        if (cpu_backends().empty()) GTEST_SKIP();
    }
};

}  // namespace cuebm::test

// A suite whose tests run on every backend, or on the CPU's alone, in float and in double.
#define CUEBM_SUITE_ON(Suite, where)                                                                       \
    namespace {                                                                                            \
    class Suite : public cuebm::test::OnEachCase {};                                                       \
    }                                                                                                      \
    GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Suite);                                                  \
    INSTANTIATE_TEST_SUITE_P(, Suite, testing::ValuesIn(cuebm::test::cases(where)), [](const auto& info) { \
        return info.param.backend.name + (info.param.is_double ? "_double" : "_float");                    \
    })
#define CUEBM_SUITE(Suite) CUEBM_SUITE_ON(Suite, cuebm::test::backends())
#define CUEBM_CPU_SUITE(Suite) CUEBM_SUITE_ON(Suite, cuebm::test::cpu_backends())

// A test of such a suite. Its body is a template over the type of data, T, and sees the `backend`.
#define CUEBM_TEST(Suite, Name)                               \
    template <class T>                                        \
    void Suite##_##Name(const cuebm::test::Backend& backend); \
    TEST_P(Suite, Name) {                                     \
        if (GetParam().is_double)                             \
            Suite##_##Name<double>(GetParam().backend);       \
        else                                                  \
            Suite##_##Name<float>(GetParam().backend);        \
    }                                                         \
    template <class T>                                        \
    void Suite##_##Name([[maybe_unused]] const cuebm::test::Backend& backend)
