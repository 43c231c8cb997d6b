// Chains that go on from where a run ended, by a file or not.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include <cuebm/resume.hpp>
#include <cuebm/running.hpp>
#include <cuebm/sample.hpp>

#include "support/backends.hpp"
#include "support/complaint.hpp"
#include "support/data.hpp"
#include "support/samplers.hpp"
#include "support/temporary_file.hpp"

namespace eb = cuebm;
using namespace cuebm::test;

CUEBM_SUITE_ON(ChainsGoOn, backends_of_one_path());

// A run that was stopped and went on, by a file, is the run that was not.
CUEBM_TEST(ChainsGoOn, AsIfTheyHadNotStopped) {
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
CUEBM_TEST(ChainsGoOn, WithoutStoredDraws) {
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
            eb::Stream stream(context);
            const auto rest = eb::resume<T>(stream, energy, sampler, eb::state_of(part), {.draws = left, .thin = 2});
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

// A warm-up that was cancelled and goes on, by a file: forgets its step size, moments, products, window or centre, adds
// a transition to them twice or not at all, or has other random numbers.
CUEBM_TEST(ChainsGoOn, InTheMiddleOfWarmUp) {
    const auto context = backend.make();
    const eb::Energy energy = eb::energy::eight_schools();
    auto all = samplers();
    all.push_back({"learnt_length", eb::Hmc{.leapfrogs = 0}});
    all.push_back({"ula", eb::Langevin{.adjusted = false, .step_size = 0.05}});
    for (const auto& [name, sampler] : all)
        for (const bool dense : {false, true}) {
            if (dense && name != "hmc" && name != "nuts") continue;
            const eb::SampleOptions<T> options{.chains = 9, .warmup = 60, .draws = 4, .seed = 6, .dense_mass = dense};
            const auto whole = eb::sample<T>(context, energy, sampler, options);
            // The mass is learnt from transitions [9, 54), in one window.
            for (const std::int64_t done : {1, 9, 10, 40, 54, 60}) {
                SCOPED_TRACE(name + (dense ? ", dense, after " : ", after ") + std::to_string(done));
                std::stop_source stop;
                auto cancelled = options;
                cancelled.cancel = stop.get_token();
                cancelled.progress = [&](const eb::SampleProgress& p) {
                    if (p.transition == done - 1) stop.request_stop();
                };
                if (done == 1) stop.request_stop();
                const auto part = eb::sample<T>(context, energy, sampler, cancelled);
                ASSERT_EQ(part.status, eb::Status::cancelled);
                EXPECT_EQ(part.transitions, done);
                const auto path = temporary_file("warmup_" + backend.name + std::to_string(sizeof(T)) + ".bin");
                eb::save(path, eb::state_of(part));
                const auto rest = eb::resume(context, energy, sampler, eb::load_chains<T>(path), {.draws = 4});
                std::remove(path.c_str());
                EXPECT_EQ(rest.step_size, whole.step_size);
                EXPECT_EQ(rest.inverse_mass, whole.inverse_mass);
                EXPECT_EQ(rest.transitions, whole.transitions);
                EXPECT_EQ(rest.divergences, whole.divergences);
                EXPECT_TRUE(same_bits(to_host(context, rest.draws), to_host(context, whole.draws)));
            }
        }
}

// Windows after the first, of which the first ends where it is stopped; stopped twice, with masses that are given, and
// chains of several tiles.
TEST(Chains, GoOnInTheMiddleOfALongWarmUp) {
    const auto context = eb::Context::cpu();
    const eb::Energy energy = eb::energy::gaussian({.precision = {1, 4, 100}});
    for (const auto& mass : {std::vector<double>{}, {1, 0.25, 0.01}, {1, 0, 0, 0, 0.5, 0.01, 0, 0.01, 0.02}})
        for (const bool dense : {false, true}) {
            if (dense && !mass.empty()) continue;
            eb::SampleOptions<double> options{
                .chains = 70, .warmup = 180, .draws = 3, .seed = 2, .inverse_mass = mass, .dense_mass = dense};
            const auto whole = eb::sample<double>(context, energy, eb::Hmc{}, options);
            std::stop_source first, second;
            options.cancel = first.get_token();
            options.progress = [&](const eb::SampleProgress& p) {
                if (p.transition >= 99) first.request_stop();
            };
            const auto begun = eb::sample<double>(context, energy, eb::Hmc{}, options);
            ASSERT_EQ(begun.status, eb::Status::cancelled);
            ASSERT_EQ(begun.transitions, 100);
            const auto at_once = eb::resume<double>(context, energy, eb::Hmc{}, eb::state_of(begun), {.draws = 3});
            EXPECT_EQ(to_host(context, at_once.draws), to_host(context, whole.draws));
            const auto going = eb::resume<double>(context, energy, eb::Hmc{}, eb::state_of(begun),
                                                  {.draws = 3,
                                                   .progress =
                                                       [&](const eb::SampleProgress& p) {
                                                           if (p.transition >= 111) second.request_stop();
                                                       },
                                                   .cancel = second.get_token()});
            ASSERT_EQ(going.status, eb::Status::cancelled);
            EXPECT_EQ(going.transitions, 112);
            const auto rest = eb::resume<double>(context, energy, eb::Hmc{}, eb::state_of(going), {.draws = 3});
            EXPECT_EQ(to_host(context, rest.draws), to_host(context, whole.draws));
            EXPECT_EQ(rest.inverse_mass, whole.inverse_mass);

            auto state = eb::state_of(begun);
            expect_refused("sampler", [&] { (void)eb::resume(context, energy, eb::Nuts{}, state, {.draws = 1}); });
            expect_refused("sampler",
                           [&] { (void)eb::resume(context, energy, eb::Hmc{.target = 0.9}, state, {.draws = 1}); });
            for (const eb::Sampler& other :
                 {eb::Sampler(eb::Hmc{.leapfrogs = 3}), eb::Sampler(eb::Hmc{.lengths = eb::Lengths::halton}),
                  eb::Sampler(eb::Langevin{.target = 0.8}), eb::Sampler(eb::Hmc{.step_size = 0.1})})
                expect_refused("sampler", [&] { (void)eb::resume(context, energy, other, state, {.draws = 1}); });
            state.adaptation.pop_back();
            expect_refused("state", [&] { (void)eb::resume(context, energy, eb::Hmc{}, state, {.draws = 1}); });
            state.adaptation.resize(8);
            expect_refused("state", [&] { (void)eb::resume(context, energy, eb::Hmc{}, state, {.draws = 1}); });
        }
}

// Stops where nothing is left of warm-up, or nothing is kept yet; warm-ups that are too short for a mass; one
// coordinate; lengths that begin again with a window; a run whose transitions do not begin at 0.
TEST(Chains, GoOnFromTheEdgesOfWarmUp) {
    const auto context = eb::Context::cpu();
    struct Case {
        std::int64_t dimension, warmup, stop, thin, first;  // told at `stop`
        eb::Hmc sampler;
        bool dense;
    };
    const eb::Hmc hmc, learnt{.leapfrogs = 0};
    for (const auto& c :
         {Case{3, 40, 40, 2, 0, hmc, false}, Case{3, 40, 39, 2, 0, hmc, true}, Case{3, 40, 40, 1, 7, hmc, true},
          Case{3, 40, 20, 3, 7, hmc, false}, Case{2, 12, 5, 1, 0, hmc, true}, Case{2, 12, 5, 1, 0, hmc, false},
          Case{1, 60, 20, 2, 0, hmc, true}, Case{3, 180, 99, 1, 0, learnt, false},
          Case{3, 180, 120, 1, 0, learnt, true}}) {
        SCOPED_TRACE(std::to_string(c.warmup) + " " + std::to_string(c.stop) + " " + std::to_string(c.thin));
        const eb::Energy energy =
            eb::energy::gaussian({.precision = std::vector<double>(static_cast<std::size_t>(c.dimension), 2.0)});
        eb::SampleOptions<float> options{.chains = 5,
                                         .warmup = c.warmup,
                                         .draws = 3,
                                         .thin = c.thin,
                                         .seed = 4,
                                         .first_transition = c.first,
                                         .dense_mass = c.dense};
        const auto whole = eb::sample(context, energy, c.sampler, options);
        std::stop_source stop;
        options.cancel = stop.get_token();
        options.progress = [&](const eb::SampleProgress& p) {
            if (p.transition >= c.stop) stop.request_stop();
        };
        if (c.thin == 1 && c.stop == c.warmup) options.draws = 0;  // else there would be a draw
        const auto part = eb::sample(context, energy, c.sampler, options);
        EXPECT_EQ(part.transitions, c.first + std::min(c.stop + 1, c.warmup));
        EXPECT_EQ(part.adaptation.empty(), c.stop + 1 >= c.warmup);
        const auto left = eb::resume(context, energy, c.sampler, eb::state_of(part), {.draws = 0});
        if (c.stop + 1 < c.warmup) {
            EXPECT_EQ(left.transitions, c.first + c.warmup);
            const auto after = eb::resume(context, energy, c.sampler, eb::state_of(left), {.draws = 3, .thin = c.thin});
            EXPECT_EQ(to_host(context, after.draws), to_host(context, whole.draws));
        }
        std::vector<float> received;
        const auto rest = eb::resume(context, energy, c.sampler, eb::state_of(part),
                                     {.draws = 3, .thin = c.thin, .receive = [&](const eb::DrawBlock<float>& block) {
                                          received = to_host(context, block.draws);
                                      }});
        EXPECT_EQ(rest.transitions, whole.transitions);
        EXPECT_EQ(received, to_host(context, whole.draws));
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
    other[7] = '3';
    EXPECT_NE(complaint(other).find("version"), std::string::npos) << complaint(other);
    std::remove(path.c_str());
}
