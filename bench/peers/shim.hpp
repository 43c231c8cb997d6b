// What the C functions around cuebm share. Every one returns 0, or 1 with a message in cuebm_peers_error().
#pragma once

#include <exception>
#include <string>

#include <cuebm/context.hpp>

#include "../limits.hpp"

namespace bench {

inline thread_local std::string message;

template <class Work>
int guarded(const Work& work) {
    try {
        work();
        return 0;
    } catch (const std::exception& error) {
        message = error.what();
        return 1;
    }
}

// fp32, bf16, int8 operations, those of tiles in bf16 and int8, bytes copied and bytes read, a second each (0:
// unknown).
inline void tell_limits(cuebm::Context& context, int runs, Limits& limits, double* figures, const char** processor) {
    limits = measure_limits(context, runs);
    figures[0] = limits.fp32_flops;
    figures[1] = limits.bf16_flops;
    figures[2] = limits.int8_ops;
    figures[3] = limits.amx_bf16_flops;
    figures[4] = limits.amx_int8_ops;
    figures[5] = limits.copy_bytes;
    figures[6] = limits.read_bytes;
    *processor = limits.processor.c_str();
}

}  // namespace bench
