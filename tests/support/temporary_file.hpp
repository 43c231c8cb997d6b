// Files of a test.
#pragma once

#include <string>

#include <gtest/gtest.h>
#include <unistd.h>

namespace cuebm::test {

// Of this process alone: the same test of another build may run beside it.
inline std::string temporary_file(const std::string& name) {
    return testing::TempDir() + "cuebm-" + std::to_string(getpid()) + "-" + name;
}

}  // namespace cuebm::test
