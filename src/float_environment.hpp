// The floating-point environment of the C standard, for a scope: a user's rounding mode, flush-to-zero or
// denormals-are-zero (on x86 they live in MXCSR, and -ffast-math sets them) must not change results.
#pragma once

#include <cfenv>
#include <functional>
#include <type_traits>

namespace cuebm::detail {

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

// A user's function from within that scope, which may leave another environment behind.
template <class Argument>
void call_back(const std::function<void(const Argument&)>& function, const std::type_identity_t<Argument>& argument) {
    function(argument);
    std::fesetenv(FE_DFL_ENV);
}

}  // namespace cuebm::detail
