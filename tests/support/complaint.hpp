// What a DataError complained of: the argument, and its row.
#pragma once

#include <cstdint>
#include <ostream>
#include <string>

#include <gtest/gtest.h>

#include <cuebm/error.hpp>

namespace cuebm::test {

struct Complaint {
    std::string argument;
    std::int64_t row = -1;
    bool operator==(const Complaint&) const = default;
};
inline void PrintTo(const Complaint& c, std::ostream* out) { *out << c.argument << " row " << c.row; }

template <class Call>
Complaint complaint(Call call) {
    try {
        call();
    } catch (const DataError& error) {
        EXPECT_NE(std::string(error.what()).find("row " + std::to_string(error.row())), std::string::npos);
        return {error.argument(), error.row()};
    }
    return {"none"};
}

// The call throws InvalidArgument, for this argument.
template <class Call>
void expect_refused(const char* argument, Call call) {
    try {
        call();
        ADD_FAILURE() << argument << " was not refused";
    } catch (const InvalidArgument& error) {
        EXPECT_EQ(error.argument(), argument) << error.what();
    }
}

}  // namespace cuebm::test
