// Names of coordinates, as columns of a file.
#pragma once

#include <string>
#include <vector>

namespace cuebm::detail {

// In CmdStan's way: theta[2,1] becomes theta.2.1. What ArviZ would read as something else is refused, in the name of
// this function of the API.
std::vector<std::string> csv_columns(const char* function, const std::vector<std::string>& names);

}  // namespace cuebm::detail
