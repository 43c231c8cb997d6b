// Markov chains on energies. Eight schools (D. B. Rubin, 1981) by Hamiltonian Monte Carlo: its table of means, R-hat
// and effective sample sizes, the verdict, traces and marginals. Then a banana in two dimensions, where everything is
// known and can be drawn: the lecture's descent of the energy with and without kicks, draws, traces, and a histogram.
// Writes tables that examples/sample.gnuplot draws.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <numbers>
#include <string>
#include <utility>
#include <vector>

#include <unistd.h>

#include <cuebm/cuebm.hpp>

namespace eb = cuebm;
namespace fs = std::filesystem;

namespace {

struct Options {
    fs::path folder, output;
    std::int64_t chains = 256, warmup = 500, draws = 1000;
    int leapfrogs = 20;
    // Steps for 0.8, as usual, are too long for the tails of both energies: of 256,000 transitions of eight schools 1
    // to 17 diverged with seeds 1 to 7, at 0.95 up to 3, at 0.98 none.
    double target = 0.98;
    std::uint64_t seed = 7;
    std::string device = "best";
};

eb::Context choose_context(const Options& o) {
    if (o.device == "cuda") return eb::Context::cuda(0);
    return o.device == "cpu" ? eb::Context::cpu() : eb::Context::best();
}

eb::Hmc hmc(const Options& o) {
    return {.leapfrogs = o.leapfrogs, .lengths = eb::Lengths::jittered, .target = o.target};
}

// A bar, and whether to let it go on. On a terminal it is written over; elsewhere the last is all there is.
void show(const eb::SampleProgress& p) {
    constexpr int width = 24;
    const bool last = p.transition == p.transitions;
    if (!last && isatty(STDERR_FILENO) == 0) return;
    const auto done = static_cast<std::size_t>(width * p.transition / p.transitions);
    std::fprintf(stderr, "\r[%-*s] %3d%% %-7s  step size %-8.3g acceptance %.2f  divergences %lld ", width,
                 std::string(done, '#').c_str(), static_cast<int>(100 * p.transition / p.transitions),
                 p.warmup ? "warm-up" : "draws", p.step_size, p.acceptance, static_cast<long long>(p.divergences));
    if (last) std::fputc('\n', stderr);
}

// --- eight schools ---

// Given log_tau all else is normal: the densities of mu and log_tau are sums over log_tau alone.
void write_exact_marginals(const fs::path& folder) {
    const eb::energy::EightSchools schools;
    constexpr double step = 0.02, least = -3, most = 7;
    struct Given {  // log_tau: mu's mean and precision, and the density of log_tau but for a factor
        double log_tau, mean, precision, density;
    };
    std::vector<Given> all;
    double total = 0;
    for (double log_tau = least; log_tau <= most; log_tau += step) {
        double precision = 1 / (10.0 * 10.0), sum = 0, squares = 0, logs = 0;
        for (std::size_t j = 0; j < schools.effects.size(); ++j) {
            const double variance = std::pow(schools.errors[j], 2) + std::exp(2 * log_tau);
            precision += 1 / variance;
            sum += schools.effects[j] / variance;
            squares += std::pow(schools.effects[j], 2) / variance;
            logs += std::log(variance);
        }
        const double density =
            std::exp(-0.5 * (std::pow(log_tau - 5, 2) + logs + std::log(precision) + squares - sum * sum / precision));
        all.push_back({log_tau, sum / precision, precision, density});
        total += step * density;
    }
    std::ofstream of_log_tau(folder / "schools_log_tau.txt"), of_mu(folder / "schools_mu.txt");
    for (const auto& given : all) of_log_tau << given.log_tau << ' ' << given.density / total << '\n';
    for (double mu = -25; mu <= 35; mu += 0.25) {
        double density = 0;
        for (const auto& given : all)
            density += step * given.density / total * std::sqrt(given.precision / (2 * std::numbers::pi)) *
                       std::exp(-0.5 * given.precision * std::pow(mu - given.mean, 2));
        of_mu << mu << ' ' << density << '\n';
    }
}

// mu and log_tau: of every draw, and the traces of three chains.
void write_schools(const eb::Context& context, const eb::Samples<float>& run, const Options& o) {
    const auto draws = eb::to_host(context, run.draws);
    const auto d = static_cast<std::size_t>(run.draws.cols()), of_chain = static_cast<std::size_t>(run.draws_a_chain);
    std::ofstream out(o.folder / "schools.txt"), traces(o.folder / "schools_traces.txt");
    for (std::size_t row = 0; row < draws.size() / d; ++row) {
        out << draws[row * d] << ' ' << draws[row * d + 1] << '\n';
        if (row >= 3 * of_chain) continue;
        traces << draws[row * d] << ' ' << draws[row * d + 1] << '\n' << ((row + 1) % of_chain == 0 ? "\n\n" : "");
    }
    write_exact_marginals(o.folder);
}

// One file a chain, as CmdStan writes them.
void save(const eb::Samples<float>& run, const Options& o) {
    fs::create_directories(o.output);
    const std::int64_t saved = std::min<std::int64_t>(4, run.chains);
    for (std::int64_t c = 0; c < saved; ++c)
        run.save_cmdstan_csv((o.output / ("eight_schools_" + std::to_string(c + 1) + ".csv")).string(), c);
    std::cout << "saved: the first " << saved << " chains, in " << o.output.string() << '\n';
}

void eight_schools(const eb::Context& context, const Options& o) {
    std::vector<std::string> names{"mu", "log_tau"};
    for (int school = 1; school <= 8; ++school) names.push_back("eta[" + std::to_string(school) + "]");
    // Not centred: eta = (effect - mu) / tau. Centred effects form a funnel, whose neck HMC cannot enter.
    const auto energy = eb::energy::named(eb::energy::eight_schools(), names);
    std::cout << "eight schools: " << o.chains << " chains of " << energy.text() << std::endl;
    const auto run =
        eb::sample(context, energy, hmc(o),
                   {.chains = o.chains, .warmup = o.warmup, .draws = o.draws, .seed = o.seed, .progress = show});
    std::cout << eb::diagnostics::to_string(run.summary())
              // Given log_tau all else is normal, so that quadrature over it alone gives these.
              << "exactly: mu 5.799, sd 5.447; log_tau 2.4506, sd 0.5128\n\n";
    write_schools(context, run, o);
    if (!o.output.empty()) save(run, o);
}

// --- the banana ---

constexpr double scale = 2, curvature = 0.25;
const std::vector<float> start{-6, 0, 0, 7.5f, 6, 3};  // of three chains, far from the valley and from each other
constexpr std::int64_t chains = 3;
using Paths = std::vector<std::vector<float>>;

// Each chain's rows of draws, after its start.
Paths with_start(const std::vector<float>& draws) {
    Paths paths;
    const std::size_t each = draws.size() / chains;
    for (std::size_t c = 0; c < chains; ++c) {
        paths.push_back({start[2 * c], start[2 * c + 1]});
        const auto first = draws.begin() + static_cast<std::ptrdiff_t>(each * c);
        paths[c].insert(paths[c].end(), first, first + static_cast<std::ptrdiff_t>(each));
    }
    return paths;
}

void write_paths(const fs::path& path, const Paths& paths) {
    std::ofstream out(path);
    for (const auto& points : paths) {
        for (std::size_t i = 0; i < points.size(); i += 2) out << points[i] << ' ' << points[i + 1] << '\n';
        out << "\n\n";
    }
}

void write_plane(const eb::Context& context, const eb::Energy& energy, const fs::path& folder) {
    constexpr std::int64_t grid = 201;
    std::vector<float> places;
    for (std::int64_t i = 0; i < grid; ++i)
        for (std::int64_t j = 0; j < grid; ++j)
            places.insert(places.end(),
                          {-7 + 14 * static_cast<float>(j) / (grid - 1), -5 + 14 * static_cast<float>(i) / (grid - 1)});
    const auto points = context.copy(eb::view(std::as_const(places), grid * grid, 2));
    const auto values = context.vector<float>(grid * grid);
    eb::energy::evaluate(context, energy, eb::energy::Evaluate<float>{.points = points, .values = values});
    const auto e = eb::to_host(context, values);
    std::ofstream out(folder / "plane.txt");
    for (std::size_t p = 0; p < e.size(); ++p)
        out << (p > 0 && p % grid == 0 ? "\n" : "") << places[2 * p] << ' ' << places[2 * p + 1] << ' ' << e[p] << '\n';
}

// The lecture's way down, x <- x - rate dE/dx, and the same with a kick of deviation step_size each step.
void write_descents(const eb::Context& context, const eb::Energy& energy, const Options& o) {
    constexpr std::int64_t steps = 150;
    constexpr double step_size = 0.35, rate = step_size * step_size / 2;
    auto x = start;
    Paths descents = with_start({});
    const auto gradients = context.matrix<float>(chains, 2);
    for (std::int64_t step = 0; step < steps; ++step) {
        const auto points = context.copy(eb::view(std::as_const(x), chains, 2));
        eb::energy::evaluate(context, energy, eb::energy::Evaluate<float>{.points = points, .gradients = gradients});
        const auto g = eb::to_host(context, gradients);
        for (std::size_t i = 0; i < x.size(); ++i) {
            x[i] -= static_cast<float>(rate) * g[i];
            descents[i / 2].push_back(x[i]);
        }
    }
    write_paths(o.folder / "descents.txt", descents);
    const auto from = context.copy(eb::view(start, chains, 2));
    const auto run = eb::sample(context, energy, eb::Langevin{.adjusted = false, .step_size = step_size},
                                {.chains = chains, .warmup = 0, .draws = steps, .seed = o.seed, .start = from});
    write_paths(o.folder / "langevin.txt", with_start(eb::to_host(context, run.draws)));
}

// Draws of many chains, and the exact density of x_2: an integral over x_1, which is normal.
eb::Samples<float> write_draws(const eb::Context& context, const eb::Energy& energy, const Options& o) {
    auto run = eb::sample(context, energy, hmc(o),
                          {.chains = 64, .warmup = 500, .draws = 500, .seed = o.seed, .progress = show});
    std::cout << "banana: " << run.chains << " chains\n" << eb::diagnostics::to_string(run.summary()) << '\n';
    const auto draws = eb::to_host(context, run.draws), values = eb::to_host(context, run.values);
    std::ofstream out(o.folder / "draws.txt"), exact(o.folder / "density.txt");
    for (std::size_t i = 0; i < draws.size(); i += 2) out << draws[i] << ' ' << draws[i + 1] << '\n';
    // x_1 / scale and the height over the parabola are independent and normal, so 2 E is a chi square of two.
    for (const double level : {0.5, 2.0, 4.5}) {
        const auto below = [&](float e) { return static_cast<double>(e) < level; };
        std::cout << "share of draws with E < " << level << ": "
                  << static_cast<double>(std::count_if(values.begin(), values.end(), below)) /
                         static_cast<double>(values.size())
                  << ", exactly " << 1 - std::exp(-level) << '\n';
    }
    constexpr double step = 0.02;
    for (double y = -5; y <= 9; y += 0.05) {
        double density = 0;
        for (double u = -6; u <= 6; u += step) {
            const double height = y - curvature * scale * scale * (u * u - 1);
            density += step * std::exp(-0.5 * (u * u + height * height)) / (2 * std::numbers::pi);
        }
        exact << y << ' ' << density << '\n';
    }
    return run;
}

// What that run learnt, given to three chains that begin far apart: without warm-up, so that one sees them forget.
void write_traces(const eb::Context& context, const eb::Samples<float>& learnt, const Options& o) {
    constexpr std::int64_t draws = 150;
    auto sampler = hmc(o);
    sampler.step_size = learnt.step_size;
    const auto from = context.copy(eb::view(start, chains, 2));
    const auto run = eb::sample(context, learnt.energy, sampler,
                                {.chains = chains,
                                 .warmup = 0,
                                 .draws = draws,
                                 .seed = o.seed + 1,
                                 .start = from,
                                 .inverse_mass = learnt.inverse_mass});
    write_paths(o.folder / "traces.txt", with_start(eb::to_host(context, run.draws)));
}

}  // namespace

int main(int argc, char** argv) try {
    Options o;
    CLI::App app("Samples eight schools and a banana by Markov chains.");
    app.option_defaults()->always_capture_default();
    app.add_option("folder", o.folder, "where the tables go that examples/sample.gnuplot draws")->required();
    app.add_option("--chains", o.chains, "of eight schools")->check(CLI::PositiveNumber);
    app.add_option("--warmup", o.warmup, "transitions in which step size and mass are learnt")
        ->check(CLI::NonNegativeNumber);
    app.add_option("--draws", o.draws, "of each chain")->check(CLI::PositiveNumber);
    app.add_option("--leapfrogs", o.leapfrogs, "of a trajectory, on average")->check(CLI::PositiveNumber);
    app.add_option("--target", o.target, "acceptance that warm-up aims at: the higher, the smaller the steps");
    app.add_option("--seed", o.seed, "of the starts and of all noise");
    app.add_option("--device", o.device, "a GPU if there is one, or as said")
        ->check(CLI::IsMember({"best", "cpu", "cuda"}));
    app.add_option("--output", o.output, "a folder for the first four chains of eight schools, as CmdStan's CSV");
    CLI11_PARSE(app, argc, argv);

    fs::create_directories(o.folder);
    const auto context = choose_context(o);
    std::cout << context.description() << std::endl;
    eight_schools(context, o);
    const auto banana = eb::energy::named(eb::energy::banana({.scale = scale, .curvature = curvature}), {"x_1", "x_2"});
    write_plane(context, banana, o.folder);
    write_descents(context, banana, o);
    const auto run = write_draws(context, banana, o);
    write_traces(context, run, o);
} catch (const std::exception& error) {
    std::cerr << "sample: " << error.what() << '\n';
    return 1;
}
