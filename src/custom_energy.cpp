// Users' own energies: registered by name while a program starts, checked when one is asked for.
#include <map>
#include <mutex>

#include <cuebm/custom_functions.hpp>

#include "check.hpp"
#include "cpu/isa.hpp"
#include "energy_node.hpp"

namespace cuebm {
namespace {

using namespace detail;

struct Registered {
    const custom::Functions* built[math::instruction_sets] = {};
    bool twice = false;
    CustomEnergy energy{};
};

struct Registry {
    std::mutex mutex;
    std::map<std::string, Registered> energies;  // whose addresses stay
};
Registry& registry() {
    static Registry* const all = new Registry;  // never destroyed: energies may outlive other statics
    return *all;
}

// 1 + 2^-30 squared, less what its product rounds to: 0, unless the sum saw the unrounded product.
bool contracts(double (*probe)(double, double, double)) {
    const double a = 1 + 0x1p-30, rounded = 1 + 0x1p-29;
    return probe(a, a, -rounded) != 0;
}

const Registered& find(const char* function, const std::string& name) {
    const auto& energies = registry().energies;
    const auto found = energies.find(name);
    if (found != energies.end()) return found->second;
    std::string known;
    for (const auto& [other, registered] : energies) known += (known.empty() ? "" : ", ") + other;
    refuse(function, "name", "\"" + name + "\"",
           known.empty() ? "one that a file of <cuebm/custom.hpp> registers; none is linked into this program"
                         : "one that is registered: " + known);
}

}  // namespace

namespace custom {

bool register_energy(const char* name, const Source* source, const Functions* base, const Functions* avx2,
                     const Functions* avx512) {
    const std::scoped_lock lock(registry().mutex);
    Registered& registered = registry().energies[name];
    registered.twice = registered.built[0] != nullptr;
    registered.energy.name = name;
    registered.energy.source = source;
    const Functions* below = nullptr;
    const Functions* const all[] = {base, avx2, avx512};
    for (int i = 0; i < math::instruction_sets; ++i) {
        registered.built[i] = all[i];
        below = all[i] != nullptr ? all[i] : below;
        registered.energy.of_float.of[i] = below->of_float;
        registered.energy.of_double.of[i] = below->of_double;
    }
    return true;
}

}  // namespace custom

namespace energy {

Energy custom(const Custom& p) {
    constexpr auto function = "energy::custom";
    constexpr std::int64_t most_coordinates = 1 << 24, most_without_gradient = 32;
    const std::scoped_lock lock(registry().mutex);
    const Registered& registered = find(function, p.name);
    const custom::Functions& written = *registered.built[0];
    if (registered.twice) refuse(function, "name", "\"" + p.name + "\" of two files", "one file for each name");
    if (written.interface != custom::interface)
        refuse(function, "name", "\"" + p.name + "\" built with another version's headers", "those of this library");
    for (std::size_t i = 0; i < cpu::available_isas().size(); ++i)
        if (registered.built[i] != nullptr && contracts(registered.built[i]->probe))
            refuse(function, "name", "\"" + p.name + "\", built so that a * b + c is rounded once",
                   "a build by cuebm_add_energy(), or with -ffp-contract=off");
    const std::int64_t d = p.dimension == 0 ? written.dimension : p.dimension;
    if (d < 1 || d > most_coordinates || (written.dimension > 0 && d != written.dimension))
        refuse(function, "dimension", std::to_string(d),
               written.dimension > 0 ? std::to_string(written.dimension) + ", as " + p.name + " is written for"
                                     : "1 to 2^24 coordinates");
    if (!written.gradient && d > most_without_gradient)
        refuse(function, "dimension", std::to_string(d) + " for an energy without a gradient of its own", "1 to 32");
    const auto count = static_cast<std::int64_t>(p.parameters.size());
    if (count > most_columns || (written.parameters >= 0 && count != written.parameters))
        refuse(function, "parameters", std::to_string(count) + " of them",
               written.parameters >= 0 ? std::to_string(written.parameters) : "fewer than 2^31");
    for (const double value : p.parameters)
        if (!std::isfinite(value)) refuse(function, "parameters", text_of(value), "finite values");
    return Energy(std::make_shared<const EnergyNode>(EnergyNode{.kind = EnergyNode::Kind::term,
                                                                .d = d,
                                                                .text = p.name + "(d = " + std::to_string(d) + ")",
                                                                .op = math::EnergyOp::custom,
                                                                .rows = count,
                                                                .parameters = p.parameters,
                                                                .custom = &registered.energy}));
}

}  // namespace energy
}  // namespace cuebm
