// sample() whose draws are added up: see cuebm/running.hpp.
#include <algorithm>
#include <cmath>
#include <thread>

#include <cuebm/running.hpp>

#include "check.hpp"
#include "energy_sums.hpp"
#include "float_environment.hpp"
#include "math/random_streams.hpp"
#include "math/samplers/chain_tile.hpp"
#include "parallel.hpp"
#include "sample_arguments.hpp"

namespace cuebm {
namespace {

using namespace detail;

constexpr auto function = "sample_running";

// On the host: those of a CPU context, or all that the machine has.
int threads_of(const Context& context) {
    if (context.device() == Device{}) return context.properties().processors;
    return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

// Superchains whose chains begin at one place: chains [k n / superchains, (k + 1) n / superchains) of n.
template <class T>
std::vector<T> starts(const Context& context, const Energy& energy, const SampleOptions<T>& o,
                      std::int64_t superchains) {
    constexpr std::uint32_t most_attempts = 100;
    const std::int64_t d = energy.dimension();
    const auto key = math::random_key(o.seed, math::RandomPurpose::chains_start);
    std::vector<T> points(static_cast<std::size_t>(superchains * d));
    std::vector<T> values(static_cast<std::size_t>(superchains), static_cast<T>(NAN));
    for (std::uint32_t attempt = 0; attempt < most_attempts; ++attempt) {
        for (std::int64_t k = 0; k < superchains; ++k)
            for (std::int64_t j = 0; j < d && !std::isfinite(values[static_cast<std::size_t>(k)]); ++j)
                points[static_cast<std::size_t>(k * d + j)] =
                    math::start_coordinate<T>(key, math::lane_index<T>(static_cast<std::uint64_t>(k)), attempt,
                                              static_cast<int>(j), static_cast<T>(o.start_spread));
        const auto on_device = context.copy(view(std::as_const(points), superchains, d));
        const auto of = context.vector<T>(superchains);
        energy::evaluate(context, energy, {.points = on_device, .values = of.view(), .check_finite = false});
        values = to_host(context, of);
        if (std::all_of(values.begin(), values.end(), [](T value) { return std::isfinite(value); })) break;
    }
    std::vector<T> all;  // sample() says where an energy is still not finite
    for (std::int64_t k = 0; k < superchains; ++k)
        for (std::int64_t c = k * o.chains / superchains; c < (k + 1) * o.chains / superchains; ++c)
            all.insert(all.end(), points.begin() + k * d, points.begin() + (k + 1) * d);
    return all;
}

}  // namespace

template <class T>
RunningSamples<T> sample_running(Stream& stream, const Energy& energy, const Sampler& sampler,
                                 const SampleOptions<T>& options, const Accumulate& wanted) {
    const DefaultFloatEnvironment environment;
    const Context context = stream.context();
    check_sample(context, energy, kind_of(sampler), std::holds_alternative<Nuts>(sampler), options);
    if (options.draws < 1) refuse(function, "draws", std::to_string(options.draws), "draws >= 1");
    if (options.receive) refuse(function, "receive", "a function", "none; sample() calls one");
    const auto names = energy.names();
    const auto held = energy.held();
    std::vector<std::string> quantities;
    for (std::size_t j = 0; j < names.size(); ++j)
        if (!held[j]) quantities.push_back(names[j]);
    for (const auto& [name, of] : wanted.functions) {
        if (name.empty()) refuse(function, "functions", "one without a name", "a name for each");
        if (!of || of.dimension() != energy.dimension())
            refuse(function, "functions",
                   "\"" + name + "\" of " + std::to_string(of ? of.dimension() : 0) + " coordinates",
                   std::to_string(energy.dimension()) + ", as the energy has");
        quantities.push_back(name);
    }
    if (context.device().kind == Device::Kind::cuda)  // a user's own energy compiles now or never
        for (const auto& [name, of] : wanted.functions) {
            const auto point =
                context.copy(view(std::vector<T>(static_cast<std::size_t>(of.dimension())), 1, of.dimension()));
            const auto value = context.vector<T>(1);
            energy::evaluate(context, of, {.points = point, .values = value.view(), .check_finite = false});
        }
    const auto running = std::make_shared<diagnostics::Running>(
        quantities, diagnostics::RunningOptions{.chains = options.chains,
                                                .draws = options.draws,
                                                .superchains = wanted.superchains,
                                                .covariance = wanted.covariance,
                                                .threads = threads_of(context)});
    ThreadTeam team(threads_of(context));
    // Of few draws E-BFMI is noise, that some of many chains would always be found bad by.
    constexpr std::int64_t enough = 100;
    const SamplerKind kind = kind_of(sampler);
    const bool of_energies = !kind.metropolis && kind.adjusted && options.thin == 1 && options.draws >= enough;
    EnergySums energies(of_energies ? options.chains : 0);
    std::int64_t drawn = 0;
    auto o = options;
    Matrix<T> start;
    if (!o.start) {
        const auto points = starts(context, energy, options, running->superchains());
        start = context.copy(view(points, o.chains, energy.dimension()));
        o.start = start;
    }
    o.receive = [&](const DrawBlock<T>& block) {
        const auto points = to_host(context, block.draws);
        const std::int64_t rows = block.draws.rows, d = block.draws.cols;
        std::vector<std::vector<T>> of_functions;
        for (const auto& [name, of] : wanted.functions) {
            const auto values = context.vector<T>(rows);
            try {
                energy::evaluate(context, of, {.points = block.draws, .values = values.view()});
            } catch (const DataError& error) {
                throw DataError("functions", error.row() / block.count,
                                "\"" + name + "\" is not a number at a draw of this chain");
            }
            of_functions.push_back(to_host(context, values));
        }
        std::vector<double> known(static_cast<std::size_t>(rows) * quantities.size());
        constexpr std::int64_t rows_a_task = 256;
        team.for_blocks(rows, rows_a_task, [&](std::int64_t first, std::int64_t last, int) {
            std::vector<double> point(static_cast<std::size_t>(d));
            for (std::int64_t row = first; row < last; ++row) {
                std::copy_n(points.begin() + row * d, d, point.begin());
                const auto all = energy.coordinates(point);
                double* to = known.data() + row * static_cast<std::int64_t>(quantities.size());
                for (std::size_t j = 0; j < all.size(); ++j)
                    if (!held[j]) *to++ = all[j];
                for (const auto& values : of_functions)
                    *to++ = static_cast<double>(values[static_cast<std::size_t>(row)]);
            }
        });
        running->add(view(std::as_const(known), rows, static_cast<std::int64_t>(quantities.size())));
        if (of_energies) energies.add(to_host(context, block.energies), block.first);
        drawn = block.first + block.count;
    };
    RunningSamples<T> result{
        .run = sample(stream, energy, sampler, o), .summary = {}, .covariance = {}, .sums = running};
    if (drawn == 0) return result;
    result.summary =
        running->summary({.divergences = result.run.divergences,
                          .max_treedepth_hits = result.run.deepest,
                          .e_bfmi = of_energies && drawn >= enough ? energies.e_bfmi(drawn) : std::vector<double>{},
                          .transitions = o.chains * result.run.counted,
                          .acceptance = result.run.acceptance});
    if (wanted.covariance) result.covariance = running->covariance();
    return result;
}

template <class T>
RunningSamples<T> sample_running(const Context& context, const Energy& energy, const Sampler& sampler,
                                 const SampleOptions<T>& options, const Accumulate& wanted) {
    Stream stream = detail::stream_of_call(context);
    return sample_running(stream, energy, sampler, options, wanted);
}

#define CUEBM_INSTANTIATE(T)                                                                              \
    template CUEBM_API RunningSamples<T> sample_running<T>(const Context&, const Energy&, const Sampler&, \
                                                           const SampleOptions<T>&, const Accumulate&);   \
    template CUEBM_API RunningSamples<T> sample_running<T>(Stream&, const Energy&, const Sampler&,        \
                                                           const SampleOptions<T>&, const Accumulate&);
CUEBM_INSTANTIATE(float)
CUEBM_INSTANTIATE(double)

}  // namespace cuebm
