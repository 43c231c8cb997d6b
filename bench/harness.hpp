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
    Limits limits;
};

// What a row does: operations as counted, bytes that have to be read and written.
struct Work {
    Operations operations;
    double read = 0, written = 0;
};

// GFLOP/s, GB/s, and the percentage of the limit, whose name becomes the row's label. The limit is the later of: all
// instructions at the measured peak of multiply-adds; the bytes at the bandwidths of reading and copying. A GPU's are
// measured in a build with CUDA alone.
void report(benchmark::State& state, const Machine& machine, const Work& work, double seconds);

// Seconds of one repetition of `work`.
double time(benchmark::State& state, const std::function<void()>& work);

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
