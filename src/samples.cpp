// What is made of a run's draws: its summary, and files.
#include <algorithm>

#include <cuebm/draws_file.hpp>
#include <cuebm/sample.hpp>

#include "check.hpp"

namespace cuebm {

using detail::refuse;

namespace {

// Draws of the coordinates that people know.
struct KnownDraws {
    std::vector<std::string> names;
    std::vector<double> values;  // [rows x names]
    MatrixView<const double> view() const {
        const auto cols = static_cast<std::int64_t>(names.size());
        return cuebm::view(values, static_cast<std::int64_t>(values.size()) / cols, cols);
    }
};
template <class T>
KnownDraws known_draws(const Samples<T>& samples, MatrixView<const T> rows, bool with_held) {
    const auto points = to_host(*samples.context, rows);
    auto held = samples.energy.held();
    if (with_held) held.assign(held.size(), false);
    const auto names = samples.energy.names();
    KnownDraws known;
    for (std::size_t j = 0; j < names.size(); ++j)
        if (!held[j]) known.names.push_back(names[j]);
    const auto d = static_cast<std::size_t>(rows.cols);
    std::vector<double> point(d);
    known.values.reserve(points.size() / d * known.names.size());
    for (std::size_t row = 0; row < points.size(); row += d) {
        std::copy_n(points.begin() + static_cast<std::ptrdiff_t>(row), d, point.begin());
        const auto coordinates = samples.energy.coordinates(point);
        for (std::size_t j = 0; j < coordinates.size(); ++j)
            if (!held[j]) known.values.push_back(coordinates[j]);
    }
    return known;
}

template <class T>
void check_drawn(const char* where, const Samples<T>& samples) {
    if (!samples.energy || samples.draws_a_chain == 0)
        refuse(where, "draws", "none", "what sample() returned, with draws");
}

}  // namespace

template <class T>
diagnostics::Summary Samples<T>::summary() const {
    check_drawn("Samples::summary", *this);
    const auto known = known_draws<T>(*this, draws, false);
    diagnostics::SamplerReport report{.divergences = divergences,
                                      .max_treedepth_hits = deepest,
                                      .e_bfmi = {},
                                      .transitions = chains * counted,
                                      .acceptance = acceptance};
    if (draws_a_chain >= 4 && hamiltonian && thin == 1) {  // else neighbours are no transition of energy
        const auto hamiltonians = to_host(*context, energies);
        report.e_bfmi = diagnostics::e_bfmi(view(hamiltonians, chains, draws_a_chain));
    }
    return diagnostics::summarise(known.names, known.view(), chains, draws_a_chain, report);
}

template <class T>
void Samples<T>::save_cmdstan_csv(const std::string& path, std::int64_t chain) const {
    constexpr auto where = "Samples::save_cmdstan_csv";
    check_drawn(where, *this);
    if (chain < 0 || chain >= chains)
        refuse(where, "chain", std::to_string(chain), "0 to " + std::to_string(chains - 1));
    // Held ones too: readers fill the gaps of an array with zeros.
    const auto known = known_draws<T>(*this, draws.view().slice(chain * draws_a_chain, draws_a_chain), true);
    const auto row = [&]<class Number>(const auto& matrix, Number factor) {
        std::vector<Number> numbers;
        if (matrix.rows() > 0)
            for (const auto value : to_host(*context, matrix.view().slice(chain, 1)))
                numbers.push_back(factor * static_cast<Number>(value));
        return numbers;
    };
    const std::int32_t as_it_is = 1;
    const auto log_density = row(values, -1.0), hamiltonians = row(energies, 1.0),
               probabilities = row(acceptances, 1.0);
    const auto diverged = row(divergent, as_it_is), depths = row(tree_depths, as_it_is),
               leaves = row(tree_leapfrogs, as_it_is);
    const std::vector<double> steps(static_cast<std::size_t>(draws_a_chain), step_size);
    diagnostics::save_cmdstan_csv(path, known.names, known.view(),
                                  {.lp = view(log_density),
                                   .accept_stat = view(probabilities),
                                   .stepsize = view(steps),
                                   .treedepth = depths.empty() ? VectorView<const std::int32_t>{} : view(depths),
                                   .n_leapfrog = leaves.empty() ? VectorView<const std::int32_t>{} : view(leaves),
                                   .divergent = view(diverged),
                                   .energy = view(hamiltonians)},
                                  {.id = chain + 1, .seed = seed, .warmup = warmup, .thin = thin});
}
template struct Samples<float>;
template struct Samples<double>;

}  // namespace cuebm
