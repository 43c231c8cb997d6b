// What this machine can do at most, measured here and now: the yardstick of every row of the benchmarks.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace cuebm {
class Context;  // nvcc reads this file too, and needs no more
}

namespace bench {

struct Limits {
    std::string processor;  // its name, family and model as the system tells
    std::string isa;        // that the library runs on, and peaks are of: the machine's best, or what CUEBM_ISA forces
    double fp32_flops = 0;  // fused multiply-adds counted twice; 0: unknown, here and below
    double bf16_flops = 0;  // of a GPU: or of fp16, by mma.sync, which on Hopper reaches less than wgmma does
    double int8_ops = 0;
    double amx_bf16_flops = 0, amx_int8_ops = 0;  // of tiles
    double copy_bytes = 0;                        // a second, read and written counted both
    double read_bytes = 0;                        // by a loop that only reads
};

// All threads of the context at once; each figure is the best of so many runs. A run of a CPU's takes some 50 ms, and
// with the short formats (bf16, int8 and tiles) 150; 512 MiB for it stay.
Limits measure_limits(cuebm::Context& context, int runs = 5, bool short_formats = true);

// Of each figure the median; of two the mean.
Limits median_of(const std::vector<Limits>& limits);

double seconds_of(const std::function<void()>& work);

// The part of it that is a GPU's, in gpu_limits.cu.
void measure_gpu(int device, Limits& limits);

}  // namespace bench
