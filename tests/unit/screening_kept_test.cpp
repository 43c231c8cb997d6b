// What screening keeps from call to call changes no label.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <stdexcept>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <cuebm/cuebm.hpp>

#include "cpu/assign.hpp"
#include "cpu/screen_groups.hpp"
#include "unit/screening.hpp"

namespace eb = cuebm;
using namespace eb::test;

namespace {

// Lloyd's prototypes, a few steps of them, by canonical labels and means in double.
std::vector<Values> lloyd_steps(ScreeningProblem p, int steps) {
    std::vector<Values> all;
    for (int step = 0; step < steps; ++step) {
        all.push_back(p.prototypes);
        const auto labels = solve(p, "direct", false).labels;
        std::vector<double> sums(p.prototypes.size()), counts(static_cast<std::size_t>(p.k));
        for (std::int64_t i = 0; i < p.n; ++i) {
            const std::int64_t z = labels[static_cast<std::size_t>(i)];
            ++counts[static_cast<std::size_t>(z)];
            for (std::int64_t j = 0; j < p.d; ++j)
                sums[static_cast<std::size_t>(z * p.d + j)] +=
                    static_cast<double>(p.points[static_cast<std::size_t>(i * p.d + j)]);
        }
        for (std::size_t v = 0; v < sums.size(); ++v)
            if (const double count = counts[v / static_cast<std::size_t>(p.d)]; count > 0)
                p.prototypes[v] = static_cast<float>(sums[v] / count);
    }
    return all;
}

std::vector<ScreeningAnswer> right_answers(ScreeningProblem p, const std::vector<Values>& steps) {
    std::vector<ScreeningAnswer> all;
    for (const auto& prototypes : steps) {
        p.prototypes = prototypes;
        all.push_back(solve(p, "direct"));
    }
    return all;
}

// Calls with one set of points, and what is kept from one to the next.
class KeptCalls {
public:
    KeptCalls(const ScreeningProblem& p, const eb::cpu::Isa& isa, const eb::cpu::ScreenKernels& screen,
              eb::cpu::BoundsUse use = eb::cpu::BoundsUse::always, float factor = 1)
        : now(p),
          plan(eb::cpu::plan(task_of(now, answer), isa, 1, screen.name, use)),
          factor_(factor),
          memory_(plan.scratch_bytes + eb::detail::layout_bytes<eb::cpu::KeptPoints>(plan, p.n, p.k, p.d) + 512) {
        scratch = memory_.data() + (256 - reinterpret_cast<std::uintptr_t>(memory_.data()) % 256) % 256;
        kept_ = scratch + (plan.scratch_bytes + 255) / 256 * 256;
    }

    void label(const Values& prototypes, bool energies = false) {
        now.prototypes = prototypes;
        auto task = task_of(now, answer);
        if (!energies) task.energies = {};
        const auto each = [](std::int64_t tasks, const auto& body) {
            for (std::int64_t t = 0; t < tasks; ++t) body(t, 0);
        };
        if (calls_++ == 0) eb::cpu::AssignRun<float>(plan, task, scratch, kept_).keep(each);
        eb::cpu::AssignRun<float> run(plan, task, scratch, kept_, nullptr, factor_);
        run.run(
            each, [](std::int64_t) {}, [](std::int64_t) {});
    }
    std::int64_t aged() const { return kept().state->aged; }  // the calls that the bounds have seen
    bool keeps_bounds() const { return kept().previous != nullptr; }

    ScreeningProblem now;
    ScreeningAnswer answer;
    eb::cpu::AssignPlan plan;
    std::byte* scratch;

private:
    eb::cpu::KeptPoints kept() const {
        eb::detail::Carver carver(kept_);
        return {carver, plan, now.n, now.k, now.d};
    }

    float factor_;
    std::vector<std::byte> memory_;
    std::byte* kept_;
    int calls_ = 0;
};

// Labels of one set of points for prototypes that move, with what is kept from call to call; how many were wrong.
int wrong_labels(const ScreeningProblem& p, const std::vector<Values>& steps,
                 const std::vector<ScreeningAnswer>& rights, const eb::cpu::Isa& isa,
                 const eb::cpu::ScreenKernels& screen, float factor) {
    KeptCalls calls(p, isa, screen, eb::cpu::BoundsUse::always, factor);
    int wrong = 0;
    for (std::size_t s = 0; s < steps.size(); ++s) {
        const bool energies = s % 3 == 2;
        calls.label(steps[s], energies);
        const ScreeningAnswer& right = rights[s];
        for (std::size_t i = 0; i < right.labels.size(); ++i) {
            wrong += right.labels[i] != calls.answer.labels[i];
            if (energies) wrong += right.energies[i] != calls.answer.energies[i];
        }
    }
    return wrong;
}

// Points close to prototypes that are far apart, so that nearly all keep their label; then single prototypes come to
// one of them. Points are at even prototypes; odd ones have none. order: as the first call groups them into panels.
std::vector<Values> single_moves(const ScreeningProblem& p, std::int64_t panel,
                                 const std::vector<std::int32_t>& order) {
    std::vector<std::int64_t> slots(order.size());
    for (std::size_t s = 0; s < order.size(); ++s)
        slots[static_cast<std::size_t>(order[s])] = static_cast<std::int64_t>(s);
    // An odd prototype of the panel of prototype `of`, or of another and there not the first.
    const auto odd = [&](std::size_t of, bool same_panel) {
        for (std::size_t z = 1; z < slots.size(); z += 2)
            if ((slots[z] / panel == slots[of] / panel) == same_panel && slots[z] % panel != 0)
                return static_cast<std::int64_t>(z);
        throw std::logic_error("no such prototype");
    };
    std::vector<Values> steps(2, p.prototypes);
    const auto row = [&](Values& values, std::int64_t r) { return values.begin() + r * p.d; };
    const auto change = [&](auto how) {
        steps.push_back(steps.back());
        how(steps.back());
        steps.push_back(steps.back());  // and nothing moves
    };
    auto points = p.points;
    const auto onto = [&](std::int64_t z, std::int64_t i) {
        change([&](Values& w) { std::copy_n(row(points, i), p.d, row(w, z)); });
    };
    onto(odd(0, false), 0);  // point i is at prototype 2 i
    onto(odd(2, true), 1);
    const auto move = [&](std::int64_t z, float by) {
        change([&](Values& w) {
            for (std::int64_t j = 0; j < p.d; ++j) w[static_cast<std::size_t>(z * p.d + j)] += by;
        });
    };
    for (const std::int64_t z : {14, 30, 46}) move(z, 10);  // from its point, to which an unmoved one is nearest now
    constexpr auto classes = static_cast<std::size_t>(eb::cpu::screen_classes);
    // An odd prototype of the panel and class of an even one: first near to its point, then nearest.
    if (panel > eb::cpu::screen_classes) {
        const auto pair = [&] {
            for (std::size_t s = 0; s + classes < order.size(); ++s)
                if (s % static_cast<std::size_t>(panel) < classes && order[s] % 2 == 0 && order[s] > 60 &&
                    order[s + classes] % 2 == 1)
                    return std::pair{order[s], order[s + classes]};
            throw std::logic_error("no two such prototypes in one panel and class");
        }();
        onto(pair.second, pair.first / 2);
        move(pair.second, 0.1f);
        move(pair.first, 0.05f);
        move(pair.second, -0.1f);
    }
    change([&](Values& w) { std::swap_ranges(row(w, 10), row(w, 11), row(w, 140)); });
    change(
        [&](Values& w) { std::copy_n(row(w, 6), p.d, row(w, 101)); });  // 101 is hidden behind 6, and point 3 is near
    move(6, 0.01f);
    return steps;
}

ScreeningProblem tight(std::mt19937& generator, std::int64_t k, std::int64_t d) {
    ScreeningProblem p{"tight", k / 2, k, d, draw(generator, k / 2 * d, 1e-3f), draw(generator, k * d)};
    for (std::int64_t i = 0; i < p.n; ++i)
        for (std::int64_t j = 0; j < d; ++j)
            p.points[static_cast<std::size_t>(i * d + j)] += p.prototypes[static_cast<std::size_t>(2 * i * d + j)];
    return p;
}

// Lloyd's steps; back again; nothing moves; coordinates tremble by some roundings, so that near ties change their
// winner; all shrink a little, so that ties stay as near.
std::vector<Values> trembling_steps(const ScreeningProblem& p, std::mt19937& generator) {
    auto steps = lloyd_steps(p, 4);
    steps.push_back(steps.front());
    const auto change = [&](auto factor) {
        steps.push_back(steps.back());
        for (auto& x : steps.back()) x *= factor();
    };
    std::uniform_real_distribution<float> little(-1e-6f, 1e-6f);
    change([] { return 1.0f; });
    for (int s = 0; s < 3; ++s) change([&] { return 1 + little(generator); });
    for (int s = 0; s < 2; ++s) change([] { return 1 - 0x1p-9f; });
    change([] { return 1.0f; });
    return steps;
}

bool bounds_are_kept(const ScreeningProblem& p, const eb::cpu::Isa& isa, const eb::cpu::ScreenKernels& screen) {
    ScreeningAnswer answer;
    const auto plan = eb::cpu::plan(task_of(p, answer), isa, 1, screen.name);
    eb::detail::Carver nowhere;
    return eb::cpu::KeptPoints(nowhere, plan, p.n, p.k, p.d).previous != nullptr;
}

}  // namespace

// A panel that is skipped although its prototypes have come near; a label that is kept although it was beaten; a twin
// that was hidden, and moves away; rows that are gathered to the wrong places.
TEST(Screening, KeptBoundsChangeNoLabel) {
    std::mt19937 generator(8);
    const std::int64_t n = 300, k = 150, d = 40;
    ScreeningProblem blobs{"blobs", n, k, d, draw(generator, n * d, 0.3f), {}};
    const auto centres = draw(generator, 40 * d);
    for (std::size_t v = 0; v < blobs.points.size(); ++v) blobs.points[v] += centres[v % centres.size()];
    blobs.prototypes.assign(blobs.points.begin(), blobs.points.begin() + k * d);
    auto steps = lloyd_steps(blobs, 6);
    steps.push_back(steps.back());   // nothing moves
    steps.push_back(steps.front());  // everything jumps back
    auto twins = steps;              // 3 and 100 are the same, until one moves away
    for (std::size_t s = 0; s < 4; ++s) std::copy_n(twins[s].begin() + 3 * d, d, twins[s].begin() + 100 * d);
    auto shaken = std::vector<Values>{blobs.prototypes};  // small steps in all directions
    for (int s = 0; s < 8; ++s) {
        shaken.push_back(shaken.back());
        for (auto& x : shaken.back()) x += 0.02f * std::normal_distribution<float>()(generator);
    }
    struct Walk {
        ScreeningProblem points;
        std::vector<Values> steps;
        std::vector<ScreeningAnswer> rights;
    };
    std::vector<Walk> walks;
    for (const auto& path : {steps, twins, shaken}) walks.push_back({blobs, path, right_answers(blobs, path)});
    const ScreeningProblem close = tight(generator, 150, 40);
    const ScreeningProblem equal = near_ties(generator, n, k, d, 1, 0);  // the lower number wins, wherever its slot is
    auto together = std::vector<Values>{equal.prototypes};
    for (int s = 0; s < 4; ++s) {
        together.push_back(together.back());
        for (std::size_t v = 0; v < together.back().size(); ++v)
            if (v % d != 0) together.back()[v] += 0.1f * std::sin(static_cast<float>(v / (2 * d) + v % d));
    }
    walks.push_back({equal, together, right_answers(equal, together)});
    for (const float scale : {1e-12f, 1e16f}) {
        Walk scaled{blobs, steps, {}};
        for (auto& x : scaled.points.points) x *= scale;
        for (auto& step : scaled.steps)
            for (auto& x : step) x *= scale;
        scaled.rights = right_answers(scaled.points, scaled.steps);
        walks.push_back(std::move(scaled));
    }
    for_each_screen([&](const auto& isa, const auto& screen) {
        for (const auto& w : walks) EXPECT_EQ(wrong_labels(w.points, w.steps, w.rights, isa, screen, 1), 0);
        std::vector<std::int32_t> order(150);
        Values line(40), places(150);
        eb::cpu::group_prototypes(eb::view(close.prototypes, 150, 40), screen.panel, order.data(), line.data(),
                                  places.data());
        const auto moves = single_moves(close, screen.panel, order);
        EXPECT_EQ(wrong_labels(close, moves, right_answers(close, moves), isa, screen, 1), 0);
        const Walk& w = walks[2];
        EXPECT_GT(wrong_labels(w.points, w.steps, w.rights, isa, screen, 0), 0);  // the test has teeth
    });
}

// A bound of distances that misses underflow, cancellation or the prototypes' own rounding; a drift that is too short
// for near ties, or that is lost where numbers are huge or tiny.
TEST(Screening, KeptBoundsMeetHardData) {
    std::mt19937 generator(9);
    const auto all = screening_problems(100);  // several panels
    std::vector<std::vector<Values>> steps;
    std::vector<std::vector<ScreeningAnswer>> rights;
    for (const auto& p : all) {
        steps.push_back(trembling_steps(p, generator));
        rights.push_back(right_answers(p, steps.back()));
    }
    for_each_screen([&](const auto& isa, const auto& screen) {
        std::size_t kept = 0;
        for (std::size_t q = 0; q < all.size(); ++q) {
            SCOPED_TRACE(all[q].name);
            EXPECT_EQ(wrong_labels(all[q], steps[q], rights[q], isa, screen, 1), 0);
            kept += bounds_are_kept(all[q], isa, screen);
        }
        EXPECT_GE(kept + 4, all.size());  // not of 4096 prototypes and more, nor of 300 in narrow panels
        EXPECT_GT(wrong_labels(all.back(), steps.back(), rights.back(), isa, screen, 0), 0);
    });
}

// Bounds that cost more than they save: in iterations where labels still change, or where they exclude nothing; bounds
// that are never tried, never given up, or not tried again.
TEST(Screening, BoundsAreUsedWhereTheySeemWorthIt) {
    std::mt19937 generator(10);
    constexpr std::int64_t n = 2000, k = 100, d = 40;
    // Points at prototypes that are far apart; the last coordinate is 0 but where all prototypes move along it, which
    // changes no label and leaves nothing of the bounds.
    ScreeningProblem p{"", n, k, d, draw(generator, n * d, 1e-3f), draw(generator, k * d)};
    for (std::int64_t z = 0; z < k; ++z) p.prototypes[static_cast<std::size_t>(z * d + d - 1)] = 0;
    for (std::size_t v = 0; v < p.points.size(); ++v) p.points[v] += p.prototypes[v % p.prototypes.size()];
    const auto moved = [&](int step) {
        auto prototypes = p.prototypes;
        for (std::int64_t z = 0; z < k; ++z)
            prototypes[static_cast<std::size_t>(z * d + d - 1)] = 50.0f * static_cast<float>(step % 2);
        return prototypes;
    };
    // Every second call changes all labels.
    const auto turned = [&](int step) {
        auto prototypes = p.prototypes;
        if (step % 2 == 1) std::rotate(prototypes.begin(), prototypes.begin() + d, prototypes.end());
        return prototypes;
    };
    const auto aged = [&](const auto& prototypes_of, int number, const eb::cpu::Isa& isa,
                          const eb::cpu::ScreenKernels& screen, eb::cpu::BoundsUse use) {
        KeptCalls calls(p, isa, screen, use);
        std::vector<std::int64_t> all;
        for (int call = 0; call < number; ++call) {
            calls.label(prototypes_of(call));
            EXPECT_EQ(calls.answer.labels, solve(calls.now, "direct").labels) << call;
            all.push_back(calls.keeps_bounds() ? calls.aged() : -1);
        }
        return all;
    };
    using Calls = std::vector<std::int64_t>;
    using eb::cpu::BoundsUse;
    for_each_screen([&](const auto& isa, const auto& screen) {
        const auto still = [&](int) { return p.prototypes; };
        EXPECT_EQ(aged(still, 6, isa, screen, BoundsUse::where_worth), (Calls{0, 0, 1, 2, 3, 4}));
        EXPECT_EQ(aged(still, 4, isa, screen, BoundsUse::always), (Calls{1, 2, 3, 4}));
        EXPECT_EQ(aged(still, 4, isa, screen, BoundsUse::never), Calls(4, -1));
        EXPECT_EQ(aged(turned, 6, isa, screen, BoundsUse::where_worth), Calls(6, 0));
        EXPECT_EQ(aged(moved, 20, isa, screen, BoundsUse::where_worth),
                  (Calls{0, 0, 1, 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2}));
        // While bounds rest prototype 51 comes near to points of prototype 0, and when they begin again a little
        // nearer, to one of them: what was known of 51 would say that it is far.
        const auto rested = [&](int step) {
            auto prototypes = moved(step == 4 ? 1 : 0);
            if (step > 5) std::copy_n(p.points.begin(), d, prototypes.begin() + 51 * d);
            if (step > 5 && step < 9) prototypes[51 * d] += 0.1f;
            return prototypes;
        };
        EXPECT_EQ(aged(rested, 13, isa, screen, BoundsUse::where_worth),
                  (Calls{0, 0, 1, 2, 3, 0, 0, 0, 0, 1, 2, 3, 4}));
    });
}

// Products of what memory held before, which are wasted, and take so long where that is denormal that a whole fit took
// 8 times as long.
TEST(Screening, TilesThatAreNotFullHoldNoDenormals) {
    constexpr std::uint32_t denormal = 1;
    std::mt19937 generator(11);
    const ScreeningProblem p = tight(generator, 150, 40);
    auto swapped = p.prototypes;
    std::swap_ranges(swapped.begin(), swapped.begin() + p.d, swapped.begin() + 7 * p.d);
    for_each_screen([&](const auto& isa, const auto& screen) {
        if (screen.format != eb::cpu::ScreenFormat::fp32) return;  // the others take them as 0, or have none
        KeptCalls calls(p, isa, screen);
        calls.label(p.prototypes);
        // The tile where rows are gathered: behind what a block needs besides, in what the only thread has.
        auto* gathered = calls.scratch + calls.plan.scratch_bytes - calls.plan.slot_bytes + screen.scratch(0, 0, 0);
        const auto words =
            static_cast<std::size_t>(screen.tile_points * eb::cpu::screen_shape(screen, p.k, p.d).words_a_row);
        for (std::size_t w = 0; w < words; ++w) std::memcpy(gathered + w * sizeof denormal, &denormal, sizeof denormal);
        calls.label(swapped);  // few rows meet a panel
        for (std::size_t w = 0; w < words; ++w)
            EXPECT_NE(std::memcmp(gathered + w * sizeof denormal, &denormal, sizeof denormal), 0) << w;
        EXPECT_EQ(calls.answer.labels, solve(calls.now, "direct").labels);
    });
}

// A slot that is lost where a row is not screened, since another prototype has become too long for the bound, while the
// row's bounds stay. Coordinates near 2^60.
TEST(Screening, KeptBoundsOutliveRowsBeyondTheBound) {
    std::mt19937 generator(12);
    constexpr std::int64_t d = 40;
    ScreeningProblem p = tight(generator, 150, d);
    for (auto* values : {&p.points, &p.prototypes})
        for (auto row = values->begin(); row != values->end(); row += d) {
            double square = 0;
            for (std::int64_t j = 0; j < d; ++j) square += static_cast<double>(row[j]) * static_cast<double>(row[j]);
            const auto scale = static_cast<float>(0.95 * 0x1p61 / std::sqrt(square));
            for (std::int64_t j = 0; j < d; ++j) row[j] *= scale;
        }
    auto longer = p.prototypes;  // one that has no points
    for (std::int64_t j = 0; j < d; ++j) longer[static_cast<std::size_t>(149 * d + j)] *= 1.15f;
    const std::vector<Values> steps{p.prototypes, p.prototypes, longer, p.prototypes, p.prototypes};
    const auto rights = right_answers(p, steps);
    for_each_screen(
        [&](const auto& isa, const auto& screen) { EXPECT_EQ(wrong_labels(p, steps, rights, isa, screen, 1), 0); });
}
