// What an error complained of: the argument and, of a DataError, the row.
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

// The argument of the InvalidArgument that a call throws, in words that begin with `prefix`, where there is no context.
template <class Call>
std::string refused_argument(Call call, const std::string& prefix = {}) {
    try {
        call();
    } catch (const InvalidArgument& error) {
        const std::string what = error.what();
        EXPECT_TRUE(what.starts_with(prefix)) << what;
        EXPECT_EQ(what.find("context"), std::string::npos) << "there is none here: " << what;
        return error.argument();
    }
    return "nothing";
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
