// Samples an energy of one's own, two_moons.cpp: custom_energy FOLDER writes tables there, which custom_energy.gnuplot
// draws, and prints the summary of the chains.
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <cuebm/cuebm.hpp>

namespace eb = cuebm;

namespace {

std::ofstream open(const std::string& path) {
    std::ofstream out(path);
    if (!out) throw std::runtime_error(path + " cannot be written");
    return out;
}

void write_plane(const eb::Context& context, const eb::Energy& energy, const std::string& path) {
    constexpr int grid = 121;
    std::vector<float> places;
    for (int i = 0; i < grid; ++i)
        for (int j = 0; j < grid; ++j)
            places.insert(places.end(),
                          {-3 + 6 * static_cast<float>(j) / (grid - 1), -3 + 6 * static_cast<float>(i) / (grid - 1)});
    const auto points = context.copy(eb::view(std::as_const(places), grid * grid, 2));
    const auto values = context.vector<float>(grid * grid);
    eb::energy::evaluate(context, energy, eb::energy::Evaluate<float>{.points = points, .values = values});
    const auto e = eb::to_host(context, values);
    auto out = open(path);
    for (std::size_t p = 0; p < e.size(); ++p)
        out << (p > 0 && p % grid == 0 ? "\n" : "") << places[2 * p] << ' ' << places[2 * p + 1] << ' ' << e[p] << '\n';
}

void run(const std::string& folder) {
    std::filesystem::create_directories(folder);
    const auto context = eb::Context::best();
    const auto energy = eb::energy::custom({.name = "TwoMoons", .parameters = {2, 0.4, 1}});
    write_plane(context, energy, folder + "/plane.txt");
    const auto run = eb::sample<float>(context, energy, eb::Hmc{.leapfrogs = 16, .lengths = eb::Lengths::jittered},
                                       {.chains = 256, .warmup = 300, .draws = 1000, .seed = 1});
    std::printf("%s\n", eb::diagnostics::to_string(run.summary()).c_str());
    const auto draws = eb::to_host(context, run.draws);
    auto out = open(folder + "/draws.txt");
    for (std::size_t i = 0; i < draws.size(); i += 320) out << draws[i] << ' ' << draws[i + 1] << '\n';  // each 160th
}

}  // namespace

int main(int argc, char** argv) try {
    if (argc != 2 || argv[1][0] == '-') return std::fputs("usage: custom_energy FOLDER\n", stderr), 2;
    run(argv[1]);
} catch (const std::exception& problem) {
    std::fprintf(stderr, "%s\n", problem.what());
    return 1;
}
