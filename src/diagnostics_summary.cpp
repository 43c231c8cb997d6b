// A run's summary: all quantities, some columns of the draws at a time.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

#include <cuebm/diagnostics.hpp>

#include "check.hpp"
#include "float_environment.hpp"
#include "quantity_draws.hpp"

namespace cuebm::diagnostics {
namespace {

using namespace detail;

template <class T>
void check_summary(const std::vector<std::string>& names, const MatrixView<const T>& draws, std::int64_t chains,
                   std::int64_t draws_a_chain, const SamplerReport& sampler) {
    constexpr auto function = "diagnostics::summarise";
    if (chains < 1) refuse(function, "chains", std::to_string(chains), "chains >= 1");
    std::int64_t rows = 0;
    if (draws_a_chain < 1 || __builtin_mul_overflow(chains, draws_a_chain, &rows))
        refuse(function, "draws_a_chain", std::to_string(draws_a_chain), "draws_a_chain >= 1, fewer than 2^63 in all");
    if (draws.rows != rows || draws.cols < 1)
        refuse(function, "draws", shape(draws.rows, draws.cols),
               "[chains draws_a_chain x quantities]: " + std::to_string(rows) + " x 1 or more");
    if (draws.device != Device{}) refuse(function, "draws", "memory of a device", "memory of the host");
    check_memory(function, "draws", draws, Device{});
    if (static_cast<std::int64_t>(names.size()) != draws.cols)
        refuse(function, "names", std::to_string(names.size()) + " names",
               std::to_string(draws.cols) + ", one a column");
    const auto check_count = [](const char* argument, const std::optional<std::int64_t>& count) {
        if (count && *count < 0) refuse(function, argument, std::to_string(*count), "0 or more, or none");
    };
    check_count("sampler.divergences", sampler.divergences);
    check_count("sampler.max_treedepth_hits", sampler.max_treedepth_hits);
    check_count("sampler.transitions", sampler.transitions);
    if (sampler.acceptance && !(*sampler.acceptance >= 0 && *sampler.acceptance <= 1))
        refuse(function, "sampler.acceptance", text_of(*sampler.acceptance), "0 to 1, or none");
    if (!sampler.e_bfmi.empty() && static_cast<std::int64_t>(sampler.e_bfmi.size()) != chains)
        refuse(function, "sampler.e_bfmi", std::to_string(sampler.e_bfmi.size()) + " values",
               std::to_string(chains) + ", one a chain, or none");
}

Quantity row_of(const std::string& name, QuantityDraws& draws, const double* values, std::int64_t size,
                std::int64_t draws_a_chain) {
    constexpr double nan = std::numeric_limits<double>::quiet_NaN();
    Quantity row{name, nan, nan, nan, nan, nan, nan, nan, nan, nan};
    if (!std::all_of(values, values + size, [](double x) { return std::isfinite(x); })) return row;
    draws.look_at(values);
    row.mean = draws.mean();
    row.sd = draws.sd();
    row.median = draws.quantile(0.5);
    row.q5 = draws.quantile(0.05);
    row.q95 = draws.quantile(0.95);
    if (draws_a_chain < 4) return row;
    row.mcse_mean = draws.mcse_mean();
    row.ess_bulk = draws.ess_bulk();
    row.ess_tail = draws.ess_tail();
    row.r_hat = draws.r_hat();
    return row;
}

template <class T>
Summary run_summarise(const std::vector<std::string>& names, const MatrixView<const T>& draws, std::int64_t chains,
                      std::int64_t draws_a_chain, const SamplerReport& sampler) {
    check_summary(names, draws, chains, draws_a_chain, sampler);
    const DefaultFloatEnvironment environment;
    Summary summary{.quantities = {}, .chains = chains, .draws_a_chain = draws_a_chain, .sampler = sampler};
    const std::int64_t size = draws.rows, most = std::min<std::int64_t>(draws.cols, 64 / sizeof(T));
    QuantityDraws quantity(chains, draws_a_chain);
    std::vector<std::uint8_t> moved(static_cast<std::size_t>(chains));
    std::vector<double> columns(static_cast<std::size_t>(most * size));
    for (std::int64_t first = 0; first < draws.cols; first += most) {
        const std::int64_t count = std::min(most, draws.cols - first);
        for (std::int64_t i = 0; i < size; ++i)
            for (std::int64_t j = 0; j < count; ++j)
                columns[static_cast<std::size_t>(j * size + i)] =
                    static_cast<double>(draws.data[i * draws.stride + first + j]);
        for (std::int64_t j = 0; j < count; ++j) {
            const double* const values = columns.data() + j * size;
            summary.quantities.push_back(
                row_of(names[static_cast<std::size_t>(first + j)], quantity, values, size, draws_a_chain));
            for (std::size_t c = 0; c < moved.size(); ++c) {
                const double* const chain = values + static_cast<std::int64_t>(c) * draws_a_chain;
                if (std::any_of(chain, chain + draws_a_chain, [&](double x) { return x != *chain; })) moved[c] = 1;
            }
        }
    }
    summary.stuck_chains = std::count(moved.begin(), moved.end(), 0);
    return summary;
}

}  // namespace

Summary summarise(const std::vector<std::string>& names, MatrixView<const float> draws, std::int64_t chains,
                  std::int64_t draws_a_chain, const SamplerReport& sampler) {
    return run_summarise(names, draws, chains, draws_a_chain, sampler);
}
Summary summarise(const std::vector<std::string>& names, MatrixView<const double> draws, std::int64_t chains,
                  std::int64_t draws_a_chain, const SamplerReport& sampler) {
    return run_summarise(names, draws, chains, draws_a_chain, sampler);
}

}  // namespace cuebm::diagnostics
