// sample(): the same bits on every backend, for any number of chains and launches.
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <cuebm/sample.hpp>

#include "support/backends.hpp"
#include "support/energy_cases.hpp"
#include "support/samplers.hpp"

namespace eb = cuebm;
using namespace cuebm::test;

CUEBM_SUITE_ON(ChainsOn, backends_of_one_path());

namespace {

template <class T>
struct Drawn {
    std::vector<T> draws, values, energies, acceptances;
    std::vector<std::uint8_t> divergent, tree_depths;
    std::vector<std::int32_t> tree_leapfrogs;
    double step_size = 0, acceptance = 0;
    std::vector<double> inverse_mass;
    std::int64_t divergences = 0;
};
template <class T>
Drawn<T> drawn(const eb::Context& context, const eb::Samples<T>& s) {
    return {to_host(context, s.draws),
            to_host(context, s.values),
            to_host(context, s.energies),
            to_host(context, s.acceptances),
            to_host(context, s.divergent),
            to_host(context, s.tree_depths),
            to_host(context, s.tree_leapfrogs),
            s.step_size,
            s.acceptance,
            s.inverse_mass,
            s.divergences};
}
template <class T>
void expect_same(const Drawn<T>& got, const Drawn<T>& wanted) {
    EXPECT_TRUE(same_bits(got.draws, wanted.draws));
    EXPECT_TRUE(same_bits(got.values, wanted.values));
    EXPECT_TRUE(same_bits(got.energies, wanted.energies));
    EXPECT_TRUE(same_bits(got.acceptances, wanted.acceptances));
    EXPECT_EQ(got.divergent, wanted.divergent);
    EXPECT_EQ(got.tree_depths, wanted.tree_depths);
    EXPECT_EQ(got.tree_leapfrogs, wanted.tree_leapfrogs);
    EXPECT_EQ(got.step_size, wanted.step_size);
    EXPECT_EQ(got.acceptance, wanted.acceptance);
    EXPECT_EQ(got.inverse_mass, wanted.inverse_mass);
    EXPECT_EQ(got.divergences, wanted.divergences);
}

}  // namespace

// Another order of addition, a lane that sees its neighbour, a seed that depends on a thread.
CUEBM_TEST(ChainsOn, HaveTheSameBits) {
    const auto context = backend.make(), plain = eb::Context::cpu({.threads = 1});
    const eb::Energy small = eb::energy::eight_schools() + 0.5 * eb::energy::funnel(),
                     large = eb::energy::gaussian({.mean = normal<double>(35, 2), .precision = positive(35, 1)});
    for (const auto& [name, sampler] : samplers())
        for (const auto& [energy, chains] : {std::pair{small, 1}, std::pair{small, 70}, std::pair{large, 19}}) {
            SCOPED_TRACE(name + ", " + std::to_string(chains));
            const eb::SampleOptions<T> options{.chains = chains, .warmup = 30, .draws = 4, .thin = 2, .seed = 9};
            expect_same(drawn(context, eb::sample<T>(context, energy, sampler, options)),
                        drawn(plain, eb::sample<T>(plain, energy, sampler, options)));
        }
}

namespace {

// Every energy that works on a coordinate at a time, of 70.
eb::Energy of_seventy() {
    namespace en = eb::energy;
    auto known = std::vector<std::uint8_t>(72, 0);
    known[3] = known[71] = 1;
    return en::banana({.dimension = 70, .scale = 2, .curvature = 0.1}) + 0.1 * en::rosenbrock({.dimension = 70}) +
           en::ring({.dimension = 70}) + en::double_well({.dimension = 70}) +
           2 * en::gaussian({.precision = positive(70, 2)}) +
           en::affine(en::funnel({.dimension = 70}), {.scale = positive(70, 3), .shift = normal<double>(70, 4)}) +
           en::clamp(en::rosenbrock({.dimension = 72}), {.known = known, .values = normal<double>(72, 5)});
}

}  // namespace

// Coordinates that are shared: one that nobody has or two have, one that is read before it is written, a sum in another
// order, chains that are left out.
CUEBM_TEST(ChainsOn, OfManyCoordinatesHaveTheSameBits) {
    namespace en = eb::energy;
    const auto context = backend.make(), plain = eb::Context::cpu({.threads = 1});
    const eb::Energy sum = of_seventy();
    // Inner sums of 32, in order; trees too large for shared memory; more chains than a tile.
    const eb::Energy edge = en::rosenbrock({.dimension = 33}) + en::funnel({.dimension = 33}),
                     wide = en::double_well({.dimension = 300}), many = en::ring({.dimension = 65}),
                     alone = 2 * en::gaussian({.mean = normal<double>(70, 6), .precision = positive(70, 2)});
    auto all = samplers();
    all.push_back({"ula", eb::Langevin{.adjusted = false, .step_size = 0.01}});
    all.push_back({"learnt_length", eb::Hmc{.leapfrogs = 0}});
    for (const auto& [name, sampler] : all)
        for (const auto& [energy, chains] :
             {std::pair{sum, 6}, std::pair{edge, 2}, std::pair{wide, 3}, std::pair{many, 67}, std::pair{alone, 3}}) {
            if (chains > 64 && name != "hmc") continue;  // where a chain's state lies is the same for all
            SCOPED_TRACE(name + ", " + std::to_string(chains));
            const eb::SampleOptions<T> options{.chains = chains, .warmup = 12, .draws = 3, .thin = 2, .seed = 9};
            expect_same(drawn(context, eb::sample<T>(context, energy, sampler, options)),
                        drawn(plain, eb::sample<T>(plain, energy, sampler, options)));
        }
}

// The same in little, for a sanitizer under which a chain takes seconds.
CUEBM_TEST(ChainsOn, OfSeventyCoordinatesHaveTheSameBits) {
    const auto context = backend.make(), plain = eb::Context::cpu({.threads = 1});
    const std::vector<NamedSampler> few{
        {"metropolis", eb::Metropolis{}}, {"hmc", eb::Hmc{.leapfrogs = 2}}, {"nuts", eb::Nuts{.max_depth = 3}}};
    for (const auto& [name, sampler] : few) {
        SCOPED_TRACE(name);
        const eb::SampleOptions<T> options{.chains = 2, .warmup = 2, .draws = 1, .seed = 9};
        expect_same(drawn(context, eb::sample<T>(context, of_seventy(), sampler, options)),
                    drawn(plain, eb::sample<T>(plain, of_seventy(), sampler, options)));
    }
}

// Threads that share a tile of chains whose transitions take long: a pack that is another's, sums of packs that are not
// done, moments of where they lay before. 18 chains are two to nine packs and 41 are more, the last of them not full.
// The clock decides from 50 microseconds a transition on, so samplers of one gradient get more rows.
CUEBM_TEST(ChainsOn, FewHaveTheSameBits) {
    if (backend.kind != eb::Device::Kind::cpu) GTEST_SKIP() << "a GPU shares none";
    const std::int64_t most = 4000, d = 4;
    const auto features = normal<double>(most * d, 1), noise = normal<double>(most, 2);
    std::vector<double> outcomes;
    for (const double x : noise) outcomes.push_back(x > 0 ? 1 : 0);
    const auto context = backend.make(), plain = eb::Context::cpu({.threads = 1});
    for (const auto& [name, sampler] : samplers()) {
        const bool one_gradient = name == "metropolis" || name == "mala" || name == "ula";
        const std::int64_t n = one_gradient ? most : 500;
        const auto energy = eb::energy::logistic({.features = eb::view(features, n, d),
                                                  .outcomes = {outcomes.begin(), outcomes.begin() + n},
                                                  .prior_sd = 1});
        for (const auto& [chains, dense] : {std::pair{18, false}, std::pair{41, false}, std::pair{41, true}}) {
            if (dense && name != "hmc") continue;
            SCOPED_TRACE(name + ", " + std::to_string(chains));
            const eb::SampleOptions<T> options{
                .chains = chains, .warmup = 24, .draws = 5, .seed = 9, .dense_mass = dense};
            expect_same(drawn(context, eb::sample<T>(context, energy, sampler, options)),
                        drawn(plain, eb::sample<T>(plain, energy, sampler, options)));
        }
    }
}

// Chain j of 3 is chain j of 130; many launches are one.
CUEBM_TEST(ChainsOn, DoNotDependOnOthersOrOnLaunches) {
    const auto context = backend.make();
    const eb::Energy energy = eb::energy::banana({.dimension = 5, .scale = 2, .curvature = 0.1});
    auto all = samplers();
    all.push_back({"ula", eb::Langevin{.adjusted = false}});
    for (auto& [name, sampler] : all) {
        SCOPED_TRACE(name);
        std::visit([](auto& kind) { kind.step_size = 0.2; }, sampler);
        const auto run = [&](std::int64_t chains, bool progress, std::uint64_t seed) {
            eb::SampleOptions<T> options{.chains = chains, .warmup = 0, .draws = 60, .seed = seed};
            if (progress) options.progress = [](const eb::SampleProgress&) {};
            return drawn(context, eb::sample<T>(context, energy, sampler, options));
        };
        const auto few = run(3, false, 4), many = run(130, false, 4), told = run(3, true, 4);
        const auto first = many.draws.begin();
        EXPECT_TRUE(same_bits(few.draws, {first, first + static_cast<std::ptrdiff_t>(few.draws.size())}));
        EXPECT_TRUE(same_bits(few.draws, told.draws));
        EXPECT_TRUE(same_bits(few.values, told.values));
        EXPECT_TRUE(same_bits(few.energies, told.energies));
        EXPECT_EQ(few.acceptance, told.acceptance);
        EXPECT_FALSE(same_bits(few.draws, run(3, false, 5).draws));
    }
}

namespace {

// Those of the first chains, as many as `few` has.
template <class Element>
void expect_first(const std::vector<Element>& few, const std::vector<Element>& many, const char* what) {
    ASSERT_LE(few.size(), many.size()) << what;
    const auto first = many.begin();
    EXPECT_TRUE(same_bits(few, {first, first + static_cast<std::ptrdiff_t>(few.size())})) << what;
}

}  // namespace

// A chain that is moved by itself or in a pack, and one that is moved with a whole tile; numbers of a chain that are
// its neighbour's. A diagonal Gaussian alone has trajectories of its own, of which 11 coordinates are not whole groups.
CUEBM_TEST(ChainsOn, AreTheSameAmongTenThousand) {
    if (backend.kind != eb::Device::Kind::cpu) GTEST_SKIP() << "a GPU's thread has one chain, however many there are";
    const auto context = backend.make();
    const eb::Energy banana = eb::energy::banana({.dimension = 5, .scale = 2, .curvature = 0.1}),
                     gaussian = eb::energy::gaussian({.mean = normal<double>(11, 2), .precision = positive(11, 1)});
    auto all = samplers();
    all.push_back({"ula", eb::Langevin{.adjusted = false}});
    for (auto& [name, sampler] : all) {
        std::visit([](auto& kind) { kind.step_size = 0.2; }, sampler);
        for (const auto& [of, energy] : {std::pair{"banana", banana}, std::pair{"gaussian", gaussian}}) {
            SCOPED_TRACE(name + ", " + of);
            const auto run = [&](std::int64_t chains) {
                const eb::SampleOptions<T> options{.chains = chains, .warmup = 0, .draws = 3, .seed = 4};
                return drawn(context, eb::sample<T>(context, energy, sampler, options));
            };
            const auto few = run(10), many = run(10'000);
            expect_first(few.draws, many.draws, "draws");
            expect_first(few.values, many.values, "values");
            expect_first(few.energies, many.energies, "energies");
            expect_first(few.acceptances, many.acceptances, "acceptances");
            expect_first(few.divergent, many.divergent, "divergent");
            expect_first(few.tree_depths, many.tree_depths, "tree_depths");
            expect_first(few.tree_leapfrogs, many.tree_leapfrogs, "tree_leapfrogs");
        }
    }
}
