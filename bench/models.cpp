// Operations are counted from kernels/math/ for float on AVX-512; what several terms share is counted once.
#include "models.hpp"

#include <cmath>
#include <stdexcept>
#include <utility>

namespace bench {
namespace {

namespace eb = cuebm;

constexpr Operations exponential{8, 4, 6}, exponential_of_nonpositive{8, 4, 4}, sigmoid{9, 6, 8};
constexpr Operations logarithm{9, 3, 16}, log1p_exp{18, 8, 12};
constexpr Operations log1p_exp_after_sigmoid{10, 4, 6};  // which has the exponential
// As in random.cpp: a round is two products of words, of two multiplications, a shift and two shuffles each, and two
// exclusive ors; the first is one product of the lanes' own words, which all draws of a chain share.
constexpr Operations philox{0, 0, 2 + 9 * 12};
constexpr Operations uniform_word{1, 0, 2};   // of a word
constexpr Operations normal_pair{16, 9, 15};  // of two words: logarithm, root, sine and cosine
constexpr double normals_a_block = 4, pairs_a_block = 2;

double real(std::int64_t count) { return static_cast<double>(count); }
eb::energy::Table table(const std::vector<double>& values, std::int64_t cols) {
    return eb::MatrixView<const double>{values.data(), static_cast<std::int64_t>(values.size()) / cols, cols, cols};
}
std::vector<double> uniforms(std::int64_t count, double from, double to) {
    Uniform uniform;
    std::vector<double> values(static_cast<std::size_t>(count));
    for (double& value : values) value = from + (to - from) * uniform();
    return values;
}

// The least energy, the weights, their sum and its logarithm; weights are divided by it for a gradient.
Operations sum_of_components(std::int64_t components, bool gradient) {
    return real(components) * (exponential_of_nonpositive + Operations{0, gradient ? 4.0 : 3.0, 2}) + logarithm +
           Operations{0, 2, 0};
}

}  // namespace

Operations& Operations::operator+=(const Operations& other) {
    fused += other.fused;
    real += other.real;
    bits += other.bits;
    return *this;
}

double Uniform::operator()() {  // splitmix64 (G. L. Steele, D. Lea and C. H. Flood, OOPSLA 2014)
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return static_cast<double>((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

Model gaussian(std::int64_t d) {
    const std::vector<double> precision(static_cast<std::size_t>(d), 1.0);
    return {.name = "gaussian_" + std::to_string(d),
            .energy = eb::energy::gaussian({.precision = precision}),
            .points = 40'000'000 / d,
            .value = real(d) * Operations{1, 2, 0},
            .gradient = real(d) * Operations{0, 2, 0},
            .both = real(d) * Operations{1, 3, 0},
            .kicked_about_mean = true};
}

Model gaussian_full(std::int64_t d) {
    auto matrix = uniforms(d * d, -0.5, 0.5);
    for (std::int64_t i = 0; i < d; ++i)
        for (std::int64_t j = 0; j <= i; ++j)
            matrix[static_cast<std::size_t>(j * d + i)] = matrix[static_cast<std::size_t>(i * d + j)] +=
                i == j ? real(d) : 0.0;
    const auto product = real(d * d) * Operations{1, 1.0 / 8, 0};  // a difference serves eight rows
    return {.name = "gaussian_full_" + std::to_string(d),
            .energy = eb::energy::gaussian({.precision_matrix = table(matrix, d)}),
            .points = 500'000,
            .value = product + real(d) * Operations{1, 1, 0},
            .gradient = product + real(d) * Operations{0, 1, 0},
            .both = product + real(d) * Operations{1, 2, 0}};
}

Model mixture(std::int64_t components, std::int64_t d) {
    const auto value = real(components * d) * Operations{1, 2, 0} + real(components) * Operations{1, 0, 0};
    const auto both = value + sum_of_components(components, true) + real(components * d) * Operations{1, 2, 0} +
                      real(d) * Operations{0, 1, 0};
    return {.name = "mixture_" + std::to_string(components) + "x" + std::to_string(d),
            .energy = eb::energy::mixture({.means = table(uniforms(components * d, -2, 2), d),
                                           .precisions = table(uniforms(components * d, 0.5, 2), d)}),
            .points = 1'000'000,
            .spread = 2,
            .value = value + sum_of_components(components, false),
            .gradient = both,
            .both = both};
}

Model kmeans(std::int64_t prototypes, std::int64_t d) {
    const auto value = real(prototypes * d) * Operations{1, 1, 0};
    const auto both = value + sum_of_components(prototypes, true) + real(prototypes * d) * Operations{1, 0, 0} +
                      real(d) * Operations{0, 2, 0};
    return {.name = "kmeans_" + std::to_string(prototypes) + "x" + std::to_string(d),
            .energy = eb::energy::kmeans({.prototypes = table(uniforms(prototypes * d, -1, 1), d), .beta = 0.5}),
            .points = 100'000,
            .value = value + sum_of_components(prototypes, false),
            .gradient = both,
            .both = both};
}

Model banana() {
    return {.name = "banana_2",
            .energy = eb::energy::banana(),
            .points = 8'000'000,
            .spread = 10,
            .value = {3, 4, 0},
            .gradient = {2, 6, 0},
            .both = {4, 7, 0}};
}

Model eight_schools() {
    const auto gradient = exponential + 8 * Operations{3, 4, 0} + Operations{2, 3, 0};
    return {.name = "eight_schools",
            .energy = eb::energy::eight_schools(),
            .points = 4'000'000,
            .value = exponential + 8 * Operations{3, 2, 0} + Operations{2, 4, 0},
            .gradient = gradient,
            .both = gradient + 8 * Operations{2, 0, 0} + Operations{2, 4, 0}};
}

// A column of ones, then features of mean 0 and variance 1; outcomes of the model itself.
Model logistic(std::int64_t rows, std::int64_t d) {
    Uniform uniform;
    std::vector<double> weights, features, outcomes;
    for (std::int64_t j = 0; j < d; ++j) weights.push_back(2 * uniform() - 1);
    for (std::int64_t i = 0; i < rows; ++i) {
        double eta = 0;
        for (std::int64_t j = 0; j < d; ++j) {
            features.push_back(j == 0 ? 1 : std::sqrt(12.0) * (uniform() - 0.5));
            eta += weights[static_cast<std::size_t>(j)] * features.back();
        }
        outcomes.push_back(uniform() < 1 / (1 + std::exp(-eta)) ? 1 : 0);
    }
    const auto products = real(rows * d), blocks = std::ceil(real(rows) / 256);  // blocks of rows are added apart
    const Operations prior_of_gradient = real(d) * Operations{0, 2 * blocks + 2, 0};
    const auto gradient =
        Operations{2 * products, 0, 0} + real(rows) * (sigmoid + Operations{0, 1, 0}) + prior_of_gradient;
    const auto of_value = Operations{1, 1, 0};  // a row: less its outcome, and added
    Model model{.name = "logistic_" + std::to_string(rows) + "x" + std::to_string(d),
                .points = 200'000'000 / (rows * d),
                .value = Operations{products + real(d), 0, 0} + real(rows) * (log1p_exp + of_value),
                .gradient = gradient,
                .both = gradient + real(rows) * (log1p_exp_after_sigmoid + of_value) + Operations{real(d), 0, 0},
                .rows = rows,
                .features = std::move(features),
                .outcomes = std::move(outcomes)};
    model.energy =
        eb::energy::logistic({.features = table(model.features, d), .outcomes = model.outcomes, .prior_sd = 1});
    return model;
}

std::vector<std::string> chains_cases() {
    return {"gaussian-10",   "gaussian-10-long", "gaussian-100",    "banana",
            "eight-schools", "logistic-1000x25", "logistic-5000x20"};
}

namespace {
ChainsCase case_named(const std::string& name) {
    if (name == "gaussian-10") return {.name = name, .model = gaussian(10), .step_size = 0.2};
    if (name == "gaussian-10-long") return {.name = name, .model = gaussian(10), .leapfrogs = 50, .step_size = 0.15};
    if (name == "gaussian-100") return {.name = name, .model = gaussian(100), .step_size = 0.15};
    if (name == "banana") return {.name = name, .model = banana(), .step_size = 0.6};
    if (name == "eight-schools") return {.name = name, .model = eight_schools(), .step_size = 0.2};
    // From afar, where the energy is thousands higher, a trajectory's error is in proportion, and most would be
    // refused.
    ChainsCase regression{.name = name, .chains_on_gpu = 16'384, .start_spread = 0.1};
    if (name == "logistic-1000x25") {
        regression.model = logistic(1000, 25), regression.chains = 1024, regression.step_size = 0.04;
        return regression;
    }
    if (name == "logistic-5000x20") {
        regression.model = logistic(5000, 20), regression.chains = 256, regression.step_size = 0.01;
        return regression;
    }
    throw std::invalid_argument("no case " + name);
}
}  // namespace

ChainsCase chains_case(const std::string& name, bool on_gpu) {
    auto found = case_named(name);
    if (on_gpu) found.chains = found.chains_on_gpu;
    return found;
}

Operations transition(const ChainsCase& c) {
    const double d = real(c.model.energy.dimension()), leapfrogs = real(c.leapfrogs);
    const auto blocks = std::ceil(d / normals_a_block);
    const auto normals = blocks * (philox + pairs_a_block * normal_pair);
    // A coordinate: scaled by the mass; two kinetic energies; a kick and a drift each step, and the last half kick; two
    // selections. Then the gradients within the trajectory, or a difference to the mean and back.
    const auto moves = d * Operations{2 * leapfrogs + 3, 3, 2};
    const bool words_left = d <= 32 && std::fmod(d, 4) > 0 && std::fmod(d, 4) < 3;  // normals_leave_words()
    const auto accept =
        (words_left ? Operations{} : philox) + uniform_word + exponential_of_nonpositive + Operations{0, 6, 10};
    const auto gradients = c.model.kicked_about_mean ? d * Operations{0, 2, 0} : (leapfrogs - 1) * c.model.gradient;
    return normals + moves + gradients + c.model.both + accept;
}

}  // namespace bench
