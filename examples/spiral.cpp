// The lecture's figure: points along a spiral, prototypes learnt on it, and the energies F and F_beta over the
// plane. With it the lecture's claim, measured: coordinate descent against gradient descent on the same energy.
// Usage: spiral FOLDER; writes tables there that examples/spiral.gnuplot draws.
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <numbers>
#include <string>
#include <vector>

#include <cuebm/cuebm.hpp>

namespace eb = cuebm;

namespace {

constexpr std::int64_t n = 2000, k = 24, grid = 161;
constexpr float reach = 1.2f;  // the plane is drawn over [-reach, reach]^2

std::vector<float> spiral() {
    std::vector<float> y;
    for (std::int64_t i = 0; i < n; ++i) {
        const float t = std::sqrt(static_cast<float>(i) / static_cast<float>(n)),
                    angle = 4 * std::numbers::pi_v<float> * t;
        y.push_back(t * std::cos(angle));
        y.push_back(t * std::sin(angle));
    }
    return y;
}

// Mean energy after each of `steps` steps of gradient descent over W, dE/dw_k = 2 sum over its points of (w_k - y);
// each step costs one inference, as one of Lloyd's does.
std::vector<double> gradient_descent(eb::Context& context, const std::vector<float>& y, std::vector<float> w,
                                     double rate, int steps) {
    std::vector<std::int32_t> labels(n);
    std::vector<float> energies(n);
    std::vector<double> curve;
    for (int step = 0; step < steps; ++step) {
        eb::assign(context, eb::Assign<float>{.points = eb::view(y, n, 2),
                                              .prototypes = eb::view(std::as_const(w), k, 2),
                                              .labels = eb::view(labels),
                                              .energies = eb::view(energies)});
        double total = 0;
        std::vector<double> gradient(2 * k);
        for (std::size_t i = 0; i < n; ++i) {
            total += static_cast<double>(energies[i]);
            for (std::size_t j = 0; j < 2; ++j) {
                const auto at = static_cast<std::size_t>(labels[i]) * 2 + j;
                gradient[at] += 2 * (static_cast<double>(w[at]) - static_cast<double>(y[2 * i + j])) / n;
            }
        }
        curve.push_back(total / n);
        for (std::size_t at = 0; at < gradient.size(); ++at) w[at] -= static_cast<float>(rate * gradient[at]);
    }
    return curve;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) return std::cerr << "usage: spiral FOLDER\n", 2;
    const std::filesystem::path folder = argv[1];
    std::filesystem::create_directories(folder);
    auto context = eb::Context::best();
    const auto y = spiral();

    const auto model = eb::kmeans::fit(context, eb::view(y, n, 2), {.k = k, .seed = 7, .tolerance = 0});
    const auto w = eb::to_host(context, model.prototypes);
    std::cout << context.description() << "\nn " << n << ", d 2, k " << k << ", " << model.iterations
              << " iterations, inertia " << model.inertia << ": " << model.advice() << '\n';

    std::ofstream points(folder / "points.txt"), prototypes(folder / "prototypes.txt"), plane(folder / "plane.txt"),
        curves(folder / "curves.txt");
    for (std::size_t i = 0; i < n; i += 4) points << y[2 * i] << ' ' << y[2 * i + 1] << '\n';
    for (std::size_t z = 0; z < k; ++z) prototypes << w[2 * z] << ' ' << w[2 * z + 1] << '\n';

    std::vector<float> places, energy(grid * grid), free_energy(grid * grid);
    const auto coordinate = [](std::int64_t i) {
        return reach * (2 * static_cast<float>(i) / static_cast<float>(grid - 1) - 1);
    };
    for (std::int64_t i = 0; i < grid; ++i)
        for (std::int64_t j = 0; j < grid; ++j) places.insert(places.end(), {coordinate(j), coordinate(i)});
    eb::assign(context, eb::Assign<float>{.points = eb::view(std::as_const(places), grid * grid, 2),
                                          .prototypes = model.prototypes,
                                          .energies = eb::view(energy),
                                          .free_energies = eb::view(free_energy),
                                          .beta = 60});
    for (std::size_t p = 0; p < grid * grid; ++p) {
        if (p > 0 && p % grid == 0) plane << '\n';
        plane << places[2 * p] << ' ' << places[2 * p + 1] << ' ' << energy[p] << ' ' << free_energy[p] << '\n';
    }

    // Both from the same start. Gradient descent at the best rate in hindsight of a factor-2 grid, and at a quarter of
    // it.
    constexpr int steps = 60;
    const auto start =
        eb::kmeans::fit(context, eb::view(y, n, 2),
                        {.k = k, .seed = 3, .start = eb::kmeans::Start::random, .max_iterations = 1, .tolerance = 0});
    const auto first = eb::to_host(context, start.prototypes);
    std::vector<double> lloyd;
    (void)eb::kmeans::fit(context, eb::view(y, n, 2),
                          {.k = k,
                           .start = eb::kmeans::Start::given,
                           .prototypes = start.prototypes,
                           .max_iterations = steps,
                           .tolerance = 0,
                           .progress = [&](const eb::kmeans::Progress& p) { lloyd.push_back(p.inertia / n); }});
    std::vector<double> best;
    double best_rate = 0;
    for (double rate = 0.5; rate <= 64; rate *= 2) {
        const auto curve = gradient_descent(context, y, first, rate, steps);
        if (best.empty() || curve.back() < best.back()) best = curve, best_rate = rate;
    }
    const auto slower = gradient_descent(context, y, first, best_rate / 4, steps);
    for (std::size_t step = 0; step < steps; ++step)
        curves << step << ' ' << lloyd[std::min(step, lloyd.size() - 1)] << ' ' << best[step] << ' ' << slower[step]
               << '\n';
    std::cout << "mean energy after " << steps << " steps: coordinate descent " << lloyd.back() << ", gradient descent "
              << best.back() << " at the best rate, " << best_rate << ", and " << slower.back()
              << " at a quarter of it\n";
}
