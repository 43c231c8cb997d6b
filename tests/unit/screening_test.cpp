// Screening is exact, its bound is needed, every instruction set gives the same bits, and the plan says what runs.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <cuebm/cuebm.hpp>

#include "cpu/assign.hpp"
#include "cpu/isa.hpp"
#include "cpu/pack.hpp"
#include "cpu/screen_groups.hpp"

namespace eb = cuebm;

namespace {

using Values = std::vector<float>;

// Sets an environment variable for a scope.
class Setting {
public:
    Setting(const char* name, const std::string& value) : name_(name) {
        if (const char* old = std::getenv(name)) old_ = old;
        setenv(name, value.c_str(), 1);
    }
    ~Setting() { setenv(name_, old_.c_str(), 1); }
    Setting(const Setting&) = delete;
    Setting& operator=(const Setting&) = delete;

private:
    const char* name_;
    std::string old_;  // an empty value is no choice
};

struct Problem {
    std::string name;
    std::int64_t n, k, d;
    Values points, prototypes;
};

Values draw(std::mt19937& generator, std::int64_t size, float scale = 1, float shift = 0) {
    std::normal_distribution<float> normal;
    Values values(static_cast<std::size_t>(size));
    for (auto& x : values) x = shift + scale * normal(generator);
    return values;
}

// Points on the bisectors of pairs of prototypes, off them by a few roundings: every score is a tie but for rounding.
Problem near_ties(std::mt19937& generator, std::int64_t n, std::int64_t k, std::int64_t d, float scale,
                  float off = 3e-7f) {
    Problem p{"near ties at " + std::to_string(scale), n, k, d, draw(generator, n * d), draw(generator, k * d)};
    std::uniform_real_distribution<float> jitter(-off, off);
    for (std::int64_t z = 0; z + 1 < k; z += 2)  // w_{z + 1} is w_z with the first coordinate negated
        for (std::int64_t j = 0; j < d; ++j) {
            const float w = p.prototypes[static_cast<std::size_t>(z * d + j)];
            p.prototypes[static_cast<std::size_t>((z + 1) * d + j)] = j == 0 ? -w : w;
        }
    for (std::int64_t i = 0; i < n; ++i) p.points[static_cast<std::size_t>(i * d)] = jitter(generator);
    for (auto* values : {&p.points, &p.prototypes})
        for (auto& x : *values) x *= scale;
    return p;
}

// Constant rows near midpoints of prototypes: products repeat, and so does the rounding of their sum, in one direction.
// These scores come nearest to the bound.
Problem biased(std::mt19937& generator, std::int64_t n, std::int64_t k, std::int64_t d) {
    Problem p{"roundings that add up", n, k, d, {}, {}};
    std::uniform_real_distribution<float> uniform(0.5f, 1.5f), exponent(-8, -4);
    std::vector<float> values;
    for (std::int64_t z = 0; z < k / 2; ++z) values.push_back(uniform(generator));
    std::sort(values.begin(), values.end());
    for (std::int64_t z = 0; z < k; ++z) {  // with both signs, so that their mean is 0
        const float value = values[static_cast<std::size_t>(z / 2)];
        p.prototypes.insert(p.prototypes.end(), static_cast<std::size_t>(d), z % 2 == 0 ? value : -value);
    }
    for (std::int64_t i = 0; i < n; ++i) {
        const auto z = static_cast<std::size_t>(i) % (values.size() - 1);
        const float off = std::pow(10.0f, exponent(generator)) * (i % 2 == 0 ? 1.0f : -1.0f);
        p.points.insert(p.points.end(), static_cast<std::size_t>(d), (values[z] + values[z + 1]) / 2 + off);
    }
    return p;
}

std::vector<Problem> problems() {
    std::mt19937 generator(1);
    std::vector<Problem> all;
    const auto add = [&](const char* name, std::int64_t n, std::int64_t k, std::int64_t d, float scale = 1,
                         float shift = 0) -> Problem& {
        all.push_back({name, n, k, d, draw(generator, n * d, scale, shift), draw(generator, k * d, scale, shift)});
        return all.back();
    };
    for (const auto& [n, k, d] : {std::tuple{1, 1, 1}, {57, 33, 3}, {100, 300, 17}, {61, 64, 64}, {20, 31, 1000}})
        add("random", n, k, d);
    add("more prototypes than meet a block at a time", 70, 9000, 6);  // twice 4096, and some
    auto& twins = add("a second chunk that repeats the first", 40, 4096 + 50, 20);
    for (std::size_t i = 4096 * 20; i < twins.prototypes.size(); ++i)
        twins.prototypes[i] = twins.prototypes[i - 4096 * 20];
    // The winner is one of ten in a class, all within the bound.
    auto& crowded = add("one class of nearly equal prototypes", 90, 160, 40);
    std::uniform_real_distribution<float> little(-1e-6f, 1e-6f);
    for (std::size_t z = 5; z < 160; z += 16)
        for (std::size_t j = 0; j < 40; ++j)
            crowded.prototypes[z * 40 + j] = crowded.prototypes[5 * 40 + j] * (1 + little(generator));
    for (std::size_t i = 0; i < 90; ++i)
        for (std::size_t j = 0; j < 40; ++j)
            crowded.points[i * 40 + j] = crowded.prototypes[(5 + i % 10 * 16) * 40 + j] * (1 + little(generator));
    // The winner is one of two, whose places in a panel are 16 apart.
    auto& pairs = add("pairs of nearly equal prototypes in a class", 160, 160, 40);
    for (std::size_t z = 0; z < 160; ++z)
        if (z % 32 >= 16)
            for (std::size_t j = 0; j < 40; ++j)
                pairs.prototypes[z * 40 + j] = pairs.prototypes[(z - 16) * 40 + j] * (1 + little(generator));
    for (std::size_t v = 0; v < pairs.points.size(); ++v)
        pairs.points[v] = pairs.prototypes[v] * (1 + little(generator));
    // Norms of points are as nothing: what errs is the prototypes' own.
    auto& centred = add("points in the middle of prototypes of one length", 100, 128, 200);
    for (std::size_t z = 0; z < 128; ++z) {
        double square = 0;
        auto* w = &centred.prototypes[z * 200];
        if (z % 2 == 1)
            for (std::size_t j = 0; j < 200; ++j) w[j] = -w[j - 200];  // so that the mean is 0
        for (std::size_t j = 0; j < 200; ++j) square += static_cast<double>(w[j]) * static_cast<double>(w[j]);
        for (std::size_t j = 0; j < 200; ++j) w[j] = static_cast<float>(static_cast<double>(w[j]) / std::sqrt(square));
    }
    for (auto& x : centred.points) x *= 1e-9f;
    add("far from the origin", 113, 50, 20, 1e-2f, 1e4f);
    add("huge", 60, 40, 30, 1e18f / 6);
    add("beyond the screen, not overflowing", 60, 40, 30, 1e18f);
    add("denormal", 60, 40, 30, 1e-40f);
    add("squares that underflow", 60, 40, 30, 1e-22f);
    add("all zero", 20, 40, 5, 0);
    auto& duplicates = add("100 copies of 3 prototypes", 50, 300, 7);
    for (std::size_t i = 3 * 7; i < duplicates.prototypes.size(); ++i)
        duplicates.prototypes[i] = duplicates.prototypes[i - 21];
    auto& equal = add("points equal to prototypes", 80, 40, 9);
    for (std::size_t i = 0; i < equal.points.size(); ++i) equal.points[i] = equal.prototypes[i % (40 * 9)];
    auto& feature = add("one feature 1e6 times the rest", 80, 100, 12);
    for (auto* values : {&feature.points, &feature.prototypes})
        for (std::size_t i = 5; i < values->size(); i += 12) (*values)[i] *= 1e6f;
    auto& outlier = add("one prototype far away", 80, 100, 12);
    for (std::size_t i = 0; i < 12; ++i) outlier.prototypes[12 * 70 + i] = 1e15f;
    auto& far = add("points far from all prototypes", 80, 100, 12, 1e3f);  // canonical energies are tied by rounding
    for (auto& x : far.prototypes) x *= 1e-6f;
    all.push_back(biased(generator, 100, 64, 500));
    for (const float scale : {1e-19f, 1e-10f, 1.0f, 1e10f, 1e17f})
        for (const std::int64_t d : {2, 37, 200}) all.push_back(near_ties(generator, 60, 65, d, scale));
    return all;
}

struct Answer {
    std::vector<std::int32_t> labels;
    Values energies;
};

eb::Assign<float> task_of(const Problem& p, Answer& answer) {
    answer.labels.assign(static_cast<std::size_t>(p.n), -1);
    answer.energies.assign(static_cast<std::size_t>(p.n), -1);
    return {.points = eb::view(p.points, p.n, p.d),
            .prototypes = eb::view(p.prototypes, p.k, p.d),
            .labels = eb::view(answer.labels),
            .energies = eb::view(answer.energies)};
}

Answer solve(const Problem& p, const char* path, bool energies = true, bool check_finite = true) {
    const Setting setting("CUEBM_ASSIGN", path);
    Answer answer;
    auto task = task_of(p, answer);
    if (!energies) task.energies = {};
    task.check_finite = check_finite;
    auto context = eb::Context::cpu({.threads = 2});
    EXPECT_EQ(eb::explain(context, task).substr(0, 6) == "direct", std::string(path) == "direct");
    eb::assign(context, task);
    return answer;
}

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

// Once for each way of screening that this CPU has, on each instruction set.
void for_each_screen(const std::function<void(const eb::cpu::Isa&, const eb::cpu::ScreenKernels&)>& body) {
    for (const auto& isa : eb::cpu::available_isas())
        for (const auto* screen : isa.screens) {
            const Setting setting("CUEBM_ISA", isa.kernels->name);
            SCOPED_TRACE(std::string(isa.kernels->name) + " " + screen->name);
            body(isa, *screen);
        }
}

void for_each_isa(const std::function<void(const eb::cpu::Isa&)>& body) {
    for (const auto& isa : eb::cpu::available_isas()) {
        const Setting setting("CUEBM_ISA", isa.kernels->name);
        SCOPED_TRACE(isa.kernels->name);
        body(isa);
    }
}

// The screened kernel alone, with a bound that is too small or too wide.
std::vector<std::int32_t> labels_with_bound(const Problem& p, const eb::cpu::Isa& isa,
                                            const eb::cpu::ScreenKernels& screen, float factor) {
    Answer answer;
    auto task = task_of(p, answer);
    task.energies = {};
    const auto plan = eb::cpu::plan(task, isa, 1, screen.name);
    std::vector<std::byte> scratch(plan.scratch_bytes + 256);
    auto* aligned = scratch.data() + (256 - reinterpret_cast<std::uintptr_t>(scratch.data()) % 256) % 256;
    eb::cpu::AssignRun<float> run(plan, task, aligned, nullptr, factor);
    const auto each = [](std::int64_t tasks, const auto& body) {
        for (std::int64_t t = 0; t < tasks; ++t) body(t, 0);
    };
    run.run(
        each, [](std::int64_t) {}, [](std::int64_t) {});
    return answer.labels;
}

}  // namespace

// A bound that misses one source of rounding, a candidate that is dropped, a tail of a tile or panel, a tie that goes
// to a higher index.
TEST(Screening, EqualsTheDirectPathBitForBit) {
    const auto all = problems();
    for_each_screen([&](const auto&, const auto& screen) {
        for (const auto& p : all) {
            SCOPED_TRACE(p.name);
            const auto direct = solve(p, "direct"), screened = solve(p, screen.name);
            EXPECT_EQ(direct.labels, screened.labels);
            EXPECT_TRUE(same_bits(direct.energies, screened.energies));
            EXPECT_EQ(direct.labels, solve(p, screen.name, false).labels);
        }
    });
}

// Random shapes: every remainder of the tiles.
TEST(Screening, EqualsTheDirectPathForAllShapes) {
    const auto isa = eb::cpu::available_isas().back();
    const Setting setting("CUEBM_ISA", isa.kernels->name);
    std::mt19937 generator(2);
    for (int trial = 0; trial < 100; ++trial) {
        const auto random = [&](int most) { return std::uniform_int_distribution<std::int64_t>(1, most)(generator); };
        const std::int64_t n = random(130), k = random(100), d = random(trial % 5 == 0 ? 300 : 40);
        const Problem p = trial % 2 == 0 ? near_ties(generator, n, k, d, 1)
                                         : Problem{"random", n, k, d, draw(generator, n * d), draw(generator, k * d)};
        const auto direct = solve(p, "direct");
        for (const auto* screen : isa.screens) {
            const auto screened = solve(p, screen->name);
            EXPECT_EQ(direct.labels, screened.labels) << screen->name << " " << n << " " << k << " " << d;
            EXPECT_TRUE(same_bits(direct.energies, screened.energies)) << n << " " << k << " " << d;
        }
    }
}

// That the tests above have teeth: without the bound the same kernel gives wrong labels, on every instruction set.
TEST(Screening, WithoutItsBoundLabelsAreWrong) {
    std::mt19937 generator(3);
    const Problem ties = near_ties(generator, 200, 64, 60, 1, 1e-5f), hard = biased(generator, 300, 64, 600);
    // In two dimensions nothing averages out what bf16 and int8 round away.
    const Problem rounded = near_ties(generator, 5000, 64, 2, 1, 1e-2f);
    // Random data need no bound in fp32. Scaled until their energies are denormal they need its floor, and nothing
    // else.
    const Problem random{"random", 200, 40, 30, draw(generator, 6000), draw(generator, 1200)};
    Problem denormal = random;
    for (auto* values : {&denormal.points, &denormal.prototypes})
        for (auto& x : *values) x *= 0x1p-75f;
    const auto right = solve(ties, "direct").labels, hard_right = solve(hard, "direct").labels,
               rounded_right = solve(rounded, "direct").labels, random_right = solve(random, "direct").labels,
               denormal_right = solve(denormal, "direct").labels;
    for_each_screen([&](const auto& isa, const auto& screen) {
        EXPECT_EQ(labels_with_bound(ties, isa, screen, 1), right);
        EXPECT_EQ(labels_with_bound(ties, isa, screen, 1000), right);  // everything is a candidate
        EXPECT_NE(labels_with_bound(ties, isa, screen, 0), right);
        EXPECT_EQ(labels_with_bound(hard, isa, screen, 1), hard_right);
        EXPECT_EQ(labels_with_bound(denormal, isa, screen, 1), denormal_right);
        if (screen.format == eb::cpu::ScreenFormat::fp32) {
            EXPECT_NE(labels_with_bound(hard, isa, screen, 0.02f), hard_right);
            EXPECT_EQ(labels_with_bound(random, isa, screen, 0), random_right);
            EXPECT_NE(labels_with_bound(denormal, isa, screen, 0), denormal_right);
        } else {
            EXPECT_EQ(labels_with_bound(rounded, isa, screen, 1), rounded_right);
            EXPECT_NE(labels_with_bound(rounded, isa, screen, 0.25f), rounded_right);
        }
    });
}

namespace {

// Lloyd's prototypes, a few steps of them, by canonical labels and means in double.
std::vector<Values> lloyd_steps(Problem p, int steps) {
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

std::vector<Answer> right_answers(Problem p, const std::vector<Values>& steps) {
    std::vector<Answer> all;
    for (const auto& prototypes : steps) {
        p.prototypes = prototypes;
        all.push_back(solve(p, "direct"));
    }
    return all;
}

// Labels of one set of points for prototypes that move, with what is kept from call to call; how many were wrong.
int wrong_labels(const Problem& p, const std::vector<Values>& steps, const std::vector<Answer>& rights,
                 const eb::cpu::Isa& isa, const eb::cpu::ScreenKernels& screen, float factor) {
    Problem now = p;
    Answer answer;
    const auto plan = eb::cpu::plan(task_of(now, answer), isa, 1, screen.name);
    const auto kept_bytes = eb::detail::layout_bytes<eb::cpu::KeptPoints>(plan, p.n, p.k, p.d);
    std::vector<std::byte> memory(plan.scratch_bytes + kept_bytes + 512);
    auto* scratch = memory.data() + (256 - reinterpret_cast<std::uintptr_t>(memory.data()) % 256) % 256;
    auto* kept = scratch + (plan.scratch_bytes + 255) / 256 * 256;
    const auto each = [](std::int64_t tasks, const auto& body) {
        for (std::int64_t t = 0; t < tasks; ++t) body(t, 0);
    };
    int wrong = 0;
    for (std::size_t s = 0; s < steps.size(); ++s) {
        now.prototypes = steps[s];
        auto task = task_of(now, answer);
        if (s % 3 != 2) task.energies = {};
        if (s == 0) eb::cpu::AssignRun<float>(plan, task, scratch, kept).keep(each);
        eb::cpu::AssignRun<float> run(plan, task, scratch, kept, factor);
        run.run(
            each, [](std::int64_t) {}, [](std::int64_t) {});
        const Answer& right = rights[s];
        for (std::size_t i = 0; i < right.labels.size(); ++i) {
            wrong += right.labels[i] != answer.labels[i];
            if (task.energies) wrong += right.energies[i] != answer.energies[i];
        }
    }
    return wrong;
}

}  // namespace

namespace {

// Points close to prototypes that are far apart, so that nearly all keep their label; then single prototypes come to
// one of them. Points are at even prototypes; odd ones have none. order: as the first call groups them into panels.
std::vector<Values> single_moves(const Problem& p, std::int64_t panel, const std::vector<std::int32_t>& order) {
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

Problem tight(std::mt19937& generator, std::int64_t k, std::int64_t d) {
    Problem p{"tight", k / 2, k, d, draw(generator, k / 2 * d, 1e-3f), draw(generator, k * d)};
    for (std::int64_t i = 0; i < p.n; ++i)
        for (std::int64_t j = 0; j < d; ++j)
            p.points[static_cast<std::size_t>(i * d + j)] += p.prototypes[static_cast<std::size_t>(2 * i * d + j)];
    return p;
}

}  // namespace

// A panel that is skipped although its prototypes have come near; a label that is kept although it was beaten; a twin
// that was hidden, and moves away; rows that are gathered to the wrong places.
TEST(Screening, KeptBoundsChangeNoLabel) {
    std::mt19937 generator(8);
    const std::int64_t n = 300, k = 150, d = 40;
    Problem blobs{"blobs", n, k, d, draw(generator, n * d, 0.3f), {}};
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
        Problem points;
        std::vector<Values> steps;
        std::vector<Answer> rights;
    };
    std::vector<Walk> walks;
    for (const auto& path : {steps, twins, shaken}) walks.push_back({blobs, path, right_answers(blobs, path)});
    const Problem close = tight(generator, 150, 40);
    const Problem equal = near_ties(generator, n, k, d, 1, 0);  // the lower number wins, wherever its slot is
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

// Bad data that is reported otherwise, or not at all, where points are screened.
TEST(Screening, ReportsBadDataAsTheDirectPathDoes) {
    std::mt19937 generator(4);
    const Problem good{"", 200, 40, 10, draw(generator, 2000), draw(generator, 400)};
    const auto report = [](const Problem& p, const char* path) {
        try {
            solve(p, path);
        } catch (const eb::DataError& error) {
            return std::string(error.what());
        }
        return std::string("none");
    };
    for_each_screen([&](const auto&, const auto& screen) {
        for (const float bad : {float(NAN), float(INFINITY), -float(INFINITY), 1e30f}) {
            auto points = good, prototypes = good;
            points.points[1503] = points.points[777] = bad;
            prototypes.prototypes[399] = prototypes.prototypes[251] = bad;
            EXPECT_NE(report(points, "direct").find("77"), std::string::npos) << report(points, "direct");
            for (const auto& p : {points, prototypes}) {
                EXPECT_NE(report(p, "direct"), "none");
                EXPECT_EQ(report(p, "direct"), report(p, screen.name));
                const auto direct = solve(p, "direct", true, false), screened = solve(p, screen.name, true, false);
                EXPECT_EQ(direct.labels, screened.labels);
                EXPECT_TRUE(same_bits(direct.energies, screened.energies));
            }
            if (!std::isfinite(bad)) {
                EXPECT_NE(report(prototypes, "direct").find("prototypes"), std::string::npos);
                EXPECT_EQ(solve(points, screen.name, true, false).labels[77], 0);
            }
        }
    });
}

namespace {

// Every output of assign, in one string of bytes.
template <class T>
std::string everything(bool hide) {
    constexpr std::int64_t n = 71, k = 53, d = 45, m = 7;
    std::mt19937 generator(5);
    std::normal_distribution<double> normal;
    std::vector<T> y(n * d), w(k * d), energies(n), free(n), best_energies(n * m), all(n * k);
    for (auto* values : {&y, &w})
        for (auto& x : *values) x = static_cast<T>(normal(generator));
    std::vector<std::uint8_t> known(n * d);
    for (auto& x : known) x = generator() % 3 != 0;
    std::vector<std::int32_t> labels(n), best(n * m);
    auto context = eb::Context::cpu({.threads = 1});
    eb::Assign<T> task{.points = eb::view(std::as_const(y), n, d),
                       .prototypes = eb::view(std::as_const(w), k, d),
                       .labels = eb::view(labels),
                       .energies = eb::view(energies),
                       .best_labels = eb::view(best, n, m),
                       .best_energies = eb::view(best_energies, n, m),
                       .all_energies = eb::view(all, n, k),
                       .free_energies = eb::view(free),
                       .beta = 0.3};
    if (hide) task.known = eb::view(std::as_const(known), n, d);
    eb::assign(context, task);
    std::string bytes;
    const auto append = [&](const auto& values) {
        bytes.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(values[0]));
    };
    append(labels), append(energies), append(best), append(best_energies), append(all), append(free);
    return bytes;
}

}  // namespace

// A result that is rounded twice: to double, then to float.
TEST(Simd, FusedByDoublesIsRoundedOnce) {
    std::mt19937 generator(6);
    const auto any = [&] {
        const auto bits = static_cast<std::int32_t>(generator());
        switch (generator() % 4) {
            case 0: return eb::math::from_bits(bits);                                    // any float, NaN too
            case 1: return eb::math::from_bits((bits & ~0x7f800000) | 0x3f800000);       // in +-[1, 2)
            case 2: return eb::math::from_bits(bits & ~0x7f000000);                      // denormal, or nearly
            default: return std::ldexp(static_cast<float>(bits % 17), bits >> 24 & 63);  // few bits: ties
        }
    };
    for (int trial = 0; trial < 200000; ++trial) {
        eb::math::FloatPack a{}, b{}, c{};
        constexpr int width = sizeof a / sizeof(float);
        for (int l = 0; l < width; ++l) a[l] = any(), b[l] = any(), c[l] = any();
        const auto got = eb::math::fused_by_doubles(a, b, c);
        for (int l = 0; l < width; ++l) {
            const float wanted = std::fma(a[l], b[l], c[l]), one = got[l];
            if (std::isnan(wanted))
                EXPECT_TRUE(std::isnan(one));
            else
                EXPECT_EQ(eb::math::to_bits(one), eb::math::to_bits(wanted)) << a[l] << " " << b[l] << " " << c[l];
        }
    }
}

// A pack that contracts, reassociates or rounds twice; a butterfly that adds in another order.
TEST(Simd, EveryInstructionSetGivesTheSameBits) {
    std::string first[4];
    for_each_isa([&](const auto& isa) {
        const std::string now[4] = {everything<float>(false), everything<float>(true), everything<double>(false),
                                    everything<double>(true)};
        for (int c = 0; c < 4; ++c) {
            if (first[c].empty()) first[c] = now[c];
            EXPECT_TRUE(first[c] == now[c]) << isa.kernels->name << " case " << c;
        }
    });
}

// A choice that is ignored, or a message that does not help.
TEST(Simd, TheEnvironmentChooses) {
    for_each_isa([&](const auto& isa) {
        const auto name = eb::Context::cpu({.threads = 1}).properties().name;
        EXPECT_EQ(name, "CPU (" + eb::cpu::describe(isa) + ", 1 thread)");
    });
    for (const char* variable : {"CUEBM_ISA", "CUEBM_ASSIGN"}) {
        const Setting setting(variable, "sse9");
        try {
            (void)eb::Context::cpu();
            FAIL() << "accepted";
        } catch (const eb::InvalidArgument& error) {
            EXPECT_EQ(error.argument(), variable);
            EXPECT_NE(std::string(error.what()).find("sse9"), std::string::npos);
            EXPECT_NE(std::string(error.what()).find(variable == std::string("CUEBM_ISA") ? "base" : "direct"),
                      std::string::npos);
        }
    }
}

// More memory than kmeans.hpp says that a fit keeps.
TEST(Plan, KeptMemoryIsAsPromised) {
    float some;
    std::int32_t label;
    for_each_screen([&](const auto& isa, const auto& screen) {
        for (const auto& [n, k, d] : {std::tuple{1, 1, 1},
                                      {57, 8, 1},
                                      {100000, 128, 16},
                                      {100000, 256, 16},
                                      {100000, 512, 16},
                                      {9000, 4096, 300}}) {
            const eb::Assign<float> task{
                .points = {&some, n, d, d, {}}, .prototypes = {&some, k, d, d, {}}, .labels = {&label, n, 1, {}}};
            const auto plan = eb::cpu::plan(task, isa, 1, screen.name);
            const auto bytes = eb::detail::layout_bytes<eb::cpu::KeptPoints>(plan, n, k, d);
            const double row = std::ceil(d * 4.0 / eb::cpu::values_a_word(screen.format) / 64) * 64;
            const double promised = (n + 127) * (7 * row / 3 + 24) + 4.0 * (k + 1) * (d + 64) + 4096;
            EXPECT_LE(static_cast<double>(bytes), promised) << n << " " << k << " " << d;
        }
    });
}

// A plan that screens what cannot be screened, or that explains what does not run.
TEST(Plan, SaysWhatRuns) {
    const eb::cpu::Isa isa{&eb::cpu::assign_base,
                           &eb::cpu::sums_base,
                           &eb::cpu::energy_base,
                           &eb::cpu::chains_base,
                           {&eb::cpu::screen_base}};
    const auto& screen = eb::cpu::screen_base;
    float some;
    double wide;
    std::int32_t label;
    std::uint8_t byte = 1;
    const eb::Assign<float> task{
        .points = {&some, 1000, 40, 40, {}}, .prototypes = {&some, 100, 40, 40, {}}, .labels = {&label, 1000, 1, {}}};
    const auto plan = eb::cpu::plan(task, isa, 3, "");
    EXPECT_EQ(plan.screen, &screen);
    EXPECT_EQ(plan.text(), "screened fp32, " + std::to_string(screen.tile_points) + " x " +
                               std::to_string(screen.panel) + " tiles, base");
    EXPECT_EQ(plan.depth, 48);
    EXPECT_EQ(plan.rows, 112);
    EXPECT_GT(plan.scratch_bytes, 3 * plan.slot_bytes);
    const auto direct = [&](auto change, const char* path = "fp32") {
        auto changed = task;
        change(changed);
        const auto p = eb::cpu::plan(changed, isa, 3, path);
        return p.screen == nullptr && p.text().substr(0, 12) == "direct fp32,";
    };
    EXPECT_TRUE(direct([](auto&) {}, "direct"));
    EXPECT_TRUE(direct([&](auto& t) { t.prototypes.rows = 2; }, ""));
    EXPECT_FALSE(direct([&](auto& t) { t.prototypes.rows = 2; }));
    EXPECT_TRUE(direct([&](auto& t) { t.points.rows = 5; }, ""));
    EXPECT_TRUE(direct([&](auto& t) { t.known = {&byte, 1, 40, 40, {}}; }));
    EXPECT_TRUE(direct([&](auto& t) { t.best_labels = {&label, 1000, 2, 2, {}}; }));
    EXPECT_TRUE(direct([&](auto& t) { t.all_energies = {&some, 1000, 100, 100, {}}; }));
    EXPECT_TRUE(direct([&](auto& t) { t.free_energies = {&some, 1000, 1, {}}; }));
    EXPECT_TRUE(direct([&](auto& t) { t.points.cols = t.prototypes.cols = (1 << 20) + 1; }));
    const eb::Assign<double> fp64{
        .points = {&wide, 1000, 40, 40, {}}, .prototypes = {&wide, 100, 40, 40, {}}, .labels = {&label, 1000, 1, {}}};
    EXPECT_EQ(eb::cpu::plan(fp64, isa, 1, "fp32").text().substr(0, 12), "direct fp64,");
}
