// Sums over draws that are not kept. See cuebm/running.hpp.
#include <cuebm/running.hpp>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <new>
#include <thread>

#include <cuebm/error.hpp>

#include "backend.hpp"
#include "check.hpp"
#include "float_environment.hpp"
#include "parallel.hpp"

namespace cuebm::diagnostics {
namespace {

using namespace detail;

constexpr auto function = "diagnostics::Running";
constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr std::int64_t chains_a_task = 64;

double square(double x) { return x * x; }

// Where a draw lies, counted in units of `scale` from `centre`: 128 bins a unit up to 8 of them, then 8 an octave.
struct Bins {
    static constexpr int inner = 8 * 128, octaves = 192, outer = 8 * octaves, half = inner + outer, count = 2 * half;
    double centre = 0, scale = 1;

    int bin_of(double x) const {
        const double u = (x - centre) / scale, size = std::min(std::abs(u), 1e300);
        int place = static_cast<int>(std::min(size, 8.0) * 128);
        if (size >= 8) {
            int octave = 0;
            const double fraction = std::frexp(size, &octave);  // [1/2, 1): 8 is 1/2 of the fourth octave
            place = inner + std::min(outer - 1, 8 * (octave - 4) + static_cast<int>((fraction - 0.5) * 16));
        }
        return u < 0 ? half - 1 - place : half + place;
    }
    // The lower end of a bin; of `count`, the upper end of the last.
    double edge(int bin) const {
        const int place = bin < half ? half - bin : bin - half;
        double size = place / 128.0;
        if (place > inner) size = std::ldexp(0.5 + (place - inner) % 8 / 16.0, 4 + (place - inner) / 8);
        return centre + (bin < half ? -size : size) * scale;
    }
};

// Of one chain and quantity, of deviations from the bins' centre.
struct Sum {
    double sum = 0, squares = 0;            // of draws
    double batch = 0;                       // of the draws of the batch that is being filled
    double batches = 0, batch_squares = 0;  // of the means of those that are full
};

std::int64_t superchains_of(const RunningOptions& o) {
    return o.superchains > 0 ? o.superchains : std::max(o.chains / 64, std::min<std::int64_t>(o.chains, 4));
}

// Draws of a quantity before its bins are set: the first values, all equal, and those that came after them.
struct FirstDraws {
    double value = 0;
    std::int64_t equal = 0;
    std::vector<double> others{};

    void add(double x) {
        if (equal == 0) value = x;
        if (others.empty() && x == value)
            ++equal;
        else
            others.push_back(x);
    }
    // Of R's type 7.
    double quantile(double prob) const {
        auto sorted = others;
        std::sort(sorted.begin(), sorted.end());
        const auto below = std::lower_bound(sorted.begin(), sorted.end(), value) - sorted.begin();
        const auto size = equal + static_cast<std::int64_t>(sorted.size());
        const auto at = [&](std::int64_t i) {
            if (i >= below && i < below + equal) return value;
            return sorted[static_cast<std::size_t>(i < below ? i : i - equal)];
        };
        const double place = prob * static_cast<double>(size - 1);
        const auto i = static_cast<std::int64_t>(place);
        const double low = at(i), high = at(std::min(i + 1, size - 1));
        return low == high ? low : low + (place - static_cast<double>(i)) * (high - low);
    }
};

struct Moments {
    double mean = 0, variance = 0;
};
Moments moments_of(double n, double sum, double squares) {
    const double variance = n > 1 ? (squares - sum * (sum / n)) / (n - 1) : 0;
    return {sum / n, variance < 0 ? 0 : variance};  // NaN stays
}

}  // namespace

struct Running::Sums {
    std::vector<std::string> names;
    RunningOptions options;
    ThreadTeam team;
    std::int64_t superchains, batch_length, left_out, done = 0;  // draws of each chain
    std::vector<double> centres{};                               // [quantities]: sums are of deviations from them
    std::vector<Bins> bins{};                                    // [quantities]
    std::vector<std::uint8_t> binned{};   // [quantities]: bins are set, and all draws counted in them
    std::vector<FirstDraws> firsts{};     // [quantities], until then
    std::vector<std::uint64_t> counts{};  // [quantities x bins]
    std::vector<std::uint8_t> finite{};   // [quantities]
    std::vector<Sum> sums{};              // [chains x quantities]
    std::vector<double> products{};       // [quantities x quantities], j <= i

    Sums(std::vector<std::string> of, const RunningOptions& o)
        : names(std::move(of)),
          options(o),
          team(o.threads > 0 ? o.threads : std::max(1, static_cast<int>(std::thread::hardware_concurrency()))),
          superchains(superchains_of(o)),
          batch_length(static_cast<std::int64_t>(std::sqrt(static_cast<double>(o.draws)))),
          left_out(o.draws % batch_length),
          centres(names.size()),
          bins(names.size()),
          binned(names.size()),
          firsts(names.size()),
          counts(names.size() * Bins::count),
          finite(names.size(), 1),
          sums(names.size() * static_cast<std::size_t>(o.chains)),
          products(o.covariance ? names.size() * names.size() : 0) {}

    static std::size_t bytes(std::size_t quantities, const RunningOptions& o) {
        return quantities * (static_cast<std::size_t>(o.chains) * sizeof(Sum) + Bins::count * sizeof(std::uint64_t) +
                             (o.covariance ? quantities * sizeof(double) : 0));
    }

    std::size_t size() const { return names.size(); }
    const Sum& at(std::int64_t chain, std::size_t quantity) const {
        return sums[static_cast<std::size_t>(chain) * size() + quantity];
    }
    double draws() const { return static_cast<double>(done); }

    template <class T>
    void add(const MatrixView<const T>& block) {
        const std::int64_t count = options.chains > 0 ? block.rows / options.chains : 0;
        const auto columns = static_cast<std::int64_t>(size());
        if (block.rows < 1 || block.cols != columns || block.rows != count * options.chains)
            refuse(function, "block", shape(block.rows, block.cols),
                   "[chains b x quantities]: a multiple of " + std::to_string(options.chains) + " x " +
                       std::to_string(columns));
        if (block.device != Device{}) refuse(function, "block", "memory of a device", "memory of the host");
        check_memory(function, "block", block, Device{});
        if (done + count > options.draws)
            refuse(function, "block", std::to_string(done + count) + " draws of a chain in all",
                   "up to " + std::to_string(options.draws) + ", as was announced");
        const DefaultFloatEnvironment environment;
        const auto value = [&](std::int64_t row, std::size_t j) {
            return static_cast<double>(block.data[row * block.stride + static_cast<std::int64_t>(j)]);
        };
        if (std::find(binned.begin(), binned.end(), 0) != binned.end())
            team.parallel_for(columns, [&](std::int64_t quantity, int) {
                const auto j = static_cast<std::size_t>(quantity);
                if (done == 0) set_centre(j, block.rows, value);
                if (binned[j] == 0) set_bins(j, block.rows, value);
            });
        const std::int64_t tasks = (options.chains + chains_a_task - 1) / chains_a_task;
        team.parallel_for(tasks, [&](std::int64_t task, int) {
            const std::int64_t last = std::min(options.chains, (task + 1) * chains_a_task);
            for (std::int64_t chain = task * chains_a_task; chain < last; ++chain)
                for (std::int64_t t = 0; t < count; ++t)
                    for (std::size_t j = 0; j < size(); ++j) add_one(chain, done + t, j, value(chain * count + t, j));
        });
        if (options.covariance)
            team.parallel_for(columns, [&](std::int64_t row, int) {
                const auto i = static_cast<std::size_t>(row);
                for (std::int64_t n = 0; n < block.rows; ++n) {
                    const double mine = value(n, i) - centres[i];
                    for (std::size_t j = 0; j <= i; ++j) products[i * size() + j] += mine * (value(n, j) - centres[j]);
                }
            });
        done += count;
    }

    template <class Value>
    void set_centre(std::size_t j, std::int64_t rows, const Value& value) {
        const double first = value(0, j);
        double sum = 0;
        for (std::int64_t row = 0; row < rows; ++row) sum += value(row, j) - first;
        const double centre = first + sum / static_cast<double>(rows);
        if (std::isfinite(centre)) centres[j] = centre;
    }

    // From the first draws, once there are enough that differ from the very first: neither a constant nor two draws
    // tell how wide a distribution is.
    template <class Value>
    void set_bins(std::size_t j, std::int64_t rows, const Value& value) {
        constexpr std::int64_t enough = 64;
        FirstDraws& first = firsts[j];
        std::int64_t row_of_first = 0;
        while (row_of_first < rows && !std::isfinite(value(row_of_first, j))) ++row_of_first;
        if (row_of_first == rows) return;
        if (first.equal == 0) first.value = value(row_of_first, j);
        double n = 0, sum = 0, squares = 0;
        const auto look_at = [&](double x) {
            if (n == 0 && x == first.value) return;  // one of the equal ones
            n += 1;
            sum += x - first.value;
            squares += square(x - first.value);
        };
        for (const double x : first.others) look_at(x);
        for (std::int64_t row = 0; row < rows; ++row)
            if (std::isfinite(value(row, j))) look_at(value(row, j));
        if (n < enough) {
            for (std::int64_t row = 0; row < rows; ++row)
                if (std::isfinite(value(row, j))) first.add(value(row, j));
            return;
        }
        const auto moments = moments_of(n + 1, sum, squares);
        const double deviation = std::sqrt(moments.variance), centre = first.value + moments.mean;
        if (std::isfinite(centre)) bins[j].centre = centre;
        if (std::isfinite(deviation)) bins[j].scale = deviation > 0 ? deviation : std::max(std::abs(centre), 1e-300);
        binned[j] = 1;
        if (first.equal > 0) count(j, first.value, static_cast<std::uint64_t>(first.equal));
        for (const double x : first.others) count(j, x, 1);
        first = {};
    }

    void count(std::size_t j, double x, std::uint64_t times) {
        const auto bin = static_cast<std::size_t>(bins[j].bin_of(x));
        std::atomic_ref(counts[j * Bins::count + bin]).fetch_add(times, std::memory_order_relaxed);
    }

    void add_one(std::int64_t chain, std::int64_t draw, std::size_t j, double x) {
        if (!std::isfinite(x)) {
            std::atomic_ref(finite[j]).store(0, std::memory_order_relaxed);
            return;
        }
        Sum& s = sums[static_cast<std::size_t>(chain) * size() + j];
        const double off = x - centres[j];
        s.sum += off;
        s.squares += off * off;
        if (binned[j] != 0) count(j, x, 1);
        if (draw < left_out) return;
        s.batch += off;
        if ((draw - left_out + 1) % batch_length != 0) return;
        const double mean = s.batch / static_cast<double>(batch_length);
        s.batch = 0;
        s.batches += mean;
        s.batch_squares += mean * mean;
    }

    // All chains' draws.
    Moments of_all(std::size_t j) const {
        double sum = 0, squares = 0;
        for (std::int64_t c = 0; c < options.chains; ++c) {
            sum += at(c, j).sum;
            squares += at(c, j).squares;
        }
        return moments_of(draws() * static_cast<double>(options.chains), sum, squares);
    }

    // The same definition as nested_r_hat, of superchains that need not be of one size.
    double nested_r_hat(std::size_t j) const {
        double means = 0, mean_squares = 0, within = 0;
        for (std::int64_t k = 0; k < superchains; ++k) {
            const std::int64_t first = k * options.chains / superchains, last = (k + 1) * options.chains / superchains;
            const double chains = static_cast<double>(last - first);
            double variances = 0, sum = 0, squares = 0;
            for (std::int64_t c = first; c < last; ++c) {
                const auto chain = moments_of(draws(), at(c, j).sum, at(c, j).squares);
                variances += chain.variance;
                sum += chain.mean;
                squares += chain.mean * chain.mean;
            }
            const auto of_means = moments_of(chains, sum, squares);
            within += variances / chains + of_means.variance;
            means += of_means.mean;
            mean_squares += of_means.mean * of_means.mean;
        }
        const double between = moments_of(static_cast<double>(superchains), means, mean_squares).variance;
        within /= static_cast<double>(superchains);
        if (superchains < 2) return nan;
        if (within == 0) return between > 0 ? std::numeric_limits<double>::infinity() : nan;
        return std::sqrt(1 + between / within);
    }

    // Of the batches that are full by now.
    double batch_means_ess(std::size_t j, double variance) const {
        const double size = draws() * static_cast<double>(options.chains);
        if (variance == 0) return size;
        const std::int64_t of_chain = std::max<std::int64_t>(done - left_out, 0) / batch_length;
        const auto full = static_cast<double>(of_chain * options.chains);
        if (full < 2) return nan;
        double sum = 0, squares = 0;
        for (std::int64_t c = 0; c < options.chains; ++c) {
            sum += at(c, j).batches;
            squares += at(c, j).batch_squares;
        }
        const double tau = static_cast<double>(batch_length) * moments_of(full, sum, squares).variance / variance;
        return size / std::max(tau, 1 / std::log10(size));
    }

    double quantile(std::size_t j, double prob) const {
        if (finite[j] == 0) return nan;
        if (binned[j] == 0) return firsts[j].quantile(prob);
        const std::uint64_t* const of_bin = counts.data() + j * Bins::count;
        const double wanted = prob * draws() * static_cast<double>(options.chains);
        double below = 0;
        for (int bin = 0; bin < Bins::count; ++bin) {
            const auto count = static_cast<double>(of_bin[bin]);
            if (count > 0 && below + count >= wanted) {
                const double low = bins[j].edge(bin), high = bins[j].edge(bin + 1);
                return low + (high - low) * (wanted - below) / count;
            }
            below += count;
        }
        return nan;
    }

    Quantity row(std::size_t j) const {
        Quantity row{names[j], nan, nan, nan, nan, nan, nan, nan, nan, nan};
        if (finite[j] == 0) return row;
        const auto moments = of_all(j);
        row.mean = centres[j] + moments.mean;
        row.sd = std::sqrt(moments.variance);
        row.median = quantile(j, 0.5);
        row.q5 = quantile(j, 0.05);
        row.q95 = quantile(j, 0.95);
        row.ess_bulk = row.ess_tail = batch_means_ess(j, moments.variance);
        row.mcse_mean = row.sd / std::sqrt(row.ess_bulk);
        row.r_hat = nested_r_hat(j);
        return row;
    }

    // Of no quantity more than the rounding of its sums differs. One draw tells nothing.
    bool is_stuck(std::int64_t chain) const {
        if (done < 2) return false;
        const double rounding = 4 * draws() * std::numeric_limits<double>::epsilon();
        for (std::size_t j = 0; j < size(); ++j) {
            const Sum& s = at(chain, j);
            if (finite[j] == 0 || s.squares - s.sum * (s.sum / draws()) > rounding * s.squares) return false;
        }
        return true;
    }

    void check_drawn() const {
        if (done == 0) refuse(function, "block", "no draw yet", "add() before what is asked of the draws");
    }
};

Running::Running(std::vector<std::string> names, const RunningOptions& options) {
    if (names.empty()) refuse(function, "names", "none", "one a quantity");
    constexpr std::int64_t most = std::int64_t{1} << 31;
    const auto check = [](const char* argument, std::int64_t value, std::int64_t low, std::int64_t high) {
        if (value < low || value > high)
            refuse(function, argument, std::to_string(value), std::to_string(low) + " to " + std::to_string(high));
    };
    check("chains", options.chains, 1, most);
    check("draws", options.draws, 1, most);
    check("superchains", options.superchains, 0, options.chains);
    check("threads", options.threads, 0, 1 << 16);
    if (options.superchains == 1 && options.chains > 1)
        refuse(function, "superchains", "1", "2 or more, to be compared, or 0");
    const std::size_t quantities = names.size();
    try {
        sums_ = std::make_unique<Sums>(std::move(names), options);
    } catch (const std::bad_alloc&) {
        throw OutOfMemory(Sums::bytes(quantities, options), free_host_bytes());
    }
}
Running::~Running() = default;

void Running::add(MatrixView<const float> block) { sums_->add(block); }
void Running::add(MatrixView<const double> block) { sums_->add(block); }

Summary Running::summary(const SamplerReport& sampler) const {
    sums_->check_drawn();
    const DefaultFloatEnvironment environment;
    Summary summary{.quantities = {},
                    .chains = sums_->options.chains,
                    .draws_a_chain = sums_->done,
                    .sampler = sampler,
                    .running = true};
    for (std::size_t j = 0; j < sums_->size(); ++j) summary.quantities.push_back(sums_->row(j));
    for (std::int64_t c = 0; c < sums_->options.chains; ++c) summary.stuck_chains += sums_->is_stuck(c) ? 1 : 0;
    return summary;
}

double Running::quantile(std::int64_t quantity, double prob) const {
    sums_->check_drawn();
    const auto size = static_cast<std::int64_t>(sums_->size());
    if (quantity < 0 || quantity >= size)
        refuse(function, "quantity", std::to_string(quantity), "0 to " + std::to_string(size - 1));
    if (!(prob > 0 && prob < 1)) refuse(function, "prob", text_of(prob), "0 < prob < 1");
    const DefaultFloatEnvironment environment;
    return sums_->quantile(static_cast<std::size_t>(quantity), prob);
}

std::int64_t Running::superchains() const { return sums_->superchains; }

std::vector<double> Running::covariance() const {
    sums_->check_drawn();
    if (!sums_->options.covariance) refuse(function, "covariance", "false", "true, to have products added up");
    const DefaultFloatEnvironment environment;
    const std::size_t size = sums_->size();
    const double n = sums_->draws() * static_cast<double>(sums_->options.chains);
    std::vector<double> result(size * size), means;
    for (std::size_t j = 0; j < size; ++j) means.push_back(sums_->of_all(j).mean);
    for (std::size_t i = 0; i < size; ++i)
        for (std::size_t j = 0; j <= i; ++j)
            result[i * size + j] = result[j * size + i] =
                sums_->finite[i] == 0 || sums_->finite[j] == 0 || n < 2
                    ? nan
                    : (sums_->products[i * size + j] - n * means[i] * means[j]) / (n - 1);
    return result;
}

}  // namespace cuebm::diagnostics
