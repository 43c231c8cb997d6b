// C functions around cuebm's sampler, so that bench/peers/chains.py can call it through ctypes beside the others.
#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <cuebm/cuebm.hpp>

#include "../models.hpp"
#include "shim.hpp"

namespace eb = cuebm;

namespace {
// Chains of one case, which go on from where they were.
struct Chains {
    bench::ChainsCase c;
    eb::Context context;
    eb::Matrix<float> state{};
    std::uint64_t calls = 0;
    double acceptance = 0;
    std::string device{};
    bench::Limits limits{};
};
Chains& of(void* session) { return *static_cast<Chains*>(session); }
}  // namespace

#pragma GCC visibility push(default)
extern "C" {

int cuebm_peers_chains_open(const char* name, int on_gpu, int threads, void** session) {
    return bench::guarded([&] {
        auto chains = std::make_unique<Chains>(
            Chains{bench::chains_case(name, on_gpu != 0),
                   on_gpu != 0 ? eb::Context::cuda(0) : eb::Context::cpu({.threads = threads})});
        chains->device = chains->context.properties().name;
        *session = chains.release();
    });
}
int cuebm_peers_chains_close(void* session) {
    delete &of(session);
    return 0;
}
const char* cuebm_peers_chains_device(void* session) { return of(session).device.c_str(); }
int cuebm_peers_chains_limits(void* session, int runs, double* figures, const char** processor) {
    return bench::guarded([&] {
        auto& s = of(session);
        bench::tell_limits(s.context, runs, s.limits, figures, processor);
    });
}

// d, chains, leapfrog steps and the rows of a regression; the step size, the spread of starts, and the vector
// instructions a gradient, all counted that a transition takes.
int cuebm_peers_chains_case(void* session, std::int64_t* sizes, double* figures) {
    return bench::guarded([&] {
        const auto& c = of(session).c;
        sizes[0] = c.model.energy.dimension();
        sizes[1] = c.chains;
        sizes[2] = c.leapfrogs;
        sizes[3] = c.model.rows;
        figures[0] = c.step_size;
        figures[1] = c.start_spread;
        figures[2] = bench::transition(c).instructions() / c.leapfrogs;
    });
}
// Of a regression: [rows x d] and [rows].
int cuebm_peers_chains_data(void* session, double* features, double* outcomes) {
    return bench::guarded([&] {
        std::ranges::copy(of(session).c.model.features, features);
        std::ranges::copy(of(session).c.model.outcomes, outcomes);
    });
}

// So many transitions of all chains; where they then are, if `positions` is not null, and the mean acceptance.
int cuebm_peers_chains_run(void* session, std::int64_t transitions, float* positions, double* acceptance) {
    return bench::guarded([&] {
        auto& s = of(session);
        eb::SampleOptions<float> options{.chains = s.c.chains,
                                         .warmup = 0,
                                         .draws = 1,
                                         .thin = transitions,
                                         .seed = ++s.calls,
                                         .start_spread = s.c.start_spread};
        if (s.calls > 1) options.start = s.state;
        auto run = eb::sample<float>(s.context, s.c.model.energy,
                                     eb::Hmc{.leapfrogs = s.c.leapfrogs, .step_size = s.c.step_size}, options);
        s.state = std::move(run.draws);
        *acceptance = run.acceptance;
        if (positions != nullptr) std::ranges::copy(eb::to_host(s.context, s.state), positions);
    });
}

// A run of NUTS, or of HMC with lengths at random, with warm-up: draws [chains x draws x d], and the leapfrog steps
// that they took, without those of warm-up; of HMC as many as in the mean.
int cuebm_peers_chains_adapted(void* session, int nuts, std::int64_t chains, std::int64_t warmup, std::int64_t draws,
                               std::uint64_t seed, float* to, std::int64_t* leapfrogs) {
    return bench::guarded([&] {
        auto& s = of(session);
        eb::Sampler sampler = eb::Hmc{.leapfrogs = s.c.leapfrogs, .lengths = eb::Lengths::jittered};
        if (nuts != 0) sampler = eb::Nuts{};
        const auto run = eb::sample<float>(s.context, s.c.model.energy, sampler,
                                           {.chains = chains, .warmup = warmup, .draws = draws, .seed = seed});
        std::ranges::copy(eb::to_host(s.context, run.draws), to);
        *leapfrogs = nuts != 0 ? run.leapfrogs : chains * draws * s.c.leapfrogs;
    });
}

// The least bulk effective sample size of the d coordinates of draws [chains x draws x d], and the largest R-hat, NaN
// if one is.
int cuebm_peers_chains_diagnose(const float* draws, std::int64_t chains, std::int64_t draws_a_chain, std::int64_t d,
                                double* least_ess, double* largest_r_hat) {
    return bench::guarded([&] {
        std::vector<float> one(static_cast<std::size_t>(chains * draws_a_chain));
        for (std::int64_t j = 0; j < d; ++j) {
            for (std::size_t i = 0; i < one.size(); ++i) one[i] = draws[static_cast<std::int64_t>(i) * d + j];
            const auto view = eb::view(one, chains, draws_a_chain);
            const double ess = eb::diagnostics::ess_bulk(view), r_hat = eb::diagnostics::r_hat(view);
            *least_ess = j == 0 ? ess : std::min(*least_ess, ess);
            if (j == 0 || !(r_hat <= *largest_r_hat)) *largest_r_hat = r_hat;
        }
    });
}

}  // extern "C"
#pragma GCC visibility pop
