// sample(): the schedule of warm-up and sampling over the backend's operations. Nothing here knows a device.
#include <cuebm/sample.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <optional>
#include <tuple>
#include <utility>

#include "context_state.hpp"
#include "draw_blocks.hpp"
#include "float_environment.hpp"
#include "host_copy.hpp"
#include "math/random_streams.hpp"
#include "warmup_state.hpp"

namespace cuebm {
namespace {

using namespace detail;

constexpr auto longest_launch = std::chrono::milliseconds(100);  // where somebody may want it to stop

template <class T>
class Chains {
public:
    Chains(Stream& stream, const Energy& energy, const SamplerKind& kind, const SampleOptions<T>& o)
        : stream_(stream),
          context_(stream.context()),
          queue_(*stream.state().queue),
          operations_(chains_operations<T>(*context_.state().backend)),
          program_(program_of<T>(sample_function, energy, context_.device())),
          kind_(kind),
          o_(o),
          d_(program_->d),
          tiles_((o.chains + math::chains_a_tile - 1) / math::chains_a_tile),
          points_(context_.vector<T>(2 * tiles_ * math::chains_a_tile * d_)),
          numbers_(context_.vector<T>(math::ChainNumbers<T*>::count * tiles_ * math::chains_a_tile)),
          dense_(is_dense(o.inverse_mass, d_) ||
                 (o.dense_mass && o.adapt_mass && o.inverse_mass.empty() && o.warmup > 0 && d_ > 1)),
          masses_(context_.vector<T>(4 * d_)),
          factor_(context_.vector<T>(dense_ ? d_ * d_ : 0)),
          tuning_(context_.vector<math::Tuning>(1)),
          sums_(context_.vector<double>(o.warmup > 0 ? tiles_ * math::sums_of_tile(d_) : 0)),
          moments_(context_.vector<double>(1 + 2 * d_)),
          products_(context_.vector<double>(dense_ ? d_ * (2 + d_) : 0)),
          inverse_mass_(context_.vector<double>(dense_ ? d_ * d_ : 0)) {
        const std::int64_t lanes = tiles_ * math::chains_a_tile;
        if (o.receive && o.draws > 0) blocks_.emplace(stream, o, d_);
        T *const points = points_.data(), *next = numbers_.data();
        const auto array = [&] { return std::exchange(next, next + lanes); };
        state_ = {points,
                  points + lanes * d_,
                  {array(), array(), array(), array(), array(), array(), array(), array(), array(), array(), array(),
                   array()}};
    }

    // `adaptation`: of a warm-up that goes on; null: it begins.
    Samples<T> run(const Energy& energy, const std::vector<std::byte>* adaptation) {
        const std::int64_t kept = o_.receive ? 0 : o_.chains, trees = kind_.max_depth > 0 ? kept : 0;
        Samples<T> result{.draws = context_.matrix<T>(kept * o_.draws, d_),
                          .values = context_.matrix<T>(kept, o_.draws),
                          .energies = context_.matrix<T>(kept, o_.draws),
                          .acceptances = context_.matrix<T>(kept, o_.draws),
                          .divergent = context_.matrix<std::uint8_t>(kept, o_.draws),
                          .tree_leapfrogs = context_.matrix<std::int32_t>(trees, o_.draws),
                          .tree_depths = context_.matrix<std::uint8_t>(trees, o_.draws),
                          .chains = o_.chains,
                          .draws_a_chain = o_.receive ? 0 : o_.draws,
                          .seed = o_.seed,
                          .warmup = o_.warmup,
                          .inverse_mass = {},
                          .thin = o_.thin,
                          .hamiltonian = !kind_.metropolis && kind_.adjusted,
                          .energy = energy,
                          .context = std::make_shared<const Context>(context_)};
        const WaitAtEnd wait(stream_);
        start();
        begin_adaptation();
        const bool whole = warm_up(adaptation != nullptr ? restore(*adaptation) : 0) && draw(result);
        finish(result);
        if (whole && o_.draws == 0 && last_.rows() > 0) result.points = read(stream_, last_.view());
        if (!whole) cut_short(result);
        return result;
    }

private:
    std::byte* scratch() { return queue_.workspace(operations_.scratch_bytes(*program_, o_.chains, kind_.max_depth)); }

    void start() {
        constexpr std::uint32_t most_attempts = 100;
        queue_.fill(numbers_.data(), 0, static_cast<std::size_t>(numbers_.size()) * sizeof(T));
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
            const auto values = read(stream_, VectorView<T>{state_.numbers.value, o_.chains, 1, context_.device()});
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
                .harmonic = kind_.harmonic,
                .moments = moments_.data(),
                .learn_step = false,
                .learn_length = false,
                .step = 0,
                .collect = false,
                .begin_window = false,
                .end_window = false,
                .learn_mass = false,
                .restart_length = false,
                .inverse_mass = masses,
                .mass_root = masses + d_,
                .origin = masses + 2 * d_,
                .centre = masses + 3 * d_,
                .x = state_.x,
                .first_step_size = 0};
    }

    void begin_adaptation() {
        auto begin = adaptation();
        begin.first_step_size = kind_.step_size > 0 ? kind_.step_size : 1.0;
        operations_.adapt(queue_, begin);
        if (dense_) return begin_dense_mass();
        if (o_.inverse_mass.empty()) return;
        std::vector<T> masses;
        for (const double inverse : o_.inverse_mass) masses.push_back(static_cast<T>(inverse));
        for (const double inverse : o_.inverse_mass)
            masses.push_back(static_cast<T>(1 / std::sqrt(static_cast<double>(static_cast<T>(inverse)))));
        copy(stream_, view(std::as_const(masses)), VectorView<T>{masses_.data(), 2 * d_, 1, context_.device()});
        stream_.wait();
    }

    // With what is given, or unit mass.
    void begin_dense_mass() {
        std::vector<double> inverse = o_.inverse_mass;
        inverse.resize(static_cast<std::size_t>(d_ * d_));
        for (std::int64_t j = 0; o_.inverse_mass.empty() && j < d_; ++j)
            inverse[static_cast<std::size_t>(j * (d_ + 1))] = 1;
        copy(stream_, view(std::as_const(inverse), d_, d_),
             MatrixView<double>{products_.data() + 1, d_, d_, 1 + d_, context_.device()});
        learn_dense_mass(0);
        begin_products();
        stream_.wait();
    }
    // From the products of so many points; 0: what lies in their place.
    void learn_dense_mass(std::int64_t points) {
        operations_.learn_dense_mass(queue_, {.d = static_cast<std::int32_t>(d_),
                                              .points = static_cast<double>(points),
                                              .sums = products_.data(),
                                              .inverse = inverse_mass_.data(),
                                              .factor = factor_.data()});
    }
    void begin_products() {
        queue_.fill(products_.data(), 0, static_cast<std::size_t>(products_.size()) * sizeof(double));
    }

    RunChains<T> transitions(std::int64_t first, std::int64_t count) {
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
                               .factor = dense_ ? factor_.data() : nullptr,
                               .centre = nullptr,
                               .step_size = 0},
                .tuning = tuning_.data(),
                .average = false,
                .learnt_length = kind_.learns_length,
                .metropolis = kind_.metropolis,
                .first = static_cast<std::uint32_t>(o_.first_transition + first),
                .count = static_cast<std::int32_t>(count),
                .done = done_,
                .kept = {},
                .sums = nullptr,
                .origin = nullptr,
                .seconds = &seconds_};
    }

    bool learns_mass() const { return o_.adapt_mass && o_.inverse_mass.empty(); }

    // What warm-up learns, but for where the chains are, and what a run begins with.
    std::vector<VectorView<std::byte>> learnt() const {
        const auto bytes = [&]<class Element>(const Vector<Element>& of) {
            return VectorView<std::byte>{reinterpret_cast<std::byte*>(of.data()),
                                         of.size() * static_cast<std::int64_t>(sizeof(Element)), 1, context_.device()};
        };
        std::vector<VectorView<std::byte>> all{bytes(tuning_), bytes(masses_)};
        if (learns_mass()) all.push_back(bytes(moments_));
        if (learns_mass() && dense_) all.insert(all.end(), {bytes(products_), bytes(inverse_mass_), bytes(factor_)});
        return all;
    }
    std::vector<std::byte> saved() {
        const WarmupHeader header{.warmup = o_.warmup,
                                  .done = seen_,
                                  .learns_mass = learns_mass(),
                                  .dense = dense_,
                                  .sampler = warming(kind_)};
        std::vector<std::byte> all(sizeof header);
        std::memcpy(all.data(), &header, sizeof header);
        for (const auto& view : learnt()) {
            const auto part = read(stream_, view);
            all.insert(all.end(), part.begin(), part.end());
        }
        return all;
    }
    // Returns how many transitions of warm-up are done.
    std::int64_t restore(const std::vector<std::byte>& adaptation) {
        WarmupHeader header;
        auto wanted = static_cast<std::int64_t>(sizeof header);
        for (const auto& view : learnt()) wanted += view.size;
        if (static_cast<std::int64_t>(adaptation.size()) != wanted)
            refuse("resume", "state", std::to_string(adaptation.size()) + " bytes of a warm-up",
                   std::to_string(wanted));
        std::memcpy(&header, adaptation.data(), sizeof header);
        const std::byte* from = adaptation.data() + sizeof header;
        for (const auto& view : learnt()) {
            copy(stream_, VectorView<const std::byte>{from, view.size}, view);
            from += view.size;
        }
        stream_.wait();
        return header.done;
    }

    // From this transition on. Where somebody wants it to stop, one more keeps where the chains are. False: stopped.
    bool warm_up(std::int64_t from) {
        const bool learns_step = kind_.step_size == 0;
        const bool learns_mass = this->learns_mass();
        const auto windows = learns_mass ? windows_of(o_.warmup) : WarmupWindows{};
        const std::int64_t report = std::max<std::int64_t>(o_.warmup / 50, 1), most_in_flight = 64;
        auto end = std::upper_bound(windows.ends.begin(), windows.ends.end(), from);
        const std::int64_t window = end == windows.ends.begin() ? windows.first : *(end - 1);
        std::int64_t points_in_products = std::max<std::int64_t>(std::min(from, windows.last) - window, 0) * o_.chains;
        seen_ = from;
        // Before anything is lost by there being no memory for it.
        if (from < o_.warmup && (o_.draws == 0 || o_.cancel.stop_possible())) last_ = context_.matrix<T>(o_.chains, d_);
        for (std::int64_t t = from; t < o_.warmup; ++t) {
            const bool stops = o_.cancel.stop_requested();
            auto task = transitions(t, 1);
            auto learn = adaptation();
            if (learns_mass && t > 0 && t == windows.first) {
                learn.begin_window = true;
                operations_.adapt(queue_, learn);
                learn.begin_window = false;
                if (dense_) begin_products();
            }
            const bool collects = learns_mass && t >= windows.first && t < windows.last;
            learn.collect = collects && !dense_;
            learn.end_window = end != windows.ends.end() && t + 1 == *end;
            learn.learn_mass = learn.end_window && !dense_;
            if (learn.end_window) ++end;
            task.sums = sums_.data();
            task.origin = learn.collect || kind_.learns_length ? learn.origin : nullptr;
            if (kind_.learns_length) task.transition.centre = learn.centre;
            if (last_.rows() > 0 && (stops || t + 1 == o_.warmup)) {
                task.kept.draws_a_chain = 1;
                task.kept.points = last_.data();
            }
            operations_.run(queue_, task, scratch());
            if (collects && dense_) {
                operations_.add_products(
                    queue_,
                    {.chains = o_.chains, .d = d_, .x = state_.x, .origin = learn.origin, .sums = products_.data()});
                points_in_products += o_.chains;
            }
            learn.learn_step = learns_step;
            learn.learn_length = kind_.learns_length;
            learn.step = task.first;
            learn.restart_length = learn.end_window && end != windows.ends.end();  // the last changes the mass little
            if (learns_step || learns_mass || kind_.learns_length) operations_.adapt(queue_, learn);
            if (learn.end_window && dense_) {
                learn_dense_mass(points_in_products);
                begin_products();
                points_in_products = 0;
            }
            seen_ = t + 1;
            if (stops) return false;
            if ((t + 1) % report == 0)
                (void)tell(t + 1, true);  // the next transition looks
            else if ((t + 1) % most_in_flight == 0)
                stream_.wait();
        }
        return true;
    }

    bool draw(Samples<T>& result) {
        clear_counts();
        // Integers of T are exact for so many, and are then folded; acceptance has its rest beside it.
        const std::int64_t most = kind_.max_depth > 0 ? (1 << 22) >> kind_.max_depth : 1 << 20;
        const std::int64_t all = o_.draws * o_.thin;
        const bool tells = o_.progress || o_.cancel.stop_possible();
        const std::int64_t report = (all + 49) / 50;
        std::int64_t at_once = tells ? 1 : most, reported = 0, folded = 0;
        while (done_ < all) {
            // Launches are cut by the clock and by reports, and counts folded where neither has a say: no bit depends
            // on them.
            const std::int64_t until = std::min({folded + most, tells ? reported + report : all, all});
            std::int64_t count = std::min(at_once, until - done_);
            if (blocks_) count = std::min(count, blocks_->last(done_) - done_);
            auto task = transitions(o_.warmup + done_, count);
            task.average = kind_.step_size == 0;
            task.kept = {.draws_a_chain = o_.draws,
                         .thin = static_cast<std::int32_t>(o_.thin),
                         .points = result.draws.data(),
                         .values = result.values.data(),
                         .energies = result.energies.data(),
                         .acceptances = result.acceptances.data(),
                         .divergent = result.divergent.data(),
                         .depths = result.tree_depths.data(),
                         .leapfrogs = result.tree_leapfrogs.data()};
            if (blocks_) std::tie(task.done, task.kept) = blocks_->keep(done_);
            const auto begin = std::chrono::steady_clock::now();
            operations_.run(queue_, task, scratch());
            done_ += count;
            seen_ = o_.warmup + done_;
            if (tells) {
                stream_.wait();
                const auto took = std::chrono::steady_clock::now() - begin;
                if (took < longest_launch / 2) at_once = std::min(2 * at_once, most);
                if (took > longest_launch) at_once = std::max<std::int64_t>(at_once / 2, 1);
            }
            if (done_ == folded + most) {
                fold();
                folded = done_;
            }
            if (blocks_ && done_ == blocks_->last(done_ - 1)) {
                stream_.wait();
                if (done_ == all) result.points = read(stream_, blocks_->last_draw(done_));
                blocks_->hand_over(done_);
            }
            if (!tells || (done_ < std::min(reported + report, all) && !o_.cancel.stop_requested())) continue;
            reported = done_;
            if (!tell(seen_, false)) return false;
        }
        return true;
    }

    // Sums over chains, of transitions after warm-up.
    struct Counts {
        double acceptance = 0, divergences = 0, leapfrogs = 0, deepest = 0;
    };
    double sum_of(const T* numbers) {
        double sum = 0;
        for (const T value : read(stream_, VectorView<const T>{numbers, o_.chains, 1, context_.device()}))
            sum += static_cast<double>(value);
        return sum;
    }
    void clear_counts() {
        const std::int64_t lanes = tiles_ * math::chains_a_tile;
        const auto& numbers = state_.numbers;
        for (T* counted :
             {numbers.accepted, numbers.accepted_rest, numbers.divergences, numbers.leapfrogs, numbers.deepest})
            queue_.fill(counted, 0, static_cast<std::size_t>(lanes) * sizeof(T));
    }
    // What the host has, and what the device has counted since.
    Counts counted() {
        return {counts_.acceptance + (sum_of(state_.numbers.accepted) + sum_of(state_.numbers.accepted_rest)),
                counts_.divergences + sum_of(state_.numbers.divergences),
                counts_.leapfrogs + sum_of(state_.numbers.leapfrogs), counts_.deepest + sum_of(state_.numbers.deepest)};
    }
    void fold() {
        counts_ = counted();
        clear_counts();
    }
    double mean_acceptance(const Counts& counts) const {
        return counts.acceptance / static_cast<double>(std::max<std::int64_t>(done_, 1) * o_.chains);
    }
    double step_size() {
        if (kind_.step_size > 0) return kind_.step_size;
        const auto step = read(stream_, tuning_.view())[0].step;
        return done_ > 0 || seen_ == o_.warmup ? step.mean_step_size : step.step_size;
    }

    // Reports how far it is; false: the user wants it to stop. What is in flight is over then.
    bool tell(std::int64_t transition, bool warmup) {
        stream_.wait();
        if (o_.progress && !o_.cancel.stop_requested()) {
            const auto counts = warmup ? Counts{} : counted();
            call_back(o_.progress,
                      {.transition = transition,
                       .transitions = o_.warmup + o_.draws * o_.thin,
                       .warmup = warmup,
                       .step_size = step_size(),
                       .acceptance = warmup ? sum_of(state_.numbers.acceptance) / static_cast<double>(o_.chains)
                                            : mean_acceptance(counts),
                       .divergences = static_cast<std::int64_t>(counts.divergences)});
        }
        return !o_.cancel.stop_requested();
    }

    // What a cancelled run has: its first draws, all of them complete.
    void cut_short(Samples<T>& result) {
        const std::int64_t drawn = done_ / o_.thin, kept = o_.receive ? 0 : drawn;
        const auto cut = [&]<class Element>(Matrix<Element>& of, std::int64_t width, bool row_a_draw = false) {
            if (of.rows() == 0) return;
            Matrix<Element> first;
            if (kept > 0) {
                const std::int64_t cols = kept * width;
                first = row_a_draw ? context_.matrix<Element>(o_.chains * kept, width)
                                   : context_.matrix<Element>(o_.chains, cols);
                copy(stream_,
                     MatrixView<const Element>{of.data(), o_.chains, cols, o_.draws * width, context_.device()},
                     MatrixView<Element>{first.data(), o_.chains, cols, cols, context_.device()});
                stream_.wait();
            }
            of = std::move(first);
        };
        cut(result.draws, d_, true);
        cut(result.values, 1);
        cut(result.energies, 1);
        cut(result.acceptances, 1);
        cut(result.divergent, 1);
        cut(result.tree_leapfrogs, 1);
        cut(result.tree_depths, 1);
        if (blocks_ && drawn > 0) result.points = read(stream_, blocks_->last_draw(done_));
        if (drawn == 0 && last_.rows() > 0) {
            result.points = read(stream_, last_.view());
            result.transitions = o_.first_transition + std::min(seen_, o_.warmup);
            if (seen_ < o_.warmup) result.adaptation = saved();
        }
        result.draws_a_chain = kept;
        if (drawn > 0) result.transitions = o_.first_transition + o_.warmup + drawn * o_.thin;
        result.status = Status::cancelled;
        if (blocks_ && done_ > 0 && done_ < blocks_->last(done_ - 1)) blocks_->hand_over(done_);
    }

    void finish(Samples<T>& result) {
        if (done_ > 0) fold();
        result.transitions = o_.first_transition + seen_;
        result.step_size = step_size();
        result.trajectory = kind_.metropolis || kind_.max_depth > 0 ? 0 : kind_.leapfrogs;
        if (kind_.learns_length) result.trajectory = read(stream_, tuning_.view())[0].length.mean_leapfrogs;
        const auto masses = read(stream_, VectorView<T>{masses_.data(), d_, 1, context_.device()});
        result.inverse_mass.assign(masses.begin(), masses.end());
        if (dense_) result.inverse_mass = read(stream_, inverse_mass_);
        result.counted = done_;
        result.acceptance = mean_acceptance(counts_);
        result.divergences = static_cast<std::int64_t>(counts_.divergences);
        result.leapfrogs = static_cast<std::int64_t>(counts_.leapfrogs);
        result.deepest = static_cast<std::int64_t>(counts_.deepest);
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
    bool dense_;
    Vector<T> masses_, factor_;  // inverse_mass, mass_root, origin, centre; L of a dense mass
    Vector<math::Tuning> tuning_;
    Vector<double> sums_, moments_;
    Vector<double> products_, inverse_mass_;  // [d x (1 + d)] and d more, [d x d], of a dense mass
    Matrix<T> last_;                          // points after warm-up, or where it was cancelled
    std::optional<DrawBlocks<T>> blocks_;
    math::ChainState<T> state_{};
    std::int64_t done_ = 0, seen_ = 0;  // transitions after warm-up, and of both
    Counts counts_;
    double seconds_ = 0;       // of RunChains
    WaitAtEnd wait_{stream_};  // the last member, so that it waits before the others go
};

}  // namespace

template <class T>
Samples<T> detail::sample_from(Stream& stream, const Energy& energy, const Sampler& sampler,
                               const SampleOptions<T>& options, const std::vector<std::byte>* adaptation) {
    const DefaultFloatEnvironment environment;
    const SamplerKind kind = kind_of(sampler);
    check_sample(stream.context(), energy, kind, std::holds_alternative<Nuts>(sampler), options);
    return Chains<T>(stream, energy, kind, options).run(energy, adaptation);
}
template <class T>
Samples<T> sample(Stream& stream, const Energy& energy, const Sampler& sampler, const SampleOptions<T>& options) {
    return sample_from(stream, energy, sampler, options, nullptr);
}
template <class T>
Samples<T> sample(const Context& context, const Energy& energy, const Sampler& sampler,
                  const SampleOptions<T>& options) {
    Stream stream = detail::stream_of_call(context);
    return sample(stream, energy, sampler, options);
}

#define CUEBM_INSTANTIATE(T)                                                                                    \
    template CUEBM_API Samples<T> sample<T>(Stream&, const Energy&, const Sampler&, const SampleOptions<T>&);   \
    template Samples<T> detail::sample_from<T>(Stream&, const Energy&, const Sampler&, const SampleOptions<T>&, \
                                               const std::vector<std::byte>*);                                  \
    template CUEBM_API Samples<T> sample<T>(const Context&, const Energy&, const Sampler&, const SampleOptions<T>&);
CUEBM_INSTANTIATE(float)
CUEBM_INSTANTIATE(double)
#undef CUEBM_INSTANTIATE

}  // namespace cuebm
