// NUTS against the definition: trees whose leaves are all kept, with every binary subtree compared from end to end.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

#include <gtest/gtest.h>

#include <cuebm/sample.hpp>

#include "unit/chain_numbers.hpp"

namespace eb = cuebm;
namespace math = cuebm::math;

namespace nuts_by_definition {  // a name of its own, as other files of a joined build have leapfrogs, too
namespace {

constexpr int d = 3;
constexpr std::uint64_t seed = 11;
constexpr std::array<double, d> precision{1, 4, 0.25}, inverse_mass{1, 0.5, 2};
using Point = std::array<double, d>;
using math::RandomPurpose;

double energy_of(const Point& x) {
    double sum = 0;
    for (std::size_t j = 0; j < d; ++j) sum += 0.5 * precision[j] * x[j] * x[j];
    return sum;
}
double hamiltonian_of(const Point& x, const Point& p) {
    double sum = energy_of(x);
    for (std::size_t j = 0; j < d; ++j) sum += 0.5 * inverse_mass[j] * p[j] * p[j];
    return sum;
}
void leapfrog(Point& x, Point& p, double step) {
    for (std::size_t j = 0; j < d; ++j) {
        p[j] -= 0.5 * step * precision[j] * x[j];
        x[j] += step * inverse_mass[j] * p[j];
        p[j] -= 0.5 * step * precision[j] * x[j];
    }
}
double add_logarithms(double a, double b) { return std::max(a, b) + std::log1p(std::exp(-std::abs(a - b))); }

// Is the way between two ends, the sum of the momenta with half of these two, no longer along either's velocity?
bool turns(const Point& first, const Point& last, const Point& sum) {
    double at_first = 0, at_last = 0;
    for (std::size_t j = 0; j < d; ++j) {
        const double way = sum[j] - 0.5 * (first[j] + last[j]);
        at_first += inverse_mass[j] * first[j] * way;
        at_last += inverse_mass[j] * last[j] * way;
    }
    return at_first <= 0 || at_last <= 0;
}
void add(Point& sum, const Point& momentum) {
    for (std::size_t j = 0; j < d; ++j) sum[j] += momentum[j];
}

struct Tree {
    Point drawn;
    int leaves = 0, depth = 0;
};
template <class T>
Tree tree_from(const Point& start, int chain, int transition, double step, int max_depth) {
    const cuebm::test::ChainNumbers<T> numbers{seed};
    const auto normals = numbers.normals(chain, transition, d);
    Point momentum;
    for (std::size_t j = 0; j < d; ++j) momentum[j] = normals[j] / std::sqrt(inverse_mass[j]);
    const double h = hamiltonian_of(start, momentum);
    std::array<Point, 2> end_x{start, start}, end_p{momentum, momentum};
    Point whole = momentum;
    Tree tree{.drawn = start};
    double weight = 0;
    for (; tree.depth < max_depth; ++tree.depth) {
        const auto end = numbers.block(RandomPurpose::chains_length, chain, transition, tree.depth).word[0] & 1u;
        Point x = end_x[end], p = end_p[end], drawn{}, added{};
        std::vector<Point> momenta;
        double new_weight = 0, uniform = 0;
        for (std::size_t leaf = 0; leaf < std::size_t{1} << tree.depth; ++leaf) {
            const auto block = numbers.block(RandomPurpose::chains_accept, chain, transition, tree.leaves++);
            leapfrog(x, p, end == 1 ? step : -step);
            momenta.push_back(p);
            const double log_weight = h - hamiltonian_of(x, p);
            new_weight = leaf == 0 ? log_weight : add_logarithms(new_weight, log_weight);
            if (leaf == 0 || numbers.uniform(block, 0) < std::exp(log_weight - new_weight)) drawn = x;
            uniform = numbers.uniform(block, 1);
            Point sum = p;
            for (std::size_t size = 2; (leaf + 1) % size == 0; size *= 2) {
                for (std::size_t i = leaf + 1 - size; i < leaf + 1 - size / 2; ++i) add(sum, momenta[i]);
                if (turns(momenta[leaf + 1 - size], p, sum)) return tree;
            }
            add(added, p);
        }
        if (uniform < std::exp(new_weight - weight)) tree.drawn = drawn;
        weight = add_logarithms(weight, new_weight);
        end_x[end] = x;
        end_p[end] = p;
        add(whole, added);
        if (turns(end_p[0], end_p[1], whole)) {
            ++tree.depth;
            return tree;
        }
    }
    return tree;
}

template <class T>
struct Nuts : testing::Test {};
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(Nuts, Types);

// Would notice: a subtree that is forgotten; a stretch that is compared and is no subtree; a wrong end; a momentum in
// another's place; a draw with another weight or uniform number. 37 chains: packs whose lanes are at different places
// of their trees, or have no chain. No decision is so close that float takes another.
TYPED_TEST(Nuts, HasTheTreesOfTheDefinition) {
    using T = TypeParam;
    constexpr int chains = 37, draws = 60, max_depth = 6;
    for (const double step : {0.1, 0.35}) {
        auto context = eb::Context::cpu({.threads = 1});
        std::vector<T> start(chains * d);
        for (std::size_t i = 0; i < start.size(); ++i) start[i] = std::sin(static_cast<T>(i));
        const auto run =
            eb::sample<T>(context, eb::energy::gaussian({.precision = {precision.begin(), precision.end()}}),
                          eb::Nuts{.max_depth = max_depth, .step_size = step},
                          {.chains = chains,
                           .warmup = 0,
                           .draws = draws,
                           .seed = seed,
                           .start = eb::view(start, chains, d),
                           .inverse_mass = {inverse_mass.begin(), inverse_mass.end()}});
        const auto drawn = to_host(context, run.draws);
        const auto leaves = to_host(context, run.tree_leapfrogs);
        const auto depths = to_host(context, run.tree_depths);
        int deepest = 0;
        for (int c = 0; c < chains; ++c)
            for (int t = 0; t < draws; ++t) {
                const auto row = static_cast<std::size_t>(c * draws + t);
                Point from;
                for (std::size_t j = 0; j < d; ++j)
                    from[j] = static_cast<double>(t == 0 ? start[static_cast<std::size_t>(c * d) + j]
                                                         : drawn[(row - 1) * d + j]);
                const Tree tree = tree_from<T>(from, c, t, step, max_depth);
                ASSERT_EQ(leaves[row], tree.leaves) << c << ' ' << t;
                ASSERT_EQ(depths[row], tree.depth) << c << ' ' << t;
                for (std::size_t j = 0; j < d; ++j)
                    ASSERT_NEAR(static_cast<double>(drawn[row * d + j]), tree.drawn[j], sizeof(T) == 4 ? 1e-4 : 1e-9);
                deepest += tree.depth == max_depth;
            }
        EXPECT_EQ(deepest > 0, step < 0.2);
    }
}

}  // namespace
}  // namespace nuts_by_definition
