// Masses that are whole matrices.
#include <cmath>
#include <cstdio>

#include <cuebm/diagnostics.hpp>
#include <cuebm/resume.hpp>
#include <cuebm/sample.hpp>

#include "support/backends.hpp"
#include "support/complaint.hpp"
#include "support/energy_cases.hpp"
#include "support/temporary_file.hpp"

namespace eb = cuebm;
using namespace cuebm::test;

CUEBM_SUITE_ON(DenseMass, backends_of_one_path());

namespace {

std::vector<std::pair<std::string, eb::Sampler>> samplers(double step_size) {
    return {{"metropolis", eb::Metropolis{.step_size = step_size}},
            {"mala", eb::Langevin{.step_size = step_size}},
            {"hmc", eb::Hmc{.leapfrogs = 4, .lengths = eb::Lengths::halton, .step_size = step_size}},
            {"nuts", eb::Nuts{.max_depth = 5, .step_size = step_size}}};
}

// L of the covariance L L' of `d` coordinates, and its product, row by row.
struct Correlated {
    std::vector<double> lower, covariance;
};
Correlated correlated(int d) {
    const auto size = static_cast<std::size_t>(d);
    Correlated c{std::vector<double>(size * size), std::vector<double>(size * size)};
    const auto noise = normal<double>(d * d, 3);
    for (std::size_t i = 0; i < size; ++i)
        for (std::size_t j = 0; j <= i; ++j)
            c.lower[i * size + j] = i == j ? 1 + 0.5 * static_cast<double>(i % 3) : 0.4 * noise[i * size + j];
    for (std::size_t i = 0; i < size; ++i)
        for (std::size_t j = 0; j < size; ++j)
            for (std::size_t k = 0; k <= std::min(i, j); ++k)
                c.covariance[i * size + j] += c.lower[i * size + k] * c.lower[j * size + k];
    return c;
}
eb::Energy gaussian_of(const Correlated& c, int d) {
    const auto size = static_cast<std::size_t>(d);
    std::vector<double> inverse(size * size);  // of L, column by column
    for (std::size_t j = 0; j < size; ++j)
        for (std::size_t i = j; i < size; ++i) {
            double sum = i == j ? 1 : 0;
            for (std::size_t k = j; k < i; ++k) sum -= c.lower[i * size + k] * inverse[k * size + j];
            inverse[i * size + j] = sum / c.lower[i * size + i];
        }
    std::vector<double> precision(size * size);
    for (std::size_t i = 0; i < size; ++i)
        for (std::size_t j = 0; j < size; ++j)
            for (std::size_t k = std::max(i, j); k < size; ++k)
                precision[i * size + j] += inverse[k * size + i] * inverse[k * size + j];
    for (std::size_t i = 0; i < size; ++i)
        for (std::size_t j = 0; j < i; ++j) precision[i * size + j] = precision[j * size + i];
    return eb::energy::gaussian({.precision_matrix = eb::view(precision, d, d)});
}

}  // namespace

// A transposed L, a momentum of another law, a kick without it. Chains whose M^-1 is the covariance L L' are L times
// those of a standard Gaussian with unit mass.
TEST(DenseMassOf, TheCovarianceMakesItStandard) {
    const auto context = eb::Context::cpu({.threads = 1});
    for (const int d : {2, 5, 40}) {
        const auto c = correlated(d);
        const auto size = static_cast<std::size_t>(d);
        const auto standard = eb::energy::gaussian({.precision = std::vector<double>(size, 1.0)});
        const auto begin = normal<double>(20 * d, 8);
        std::vector<double> mapped(begin.size());
        for (std::size_t n = 0; n < 20; ++n)
            for (std::size_t i = 0; i < size; ++i)
                for (std::size_t k = 0; k <= i; ++k)
                    mapped[n * size + i] += c.lower[i * size + k] * begin[n * size + k];
        for (const auto& [name, sampler] : samplers(0.3)) {
            SCOPED_TRACE(name + ", d = " + std::to_string(d));
            const auto run = [&](const eb::Energy& energy, const std::vector<double>& start, std::vector<double> mass) {
                return eb::sample<double>(context, energy, sampler,
                                          {.chains = 20,
                                           .warmup = 0,
                                           .draws = 6,
                                           .seed = 4,
                                           .start = eb::view(start, 20, d),
                                           .inverse_mass = std::move(mass)});
            };
            const auto plain = to_host(context, run(standard, begin, {}).draws);
            const auto dense = to_host(context, run(gaussian_of(c, d), mapped, c.covariance).draws);
            for (std::size_t n = 0; n < 120; ++n)
                for (std::size_t i = 0; i < size; ++i) {
                    double wanted = 0;
                    for (std::size_t k = 0; k <= i; ++k) wanted += c.lower[i * size + k] * plain[n * size + k];
                    ASSERT_NEAR(dense[n * size + i], wanted, 1e-8) << n << " " << i;
                }
        }
    }
}

// Products that are of another window, another origin or the diagonal alone.
TEST(DenseMassOf, WarmUpIsTheCovariance) {
    const auto context = eb::Context::cpu();
    constexpr int d = 6;
    const auto c = correlated(d);
    const auto energy = gaussian_of(c, d);
    const eb::SampleOptions<double> options{.chains = 64, .warmup = 400, .draws = 400, .seed = 12, .dense_mass = true};
    const auto run =
        eb::sample<double>(context, energy, eb::Hmc{.leapfrogs = 8, .lengths = eb::Lengths::halton}, options);
    ASSERT_EQ(run.inverse_mass.size(), 36u);
    for (std::size_t i = 0; i < d; ++i)
        for (std::size_t j = 0; j < d; ++j) {
            // The last window has 200 transitions of 64 chains, a standard error of 1%. A fixed length near a period
            // has more.
            const double size = std::sqrt(c.covariance[i * d + i] * c.covariance[j * d + j]);
            EXPECT_NEAR(run.inverse_mass[i * d + j], c.covariance[i * d + j], 0.05 * size) << i << " " << j;
        }
    const auto draws = to_host(context, run.draws);
    for (std::size_t i = 0; i < d; ++i) {
        std::vector<double> squares;
        for (std::size_t n = 0; n * d < draws.size(); ++n) squares.push_back(draws[n * d + i] * draws[n * d + i]);
        const auto table = eb::view(squares, 64, 400);
        double mean = 0;
        for (const double square : squares) mean += square / static_cast<double>(squares.size());
        EXPECT_NEAR(mean, c.covariance[i * d + i], 5 * eb::diagnostics::mcse_mean(table)) << i;
    }
    // As well as if it were standard: its step size is that of a standard Gaussian with unit mass.
    auto other = options;
    other.dense_mass = other.adapt_mass = false;
    const auto standard = eb::sample<double>(context, eb::energy::gaussian({.precision = std::vector<double>(d, 1.0)}),
                                             eb::Hmc{.leapfrogs = 8}, other);
    EXPECT_NEAR(run.step_size / standard.step_size, 1, 0.15);
}

// Another order of sums on a device or an instruction set.
CUEBM_TEST(DenseMass, HasTheSameBits) {
    const auto context = backend.make(), plain = eb::Context::cpu({.threads = 1});
    for (const auto& [name, sampler] : samplers(0))
        for (const auto& [d, chains] : {std::pair{3, 70}, std::pair{40, 19}}) {
            SCOPED_TRACE(name + ", d = " + std::to_string(d));
            const auto energy = gaussian_of(correlated(d), d);
            const eb::SampleOptions<T> options{
                .chains = chains, .warmup = 30, .draws = 4, .seed = 9, .dense_mass = true};
            const auto got = eb::sample<T>(context, energy, sampler, options),
                       wanted = eb::sample<T>(plain, energy, sampler, options);
            EXPECT_EQ(got.inverse_mass, wanted.inverse_mass);
            EXPECT_EQ(got.inverse_mass.size(), static_cast<std::size_t>(d * d));
            EXPECT_EQ(got.step_size, wanted.step_size);
            EXPECT_TRUE(same_bits(to_host(context, got.draws), to_host(plain, wanted.draws)));
        }
}

// A file that keeps the diagonal alone.
TEST(DenseMassOf, ARunThatGoesOn) {
    const auto context = eb::Context::cpu();
    const auto energy = gaussian_of(correlated(4), 4);
    eb::SampleOptions<float> options{.chains = 5, .warmup = 60, .draws = 30, .seed = 1, .dense_mass = true};
    const auto whole = eb::sample(context, energy, eb::Hmc{}, options);
    options.draws = 10;
    const auto part = eb::sample(context, energy, eb::Hmc{}, options);
    const auto path = temporary_file("dense_mass_test.bin");
    eb::save(path, eb::state_of(part));
    const auto rest = eb::resume(context, energy, eb::Hmc{}, eb::load_chains<float>(path), {.draws = 20});
    std::remove(path.c_str());
    EXPECT_EQ(rest.inverse_mass, whole.inverse_mass);
    const auto all = to_host(context, whole.draws), last = to_host(context, rest.draws);
    for (std::size_t c = 0; c < 5; ++c)
        EXPECT_TRUE(std::equal(last.data() + c * 80, last.data() + c * 80 + 80, all.data() + c * 120 + 40));
}

TEST(DenseMassOf, BadMatrices) {
    const auto context = eb::Context::cpu();
    const auto refuse = [&](const char* argument, const eb::SampleOptions<float>& options, int d) {
        const auto energy = eb::energy::gaussian({.precision = std::vector<double>(static_cast<std::size_t>(d), 1.0)});
        expect_refused(argument, [&] { (void)eb::sample(context, energy, eb::Hmc{}, options); });
    };
    refuse("inverse_mass", {.inverse_mass = {1, 0, 0}}, 2);
    refuse("inverse_mass", {.inverse_mass = {1, 0.5, 0.25, 1}}, 2);
    refuse("inverse_mass", {.inverse_mass = {1, 1, 1, 1}}, 2);
    refuse("inverse_mass", {.inverse_mass = {1, 2, 2, 1}}, 2);
    refuse("inverse_mass", {.inverse_mass = {-1, 0, 0, 1}}, 2);
    const double nan = std::nan("");
    refuse("inverse_mass", {.inverse_mass = {1, nan, nan, 1}}, 2);
    refuse("dense_mass", {.dense_mass = true}, 2049);
}
