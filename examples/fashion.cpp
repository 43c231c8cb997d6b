// K-means energies of Fashion-MNIST (60,000 real images of 28 x 28; H. Xiao, K. Rasul and R. Vollgraf, 2017):
// 256 prototypes, and held-out images whose lower half is completed by several candidates.
// Usage: fashion FOLDER; writes two images there, as text that examples/fashion.gnuplot draws.
#include <zlib.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

#include <cuebm/cuebm.hpp>

namespace eb = cuebm;

namespace {

constexpr std::int64_t side = 28, d = side * side, k = 256;

// Images of an idx file, a row each, pixels in [0, 1].
std::vector<float> read_images(const std::string& path) {
    const gzFile file = gzopen(path.c_str(), "rb");
    if (file == nullptr) throw std::runtime_error(path + " is missing; install Debian's dataset-fashion-mnist");
    std::vector<unsigned char> bytes(16);
    if (gzread(file, bytes.data(), 16) != 16) throw std::runtime_error(path + ": no idx header");
    const auto number = [&](std::size_t at) {
        return bytes[at] << 24 | bytes[at + 1] << 16 | bytes[at + 2] << 8 | bytes[at + 3];
    };
    const int count = number(4);
    if (number(0) != 2051 || number(8) != side || number(12) != side)
        throw std::runtime_error(path + ": not images of 28 x 28");
    bytes.resize(static_cast<std::size_t>(count) * d);
    const int read = gzread(file, bytes.data(), static_cast<unsigned>(bytes.size()));
    gzclose(file);
    if (read != static_cast<int>(bytes.size())) throw std::runtime_error(path + " is cut short");
    std::vector<float> images(bytes.size());
    for (std::size_t i = 0; i < bytes.size(); ++i) images[i] = static_cast<float>(bytes[i]) / 255.0f;
    return images;
}

// A grid of images as one matrix of text, white lines between.
void write_grid(const std::filesystem::path& path, const std::vector<const float*>& images, std::size_t columns) {
    std::ofstream out(path);
    for (std::size_t row = 0; row < images.size() / columns * (side + 1); ++row) {
        for (std::size_t column = 0; column < columns * (side + 1); ++column) {
            const std::size_t y = row % (side + 1), x = column % (side + 1);
            const bool line = y == side || x == side;
            out << (line ? 0.0f : images[row / (side + 1) * columns + column / (side + 1)][y * side + x]) << ' ';
        }
        out << '\n';
    }
}

}  // namespace

int main(int argc, char** argv) try {
    if (argc != 2) return std::cerr << "usage: fashion FOLDER\n", 2;
    const std::filesystem::path folder = argv[1];
    std::filesystem::create_directories(folder);
    const std::string data = "/usr/share/datasets/fashion-mnist/";
    const auto train = read_images(data + "train-images-idx3-ubyte.gz"),
               test = read_images(data + "t10k-images-idx3-ubyte.gz");
    const auto n = static_cast<std::int64_t>(train.size()) / d;

    auto context = eb::Context::best();
    const auto begin = std::chrono::steady_clock::now();
    std::cout << context.description() << "\nchoosing " << k << " starting prototypes among " << n << " images ..."
              << std::endl;
    const auto model =
        eb::kmeans::fit(context, eb::view(train, n, d),
                        {.k = k, .seed = 7, .max_iterations = 30, .progress = [](const eb::kmeans::Progress& p) {
                             std::cout << "iteration " << p.iteration << " of at most " << p.max_iterations << ": "
                                       << p.moved << " moved, inertia " << p.inertia << std::endl;
                         }});
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
    std::cout << "n " << n << ", d " << d << ", k " << k << ", " << model.iterations << " iterations, inertia "
              << model.inertia << ", " << seconds.count() << " s: " << model.advice() << '\n';

    const auto prototypes = eb::to_host(context, model.prototypes);
    std::vector<const float*> images;
    for (std::size_t z = 0; z < k; ++z) images.push_back(&prototypes[z * d]);
    write_grid(folder / "prototypes.txt", images, 32);

    // One row an image: the image, what is seen of it, four candidates, the mean.
    constexpr std::int64_t shown = 8, candidates = 4;
    std::vector<std::uint8_t> known(d, 1);
    std::vector<float> seen(test.begin(), test.begin() + shown * d);
    for (std::size_t j = d / 2; j < d; ++j) known[j] = 0;
    for (std::size_t i = 0; i < shown * d; ++i) seen[i] = i % d < d / 2 ? seen[i] : 0;
    const auto set = eb::kmeans::complete(context, model.prototypes,
                                          {.points = eb::view(std::as_const(seen), shown, d),
                                           .known = eb::view(std::as_const(known), 1, d),
                                           .candidates = candidates,
                                           .beta = 0.2});
    const auto values = eb::to_host(context, set.points), mean = eb::to_host(context, set.mean),
               probabilities = eb::to_host(context, set.probabilities);
    std::ofstream labels(folder / "probabilities.txt");
    images.clear();
    for (std::size_t i = 0; i < shown; ++i) {
        images.insert(images.end(), {&test[i * d], &seen[i * d]});
        for (std::size_t c = 0; c < candidates; ++c) {
            images.push_back(&values[(i * candidates + c) * d]);
            labels << (c + 2) * (side + 1) + 2 << ' ' << i * (side + 1) + 3 << ' '
                   << static_cast<int>(100 * probabilities[i * candidates + c] + 0.5f) << '\n';
        }
        images.push_back(&mean[i * d]);
    }
    write_grid(folder / "completions.txt", images, candidates + 3);
} catch (const std::exception& error) {
    std::cerr << "fashion: " << error.what() << '\n';
    return 1;
}
