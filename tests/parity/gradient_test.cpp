// assign_gradient() against closed forms in double, against finite differences of F_beta, and bit for bit between
// backends.
#include <functional>
#include <tuple>

#include "support/assign_problem.hpp"
#include "support/backends.hpp"

namespace eb = cuebm;
using namespace cuebm::test;

CUEBM_SUITE(Gradient);

namespace {

template <class T>
struct Gradients {
    std::vector<T> points, prototypes;
};

template <class T>
Gradients<T> gradients(eb::Context context, const Problem<T>& p, const std::vector<T>& weights, Layout layout = {}) {
    const Placed<T> y(context, p.points, p.n, p.d, layout), w(context, p.prototypes, p.k, p.d, layout),
        weight(context, weights, static_cast<std::int64_t>(weights.size()), 1, layout), by_y(context, p.n, p.d, layout),
        by_w(context, p.k, p.d, layout), only_y(context, p.n, p.d, layout), only_w(context, p.k, p.d, layout);
    eb::AssignGradient<T> task{.points = y.view(), .prototypes = w.view(), .beta = p.beta};
    if (!weights.empty()) task.weights = weight.vector();
    const auto run = [&](eb::MatrixView<T> points, eb::MatrixView<T> prototypes) {
        task.point_gradients = points;
        task.prototype_gradients = prototypes;
        eb::assign_gradient(context, task);
    };
    run(by_y.view(), by_w.view());
    run(only_y.view(), {});
    run({}, only_w.view());
    EXPECT_TRUE(same_bits(only_y.host(), by_y.host()));  // each alone is what it is beside the other
    EXPECT_TRUE(same_bits(only_w.host(), by_w.host()));
    return {by_y.host(), by_w.host()};
}

template <class T>
void expect_gradients(const eb::Context& context, const Problem<T>& p, std::vector<T> weights, Layout layout = {}) {
    const auto got = gradients(context, p, weights, layout);
    const auto one_thread = gradients(eb::Context::cpu({.threads = 1}), p, weights);
    EXPECT_TRUE(same_bits(got.points, one_thread.points));
    EXPECT_TRUE(same_bits(got.prototypes, one_thread.prototypes));

    std::vector<double> all(static_cast<std::size_t>(p.n), 1.0);
    if (!weights.empty()) all.assign(weights.begin(), weights.end());
    const eb::reference::Matrix y(p.points, p.n, p.d), w(p.prototypes, p.k, p.d);
    const auto e = eb::reference::energies(y, w);
    // A probability is off by beta times the error of its energy; what counts are energies near the least.
    double energy = 0, size = 0, total = 0;
    for (const double f : eb::reference::free_energies(e, eb::infinity)) energy = std::max(energy, f);
    for (const auto* values : {&y.values, &w.values})
        for (const double value : *values) size = std::max(size, std::abs(value));
    for (const double weight : all) total += weight;
    const double exponent = std::isinf(p.beta) ? 0 : p.beta * energy + std::log(static_cast<double>(p.k)) + 8;
    const double steps = (static_cast<double>(p.d) / 16 + 8) * exponent + static_cast<double>(p.k) + 8;
    const double heaviest = *std::max_element(all.begin(), all.end());
    EXPECT_TRUE(
        close_to(got.points, eb::reference::point_gradients(y, w, all, p.beta).values, steps, 4 * size * heaviest));
    EXPECT_TRUE(close_to(got.prototypes, eb::reference::prototype_gradients(y, w, all, p.beta).values, steps,
                         4 * size * total));
}

template <class T>
std::vector<T> weights_of(std::int64_t n) {
    std::vector<T> weights;
    for (std::int64_t i = 0; i < n; ++i) weights.push_back(static_cast<T>(i % 5) / 2);
    return weights;
}

}  // namespace

// A sign, a factor 2, a weight left out or squared, probabilities that do not sum to 1, an edge of a tile.
CUEBM_TEST(Gradient, ClosedForms) {
    const auto context = backend.make();
    for (const auto& [n, k, d] :
         {std::tuple{1, 1, 1}, {17, 15, 16}, {65, 33, 17}, {33, 65, 5}, {130, 3, 64}, {3, 129, 33}, {5, 4, 1000}})
        for (const double beta : {0.5, 3.0, eb::infinity}) {
            SCOPED_TRACE(testing::Message() << "n " << n << ", k " << k << ", d " << d << ", beta " << beta);
            auto problem = normal_problem<T>(n, k, d);
            problem.beta = beta / std::sqrt(d);
            expect_gradients<T>(context, problem, {});
            expect_gradients<T>(context, problem, weights_of<T>(n), {.pad = 3, .offset = 1});
        }
}

// A gradient of something else than F_beta.
CUEBM_TEST(Gradient, FiniteDifferences) {
    const auto context = backend.make();
    auto problem = normal_problem<T>(9, 6, 4);
    problem.beta = 0.7;
    const auto weights = weights_of<T>(9);
    const auto got = gradients(context, problem, weights);
    const eb::reference::Matrix y(problem.points, 9, 4), w(problem.prototypes, 6, 4);
    const auto total = [&](const eb::reference::Matrix& points, const eb::reference::Matrix& prototypes) {
        const auto f = eb::reference::free_energies(eb::reference::energies(points, prototypes), problem.beta);
        double sum = 0;
        for (std::size_t i = 0; i < f.size(); ++i) sum += static_cast<double>(weights[i]) * f[i];
        return sum;
    };
    // Central differences in double: error h^2 |F'''| / 6 + eps |F| / h, about 1e-9 at this h.
    const double h = 1e-5, allowed = 1e-7 + tolerance<T>(100, 20);
    const auto differ = [&](const eb::reference::Matrix& at, const std::vector<T>& gradient, auto value) {
        for (std::size_t j = 0; j < at.values.size(); ++j) {
            auto up = at, down = at;
            up.values[j] += h;
            down.values[j] -= h;
            EXPECT_NEAR(static_cast<double>(gradient[j]), (value(up) - value(down)) / (2 * h), allowed) << j;
        }
    };
    differ(y, got.points, [&](const auto& points) { return total(points, w); });
    differ(w, got.prototypes, [&](const auto& prototypes) { return total(y, prototypes); });
}

// Probabilities that do not add up to 1, as where F_beta is rounded at the size of the energies: then they had the
// wrong sign here. Two equal prototypes have half of each point.
CUEBM_TEST(Gradient, OfLargeEnergies) {
    auto context = backend.make();
    const std::vector<T> y{0, 1000, 2000, 3000, 5000, 9000}, w{4000, 4000};
    Problem<T> problem{.n = 6, .k = 2, .d = 1, .points = y, .prototypes = w};
    problem.beta = 1;
    const auto got = gradients(context, problem, {});
    EXPECT_TRUE(close_to(got.prototypes, {4000, 4000}, 8, 4000));  // sum_i (w - y_i)
    EXPECT_TRUE(close_to(got.points, {-8000, -6000, -4000, -2000, 2000, 10000}, 8, 10000));
}

// A step of half the gradient of F is Lloyd's update of a prototype that owns weight 1.
CUEBM_TEST(Gradient, VanishesAtTheMeans) {
    {  // 0 times infinity
        auto context = backend.make();
        const std::vector<T> one{1}, two{1, 5}, heavy{T(0.9) * std::numeric_limits<T>::max()};
        const Placed<T> y(context, one, 1, 1), w(context, two, 2, 1), out(context, 1, 1), weight(context, heavy, 1, 1);
        eb::assign_gradient(
            context,
            eb::AssignGradient<T>{
                .points = y.view(), .prototypes = w.view(), .weights = weight.vector(), .point_gradients = out.view()});
        EXPECT_EQ(out.host()[0], T(0));
    }
    auto context = backend.make();
    const std::vector<T> y{0, 2, 4, 6, 100, 104}, w{3, 102};
    Problem<T> problem{.n = 6, .k = 2, .d = 1, .points = y, .prototypes = w};
    const auto got = gradients(context, problem, {});
    EXPECT_EQ(got.prototypes, (std::vector<T>{0, 0}));
    EXPECT_EQ(got.points, (std::vector<T>{-6, -2, 2, 6, -4, 4}));
}
