// Values with their places, in ascending order.
#pragma once

#include <cstdint>
#include <vector>

namespace cuebm::detail {

struct Ranked {
    double value;
    std::int64_t place;
};

// From 1024 values on by digits of 11 bits, the lowest first: 64,000 in 0.9 ms, where comparisons take 3.2 ms; of 400
// it is 8 us against 2. Values are not NaN; equal ones, 0 and -0 among them, lie together. `scratch` is resized.
void sort_by_value(std::vector<Ranked>& ranked, std::vector<Ranked>& scratch);

}  // namespace cuebm::detail
