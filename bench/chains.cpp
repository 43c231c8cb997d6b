// Speed of sample(): HMC with a step size that is given, in float, on one thread and on all. A call keeps one draw a
// chain, after many transitions, so that what is timed is sampling.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <cuebm/cuebm.hpp>

#include "harness.hpp"

namespace eb = cuebm;

namespace {

void sample(benchmark::State& state, bench::Machine& machine, const bench::ChainsCase& c, std::int64_t transitions) {
    double acceptance = 0;
    const auto work = [&] {
        const auto run = eb::sample<float>(machine.context, c.model.energy,
                                           eb::Hmc{.leapfrogs = c.leapfrogs, .step_size = c.step_size},
                                           {.chains = c.chains,
                                            .warmup = 0,
                                            .draws = 1,
                                            .thin = transitions,
                                            .seed = 1,
                                            .start_spread = c.start_spread});
        acceptance = run.acceptance;
    };
    const bench::Measured measured = bench::time(state, machine, work);
    const auto moves = static_cast<double>(c.chains * transitions);
    state.counters["Mgradients/s"] = moves * c.leapfrogs / measured.seconds * 1e-6;
    state.counters["acceptance"] = acceptance;
    bench::report(state, {moves * bench::transition(c)}, measured);
}

std::vector<bench::ChainsCase> cases_on(bool gpu) {
    std::vector<bench::ChainsCase> cases;
    for (const auto& name : bench::chains_cases()) cases.push_back(bench::chains_case(name, gpu));
    for (const char* own : {"BananaWithGradient", "BananaByForwardSlopes"}) {
        auto c = bench::chains_case("banana", gpu);
        c.name = own;
        c.model.energy = eb::energy::custom({.name = own, .parameters = {10, 0.03}});
        cases.push_back(std::move(c));
    }
    return cases;
}

}  // namespace

int main(int argc, char** argv) {
    std::vector<bench::ChainsCase> cases;
    return bench::run_program("bench_chains", argc, argv, true, [&](auto& machine, const auto& threads, bool quick) {
        const bool gpu = machine.context.device().kind != eb::Device::Kind::cpu;
        if (cases.empty()) cases = cases_on(gpu);
        // Some tenths of a second on a core, or a tenth of that; about as long on a GPU.
        const double instructions = (quick ? 1e9 : 1e10) * (gpu ? 300 : 1);
        for (const auto& c : cases) {
            const double cost = static_cast<double>(c.chains) * bench::transition(c).instructions();
            // Not under 20, or the energy of the start would be seen.
            const auto transitions = static_cast<std::int64_t>(std::max(20.0, instructions / cost));
            benchmark::RegisterBenchmark(
                ("chains/" + c.name + "/L:" + std::to_string(c.leapfrogs) + "/chains:" + std::to_string(c.chains) +
                 "/threads:" + threads)
                    .c_str(),
                [&machine, &c, transitions](benchmark::State& state) {
                    try {
                        sample(state, machine, c, transitions);
                    } catch (const eb::DeviceError& error) {  // no NVRTC for an energy of one's own
                        state.SkipWithError(error.what());
                    }
                })
                ->Unit(benchmark::kMillisecond)
                ->UseManualTime();
        }
    });
}
