// F_beta against double, to the contract's relative 1e-5, and the same bits on every backend.
#include <tuple>

#include <cuebm/error.hpp>

#include "support/assign_problem.hpp"
#include "support/backends.hpp"

namespace eb = cuebm;
using namespace cuebm::test;

CUEBM_SUITE(FreeEnergy);

namespace {

template <class T>
void expect_free_energies(const eb::Context& on, const Problem<T>& problem) {
    eb::Context context = on;
    const unsigned want = Want::free_energies | Want::energies;
    const auto got = solve(context, problem, want);
    expect_canonical(got, problem, want);
    // One fixed order on every backend: the bits of one CPU thread are those of all.
    auto one_thread = eb::Context::cpu({.threads = 1});
    EXPECT_TRUE(same_bits(got.free_energies, solve(one_thread, problem, want).free_energies));
    EXPECT_TRUE(same_bits(got.free_energies, solve(context, problem, Want::free_energies).free_energies));

    const auto exact = eb::reference::energies({problem.points, problem.n, problem.d},
                                               {problem.prototypes, problem.k, problem.d}, problem.known);
    const auto wanted = eb::reference::free_energies(exact, problem.beta);
    for (std::int64_t i = 0; i < problem.n; ++i) {
        const auto row = static_cast<std::size_t>(i);
        const double log_sum = std::log(static_cast<double>(problem.k)) / problem.beta;
        const double size = std::abs(static_cast<double>(got.energies[row])) + log_sum;
        const double off = std::abs(static_cast<double>(got.free_energies[row]) - wanted[row]);
        const double steps = static_cast<double>(problem.d) / 16 + static_cast<double>(problem.k) / 16 + 24;
        EXPECT_LE(off, tolerance<T>(steps, size)) << "row " << i;
        EXPECT_LE(off, 1e-5 * size) << "row " << i;
    }
}

}  // namespace

// A rescaling that is forgotten when a lower energy comes, an absent prototype that is counted, a class lost in the
// tree.
CUEBM_TEST(FreeEnergy, OfEveryShape) {
    const auto context = backend.make();
    for (const auto& [n, k, d] : {std::tuple{1, 1, 1},
                                  {15, 17, 16},
                                  {33, 31, 15},
                                  {64, 65, 3},
                                  {65, 64, 63},
                                  {17, 129, 33},
                                  {100, 15, 100},
                                  {4, 100, 1000},
                                  {130, 16, 8},
                                  {5, 2, 32}}) {
        SCOPED_TRACE(testing::Message() << "n " << n << ", k " << k << ", d " << d);
        auto problem = normal_problem<T>(n, k, d);
        problem.beta = 2.0 / d;
        expect_free_energies(context, problem);
    }
}

// Overflow or underflow of exp at the ends: huge beta gives min E and the logarithm of its ties, tiny beta -log k /
// beta.
CUEBM_TEST(FreeEnergy, OfTinyAndHugeBeta) {
    const auto context = backend.make();
    auto problem = normal_problem<T>(40, 35, 10);
    for (const double beta : {1e-30, 1e-3, 0.3, 30.0, 1e30}) {
        SCOPED_TRACE(beta);
        problem.beta = beta;
        expect_free_energies(context, problem);
    }
}

// -log k / beta that overflows to -infinity and is returned as if it were a free energy.
CUEBM_TEST(FreeEnergy, ThatWouldOverflowIsRefused) {
    auto context = backend.make();
    auto problem = normal_problem<T>(3, 100, 2);
    problem.beta = static_cast<double>(std::numeric_limits<T>::min());
    try {
        (void)solve(context, problem, Want::free_energies);
        FAIL() << "accepted";
    } catch (const eb::InvalidArgument& error) {
        EXPECT_EQ(error.argument(), "beta");
    }
    problem.k = 1;
    problem.prototypes.resize(2);
    const auto got = solve(context, problem, Want::free_energies | Want::energies);
    EXPECT_TRUE(same_bits(got.free_energies, got.energies));
}

// Prototypes that come in falling or rising order of energy: each or none lowers the running minimum.
CUEBM_TEST(FreeEnergy, WhateverTheOrderOfPrototypes) {
    const auto context = backend.make();
    auto problem = normal_problem<T>(20, 70, 1);
    problem.beta = 5;
    std::sort(problem.prototypes.begin(), problem.prototypes.end());
    expect_free_energies(context, problem);
    std::reverse(problem.prototypes.begin(), problem.prototypes.end());
    expect_free_energies(context, problem);
}

// Equal prototypes: min E - log(copies) / beta. A hidden coordinate that is counted.
CUEBM_TEST(FreeEnergy, OfDuplicatesAndOfWhatIsKnown) {
    const auto context = backend.make();
    auto problem = normal_problem<T>(33, 40, 18);
    problem.beta = 0.2;
    for (std::int64_t z = 1; z < problem.k; ++z)
        std::copy_n(problem.prototypes.begin(), problem.d, problem.prototypes.begin() + z * problem.d);
    expect_free_energies(context, problem);
    problem = normal_problem<T>(33, 40, 18);
    problem.beta = 0.2;
    for (std::int64_t j = 0; j < problem.d; ++j) problem.known.push_back(j % 3 != 0);
    expect_free_energies(context, problem);
}
