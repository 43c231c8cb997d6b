// What cuebm throws. "Not converged" and "cancelled" are no errors: they are a Status in the result.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>

#include <cuebm/export.hpp>

namespace cuebm {

// The root of all exceptions of this library.
class CUEBM_API Error : public std::runtime_error {
public:
    explicit Error(const std::string& what) : std::runtime_error(what) {}
    ~Error() override;
};

// A wrong shape, size, parameter, null view or a view on the wrong device. Thrown before any work begins:
// nothing has changed. what() reads "function: argument: got X, wanted Y".
class CUEBM_API InvalidArgument : public Error {
public:
    InvalidArgument(const std::string& function, std::string argument, const std::string& got,
                    const std::string& wanted);
    ~InvalidArgument() override;
    const std::string& argument() const noexcept { return argument_; }

private:
    std::string argument_;
};

// The data themselves are bad: NaN, infinity, a negative weight, an energy that overflows. Found by the
// kernels while they compute, so the outputs of that call are unspecified; inputs are untouched.
class CUEBM_API DataError : public Error {
public:
    DataError(std::string argument, std::int64_t row, const std::string& problem);
    ~DataError() override;
    const std::string& argument() const noexcept { return argument_; }
    std::int64_t row() const noexcept { return row_; }  // the first bad row (or element, of a vector)
    const std::string& problem() const noexcept { return problem_; }

private:
    std::string argument_, problem_;
    std::int64_t row_;
};

// The device, or the limit set for the context, has too little memory. The context works afterwards.
class CUEBM_API OutOfMemory : public Error {
public:
    OutOfMemory(std::size_t asked_bytes, std::size_t free_bytes);
    ~OutOfMemory() override;
    std::size_t asked_bytes() const noexcept { return asked_; }
    std::size_t free_bytes() const noexcept { return free_; }

private:
    std::size_t asked_, free_;
};

// No GPU, no plug-in, a driver too old, or a failure that the driver reports; what() says what to do next.
class CUEBM_API DeviceError : public Error {
public:
    explicit DeviceError(const std::string& what) : Error(what) {}
    ~DeviceError() override;
};

}  // namespace cuebm
