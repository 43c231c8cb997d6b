// Data sets from files, for the examples and the benchmark.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace examples {

// [n x d], a row each.
struct Data {
    std::vector<float> values;
    std::int64_t n = 0, d = 0;
};

inline const std::string fashion_folder = "/usr/share/datasets/fashion-mnist/";

// A gzipped idx file of bytes (the format of MNIST): n is its first size, d the product of the others.
// Errors, here and below: std::runtime_error that says what to do.
struct Bytes {
    std::vector<std::uint8_t> values;
    std::int64_t n = 0, d = 1;
};
Bytes read_idx(const std::string& path);

// Pixels in [0, 1].
Data read_images(const std::string& path);

// NumPy's format: a 2-d array of float32, float64 (rounded to float32) or uint8, in C order.
Data read_npy(const std::string& path);

}  // namespace examples
