// Small correct kernels, one for each part of the device vocabulary; the emulator's tests run them in all orders.
#pragma once

namespace cuebm::cuda::toy {

// All pointers are device memory. total = sum of values; partial has room for one double a block, ticket is 0.
void sum(const float* values, unsigned count, unsigned blocks, double* partial, unsigned* ticket, double* total);
// counts[v % 16] for each value v; counts begin at 0.
void histogram(const unsigned* values, unsigned count, unsigned blocks, unsigned* counts);
// columns[c] = sum over the rows of values[row][c]; 128 columns, a whole number of blocks of 4 rows or not.
void sum_columns(const float* values, unsigned rows, float* columns);
// Reverses each 32 values; count is a multiple of 32.
void reverse_warps(const int* values, unsigned count, int* reversed);

}  // namespace cuebm::cuda::toy
