// See cuebm/resume.hpp.
#include <cuebm/resume.hpp>

#include <bit>
#include <cstring>

#include "check.hpp"
#include "energy_node.hpp"
#include "file_io.hpp"
#include "fingerprint.hpp"
#include "warmup_state.hpp"

namespace cuebm {
namespace {

using namespace detail;

static_assert(std::endian::native == std::endian::little);

template <class T>
std::uint64_t fingerprint_of(const char* function, const Energy& energy) {
    const auto program = program_of<T>(function, energy, Device{});
    Fingerprint print;
    print.add(program->parameters);
    print.add(program->indices);
    for (const auto& step : program->steps) {
        print.add(step.op);
        print.add(step.d);
        print.add(step.rows);
        print.add(step.scale);
    }
    return print.value();
}

// What a file begins with; the lengths of what follows it. The last byte of the magic is the format's version.
struct Header {
    char magic[8] = {'c', 'u', 'e', 'b', 'm', 'M', 'C', '4'};
    std::int64_t element = 0, chains = 0, dimension = 0, masses = 0, transitions = 0, text = 0, adaptation = 0;
    std::uint64_t seed = 0, fingerprint = 0;
    double step_size = 0;
    std::int64_t trajectory = 0;
    std::uint64_t checksum = 0;  // of the file, with 0 here
};
static_assert(sizeof(Header) == 104);  // no padding

template <class T>
std::uint64_t checksum_of(Header header, const ChainsState<T>& state) {
    header.checksum = 0;
    Fingerprint print;
    print.add(header);
    for (const char letter : state.energy) print.add(letter);
    print.add(state.inverse_mass);
    print.add(state.points);
    print.add(state.adaptation);
    return print.value();
}

}  // namespace

template <class T>
ChainsState<T> state_of(const Samples<T>& run) {
    const std::int64_t n = run.draws_a_chain, d = run.energy ? run.energy.dimension() : 0;
    if (n == 0 && run.points.empty())
        refuse("state_of", "run", "one without a transition, or cancelled before its first draw and without warm-up",
               "what sample() returned, with warm-up or draws");
    const auto points = [&] {
        if (n == 0) return run.points;
        return to_host(*run.context, MatrixView<const T>{run.draws.data() + (n - 1) * d, run.chains, d, n * d,
                                                         run.draws.view().device});
    };
    return {.points = points(),
            .chains = run.chains,
            .dimension = d,
            .seed = run.seed,
            .transitions = run.transitions,
            .step_size = run.step_size,
            .trajectory = run.trajectory,
            .inverse_mass = run.inverse_mass,
            .energy = run.energy.text(),
            .fingerprint = fingerprint_of<T>("state_of", run.energy),
            .adaptation = run.adaptation};
}

namespace {

// In the middle of warm-up.
template <class T>
Samples<T> resume_warm_up(const char* function, Stream& stream, const Energy& energy, const Sampler& sampler,
                          const ChainsState<T>& state, const SampleOptions<T>& options) {
    WarmupHeader header;
    if (state.adaptation.size() < sizeof header)
        refuse(function, "state", std::to_string(state.adaptation.size()) + " bytes of a warm-up",
               "what state_of() returned");
    std::memcpy(&header, state.adaptation.data(), sizeof header);
    if (header.done < 0 || header.done >= header.warmup)
        refuse(function, "state", "a damaged warm-up", "what state_of() returned");
    if (header.sampler != warming(kind_of(sampler)))
        refuse(function, "sampler", "another than the one that was warming up", "that one, as it was");
    const auto start = stream.context().copy(view(state.points, state.chains, state.dimension));
    return sample_from<T>(stream, energy, sampler,
                          {.chains = state.chains,
                           .warmup = header.warmup,
                           .draws = options.draws,
                           .thin = options.thin,
                           .seed = state.seed,
                           .first_transition = state.transitions - header.done,
                           .start = start,
                           .inverse_mass = header.learns_mass != 0 ? std::vector<double>() : state.inverse_mass,
                           .adapt_mass = header.learns_mass != 0,
                           .dense_mass = header.learns_mass != 0 && header.dense != 0,
                           .receive = options.receive,
                           .progress = options.progress,
                           .cancel = options.cancel},
                          &state.adaptation);
}

}  // namespace

template <class T>
Samples<T> resume(Stream& stream, const Energy& energy, const Sampler& sampler, const ChainsState<T>& state,
                  const SampleOptions<T>& options) {
    constexpr auto function = "resume";
    if (!energy) refuse(function, "energy", "none", "an energy");
    if (state.energy != energy.text() || state.dimension != energy.dimension())
        refuse(function, "state", "chains of " + state.energy, "chains of " + energy.text());
    if (state.fingerprint != fingerprint_of<T>(function, energy))
        refuse(function, "state", "chains of " + state.energy + " with other parameters", "chains of this energy");
    if (state.chains < 1 || static_cast<std::int64_t>(state.points.size()) != state.chains * state.dimension)
        refuse(function, "state", std::to_string(state.points.size()) + " coordinates",
               shape(state.chains, state.dimension));
    if (!state.adaptation.empty()) return resume_warm_up(function, stream, energy, sampler, state, options);
    auto tuned = sampler;
    std::visit([&](auto& kind) { kind.step_size = state.step_size; }, tuned);
    if (auto* hmc = std::get_if<Hmc>(&tuned); hmc != nullptr && hmc->leapfrogs == 0) {
        hmc->leapfrogs = state.trajectory;
        hmc->lengths = Lengths::halton;
    }
    const auto start = stream.context().copy(view(state.points, state.chains, state.dimension));
    return sample<T>(stream, energy, tuned,
                     {.chains = state.chains,
                      .warmup = 0,
                      .draws = options.draws,
                      .thin = options.thin,
                      .seed = state.seed,
                      .first_transition = state.transitions,
                      .start = start,
                      .inverse_mass = state.inverse_mass,
                      .receive = options.receive,
                      .progress = options.progress,
                      .cancel = options.cancel});
}
template <class T>
Samples<T> resume(const Context& context, const Energy& energy, const Sampler& sampler, const ChainsState<T>& state,
                  const SampleOptions<T>& options) {
    Stream stream = detail::stream_of_call(context);
    return resume(stream, energy, sampler, state, options);
}

namespace {

bool are_masses(std::int64_t count, std::int64_t d) {
    return d > 0 && (count == d || (count % d == 0 && count / d == d));
}

template <class T>
void write(const std::string& path, const ChainsState<T>& state) {
    Header header;
    header.element = sizeof(T);
    header.chains = state.chains;
    header.dimension = state.dimension;
    header.masses = static_cast<std::int64_t>(state.inverse_mass.size());
    header.transitions = state.transitions;
    header.text = static_cast<std::int64_t>(state.energy.size());
    header.seed = state.seed;
    header.fingerprint = state.fingerprint;
    header.step_size = state.step_size;
    header.trajectory = state.trajectory;
    header.adaptation = static_cast<std::int64_t>(state.adaptation.size());
    if (state.chains < 1 || static_cast<std::int64_t>(state.points.size()) != state.chains * state.dimension ||
        !are_masses(header.masses, state.dimension))
        refuse("save", "state", "points and masses of other sizes", "what state_of() returned");
    header.checksum = checksum_of(header, state);
    OutputFile file(path);
    file.write(&header, sizeof header);
    file.write(state.energy.data(), state.energy.size());
    file.write(state.inverse_mass.data(), state.inverse_mass.size() * sizeof(double));
    file.write(state.points.data(), state.points.size() * sizeof(T));
    file.write(state.adaptation.data(), state.adaptation.size());
    file.commit();
}

}  // namespace

void save(const std::string& path, const ChainsState<float>& state) { write(path, state); }
void save(const std::string& path, const ChainsState<double>& state) { write(path, state); }

template <class T>
ChainsState<T> load_chains(const std::string& path) {
    InputFile file(path);
    Header header;
    const Header expected;
    file.read(&header, sizeof header, "a header of chains");
    if (std::memcmp(header.magic, expected.magic, sizeof header.magic - 1) != 0)
        file.fail(0, "another format", "chains that cuebm::save() wrote");
    if (header.magic[7] != expected.magic[7])
        file.fail(7, "chains of another version's format", "format 4: chains that this version of cuebm saved");
    if (header.element != sizeof(T))
        file.fail(8, "numbers of " + std::to_string(header.element) + " bytes", std::to_string(sizeof(T)) + " bytes");
    std::int64_t points = 0, wanted = 0;
    if (header.chains < 1 || header.dimension < 1 || header.text < 0 ||
        __builtin_mul_overflow(header.chains, header.dimension, &points) ||
        __builtin_mul_overflow(points, header.element, &wanted) ||
        __builtin_add_overflow(wanted, header.text, &wanted) || header.masses < 1 || header.masses > file.left() / 8 ||
        !are_masses(header.masses, header.dimension) || __builtin_add_overflow(wanted, 8 * header.masses, &wanted) ||
        header.adaptation < 0 || __builtin_add_overflow(wanted, header.adaptation, &wanted) || wanted != file.left())
        file.fail(static_cast<std::int64_t>(sizeof header), std::to_string(file.left()) + " bytes",
                  "those of " + shape(header.chains, header.dimension) + " coordinates");
    ChainsState<T> state{.points = std::vector<T>(static_cast<std::size_t>(points)),
                         .chains = header.chains,
                         .dimension = header.dimension,
                         .seed = header.seed,
                         .transitions = header.transitions,
                         .step_size = header.step_size,
                         .trajectory = static_cast<int>(header.trajectory),
                         .inverse_mass = std::vector<double>(static_cast<std::size_t>(header.masses)),
                         .energy = std::string(static_cast<std::size_t>(header.text), ' '),
                         .fingerprint = header.fingerprint,
                         .adaptation = std::vector<std::byte>(static_cast<std::size_t>(header.adaptation))};
    file.read(state.energy.data(), header.text, "an energy's text");
    file.read(state.inverse_mass.data(), 8 * header.masses, "masses");
    file.read(state.points.data(), points * header.element, "points");
    file.read(state.adaptation.data(), header.adaptation, "a warm-up's state");
    if (checksum_of(header, state) != header.checksum)
        file.fail(0, "a damaged file: its checksum is another", "what cuebm::save() wrote");
    if (header.trajectory < 0 || header.trajectory > 1 << 30)
        file.fail(88, std::to_string(header.trajectory) + " leapfrog steps", "0 to 2^30");
    return state;
}

#define CUEBM_INSTANTIATE(T)                                                                                      \
    template CUEBM_API ChainsState<T> state_of<T>(const Samples<T>&);                                             \
    template CUEBM_API Samples<T> resume<T>(const Context&, const Energy&, const Sampler&, const ChainsState<T>&, \
                                            const SampleOptions<T>&);                                             \
    template CUEBM_API Samples<T> resume<T>(Stream&, const Energy&, const Sampler&, const ChainsState<T>&,        \
                                            const SampleOptions<T>&);                                             \
    template CUEBM_API ChainsState<T> load_chains<T>(const std::string&);
CUEBM_INSTANTIATE(float)
CUEBM_INSTANTIATE(double)
#undef CUEBM_INSTANTIATE

}  // namespace cuebm
