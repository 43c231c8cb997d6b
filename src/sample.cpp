// sample(): the schedule of warm-up and sampling over the backend's operations. Nothing here knows a device.
#include <cuebm/sample.hpp>

#include <algorithm>
#include <cmath>

#include "context_state.hpp"
#include "float_environment.hpp"
#include "host_copy.hpp"
#include "math/random_streams.hpp"
#include "sample_arguments.hpp"

namespace cuebm {
namespace {

using namespace detail;

template <class T>
class Chains {
public:
    Chains(Stream& stream, const Energy& energy, const SamplerKind& kind, const SampleOptions<T>& o)
        : stream_(stream),
          context_(stream.context()),
          queue_(*stream.state().queue),
          operations_(chains_operations<T>(*context_.state().backend)),
          program_(program_of<T>(sample_function, energy)),
          kind_(kind),
          o_(o),
          d_(program_->d),
          tiles_((o.chains + math::chains_a_tile - 1) / math::chains_a_tile),
          points_(context_.vector<T>(2 * tiles_ * math::chains_a_tile * d_)),
          numbers_(context_.vector<T>(ChainState<T>::numbers * tiles_ * math::chains_a_tile)),
          masses_(context_.vector<T>(3 * d_)),
          tuning_(context_.vector<math::DualAveraging>(1)),
          sums_(context_.vector<double>(o.warmup > 0 ? tiles_ * (1 + 2 * d_) : 0)),
          moments_(context_.vector<double>(1 + 2 * d_)) {
        const std::int64_t lanes = tiles_ * math::chains_a_tile;
        T *points = points_.data(), *numbers = numbers_.data();
        state_ = {points,
                  points + lanes * d_,
                  numbers,
                  numbers + lanes,
                  numbers + 2 * lanes,
                  numbers + 3 * lanes,
                  numbers + 4 * lanes,
                  numbers + 5 * lanes};
    }

    Samples<T> run(const Energy& energy) {
        Samples<T> result{.draws = context_.matrix<T>(o_.chains * o_.draws, d_),
                          .values = context_.matrix<T>(o_.chains, o_.draws),
                          .energies = context_.matrix<T>(o_.chains, o_.draws),
                          .chains = o_.chains,
                          .draws_a_chain = o_.draws,
                          .seed = o_.seed,
                          .transitions = o_.first_transition + o_.warmup + o_.draws * o_.thin,
                          .inverse_mass = {},
                          .energy = energy,
                          .context = std::make_shared<const Context>(context_)};
        const WaitAtEnd wait(stream_);
        start();
        begin_adaptation();
        if (!warm_up() || !draw(result)) {
            result.draws_a_chain = 0;
            result.status = Status::cancelled;
        }
        finish(result);
        return result;
    }

private:
    std::byte* scratch() { return queue_.workspace(operations_.scratch_bytes(*program_, o_.chains, kind_.max_depth)); }

    void start() {
        constexpr std::uint32_t most_attempts = 100;
        for (std::uint32_t attempt = 0;; ++attempt) {
            operations_.start(queue_,
                              {.program = program_,
                               .chains = o_.chains,
                               .state = state_,
                               .max_depth = kind_.max_depth,
                               .start = o_.start,
                               .key = math::random_key(o_.seed, math::RandomPurpose::chains_start),
                               .attempt = attempt,
                               .spread = static_cast<T>(o_.start_spread)},
                              scratch());
            const auto values = read(stream_, VectorView<T>{state_.value, o_.chains, 1, context_.device()});
            const auto bad = std::find_if(values.begin(), values.end(), [](T value) { return !std::isfinite(value); });
            if (bad == values.end()) return;
            if (o_.start || attempt + 1 == most_attempts)
                throw DataError("start", bad - values.begin(),
                                o_.start ? "the energy is not finite there; start elsewhere"
                                         : "no point with a finite energy in 100 tries; give start, or a smaller "
                                           "start_spread");
        }
    }

    AdaptChains<T> adaptation() const {
        T* masses = masses_.data();
        return {.tuning = tuning_.data(),
                .chains = o_.chains,
                .d = d_,
                .sums = sums_.data(),
                .target = kind_.target,
                .moments = moments_.data(),
                .learn_step = false,
                .collect = false,
                .end_window = false,
                .inverse_mass = masses,
                .mass_root = masses + d_,
                .origin = masses + 2 * d_,
                .x = state_.x,
                .first_step_size = 0};
    }

    void begin_adaptation() {
        auto begin = adaptation();
        begin.first_step_size = kind_.step_size > 0 ? kind_.step_size : 1.0;
        operations_.adapt(queue_, begin);
        if (o_.inverse_mass.empty()) return;
        std::vector<T> masses;
        for (const double inverse : o_.inverse_mass) masses.push_back(static_cast<T>(inverse));
        for (const double inverse : o_.inverse_mass)
            masses.push_back(static_cast<T>(1 / std::sqrt(static_cast<double>(static_cast<T>(inverse)))));
        copy(stream_, view(std::as_const(masses)), VectorView<T>{masses_.data(), 2 * d_, 1, context_.device()});
        stream_.wait();
    }

    RunChains<T> transitions(std::int64_t first, std::int64_t count) const {
        const auto key = [&](math::RandomPurpose purpose) { return math::random_key(o_.seed, purpose); };
        const T* masses = masses_.data();
        return {.program = program_,
                .chains = o_.chains,
                .state = state_,
                .transition = {.d = static_cast<std::int32_t>(d_),
                               .leapfrogs = kind_.leapfrogs,
                               .max_depth = kind_.max_depth,
                               .spread = static_cast<math::TrajectorySpread>(kind_.lengths),
                               .adjusted = kind_.adjusted,
                               .momentum_key = key(math::RandomPurpose::chains_momentum),
                               .accept_key = key(math::RandomPurpose::chains_accept),
                               .length_key = key(math::RandomPurpose::chains_length),
                               .inverse_mass = masses,
                               .mass_root = masses + d_,
                               .step_size = 0},
                .tuning = tuning_.data(),
                .average = false,
                .metropolis = kind_.metropolis,
                .first = static_cast<std::uint32_t>(o_.first_transition + first),
                .count = static_cast<std::int32_t>(count),
                .thin = 1,
                .first_draw = 0,
                .draws_a_chain = 0,
                .draws = nullptr,
                .values = nullptr,
                .energies = nullptr,
                .sums = nullptr,
                .origin = nullptr};
    }

    bool warm_up() {
        const bool learns_step = kind_.step_size == 0;
        const bool learns_mass = o_.adapt_mass && o_.inverse_mass.empty();
        const auto windows = learns_mass ? windows_of(o_.warmup) : WarmupWindows{};
        const std::int64_t report = std::max<std::int64_t>(1, o_.warmup / 50);
        auto end = windows.ends.begin();
        for (std::int64_t t = 0; t < o_.warmup; ++t) {
            auto task = transitions(t, 1);
            auto learn = adaptation();
            learn.collect = learns_mass && t >= windows.first && t < windows.last;
            learn.end_window = end != windows.ends.end() && t + 1 == *end;
            if (learn.end_window) ++end;
            task.sums = sums_.data();
            task.origin = learn.collect ? learn.origin : nullptr;
            operations_.run(queue_, task, scratch());
            learn.learn_step = learns_step;
            if (learns_step || learns_mass) operations_.adapt(queue_, learn);
            if ((t + 1) % report == 0 && !tell(t + 1, true)) return false;
        }
        return true;
    }

    bool draw(Samples<T>& result) {
        const std::int64_t lanes = tiles_ * math::chains_a_tile;
        for (T* counted : {state_.accepted, state_.divergences, state_.leapfrogs, state_.deepest})
            queue_.fill(counted, 0, static_cast<std::size_t>(lanes) * sizeof(T));
        const bool tells = o_.progress || o_.cancel.stop_possible();
        constexpr std::int64_t most = 1 << 24;  // transitions a launch
        const std::int64_t at_once = std::clamp<std::int64_t>(tells ? (o_.draws + 49) / 50 : o_.draws, 1,
                                                              std::max<std::int64_t>(1, most / o_.thin));
        for (std::int64_t first = 0; first < o_.draws; first += at_once) {
            const std::int64_t count = std::min(at_once, o_.draws - first);
            auto task = transitions(o_.warmup + first * o_.thin, count * o_.thin);
            task.average = o_.warmup > 0 && kind_.step_size == 0;
            task.thin = static_cast<std::int32_t>(o_.thin);
            task.first_draw = first;
            task.draws_a_chain = o_.draws;
            task.draws = result.draws.data();
            task.values = result.values.data();
            task.energies = result.energies.data();
            operations_.run(queue_, task, scratch());
            done_ = (first + count) * o_.thin;
            if (tells && !tell(o_.warmup + done_, false)) return false;
        }
        return true;
    }

    struct Counts {
        double acceptance = 0;
        std::int64_t divergences = 0;
    };
    Counts counts(std::int64_t transitions) {
        const Device here = context_.device();
        const auto accepted = read(stream_, VectorView<T>{state_.accepted, o_.chains, 1, here});
        const auto divergences = read(stream_, VectorView<T>{state_.divergences, o_.chains, 1, here});
        Counts result;
        for (const T value : accepted) result.acceptance += static_cast<double>(value);
        for (const T value : divergences) result.divergences += static_cast<std::int64_t>(value);
        result.acceptance /= static_cast<double>(std::max<std::int64_t>(transitions, 1) * o_.chains);
        return result;
    }

    // Reports how far it is; false: the user wants it to stop.
    bool tell(std::int64_t transition, bool warmup) {
        if (o_.cancel.stop_requested()) return false;
        if (!o_.progress) return true;
        const auto seen = counts(warmup ? 1 : transition - o_.warmup);
        o_.progress({.transition = transition,
                     .transitions = o_.warmup + o_.draws * o_.thin,
                     .warmup = warmup,
                     .step_size = read(stream_, tuning_.view())[0].step_size,
                     .acceptance = seen.acceptance,
                     .divergences = warmup ? 0 : seen.divergences});
        return !o_.cancel.stop_requested();
    }

    void finish(Samples<T>& result) {
        const auto tuning = read(stream_, tuning_.view())[0];
        const bool averaged = o_.warmup > 0 && kind_.step_size == 0;
        result.step_size = kind_.step_size > 0 ? kind_.step_size : averaged ? tuning.mean_step_size : tuning.step_size;
        const auto masses = read(stream_, VectorView<T>{masses_.data(), d_, 1, context_.device()});
        result.inverse_mass.assign(masses.begin(), masses.end());
        const auto seen = counts(done_);
        result.acceptance = seen.acceptance;
        result.divergences = seen.divergences;
        const auto all = [&](T* numbers) {
            double sum = 0;
            for (const T value : read(stream_, VectorView<T>{numbers, o_.chains, 1, context_.device()}))
                sum += static_cast<double>(value);
            return static_cast<std::int64_t>(sum);
        };
        result.leapfrogs = kind_.max_depth > 0 ? all(state_.leapfrogs) : 0;
        result.deepest = all(state_.deepest);
    }

    Stream& stream_;
    const Context context_;
    Queue& queue_;
    const ChainsOperations<T>& operations_;
    std::shared_ptr<const OwnedProgram<T>> program_;
    const SamplerKind kind_;
    const SampleOptions<T>& o_;
    std::int64_t d_, tiles_;
    Vector<T> points_, numbers_;  // of ChainState
    Vector<T> masses_;            // inverse_mass, mass_root, origin
    Vector<math::DualAveraging> tuning_;
    Vector<double> sums_, moments_;
    ChainState<T> state_{};
    std::int64_t done_ = 0;    // transitions after warm-up
    WaitAtEnd wait_{stream_};  // the last member, so that it waits before the others go
};

}  // namespace

template <class T>
Samples<T> sample(Stream& stream, const Energy& energy, const Sampler& sampler, const SampleOptions<T>& options) {
    const DefaultFloatEnvironment environment;
    const SamplerKind kind = kind_of(sampler);
    check_sample(stream.context(), energy, kind, std::holds_alternative<Nuts>(sampler), options);
    return Chains<T>(stream, energy, kind, options).run(energy);
}
template <class T>
Samples<T> sample(const Context& context, const Energy& energy, const Sampler& sampler,
                  const SampleOptions<T>& options) {
    Stream stream(context);
    return sample(stream, energy, sampler, options);
}

#define CUEBM_INSTANTIATE(T)                                                                                  \
    template CUEBM_API Samples<T> sample<T>(Stream&, const Energy&, const Sampler&, const SampleOptions<T>&); \
    template CUEBM_API Samples<T> sample<T>(const Context&, const Energy&, const Sampler&, const SampleOptions<T>&);
CUEBM_INSTANTIATE(float)
CUEBM_INSTANTIATE(double)

}  // namespace cuebm
