// What the benchmarks share: options, the machine's limits, and the columns of a row.
#pragma once

#include <benchmark/benchmark.h>

#include <functional>
#include <string>
#include <vector>

#include <cuebm/context.hpp>

#include "limits.hpp"
#include "models.hpp"

namespace bench {

struct Machine {
    cuebm::Context context;
    Limits limits;               // before all rows
    bool short_formats = false;  // its rows' limits may be peaks of bf16, int8 or tiles
    bool quick = false;          // then limits are not measured again
};

// What a row does: operations as counted, bytes that have to be read and written.
struct Work {
    Operations operations;
    double read = 0, written = 0;
};

// Medians: seconds of an iteration, and what the machine could do meanwhile. (A row's time is a mean, Google
// Benchmark's.)
struct Measured {
    double seconds;
    Limits limits;
};

// Runs the rows' loop: each iteration's seconds are what `seconds` returns, which the row reports (UseManualTime). A
// CPU's limits are measured before it and then after every 150 ms: other users of a shared machine, and its
// clock, change both within seconds. A GPU's are the machine's, and those of a quick run.
Measured measure(benchmark::State& state, Machine& machine, const std::function<double()>& seconds);

// The same, of all that `work` does.
Measured time(benchmark::State& state, Machine& machine, const std::function<void()>& work);

// GFLOP/s, GB/s, and the percentage of the limit, whose name becomes the row's label. The limit is the later of: all
// instructions at the measured peak of multiply-adds; the bytes at the bandwidths of reading and copying. A GPU's are
// measured in a build with CUDA alone.
void report(benchmark::State& state, const Work& work, const Measured& measured);

struct Options {
    bool quick = false;  // less work, seconds in all
    std::string device = "best";
    std::vector<std::string> paths{};  // of assign, forced
    int threads = 0;                   // of the CPU; 0: all
    std::vector<std::string> rest{};   // Google Benchmark's
};

// A benchmark program: reads its options, says on std::cerr what goes wrong, and returns its exit status. All programs
// take the same options.
int with_options(const std::string& name, int argc, char** argv, const std::function<int(const Options&)>& run);

cuebm::Context context_of(const Options& options);
std::string commit();  // the one measured, with -dirty where files differ from it; "unknown" without git

// Runs the rows that are registered; returns the exit status. Errors: std::runtime_error where no row has that name.
int run_rows(const std::string& name, std::vector<std::string> rest);

// with_options() and run_rows(), and between them: measures the limits on all threads and, if asked, on one, and
// lets `add` register rows for each. `threads` is for their names.
using AddRows = std::function<void(Machine&, const std::string& threads, bool quick)>;
int run_program(const std::string& name, int argc, char** argv, bool one_thread_too, const AddRows& add);

}  // namespace bench
