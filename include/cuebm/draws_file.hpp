// Draws of Markov chains in the files that others read: CmdStan's CSV here; .npy of [chains x draws x quantities] by
// write_npy with three dimensions (cuebm/file.hpp).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <cuebm/export.hpp>
#include <cuebm/file.hpp>
#include <cuebm/view.hpp>

namespace cuebm::diagnostics {

// What a sampler notes of each transition: [draws] each, on the host. Those that are absent are left out of the file.
struct Transitions {
    VectorView<const double> lp{};                // lp__: the log density up to a constant, -E at temperature 1
    VectorView<const double> accept_stat{};       // accept_stat__: the probability of acceptance
    VectorView<const double> stepsize{};          // stepsize__
    VectorView<const std::int32_t> treedepth{};   // treedepth__
    VectorView<const std::int32_t> n_leapfrog{};  // n_leapfrog__: leapfrog steps
    VectorView<const std::int32_t> divergent{};   // divergent__: 0 or 1
    VectorView<const double> energy{};            // energy__: the Hamiltonian, for e_bfmi
};

// What the comments at the file's head say.
struct CsvHead {
    std::string model = "cuebm";  // without blanks or line breaks
    std::int64_t id = 1;          // the chain's number
    std::optional<std::uint64_t> seed{};
    std::int64_t warmup = 0;  // >= 0: draws that came before these, and are not in the file
    std::int64_t thin = 1;    // >= 1: of so many transitions one was kept; num_samples counts them all, as CmdStan's
};

// The draws [draws x quantities] of one chain as CmdStan writes them, one file a chain:
//   arviz.from_cmdstan(["chain_1.csv", "chain_2.csv"])
// Names are Stan's: "mu", and "theta[2,1]" or "theta.2.1" for element (2, 1) of an array, counted from 1; without
// blanks, commas, quotes or __ at the end, and each once, an array always with as many indices and whole: where a file
// has gaps, ArviZ reads zeros. "chain", "draw" and, beside an array a, "a_dim_0" are ArviZ's own, and refused. Values
// are written as shortly as gives them back; NaN and infinities as nan, inf and -inf. Errors: InvalidArgument for a
// wrong view, name or column length; FileError. The file is there whole or, as before, not. Cost: some 70 ns a value.
CUEBM_API void save_cmdstan_csv(const std::string& path, const std::vector<std::string>& names,
                                MatrixView<const float> draws, const Transitions& transitions = {},
                                const CsvHead& head = {});
CUEBM_API void save_cmdstan_csv(const std::string& path, const std::vector<std::string>& names,
                                MatrixView<const double> draws, const Transitions& transitions = {},
                                const CsvHead& head = {});

}  // namespace cuebm::diagnostics
