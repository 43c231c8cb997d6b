// Launches of the toy kernels. nvcc compiles this file as it is; the tests compile it as C++.
#include "toy.hpp"

#include "cuda/launch.hpp"
#include "toy.cuh"

namespace cuebm::cuda::toy {

void sum(const float* values, unsigned count, unsigned blocks, double* partial, unsigned* ticket, double* total) {
    launch(sum_kernel<128>, {.grid = blocks, .block = 128}, values, count, partial, ticket, total);
}

void histogram(const unsigned* values, unsigned count, unsigned blocks, unsigned* counts) {
    launch(histogram_kernel<96>, {.grid = blocks, .block = 96}, values, count, counts);
}

void sum_columns(const float* values, unsigned rows, float* columns) {
    constexpr std::size_t two_tiles = 2 * 4 * 128 * sizeof(float);
    launch(sum_columns_kernel, {.grid = 1, .block = 128, .shared_bytes = two_tiles}, values, rows, columns);
}

void reverse_warps(const int* values, unsigned count, int* reversed) {
    launch(reverse_warps_kernel<64>, {.grid = 2, .block = 64}, values, count, reversed);
}

}  // namespace cuebm::cuda::toy
