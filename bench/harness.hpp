// What the benchmarks of energies and chains share: options, the machine's limits, and the columns of a row.
#pragma once

#include <benchmark/benchmark.h>

#include <functional>
#include <string>

#include <cuebm/context.hpp>

#include "limits.hpp"
#include "models.hpp"

namespace bench {

struct Machine {
    cuebm::Context context;
    Limits limits;
};

// What a row does: operations as counted, bytes that have to be read and written.
struct Work {
    Operations operations;
    double read = 0, written = 0;
};

// GFLOP/s, GB/s, and the percentage of the limit, whose name becomes the row's label. The limit is the later of: all
// instructions at the measured peak of multiply-adds; the bytes at the bandwidths of reading and copying. On a GPU no
// peak is measured: there, only rows that copies bound for certain have a percentage.
void report(benchmark::State& state, const Machine& machine, const Work& work, double seconds);

// Seconds of one repetition of `work`.
double time(benchmark::State& state, const std::function<void()>& work);

// A benchmark program: reads the options, measures the limits on all threads and, if asked, on one, lets `add` register
// rows for each, and runs them. `threads` is for their names.
using AddRows = std::function<void(Machine&, const std::string& threads, bool quick)>;
int run_program(const std::string& name, int argc, char** argv, bool one_thread_too, const AddRows& add);

}  // namespace bench
