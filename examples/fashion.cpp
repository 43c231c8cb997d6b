// K-means energies of Fashion-MNIST (60,000 real images of 28 x 28; H. Xiao, K. Rasul and R. Vollgraf, 2017):
// prototypes, and held-out images whose lower half is completed by several candidates. Or prototypes of any npy file.
// Writes tables that examples/fashion.gnuplot draws.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/timer/progress_display.hpp>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <optional>
#include <string>
#include <vector>

#include <cuebm/cuebm.hpp>

#include "data.hpp"

namespace eb = cuebm;
namespace fs = std::filesystem;

namespace {

struct Options {
    fs::path folder;
    std::string npy, device = "best";
    std::int64_t k = 256, image_width = 0;
    std::uint64_t seed = 7;
    int iterations = 30, threads = 0;
};

eb::Context choose_context(const Options& o) {
    if (o.device == "cuda") return eb::Context::cuda(0);
    if (o.device == "cpu" || o.threads > 0) return eb::Context::cpu({.threads = o.threads});
    return eb::Context::best();
}

eb::kmeans::Model<float> learn(eb::Context& context, const examples::Data& data, const Options& o) {
    const auto points = context.copy(eb::view(data.values, data.n, data.d));
    std::cerr << "choosing " << o.k << " starting prototypes among " << data.n << " points, then iterations:";
    const auto begin = std::chrono::steady_clock::now();
    std::optional<boost::timer::progress_display> bar;
    const auto advance = [&](int iteration) {
        if (!bar) bar.emplace(static_cast<unsigned long>(o.iterations), std::cerr);
        *bar += static_cast<unsigned long>(iteration) - bar->count();
    };
    auto model = eb::kmeans::fit(
        context, points, {.k = o.k, .seed = o.seed, .max_iterations = o.iterations, .progress = [&](const auto& p) {
                              advance(p.iteration);
                          }});
    if (model.iterations < o.iterations) advance(o.iterations);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
    std::cout << "n " << data.n << ", d " << data.d << ", k " << o.k << ", " << model.iterations
              << " iterations, inertia " << model.inertia << ", " << seconds.count() << " s, "
              << context.properties().name << ": " << model.advice() << std::endl;
    return model;
}

// Images side by side, as one matrix of text; `below` rows are left free under each for a label.
void write_grid(const fs::path& path, const std::vector<const float*>& images, std::size_t columns, std::size_t width,
                std::size_t height, std::size_t below) {
    std::ofstream out(path);
    const std::size_t rows = (images.size() + columns - 1) / columns;
    for (std::size_t y = 0; y < rows * (height + below); ++y)
        for (std::size_t x = 0; x < columns * (width + 2); ++x) {
            const std::size_t image = y / (height + below) * columns + x / (width + 2), row = y % (height + below),
                              column = x % (width + 2);
            const bool free = image >= images.size() || row >= height || column >= width;
            out << (free ? 0.0f : images[image][row * width + column]) << (x + 1 == columns * (width + 2) ? '\n' : ' ');
        }
}

// The prototypes, those with the most points first.
void write_prototypes(eb::Context& context, const eb::kmeans::Model<float>& model, std::size_t width,
                      const Options& o) {
    const auto prototypes = eb::to_host(context, model.prototypes);
    const auto d = static_cast<std::size_t>(model.prototypes.cols());
    std::vector<std::size_t> order(static_cast<std::size_t>(o.k)), count(order.size());
    for (const auto label : eb::to_host(context, model.labels)) ++count[static_cast<std::size_t>(label)];
    for (std::size_t z = 0; z < order.size(); ++z) order[z] = z;
    std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return count[a] > count[b]; });
    std::vector<const float*> images;
    for (const auto z : order) images.push_back(&prototypes[z * d]);
    const std::size_t columns = std::min<std::size_t>(32, images.size());
    write_grid(o.folder / "prototypes.txt", images, columns, width, d / width, 2);
}

// beta at which the candidates' probabilities are honest: of a factor-sqrt(2) grid, the one at which the prototype
// nearest to the *whole* image gets the highest mean log probability from the upper half alone, over 2,000 held-out
// images. Measured: 0.71 for k = 256, where that prototype gets 0.18 (geometric mean), and would by chance get 0.004.
double calibrate(eb::Context& context, const eb::Matrix<float>& prototypes, const examples::Data& test,
                 const eb::Matrix<std::uint8_t>& known) {
    constexpr std::int64_t first = 1000, count = 2000;
    const auto points = context.copy(eb::view(test.values, test.n, test.d).slice(first, count));
    const auto labels = eb::to_host(context, eb::kmeans::predict(context, prototypes, points));
    const auto all = context.matrix<float>(count, prototypes.rows());
    eb::assign(context,
               eb::Assign<float>{.points = points, .prototypes = prototypes, .known = known, .all_energies = all});
    const auto energies = eb::to_host(context, all);
    const auto k = static_cast<std::size_t>(prototypes.rows());
    double best = -eb::infinity, best_beta = 0;
    for (double beta = 1.0 / 64; beta <= 64; beta *= std::sqrt(2.0)) {
        double total = 0;
        for (std::size_t i = 0; i < count; ++i) {
            const float* e = &energies[i * k];
            const float least = *std::min_element(e, e + k);
            double sum = 0;
            for (std::size_t z = 0; z < k; ++z) sum += std::exp(-beta * static_cast<double>(e[z] - least));
            total += -beta * static_cast<double>(e[static_cast<std::size_t>(labels[i])] - least) - std::log(sum);
        }
        if (total / count > best) best = total / count, best_beta = beta;
    }
    std::cout << "beta " << best_beta << ": the prototype of the whole image gets probability " << std::exp(best)
              << " (geometric mean) from the upper half; by chance " << 1.0 / static_cast<double>(k) << std::endl;
    return best_beta;
}

// The first held-out image of each of the ten classes, a column each: the image, what is seen of it, candidates, mean.
void write_completions(eb::Context& context, const eb::Matrix<float>& prototypes, const Options& o,
                       std::ostream& about) {
    const auto test = examples::read_images(examples::fashion_folder + "t10k-images-idx3-ubyte.gz");
    const auto classes = examples::read_idx(examples::fashion_folder + "t10k-labels-idx1-ubyte.gz").values;
    const auto d = static_cast<std::size_t>(test.d);
    constexpr std::size_t shown = 10, width = 28, below = 9;
    const auto candidates = static_cast<std::size_t>(std::min<std::int64_t>(4, o.k));
    std::vector<std::uint8_t> mask(d, 1);
    std::fill(mask.begin() + static_cast<std::ptrdiff_t>(d / 2), mask.end(), std::uint8_t{0});
    const auto known = context.copy(eb::view(std::as_const(mask), 1, test.d));
    const double beta = calibrate(context, prototypes, test, known);

    std::vector<float> whole, seen;
    for (std::uint8_t c = 0; c < shown; ++c) {
        const auto i = static_cast<std::ptrdiff_t>(std::find(classes.begin(), classes.end(), c) - classes.begin());
        const auto image = test.values.begin() + i * test.d;
        whole.insert(whole.end(), image, image + test.d);
        seen.insert(seen.end(), image, image + test.d / 2);
        seen.insert(seen.end(), d / 2, 0.25f);  // hidden: an even grey
    }
    const auto points = context.copy(eb::view(std::as_const(seen), shown, test.d));
    const auto set = eb::kmeans::complete(
        context, prototypes,
        {.points = points, .known = known, .candidates = static_cast<std::int32_t>(candidates), .beta = beta});
    const auto values = eb::to_host(context, set.points), mean = eb::to_host(context, set.mean),
               probabilities = eb::to_host(context, set.probabilities);

    std::ofstream labels(o.folder / "probabilities.txt");
    std::vector<const float*> images;
    for (std::size_t i = 0; i < shown; ++i) images.push_back(&whole[i * d]);
    for (std::size_t i = 0; i < shown; ++i) images.push_back(&seen[i * d]);
    for (std::size_t c = 0; c < candidates; ++c)
        for (std::size_t i = 0; i < shown; ++i) {
            images.push_back(&values[(i * candidates + c) * d]);
            labels << i * (width + 2) + width / 2 << ' ' << (c + 3) * (width + below) - below + 3 << ' '
                   << 100 * probabilities[i * candidates + c] << '\n';
        }
    for (std::size_t i = 0; i < shown; ++i) images.push_back(&mean[i * d]);
    write_grid(o.folder / "completions.txt", images, shown, width, d / width, below);
    about << "candidates = " << candidates << "; beta = " << beta << '\n';
}

}  // namespace

int main(int argc, char** argv) try {
    Options o;
    CLI::App app("Learns prototypes of Fashion-MNIST or of a file of yours, and completes half-hidden images.");
    app.option_defaults()->always_capture_default();
    app.add_option("folder", o.folder, "where the tables go that examples/fashion.gnuplot draws")->required();
    app.add_option("--k", o.k, "prototypes");
    app.add_option("--iterations", o.iterations, "at most so many");
    app.add_option("--seed", o.seed, "of the start");
    app.add_option("--device", o.device, "a GPU if there is one, or as said")
        ->check(CLI::IsMember({"best", "cpu", "cuda"}));
    app.add_option("--threads", o.threads, "of the CPU (which this then chooses); 0: all");
    app.add_option("--npy", o.npy, "a 2-d array of float32, float64 or uint8 instead of Fashion-MNIST");
    app.add_option("--image-width", o.image_width, "draw the prototypes of --npy as images so many pixels wide");
    CLI11_PARSE(app, argc, argv);
    if (o.device == "cuda" && o.threads > 0) throw std::runtime_error("--threads: it is for the CPU; leave it out");

    const auto data = o.npy.empty() ? examples::read_images(examples::fashion_folder + "train-images-idx3-ubyte.gz")
                                    : examples::read_npy(o.npy);
    if (o.npy.empty()) o.image_width = 28;
    if (o.image_width < 0 || (o.image_width > 0 && data.d % o.image_width != 0))
        throw std::runtime_error("--image-width " + std::to_string(o.image_width) +
                                 ": wanted a divisor of d = " + std::to_string(data.d));
    fs::create_directories(o.folder);
    auto context = choose_context(o);
    const auto model = learn(context, data, o);
    if (o.image_width == 0) return 0;
    write_prototypes(context, model, static_cast<std::size_t>(o.image_width), o);
    std::ofstream about(o.folder / "about.gnuplot");
    about << "k = " << o.k << "; name = \"" << (o.npy.empty() ? "Fashion-MNIST" : fs::path(o.npy).filename().string())
          << "\"; candidates = 0\n";
    if (o.npy.empty()) write_completions(context, model.prototypes, o, about);
} catch (const std::exception& error) {
    std::cerr << "fashion: " << error.what() << '\n';
    return 1;
}
