// The floating-point environment that results are computed in, whatever the caller's.
#pragma once

#include <cfenv>

namespace cuebm::detail {

// Saves the thread's environment and sets the default one until the end of the scope (on x86 that includes MXCSR's
// flush-to-zero and denormals-are-zero bits). Held by every thread that computes: workers, the thread of a CPU queue
// (it inherits the mode of the thread that made it), and the caller's where the host takes part.
class DefaultFloatEnvironment {
public:
    DefaultFloatEnvironment() {
        std::fegetenv(&saved_);
        std::fesetenv(FE_DFL_ENV);
    }
    ~DefaultFloatEnvironment() { std::fesetenv(&saved_); }
    DefaultFloatEnvironment(const DefaultFloatEnvironment&) = delete;
    DefaultFloatEnvironment& operator=(const DefaultFloatEnvironment&) = delete;

private:
    std::fenv_t saved_;
};

}  // namespace cuebm::detail
