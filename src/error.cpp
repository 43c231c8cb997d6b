// The texts of errors, and the home of their type information.
#include <cuebm/error.hpp>

#include <cuebm/kmeans.hpp>
#include <cuebm/version.hpp>

#include "context_state.hpp"

#define CUEBM_TEXT_(x) #x
#define CUEBM_TEXT(x) CUEBM_TEXT_(x)

namespace cuebm {

Error::~Error() = default;
InvalidArgument::~InvalidArgument() = default;
DataError::~DataError() = default;
OutOfMemory::~OutOfMemory() = default;
DeviceError::~DeviceError() = default;

InvalidArgument::InvalidArgument(const std::string& function, std::string argument, const std::string& got,
                                 const std::string& wanted)
    : Error(function + ": " + argument + ": got " + got + ", wanted " + wanted), argument_(std::move(argument)) {}

DataError::DataError(std::string argument, std::int64_t row, const std::string& problem)
    : Error(argument + ": row " + std::to_string(row) + ": " + problem),
      argument_(std::move(argument)),
      problem_(problem),
      row_(row) {}

OutOfMemory::OutOfMemory(std::size_t asked_bytes, std::size_t free_bytes)
    : Error("out of memory: asked for " + std::to_string(asked_bytes) + " bytes, " + std::to_string(free_bytes) +
            " free; use smaller batches, free arrays, or raise memory_limit"),
      asked_(asked_bytes),
      free_(free_bytes) {}

const char* version() noexcept {
    return CUEBM_TEXT(CUEBM_VERSION_MAJOR) "." CUEBM_TEXT(CUEBM_VERSION_MINOR) "." CUEBM_TEXT(CUEBM_VERSION_PATCH);
}

const char* name(Status status) noexcept {
    switch (status) {
        case Status::converged: return "converged";
        case Status::iteration_limit: return "iteration limit";
        case Status::cancelled: return "cancelled";
        case Status::too_few_distinct: return "too few distinct points";
    }
    return "unknown";
}

namespace detail {

void throw_problem(std::uint64_t status) {
    if (status == no_problem) return;
    const std::int64_t row = status_row(status);
    switch (static_cast<int>(status & 0xff)) {
        case points_not_finite: throw DataError("points", row, "holds NaN or infinity; drop or fill such rows");
        case prototypes_not_finite: throw DataError("prototypes", row, "holds NaN or infinity");
        case weights_not_valid: throw DataError("weights", row, "is negative, NaN or infinite; wanted a weight >= 0");
        case energy_overflow:
            throw DataError("points", row, "its energies overflow the type; scale the data down or use double");
        case weight_too_small:
            throw DataError("weights", row,
                            "is so much smaller than the largest that it would count as 0; drop the row");
        case points_without_length: throw DataError("points", row, "is all zeros, and has no cosine; drop such rows");
        case prototypes_without_length: throw DataError("prototypes", row, "is all zeros, and has no cosine");
        case label_out_of_range: throw DataError("labels", row, "is no label; wanted 0 <= label < k");
        default: throw DataError("data", row, "is not valid");
    }
}

}  // namespace detail
}  // namespace cuebm
