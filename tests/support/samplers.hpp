// The samplers that tests of chains go through.
#pragma once

#include <string>
#include <vector>

#include <cuebm/sample.hpp>

namespace cuebm::test {

struct NamedSampler {
    std::string name;
    Sampler sampler;
};
inline std::vector<NamedSampler> samplers() {
    return {{"metropolis", Metropolis{}},
            {"mala", Langevin{}},
            {"hmc", Hmc{.leapfrogs = 3}},
            {"nuts", Nuts{.max_depth = 6}},
            {"hmc_jittered", Hmc{.leapfrogs = 5, .lengths = Lengths::jittered}},
            {"hmc_halton", Hmc{.leapfrogs = 5, .lengths = Lengths::halton}}};
}

}  // namespace cuebm::test
