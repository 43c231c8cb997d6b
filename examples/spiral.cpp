// The figure of the lecture on energy-based models: points along a spiral, prototypes learnt on it, the energies F and
// F_beta over the plane, and the two uses: complete y_2 where y_1 is given, and project points onto the spiral. With it
// the lecture's claim, measured: coordinate descent against gradient descent on the same energy. It holds where the
// rate is not tuned: the best rate of six, 16, ends below coordinate descent. Usage: spiral FOLDER; writes tables there
// that examples/spiral.gnuplot draws.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <numbers>
#include <random>
#include <vector>

#include <cuebm/cuebm.hpp>

namespace eb = cuebm;
namespace fs = std::filesystem;

namespace {

constexpr std::int64_t n = 2000, k = 24;
// Wells of width sqrt(1 / (2 beta)) = 0.09, 0.4 of the distance between neighbouring prototypes (0.22): they merge into
// one valley along the spiral. The drawn contours show it.
constexpr double beta = 60;

std::vector<float> spiral() {
    std::vector<float> y;
    for (std::int64_t i = 0; i < n; ++i) {
        const float t = std::sqrt(static_cast<float>(i) / static_cast<float>(n)),
                    angle = 4 * std::numbers::pi_v<float> * t;
        y.insert(y.end(), {t * std::cos(angle), t * std::sin(angle)});
    }
    return y;
}

// count x count places, evenly over [-reach, reach]^2.
std::vector<float> lattice(std::int64_t count, float reach) {
    const auto at = [&](std::int64_t i) {
        return reach * (2 * static_cast<float>(i) / static_cast<float>(count - 1) - 1);
    };
    std::vector<float> places;
    for (std::int64_t i = 0; i < count; ++i)
        for (std::int64_t j = 0; j < count; ++j) places.insert(places.end(), {at(j), at(i)});
    return places;
}

void write_rows(const fs::path& path, const std::vector<float>& values, std::size_t columns) {
    std::ofstream out(path);
    for (std::size_t i = 0; i < values.size(); ++i) out << values[i] << ((i + 1) % columns == 0 ? '\n' : ' ');
}

// F and F_beta over the plane.
void write_plane(eb::Context& context, const eb::Matrix<float>& prototypes, const fs::path& folder) {
    constexpr std::int64_t grid = 161;
    const auto places = lattice(grid, 1.2f);
    const auto points = context.copy(eb::view(places, grid * grid, 2));
    const auto energies = context.vector<float>(grid * grid), free_energies = context.vector<float>(grid * grid);
    eb::assign(context, eb::Assign<float>{.points = points,
                                          .prototypes = prototypes,
                                          .energies = energies,
                                          .free_energies = free_energies,
                                          .beta = beta});
    const auto f = eb::to_host(context, energies), f_beta = eb::to_host(context, free_energies);
    std::ofstream out(folder / "plane.txt");
    for (std::size_t p = 0; p < f.size(); ++p) {
        if (p > 0 && p % grid == 0) out << '\n';
        out << places[2 * p] << ' ' << places[2 * p + 1] << ' ' << f[p] << ' ' << f_beta[p] << '\n';
    }
}

// y_1 is given, y_2 is not: every candidate lies on the spiral, their mean does not.
void write_completions(eb::Context& context, const eb::Matrix<float>& prototypes, const fs::path& folder) {
    constexpr std::int64_t candidates = 4;
    const std::vector<float> given{0.05f, 0};
    const std::vector<std::uint8_t> known{1, 0};
    const auto points = context.copy(eb::view(given, 1, 2));
    const auto mask = context.copy(eb::view(known, 1, 2));
    const auto set = eb::kmeans::complete(
        context, prototypes,
        {.points = points, .known = mask, .candidates = static_cast<std::int32_t>(candidates), .beta = beta});
    const auto values = eb::to_host(context, set.points), mean = eb::to_host(context, set.mean),
               probabilities = eb::to_host(context, set.probabilities);
    const auto labels = eb::to_host(context, set.labels);
    const auto w = eb::to_host(context, prototypes);
    std::ofstream out(folder / "candidates.txt");
    std::cout << "given y_1 = " << given[0] << ": y_2 =";
    for (std::size_t c = 0; c < candidates; ++c) {
        const auto z = static_cast<std::size_t>(labels[c]);
        out << values[2 * c] << ' ' << values[2 * c + 1] << ' ' << probabilities[c] << ' ' << w[2 * z] << '\n';
        std::cout << ' ' << values[2 * c + 1] << " (" << std::lround(100 * probabilities[c]) << "%)";
    }
    std::cout << "; mean " << mean[1] << '\n';
    write_rows(folder / "mean.txt", mean, 2);
}

// Points off the spiral, moved onto the learned manifold: at once to the nearest prototype, and down F_beta step by
// step (one iteration a call, so that the path can be drawn).
void write_projections(eb::Context& context, const eb::Matrix<float>& prototypes, const fs::path& folder) {
    constexpr std::int64_t side = 6, count = side * side, steps = 200;
    const auto places = lattice(side, 1.0f);
    auto points = context.copy(eb::view(places, count, 2));
    const auto nearest = eb::to_host(context, eb::kmeans::project(context, prototypes, {.points = points}).points);
    std::ofstream arrows(folder / "nearest.txt"), out(folder / "paths.txt");
    for (std::size_t i = 0; i < nearest.size(); i += 2)
        arrows << places[i] << ' ' << places[i + 1] << ' ' << nearest[i] - places[i] << ' '
               << nearest[i + 1] - places[i + 1] << '\n';
    std::vector<std::vector<float>> path{places};
    for (int step = 0; step < steps; ++step) {
        points = eb::kmeans::project(context, prototypes,
                                     {.points = points, .beta = beta, .max_iterations = 1, .tolerance = 0})
                     .points;
        path.push_back(eb::to_host(context, points));
    }
    for (std::size_t i = 0; i < places.size(); i += 2) {
        for (const auto& at : path) out << at[i] << ' ' << at[i + 1] << '\n';
        out << '\n';
    }
    write_rows(folder / "places.txt", places, 2);
    write_rows(folder / "ends.txt", path.back(), 2);
}

using Curve = std::vector<double>;  // mean energy before each step

Curve coordinate_descent(eb::Context& context, const eb::Matrix<float>& y, const eb::Matrix<float>& start, int steps) {
    Curve curve;
    (void)eb::kmeans::fit(context, y,
                          {.k = k,
                           .start = eb::kmeans::Start::given,
                           .prototypes = start,
                           .max_iterations = steps,
                           .tolerance = 0,
                           .progress = [&](const eb::kmeans::Progress& p) { curve.push_back(p.inertia / n); }});
    curve.resize(static_cast<std::size_t>(steps), curve.back());  // it stops where no label changes
    return curve;
}

// w <- w - rate / n dE/dw, with the labels of each step: one inference a step, as coordinate descent.
Curve gradient_descent(eb::Context& context, const eb::Matrix<float>& y, const eb::Matrix<float>& start, double rate,
                       int steps) {
    Curve curve;
    const auto energies = context.vector<float>(n);
    const auto gradient = context.matrix<float>(k, 2);
    auto w = eb::to_host(context, start);
    for (int step = 0; step < steps; ++step) {
        const auto prototypes = context.copy(eb::view(std::as_const(w), k, 2));
        eb::assign(context, eb::Assign<float>{.points = y, .prototypes = prototypes, .energies = energies});
        eb::assign_gradient(context, {.points = y, .prototypes = prototypes, .prototype_gradients = gradient});
        double total = 0;
        for (const float energy : eb::to_host(context, energies)) total += static_cast<double>(energy);
        curve.push_back(total / n);
        const auto g = eb::to_host(context, gradient);
        for (std::size_t i = 0; i < w.size(); ++i) w[i] -= static_cast<float>(rate / n) * g[i];
    }
    return curve;
}

// k distinct rows of y.
eb::Matrix<float> random_start(eb::Context& context, std::vector<float> y, std::mt19937& random) {
    for (std::size_t z = 0; z < k; ++z) {
        const std::size_t other = z + random() % (n - z);
        std::swap_ranges(&y[2 * z], &y[2 * z] + 2, &y[2 * other]);
    }
    return context.copy(eb::view(std::as_const(y), k, 2));
}

// Quartiles over the starts: "low median high" at each step.
void write_quartiles(std::ostream& out, const std::vector<Curve>& curves) {
    for (std::size_t step = 0; step < curves[0].size(); ++step) {
        std::vector<double> values;
        for (const auto& curve : curves) values.push_back(curve[step]);
        std::sort(values.begin(), values.end());
        const std::size_t m = values.size();
        out << step << ' ' << values[m / 4] << ' ' << values[m / 2] << ' ' << values[m - 1 - m / 4] << '\n';
    }
    out << "\n\n";
}

// The claim, over several starts shared by all. Gradient descent gets every rate of a factor-2 grid, which coordinate
// descent does not need: it has none.
void write_race(eb::Context& context, const std::vector<float>& y, const fs::path& folder) {
    constexpr int steps = 60;
    constexpr std::size_t starts = 15;
    const auto points = context.copy(eb::view(y, n, 2));
    std::mt19937 random(1);
    std::vector<eb::Matrix<float>> start;
    for (std::size_t s = 0; s < starts; ++s) start.push_back(random_start(context, y, random));
    const auto median_end = [](std::vector<Curve>& curves) {
        std::vector<double> ends;
        for (const auto& curve : curves) ends.push_back(curve.back());
        std::sort(ends.begin(), ends.end());
        return ends[ends.size() / 2];
    };
    std::ofstream out(folder / "race.txt");
    std::vector<Curve> curves;
    for (const auto& w : start) curves.push_back(coordinate_descent(context, points, w, steps));
    write_quartiles(out, curves);
    std::cout << "mean energy after " << steps << " steps, median of " << starts << " starts: coordinate descent "
              << median_end(curves) << "; gradient descent at rate";
    for (double rate = 1; rate <= 32; rate *= 2) {
        curves.clear();
        for (const auto& w : start) curves.push_back(gradient_descent(context, points, w, rate, steps));
        write_quartiles(out, curves);
        std::cout << ' ' << rate << ": " << median_end(curves);
    }
    std::cout << '\n';
}

}  // namespace

int main(int argc, char** argv) try {
    if (argc != 2 || argv[1][0] == '-')
        return std::cerr << "usage: spiral FOLDER, where the tables go that examples/spiral.gnuplot draws\n", 2;
    const fs::path folder = argv[1];
    fs::create_directories(folder);
    auto context = eb::Context::best();
    const auto y = spiral();
    const auto points = context.copy(eb::view(y, n, 2));
    const auto model = eb::kmeans::fit(context, points, {.k = k, .seed = 7, .tolerance = 0});
    std::cout << context.description() << "\nn " << n << ", d 2, k " << k << ", " << model.iterations
              << " iterations, inertia " << model.inertia << ": " << model.advice() << '\n';
    write_rows(folder / "points.txt", y, 2);
    write_rows(folder / "prototypes.txt", eb::to_host(context, model.prototypes), 2);
    write_plane(context, model.prototypes, folder);
    write_completions(context, model.prototypes, folder);
    write_projections(context, model.prototypes, folder);
    write_race(context, y, folder);
} catch (const std::exception& error) {
    std::cerr << "spiral: " << error.what() << '\n';
    return 1;
}
