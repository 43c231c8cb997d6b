// What a summary says to people: a table, and what is wrong in words.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <utility>

#include <cuebm/diagnostics.hpp>

namespace cuebm::diagnostics {
namespace {

constexpr double most_r_hat = 1.01, least_ess = 400, least_e_bfmi = 0.3, least_acceptance = 0.05;
constexpr std::int64_t enough_to_move = 100;  // draws: with an acceptance of 0.05 one chain in 160 has not

std::string text_of(const char* format, double value) {
    char text[40];
    if (std::isnan(value)) return "nan";  // not "-nan"
    std::snprintf(text, sizeof text, format, value);
    return text;
}

// "1 quantity", "3 of 10 quantities".
std::string some(std::size_t count, std::size_t all) {
    return (count == all ? std::to_string(all) : std::to_string(count) + " of " + std::to_string(all)) +
           (all == 1 ? " quantity" : " quantities");
}

// How many quantities a rule finds, and the worst of them: the largest badness over 0.
struct Found {
    std::size_t count = 0;
    const Quantity* worst = nullptr;

    template <class Badness>
    Found(const std::vector<Quantity>& quantities, Badness badness) {
        double most = 0;
        for (const auto& quantity : quantities) {
            const double bad = badness(quantity);
            if (!(bad > 0)) continue;
            ++count;
            if (bad > most || worst == nullptr) {
                worst = &quantity;
                most = bad;
            }
        }
    }
};

double lesser_ess(const Quantity& quantity) { return std::min(quantity.ess_bulk, quantity.ess_tail); }

std::string of_e_bfmi(const std::vector<double>& e_bfmi) {
    std::string chains;
    std::size_t count = 0;
    constexpr std::size_t most_named = 10;
    for (std::size_t c = 0; c < e_bfmi.size(); ++c) {
        if (!(e_bfmi[c] < least_e_bfmi)) continue;
        if (count < most_named)
            chains += (chains.empty() ? "" : ", ") + std::to_string(c) + " (" + text_of("%.2f", e_bfmi[c]) + ")";
        if (count++ == most_named) chains += ", ...";
    }
    if (count == 0) return "";
    return "E-BFMI does not reach 0.3 in " + std::to_string(count) + " of " + std::to_string(e_bfmi.size()) +
           " chains: " + chains +
           ". The energy is explored slowly, often because of heavy tails or a funnel: reparameterise, or draw more.";
}

std::string of_unknown_e_bfmi(const std::vector<double>& e_bfmi) {
    const auto count = std::count_if(e_bfmi.begin(), e_bfmi.end(), [](double value) { return std::isnan(value); });
    if (count == 0) return "";
    return "E-BFMI is not defined in " + std::to_string(count) + " of " + std::to_string(e_bfmi.size()) +
           " chains: their energies are all equal, or some are not finite.";
}

// Cells of one width a column, the first column to the left; a character of UTF-8 has one byte that is not 10xxxxxx.
std::size_t width_of(const std::string& text) {
    return static_cast<std::size_t>(
        std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

std::string aligned(const std::vector<std::vector<std::string>>& rows) {
    std::vector<std::size_t> widths(rows[0].size());
    for (const auto& row : rows)
        for (std::size_t j = 0; j < row.size(); ++j) widths[j] = std::max(widths[j], width_of(row[j]));
    std::string text;
    for (const auto& row : rows) {
        for (std::size_t j = 0; j < row.size(); ++j) {
            const std::string blanks(widths[j] - width_of(row[j]), ' ');
            text += j == 0 ? row[j] + blanks : "  " + blanks + row[j];
        }
        text += '\n';
    }
    return text;
}

}  // namespace

std::vector<std::string> Summary::problems() const {
    std::vector<std::string> found;
    const std::size_t all = quantities.size();
    // Then R-hat and sample sizes say nothing more. Quantities that are all constant may be meant so.
    const bool none_moved =
        stuck_chains == chains && std::any_of(quantities.begin(), quantities.end(), [](auto& q) { return q.sd > 0; });
    if (const Found bad(quantities, [](const Quantity& q) { return std::isnan(q.mean) ? 1.0 : 0.0; }); bad.worst)
        found.push_back("Draws of " + some(bad.count, all) + " are NaN or infinite, the first of them " +
                        bad.worst->name + ": look at the energy there, and at where chains begin.");
    const auto no_spread = [](const Quantity& q) { return std::isnan(q.sd) && !std::isnan(q.mean) ? 1.0 : 0.0; };
    if (const Found bad(quantities, no_spread); running && bad.worst)
        found.push_back("The spread is not known of " + some(bad.count, all) + ", the first of them " +
                        bad.worst->name + ": its squares overflow. Take another unit.");
    if (draws_a_chain < 4 && !running) {
        found.emplace_back("Fewer than 4 draws a chain: no diagnostic is defined. Draw more.");
    } else if (none_moved) {
        const bool accepted = sampler.acceptance.value_or(0) > 0.5;
        found.push_back(
            "No chain ever moved: steps are far too " +
            std::string(accepted ? "short, and are lost in rounding. Take longer" : "long there. Take smaller") +
            " steps, or warm up so that their size is learnt.");
    } else if (const Found bad(quantities, [](const Quantity& q) { return q.sd == 0 ? 1.0 : 0.0; }); bad.worst) {
        found.push_back("All draws are equal of " + some(bad.count, all) + ", the first of them " + bad.worst->name +
                        ": a constant, or chains that never moved; then take smaller steps.");
    }
    if (stuck_chains > 0 && stuck_chains < chains && draws_a_chain >= enough_to_move)
        found.push_back(std::to_string(stuck_chains) + " of " + std::to_string(chains) +
                        " chains never moved: where they are, steps are too long. Take smaller steps (a higher target "
                        "acceptance), or start them elsewhere.");
    const auto unknown = [](const Quantity& q) { return std::isnan(q.r_hat) || std::isnan(q.ess_bulk) ? q.sd : 0; };
    if (const Found bad(quantities, unknown); running && !none_moved && bad.worst)
        found.push_back("Too few chains or draws to tell how good they are for " + some(bad.count, all) +
                        ", the first of them " + bad.worst->name + ": two superchains and two batches are wanted.");
    if (const Found bad(quantities, [](const Quantity& q) { return q.r_hat - most_r_hat; }); !none_moved && bad.worst)
        found.push_back(
            "R-hat is over 1.01 for " + some(bad.count, all) + ", most for " + bad.worst->name + " (" +
            text_of("%.4g", bad.worst->r_hat) + "): chains have not mixed. Warm up and draw for longer; if " +
            "that does not help, chains may sit in modes of their own, or the energy wants other coordinates.");
    if (const Found bad(quantities, [](const Quantity& q) { return least_ess - lesser_ess(q); });
        !none_moved && bad.worst)
        found.push_back(
            "The effective sample size is under 400 for " + some(bad.count, all) + ", least for " + bad.worst->name +
            (running ? " (" : " (bulk " + text_of("%.0f", bad.worst->ess_bulk) + ", tail ") +
            text_of("%.0f", bad.worst->ess_tail) + "): R-hat and errors are rough. Draw more, or reparameterise.");
    const std::string in_all =
        " of " + std::to_string(sampler.transitions.value_or(chains * draws_a_chain)) + " transitions ";
    if (sampler.divergences.value_or(0) > 0)
        found.push_back(std::to_string(*sampler.divergences) + in_all +
                        "diverged: a region is left out, and estimates " +
                        "may be biased. Take smaller steps (a higher target acceptance), or reparameterise.");
    if (sampler.acceptance.value_or(1) < least_acceptance && !none_moved)
        found.push_back(
            "Only " + text_of("%.1f%%", 100 * *sampler.acceptance) +
            " of what was proposed was accepted: take smaller steps (a higher target acceptance), or warm up "
            "for longer.");
    if (sampler.max_treedepth_hits.value_or(0) > 0)
        found.push_back(std::to_string(*sampler.max_treedepth_hits) + in_all + "reached the greatest tree depth: " +
                        "right, but slow. Allow deeper trees, or scale the coordinates alike.");
    for (auto* of : {of_e_bfmi, of_unknown_e_bfmi})
        if (auto text = of(sampler.e_bfmi); !text.empty()) found.push_back(std::move(text));
    if (chains == 1 && !running)
        found.emplace_back(
            "One chain: R-hat compares its halves, and cannot see what the chain has missed. Run 4 or more.");
    return found;
}

std::string Summary::verdict() const {
    std::string text;
    for (const auto& problem : problems()) text += (text.empty() ? "" : "\n") + problem;
    if (!text.empty() || quantities.empty()) return text;
    double r_hat = 0, ess = lesser_ess(quantities[0]);
    for (const auto& quantity : quantities) {
        r_hat = std::max(r_hat, quantity.r_hat);
        ess = std::min(ess, lesser_ess(quantity));
    }
    return "Nothing wrong was found: R-hat is at most " + text_of("%.4f", r_hat) +
           ", the effective sample size at least " + text_of("%.0f", ess) + ".";
}

namespace {

// What was counted, also where it is nothing.
std::string what_is_known_of(const SamplerReport& sampler) {
    std::string text;
    if (sampler.acceptance) text += ", mean acceptance " + text_of("%.2f", *sampler.acceptance);
    if (sampler.divergences)
        text +=
            ", " + std::to_string(*sampler.divergences) + (*sampler.divergences == 1 ? " divergence" : " divergences");
    double least = INFINITY;
    for (const double value : sampler.e_bfmi) least = value < least ? value : least;  // NaN: not known
    if (least < INFINITY) text += ", least E-BFMI " + text_of("%.2f", least);
    return text;
}

}  // namespace

std::string to_string(const Summary& summary) {
    std::vector<std::vector<std::string>> rows{{"", "mean", "sd", "median", "5%", "95%", "mcse_mean"}};
    for (const char* title : summary.running ? std::vector<const char*>{"ess_batch_means", "nested_r_hat"}
                                             : std::vector<const char*>{"ess_bulk", "ess_tail", "r_hat"})
        rows[0].emplace_back(title);
    for (const auto& q : summary.quantities) {
        rows.push_back({q.name, text_of("%.4g", q.mean), text_of("%.3g", q.sd), text_of("%.4g", q.median),
                        text_of("%.4g", q.q5), text_of("%.4g", q.q95), text_of("%.2g", q.mcse_mean),
                        text_of("%.0f", q.ess_bulk)});
        if (!summary.running) rows.back().push_back(text_of("%.0f", q.ess_tail));
        rows.back().push_back(text_of("%.3f", q.r_hat));
    }
    return std::to_string(summary.chains) + (summary.chains == 1 ? " chain of " : " chains of ") +
           std::to_string(summary.draws_a_chain) + " draws" + what_is_known_of(summary.sampler) + "\n" + aligned(rows) +
           summary.verdict() + "\n";
}

}  // namespace cuebm::diagnostics
