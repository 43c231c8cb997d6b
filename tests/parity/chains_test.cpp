// sample(): moments that are known, and the same bits on every backend, for any number of chains and launches.
#include <chrono>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <functional>
#include <thread>

#include <cuebm/diagnostics.hpp>
#include <cuebm/resume.hpp>
#include <cuebm/running.hpp>
#include <cuebm/sample.hpp>

#include "support/backends.hpp"
#include "support/complaint.hpp"
#include "support/energy_cases.hpp"
#include "support/temporary_file.hpp"

namespace eb = cuebm;
using namespace cuebm::test;

CUEBM_SUITE_ON(ChainsOn, backends_of_one_path());

namespace {

struct NamedSampler {
    std::string name;
    eb::Sampler sampler;
};
std::vector<NamedSampler> samplers() {
    return {{"metropolis", eb::Metropolis{}},
            {"mala", eb::Langevin{}},
            {"hmc", eb::Hmc{.leapfrogs = 3}},
            {"nuts", eb::Nuts{.max_depth = 6}},
            {"hmc_jittered", eb::Hmc{.leapfrogs = 5, .lengths = eb::Lengths::jittered}},
            {"hmc_halton", eb::Hmc{.leapfrogs = 5, .lengths = eb::Lengths::halton}}};
}

template <class T>
std::vector<double> column(const std::vector<T>& draws, std::size_t d, std::size_t j) {
    std::vector<double> values;
    for (std::size_t row = 0; row * d < draws.size(); ++row) values.push_back(static_cast<double>(draws[row * d + j]));
    return values;
}

// The mean of values is `wanted` within 5 standard errors.
void expect_mean(const std::vector<double>& values, std::int64_t chains, double wanted, const std::string& what) {
    const auto draws = eb::view(values, chains, static_cast<std::int64_t>(values.size()) / chains);
    double mean = 0;
    for (const double value : values) mean += value / static_cast<double>(values.size());
    const double error = eb::diagnostics::mcse_mean(draws);
    EXPECT_LT(std::abs(mean - wanted), 5 * error)
        << what << ": mean " << mean << ", wanted " << wanted << ", error " << error;
    EXPECT_LT(error, 0.15 * (1 + std::abs(wanted))) << what;  // else the test would see nothing
}

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

// J. Geweke's joint test ("Getting it right", JASA 99, 2004): x ~ N(0, 1) and y | x ~ N(x, 1) in turn, x by one
// transition given y. Then x is N(0, 1) whatever the transition's tuning. A transition that is not of its density moves
// x^2.
TEST(Chains, GewekesJointTest) {
    const auto context = eb::Context::cpu({.threads = 1});
    eb::Stream stream(context);
    const auto start = context.matrix<double>(1, 1);
    const eb::Energy joint = eb::energy::gaussian({.precision_matrix = table({2, -1, -1, 1}, 2)});  // of (x, y)
    const std::vector<NamedSampler> tuned{{"metropolis", eb::Metropolis{.step_size = 1.5}},
                                          {"mala", eb::Langevin{.step_size = 0.9}},
                                          {"hmc", eb::Hmc{.leapfrogs = 3, .step_size = 0.8}},
                                          {"nuts", eb::Nuts{.max_depth = 4, .step_size = 0.9}}};
    for (const auto& [name, sampler] : tuned) {
        const auto noise = normal<double>(1500, 77);
        std::vector<double> x{0.3}, squares;
        for (std::size_t i = 0; i < noise.size(); ++i) {
            const auto given = eb::energy::clamp(joint, {.known = {0, 1}, .values = {0, x.back() + noise[i]}});
            double here = x.back();
            eb::copy(stream, eb::view(&here, 1, 1), start);
            const auto run = eb::sample<double>(stream, given, sampler,
                                                {.chains = 1, .warmup = 0, .draws = 1, .seed = i, .start = start});
            eb::copy(stream, run.draws, eb::view(&here, 1, 1));
            stream.wait();
            x.push_back(here);
            squares.push_back(here * here);
        }
        x.erase(x.begin());
        expect_mean(x, 1, 0, name + " mean");
        expect_mean(squares, 1, 1, name + " variance");
    }
}

// A wrong sign, a lost half step, an accept step that is not one: moments would be another density's.
TEST(Chains, FindMomentsThatAreKnown) {
    const auto context = eb::Context::cpu();
    const eb::Energy gaussian = eb::energy::gaussian({.mean = {1, -2, 0}, .precision = {4, 1, 0.25}});
    constexpr std::int64_t chains = 64;
    for (const auto& [name, sampler] : samplers()) {
        const auto run = eb::sample<double>(context, gaussian, sampler,
                                            {.chains = chains, .warmup = 300, .draws = 1000, .seed = 11});
        const auto draws = to_host(context, run.draws);
        const double means[] = {1, -2, 0}, variances[] = {0.25, 1, 4};
        for (std::size_t j = 0; j < 3; ++j) {
            auto values = column(draws, 3, j);
            expect_mean(values, chains, means[j], name + " mean");
            for (double& value : values) value = (value - means[j]) * (value - means[j]);
            expect_mean(values, chains, variances[j], name + " variance");
        }
        EXPECT_GT(run.acceptance, 0.1) << name;
        EXPECT_EQ(run.divergences, 0) << name;
    }
}

namespace {

// Means of avg_effect and log_stddev of eight schools: given log_stddev all else is normal, so that one integral is
// left.
std::pair<double, double> eight_schools_means() {
    const eb::energy::EightSchools schools;
    double mass = 0, effect = 0, log_deviation = 0;
    for (double l = -8; l < 12; l += 1e-3) {
        double precision = 0.01, weighted = 0, log_weight = -0.5 * (l - 5) * (l - 5);
        for (std::size_t j = 0; j < schools.effects.size(); ++j) {
            const double variance = schools.errors[j] * schools.errors[j] + std::exp(2 * l), y = schools.effects[j];
            precision += 1 / variance;
            weighted += y / variance;
            log_weight -= 0.5 * (std::log(variance) + y * y / variance);
        }
        log_weight += 0.5 * (weighted * weighted / precision - std::log(precision));
        const double weight = std::exp(log_weight);
        mass += weight;
        effect += weight * weighted / precision;
        log_deviation += weight * l;
    }
    return {effect / mass, log_deviation / mass};
}

}  // namespace

// The same where the energy is curved, bounded, or of two modes, and a second opinion from published values.
TEST(Chains, FindMomentsOfHarderEnergies) {
    const auto context = eb::Context::cpu();
    constexpr std::int64_t chains = 256;
    const auto run = [&](const eb::Energy& e, int leapfrogs, std::int64_t draws) {
        const auto s = eb::sample<float>(context, e, eb::Hmc{.leapfrogs = leapfrogs, .lengths = eb::Lengths::jittered},
                                         {.chains = chains, .warmup = 500, .draws = draws, .seed = 3});
        return to_host(context, s.draws);
    };
    const auto banana = run(eb::energy::banana(), 20, 500);  // deviations 10 and sqrt(19)
    auto square = column(banana, 2, 1);
    expect_mean(square, chains, 0, "banana mean");
    for (double& value : square) value *= value;
    expect_mean(square, chains, 19, "banana variance");
    const auto [avg_effect, log_stddev] = eight_schools_means();
    EXPECT_NEAR(avg_effect, 5.7598, 0.1);  // inference-gym's long runs: 5.7598 and 2.4533
    EXPECT_NEAR(log_stddev, 2.4533, 0.01);
    const auto schools = run(eb::energy::eight_schools(), 20, 500);
    expect_mean(column(schools, 10, 0), chains, avg_effect, "avg_effect");
    expect_mean(column(schools, 10, 1), chains, log_stddev, "log_stddev");
    // x > 0 with density exp(-x^2 / 2): E x = sqrt(2 / pi).
    const auto half =
        run(eb::energy::constrain(eb::energy::gaussian({.precision = {1}}), {eb::energy::Support::positive()}), 5, 500);
    auto positive = column(half, 1, 0);
    for (double& value : positive) value = std::exp(value);
    expect_mean(positive, chains, std::sqrt(2 / M_PI), "half normal");
    // Weights of two modes, 0.3 at -1 and 0.7 at 1.
    const auto modes =
        run(eb::energy::mixture({.weights = {0.3, 0.7}, .means = table({-1, 1}, 1), .precisions = table({4, 4}, 1)}), 5,
            500);
    expect_mean(column(modes, 1, 0), chains, 0.4, "mixture");
}

// ULA's bias is known for a Gaussian: its variance is 1 / (1 - e^2 / 4).
TEST(Chains, UnadjustedLangevinHasItsBias) {
    const auto context = eb::Context::cpu();
    constexpr double step = 0.8;
    const auto run = eb::sample<double>(context, eb::energy::gaussian({.precision = {1}}),
                                        eb::Langevin{.adjusted = false, .step_size = step},
                                        {.chains = 64, .warmup = 100, .draws = 1000, .seed = 5, .adapt_mass = false});
    auto squares = column(to_host(context, run.draws), 1, 0);
    for (double& value : squares) value *= value;
    expect_mean(squares, 64, 1 / (1 - step * step / 4), "ULA");
    EXPECT_EQ(run.acceptance, 1);
    EXPECT_TRUE(same_bits(to_host(context, run.energies), to_host(context, run.values)));
}

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

// Coordinates that are shared: one that nobody has or two have, one that is read before it is written, a sum in another
// order, chains that are left out.
CUEBM_TEST(ChainsOn, OfManyCoordinatesHaveTheSameBits) {
    namespace en = eb::energy;
    const auto context = backend.make(), plain = eb::Context::cpu({.threads = 1});
    auto known = std::vector<std::uint8_t>(72, 0);
    known[3] = known[71] = 1;
    const eb::Energy sum =
        en::banana({.dimension = 70, .scale = 2, .curvature = 0.1}) + 0.1 * en::rosenbrock({.dimension = 70}) +
        en::ring({.dimension = 70}) + en::double_well({.dimension = 70}) +
        2 * en::gaussian({.precision = positive(70, 2)}) +
        en::affine(en::funnel({.dimension = 70}), {.scale = positive(70, 3), .shift = normal<double>(70, 4)}) +
        en::clamp(en::rosenbrock({.dimension = 72}), {.known = known, .values = normal<double>(72, 5)});
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

// A run that was stopped and went on, by a file, is the run that was not.
CUEBM_TEST(ChainsOn, GoOnAsIfTheyHadNotStopped) {
    const auto context = backend.make();
    const eb::Energy energy = eb::energy::eight_schools();
    for (const auto& [name, sampler] : samplers()) {
        SCOPED_TRACE(name);
        const auto run = [&](std::int64_t draws) {
            return eb::sample<T>(context, energy, sampler,
                                 {.chains = 9, .warmup = 40, .draws = draws, .thin = 2, .seed = 6});
        };
        const auto whole = run(7), part = run(3);
        const auto path = temporary_file("chains_" + backend.name + std::to_string(sizeof(T)) + ".bin");
        eb::save(path, eb::state_of(part));
        const auto more = eb::resume(context, energy, sampler, eb::load_chains<T>(path), {.draws = 4, .thin = 2});
        std::remove(path.c_str());
        EXPECT_EQ(more.transitions, whole.transitions);
        const auto all = to_host(context, whole.draws), before = to_host(context, part.draws),
                   after = to_host(context, more.draws);
        std::vector<T> joined;
        for (std::size_t chain = 0; chain < 9; ++chain) {
            const auto add = [&](const std::vector<T>& draws, std::size_t n) {
                const auto first = draws.begin() + static_cast<std::ptrdiff_t>(chain * n * 10);
                joined.insert(joined.end(), first, first + static_cast<std::ptrdiff_t>(n * 10));
            };
            add(before, 3);
            add(after, 4);
        }
        EXPECT_TRUE(same_bits(joined, all));
    }
}

// Chains of warm-up alone, and those whose draws were handed over or added up: there was nothing to go on from.
CUEBM_TEST(ChainsOn, GoOnWithoutStoredDraws) {
    const auto context = backend.make();
    const eb::Energy energy = eb::energy::eight_schools();
    for (const auto& [name, sampler] : samplers()) {
        SCOPED_TRACE(name);
        const std::size_t chains = name == "mala" ? 66 : 9;  // of two tiles
        eb::SampleOptions<T> options{
            .chains = static_cast<std::int64_t>(chains), .warmup = 40, .draws = 5, .thin = 2, .seed = 6};
        const auto whole = eb::sample<T>(context, energy, sampler, options);
        const auto whole_added = eb::sample_running<T>(context, energy, sampler, options).run;
        options.draws = 2;
        const auto added = eb::sample_running<T>(context, energy, sampler, options).run;
        auto handing = options;
        handing.receive = [](const eb::DrawBlock<T>&) {};
        const auto handed = eb::sample<T>(context, energy, sampler, handing);
        options.draws = 0;
        const auto warm = eb::sample<T>(context, energy, sampler, options);
        const auto expect_whole = [&](const eb::Samples<T>& part, std::int64_t left, const eb::Samples<T>& wanted) {
            const auto rest = eb::resume<T>(context, energy, sampler, eb::state_of(part), {.draws = left, .thin = 2});
            EXPECT_EQ(rest.transitions, wanted.transitions);
            EXPECT_TRUE(same_bits(eb::state_of(rest).points, eb::state_of(wanted).points));
        };
        expect_whole(added, 3, whole_added);
        expect_whole(handed, 3, whole);
        expect_whole(warm, 5, whole);
        std::int64_t received = 0;  // and go on without storing them
        const auto rest = eb::resume<T>(
            context, energy, sampler, eb::state_of(handed),
            {.draws = 3, .thin = 2, .receive = [&](const eb::DrawBlock<T>& block) { received += block.count; }});
        EXPECT_EQ(received, 3);
        EXPECT_TRUE(same_bits(rest.points, eb::state_of(whole).points));
    }
}

// A mass that was learnt, and is not taken back.
TEST(Chains, GoOnWhereTheyAreWide) {
    const auto context = eb::Context::cpu();
    const auto wide = eb::energy::gaussian({.precision = {1e-30}});
    const eb::Hmc hmc{.leapfrogs = 3};
    const auto run = [&](std::int64_t draws) {
        return eb::sample(context, wide, hmc, {.chains = 64, .warmup = 200, .draws = draws, .start_spread = 4e15});
    };
    const auto part = run(3), whole = run(8);
    EXPECT_GT(part.inverse_mass[0], 1e30);
    const auto rest = eb::resume(context, wide, hmc, eb::state_of(part), {.draws = 5});
    EXPECT_TRUE(same_bits(eb::state_of(rest).points, eb::state_of(whole).points));
    auto none = eb::state_of(part);
    for (const double bad : {0.0, -1.0, HUGE_VAL, 1e39}) {
        none.inverse_mass[0] = bad;
        expect_refused("inverse_mass", [&] { (void)eb::resume(context, wide, hmc, none, {.draws = 1}); });
    }
    none = eb::state_of(part);
    none.step_size = NAN;
    expect_refused("step_size", [&] { (void)eb::resume(context, wide, hmc, none, {.draws = 1}); });
}

// A file of another energy that chains go on with, or one that was cut short or damaged, wherever that is.
TEST(Chains, RefuseOtherStates) {
    const auto context = eb::Context::cpu();
    const auto make = [](double precision) { return eb::energy::gaussian({.precision = {1, precision}}); };
    const auto run = eb::sample(context, make(1), eb::Hmc{}, {.chains = 3, .warmup = 30, .draws = 2});
    const auto state = eb::state_of(run);
    const auto expect_other = [&](const eb::Energy& other) {
        expect_refused("state", [&] { (void)eb::resume(context, other, eb::Hmc{}, state, {.draws = 1}); });
    };
    expect_other(make(2));
    expect_other(eb::energy::banana());
    expect_other(eb::energy::gaussian({.precision = {1, 1, 1}}));
    const eb::Hmc given{.step_size = 0.1};
    const auto none = eb::sample(context, make(1), given, {.chains = 3, .warmup = 0, .draws = 0});
    expect_refused("run", [&] { (void)eb::state_of(none); });
    expect_refused("run", [&] { (void)eb::state_of(eb::Samples<float>{}); });
    const auto path = temporary_file("chains_state.bin");
    eb::save(path, state);
    EXPECT_THROW((void)eb::load_chains<double>(path), eb::FileError);
    std::ifstream in(path, std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(in)), {});
    const auto complaint = [&](const std::string& content) -> std::string {
        std::ofstream(path, std::ios::binary) << content;
        try {
            (void)eb::load_chains<float>(path);
        } catch (const eb::FileError& error) {
            return error.what();
        }
        return "none";
    };
    EXPECT_EQ(complaint(bytes), "none");
    for (std::size_t length = 0; length < bytes.size(); ++length)
        EXPECT_NE(complaint(bytes.substr(0, length)), "none") << length;
    EXPECT_NE(complaint(bytes + "x"), "none");
    for (std::size_t place = 0; place < bytes.size(); ++place)
        for (const int change : {1, 0x80, 0xff}) {
            auto other = bytes;
            other[place] = static_cast<char>(other[place] ^ change);
            EXPECT_NE(complaint(other), "none") << place;
        }
    auto other = bytes;
    other[bytes.size() - 1] ^= 1;
    EXPECT_NE(complaint(other).find("damaged"), std::string::npos) << complaint(other);
    other = bytes;
    other[7] = '2';
    EXPECT_NE(complaint(other).find("version"), std::string::npos) << complaint(other);
    std::remove(path.c_str());
}

// Draws whose value is another point's; a thinned run that keeps the wrong transitions.
CUEBM_TEST(ChainsOn, KeepDrawsWithTheirValues) {
    const auto context = backend.make();
    const eb::Energy energy = eb::energy::rosenbrock({.dimension = 3, .steepness = 2});
    auto all_samplers = samplers();
    all_samplers.push_back({"ula", eb::Langevin{.adjusted = false}});
    for (auto& [name, sampler] : all_samplers) {
        SCOPED_TRACE(name);
        std::visit([](auto& kind) { kind.step_size = 0.1; }, sampler);
        const auto run = [&, &sampler = sampler](std::int64_t draws, std::int64_t thin) {
            return eb::sample<T>(context, energy, sampler,
                                 {.chains = 5, .warmup = 0, .draws = draws, .thin = thin, .seed = 4});
        };
        const auto all = run(6, 1), thinned = run(2, 3);
        const auto values = context.template vector<T>(30);
        eb::energy::evaluate(context, energy, eb::energy::Evaluate<T>{.points = all.draws, .values = values});
        EXPECT_TRUE(same_bits(to_host(context, values), to_host(context, all.values)));
        const auto a = to_host(context, all.draws), t = to_host(context, thinned.draws);
        for (std::size_t chain = 0; chain < 5; ++chain)
            for (std::size_t draw = 0; draw < 2; ++draw)
                for (std::size_t j = 0; j < 3; ++j)
                    EXPECT_EQ(t[(chain * 2 + draw) * 3 + j], a[(chain * 6 + draw * 3 + 2) * 3 + j]);
    }
}

// A start that is not where the user said; one without a finite energy that is sampled from all the same.
CUEBM_TEST(ChainsOn, StartWhereTheyAreTold) {
    const auto context = backend.make();
    const eb::Energy energy = eb::energy::gaussian({.precision = {1, 1}});
    auto points = normal<T>(200, 3);
    const Placed<T> start(context, points, 100, 2, {.pad = 1, .offset = 1});
    eb::SampleOptions<T> options{.chains = 100, .warmup = 0, .draws = 1, .start = start.view()};
    const auto still = eb::sample<T>(context, energy, eb::Metropolis{.step_size = 1e-30}, options);
    EXPECT_TRUE(same_bits(to_host(context, still.draws), points));
    points[2 * 71] = std::numeric_limits<T>::quiet_NaN();
    const Placed<T> bad(context, points, 100, 2);
    options.start = bad.view();
    EXPECT_EQ(complaint([&] { (void)eb::sample<T>(context, energy, eb::Hmc{.step_size = 1}, options); }),
              (Complaint{"start", 71}));
}

// A step that is far too large: every trajectory diverges, is counted, and the chain stays where it was.
CUEBM_TEST(ChainsOn, CountDivergences) {
    const auto context = backend.make();
    const eb::Energy energy = eb::energy::rosenbrock();
    const auto run = eb::sample<T>(context, energy, eb::Hmc{.leapfrogs = 5, .step_size = 50},
                                   {.chains = 70, .warmup = 0, .draws = 3, .seed = 1});
    EXPECT_EQ(run.divergences, 70 * 3);
    EXPECT_EQ(run.acceptance, 0);
    for (const T value : to_host(context, run.draws)) EXPECT_TRUE(std::isfinite(value));
    EXPECT_NE(eb::diagnostics::to_string(run.summary()).find("diverge"), std::string::npos);
    const auto walk = eb::sample<T>(context, energy, eb::Metropolis{.step_size = 50},
                                    {.chains = 70, .warmup = 0, .draws = 3, .seed = 1});
    EXPECT_EQ(walk.divergences, 0);  // a step too far is a random walk's everyday
}

// A last report without the transitions of the last launch, which is shorter than the others.
TEST(Chains, TheLastReportIsOfAll) {
    const auto context = eb::Context::cpu();
    double acceptance = 0;
    eb::SampleOptions<float> options{.chains = 8, .warmup = 0, .draws = 153};
    options.progress = [&](const eb::SampleProgress& p) { acceptance = p.acceptance; };
    const auto run = eb::sample(context, eb::energy::gaussian({.precision = {1}}), eb::Hmc{.step_size = 0.5}, options);
    EXPECT_EQ(acceptance, run.acceptance);
}

// A sum in float that loses what is added: the mean acceptance of so many was 0.9964 instead of 0.9959.
TEST(Chains, MeanAcceptanceOfManyTransitions) {
    const auto context = eb::Context::cpu();
    const auto run =
        eb::sample<float>(context, eb::energy::gaussian({.precision = {1, 1}}),
                          eb::Hmc{.leapfrogs = 1, .step_size = 0.32}, {.chains = 4, .warmup = 0, .draws = 300'000});
    double sum = 0;
    for (const float acceptance : eb::to_host(context, run.acceptances)) sum += static_cast<double>(acceptance);
    EXPECT_NEAR(run.acceptance, sum / 1.2e6, 1e-6);
}

// Reports that come more often where warm-up is long.
TEST(Chains, ReportAboutAHundredTimes) {
    int calls = 0;
    (void)eb::sample<float>(
        eb::Context::cpu(), eb::energy::gaussian({.precision = {1}}), eb::Hmc{.leapfrogs = 1},
        {.chains = 1, .warmup = 10'000, .draws = 1000, .progress = [&](const eb::SampleProgress&) { ++calls; }});
    EXPECT_GE(calls, 50);
    EXPECT_LE(calls, 110);
}

// Launches that double until their number overflows: 4 leapfrog trees at most, so that there are many.
TEST(Chains, HaveAnyNumberOfLaunches) {
    const auto context = eb::Context::cpu();
    std::int64_t last = 0;
    const auto run =
        eb::sample(context, eb::energy::gaussian({.precision = {1}}), eb::Nuts{.max_depth = 20, .step_size = 0.5},
                   {.chains = 1, .warmup = 0, .draws = 600, .progress = [&](const eb::SampleProgress& p) {
                        last = p.transition;
                    }});
    EXPECT_EQ(last, 600);
    EXPECT_EQ(run.draws_a_chain, 600);
}

// A token that nobody looks at, where nobody wants to be told.
TEST(Chains, StopWithoutBeingAsked) {
    const auto context = eb::Context::cpu();
    const eb::Energy energy = eb::energy::funnel();
    std::stop_source stop;
    std::jthread later([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        stop.request_stop();
    });
    const auto run = eb::sample(context, energy, eb::Hmc{.step_size = 0.01},
                                {.chains = 64, .warmup = 0, .draws = 1000, .thin = 3000, .cancel = stop.get_token()});
    EXPECT_EQ(run.status, eb::Status::cancelled);
}

// A density that lies elsewhere than any start: an endless search, or chains that sample from nowhere.
TEST(Chains, GiveUpWhereThereIsNoStart) {
    const auto context = eb::Context::cpu();
    const eb::Energy far = eb::energy::affine(eb::energy::gaussian({.precision = {1}}), {.scale = {1e30}});
    EXPECT_EQ(complaint([&] { (void)eb::sample(context, far, eb::Hmc{}, {.chains = 3}); }), (Complaint{"start", 0}));
}

// A row of NaN for what a clamp holds, and a verdict that is about it.
TEST(Chains, SummaryLeavesOutWhatIsHeld) {
    const auto context = eb::Context::cpu();
    const auto e = eb::energy::named(eb::energy::gaussian({.precision = {1, 1, 1}}), {"a", "b", "c"});
    const auto run = eb::sample(context, eb::energy::clamp(e, {.known = {0, 1, 0}, .values = {0, 2, 0}}),
                                eb::Hmc{.leapfrogs = 3, .lengths = eb::Lengths::halton},
                                {.chains = 16, .warmup = 200, .draws = 500});
    const auto summary = run.summary();
    ASSERT_EQ(summary.quantities.size(), 2u);
    EXPECT_EQ(summary.quantities[0].name, "a");
    EXPECT_EQ(summary.quantities[1].name, "c");
    EXPECT_TRUE(summary.problems().empty()) << summary.verdict();
}

// An argument that nobody looks at: a division by zero, an endless run, memory that is not there.
TEST(Chains, RefuseBadArguments) {
    const auto context = eb::Context::cpu();
    const eb::Energy energy = eb::energy::gaussian({.precision = {1, 1}});
    const auto refuse = [&](const char* argument, const eb::Sampler& sampler, const eb::SampleOptions<float>& options) {
        expect_refused(argument, [&] { (void)eb::sample(context, energy, sampler, options); });
    };
    expect_refused("energy", [&] { (void)eb::sample(context, {}, eb::Hmc{}, {}); });
    refuse("chains", eb::Hmc{}, {.chains = 0});
    refuse("warmup", eb::Hmc{}, {.warmup = -1});
    refuse("draws", eb::Hmc{}, {.draws = -1});
    refuse("thin", eb::Hmc{}, {.thin = 0});
    refuse("draws", eb::Hmc{}, {.draws = 1 << 30, .thin = 1 << 30});
    refuse("leapfrogs", eb::Hmc{.leapfrogs = -1}, {});
    refuse("step_size", eb::Hmc{.step_size = -1}, {});
    refuse("step_size", eb::Hmc{.step_size = std::nan("")}, {});
    refuse("step_size", eb::Hmc{}, {.warmup = 0});
    refuse("step_size", eb::Langevin{.adjusted = false}, {});
    refuse("max_depth", eb::Nuts{.max_depth = 0}, {});
    refuse("max_depth", eb::Nuts{.max_depth = 21}, {});
    refuse("target", eb::Metropolis{.target = 1}, {});
    refuse("start_spread", eb::Hmc{}, {.start_spread = 0});
    refuse("inverse_mass", eb::Hmc{}, {.inverse_mass = {1}});
    refuse("inverse_mass", eb::Hmc{}, {.inverse_mass = {1, 0}});
    refuse("inverse_mass", eb::Hmc{}, {.inverse_mass = {1, 1e-50}});
    refuse("step_size", eb::Hmc{.step_size = 1e-50}, {});
    refuse("start_spread", eb::Hmc{}, {.start_spread = 1e-50});
    refuse("first_transition", eb::Hmc{}, {.first_transition = -1});
    const auto start = context.matrix<float>(3, 2);
    refuse("start", eb::Hmc{}, {.chains = 4, .start = start});
}

// A run that goes on after it was told to stop, or reports what is not so.
TEST(Chains, TellAndStop) {
    const auto context = eb::Context::cpu();
    const eb::Energy energy = eb::energy::gaussian({.precision = {1, 1}});
    std::stop_source stop;
    std::vector<eb::SampleProgress> seen;
    eb::SampleOptions<float> options{.chains = 8, .warmup = 100, .draws = 100, .cancel = stop.get_token()};
    options.progress = [&](const eb::SampleProgress& p) {
        seen.push_back(p);
        if (p.transition >= 150) stop.request_stop();
    };
    const auto run = eb::sample(context, energy, eb::Hmc{}, options);
    EXPECT_EQ(run.status, eb::Status::cancelled);
    EXPECT_EQ(run.draws_a_chain, 0);
    EXPECT_EQ(run.draws.rows(), 0);
    EXPECT_EQ(run.transitions, 150);
    ASSERT_GT(seen.size(), 20u);
    EXPECT_TRUE(seen.front().warmup);
    EXPECT_FALSE(seen.back().warmup);
    EXPECT_EQ(seen.back().transition, 150);
    EXPECT_EQ(seen.back().transitions, 200);
    EXPECT_GT(seen.back().acceptance, 0.3);
    EXPECT_GT(seen.back().step_size, 0);
}
