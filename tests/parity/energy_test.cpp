// energy::evaluate() against formulas in long double and their differences, and bit for bit between backends.
#include <limits>

#include "support/backends.hpp"
#include "support/complaint.hpp"
#include "support/energy_check.hpp"

namespace eb = cuebm;
using namespace cuebm::test;

CUEBM_SUITE_ON(EnergyValues, backends_of_one_path());

// A wrong formula, a wrong gradient, a map's missing Jacobian, a lost weight.
CUEBM_TEST(EnergyValues, FollowTheirFormulas) {
    const auto context = backend.make();
    for (const auto& c : energy_cases()) expect_formula<T>(context, c, 5);
}

// A tail of a tile or a pack, a stride, a lane that sees its neighbour; another order of addition on a backend.
CUEBM_TEST(EnergyValues, AreTheSameBitsForAnyNumberOfPoints) {
    const auto context = backend.make(), plain = eb::Context::cpu({.threads = 1});
    for (const auto& c : energy_cases()) {
        SCOPED_TRACE(c.name);
        const auto d = static_cast<std::size_t>(c.energy.dimension());
        const auto points = points_of<T>(c, 200);
        const auto wanted = evaluated(plain, c.energy, points);
        for (const std::size_t n : {1u, 3u, 64u, 65u, 200u}) {
            SCOPED_TRACE(n);
            const std::vector<T> some(points.begin(), points.begin() + static_cast<std::ptrdiff_t>(n * d));
            for (const Layout layout : {Layout{}, Layout{.pad = 3, .offset = 1}}) {
                const auto got = evaluated(context, c.energy, some, layout);
                EXPECT_TRUE(same_bits(got.values,
                                      {wanted.values.begin(), wanted.values.begin() + static_cast<std::ptrdiff_t>(n)}));
                EXPECT_TRUE(same_bits(got.gradients, {wanted.gradients.begin(),
                                                      wanted.gradients.begin() + static_cast<std::ptrdiff_t>(n * d)}));
            }
        }
    }
}

// A GPU's warp has some rows at a time: one that goes on to its next tile, with and without a second buffer, a last
// tile that is not full, points that do not fit beside each other; odd and even row lengths. 8300 points of one or two
// coordinates are several rows a thread on four multiprocessors. On a CPU short rows that lie behind each other become
// columns by a way of their own, which strided ones do not take.
CUEBM_TEST(EnergyValues, AreTheSameBitsForManyPoints) {
    const auto context = backend.make(), plain = eb::Context::cpu({.threads = 1});
    for (const auto& [d, n] :
         {std::pair{1, 8300}, {2, 8300}, {3, 4200}, {4, 1000}, {8, 1000}, {20, 6500}, {101, 1500}, {150, 4200}}) {
        SCOPED_TRACE(d);
        const eb::Energy energy = eb::energy::gaussian({.mean = normal<double>(d, 1), .precision = positive(d, 2)});
        const auto points = normal<T>(std::int64_t{n} * d, 3);
        const auto wanted = evaluated(plain, energy, points, {.pad = 2});
        for (const Layout layout : {Layout{}, Layout{.pad = 3, .offset = 1}}) {
            const auto got = evaluated(context, energy, points, layout);
            EXPECT_TRUE(same_bits(got.values, wanted.values));
            EXPECT_TRUE(same_bits(got.gradients, wanted.gradients));
        }
    }
}

// A stride that is divided by, or points outside: of one row it may be anything.
CUEBM_TEST(EnergyValues, AreThoseOfARowOfAnyStride) {
    const auto context = backend.make();
    const eb::Energy energy = eb::energy::gaussian({.precision = {1, 2, 4}});
    const auto point = context.copy(eb::view(std::vector<T>{1, 2, 3}, 1, 3));
    const auto value = context.template vector<T>(1);
    const auto gradient = context.template matrix<T>(1, 3);
    for (const std::int64_t stride : {std::int64_t{0}, std::int64_t{-3}, std::int64_t{1} << 62}) {
        eb::energy::evaluate(context, energy,
                             {.points = {point.data(), 1, 3, stride, context.device()},
                              .values = value.view(),
                              .gradients = {gradient.data(), 1, 3, stride, context.device()}});
        EXPECT_EQ(to_host(context, value), std::vector<T>{T(22.5)});
        EXPECT_EQ(to_host(context, gradient), (std::vector<T>{1, 4, 12}));
    }
}

// Gradients that pass the caches by: a tile of them that is lost or in another's place, the last one, those that begin
// in the middle of a line.
CUEBM_TEST(EnergyValues, AreTheSameBitsForGradientsThatNoCacheHolds) {
    if (backend.kind != eb::Device::Kind::cpu) GTEST_SKIP() << "a GPU's are all alike";
    const auto context = backend.make();
    const std::int64_t d = sizeof(T) == sizeof(float) ? 65 : 2;
    const std::int64_t n = (std::int64_t{1} << 24) / (d * static_cast<std::int64_t>(sizeof(T))) + 77;
    const eb::Energy energy = eb::energy::gaussian({.mean = normal<double>(d, 1), .precision = positive(d, 2)});
    const auto some = normal<T>(1009 * d, 3);
    std::vector<T> points;
    while (static_cast<std::int64_t>(points.size()) < n * d) points.insert(points.end(), some.begin(), some.end());
    points.resize(static_cast<std::size_t>(n * d));
    const auto wanted = evaluated(context, energy, points, {.pad = 1});
    for (const Layout layout : {Layout{}, Layout{.offset = 1}}) {
        const auto got = evaluated(context, energy, points, layout);
        EXPECT_TRUE(same_bits(got.values, wanted.values));
        EXPECT_TRUE(same_bits(got.gradients, wanted.gradients));
    }
}

// A program that is a kernel's parameter, to its last byte, and one that is too large for it.
CUEBM_TEST(EnergyValues, AreTheSameBitsForParametersOfAnySize) {
    const auto context = backend.make(), plain = eb::Context::cpu({.threads = 1});
    const int fits = sizeof(T) == sizeof(float) ? 423 : 211;  // 72 bytes of a step, and two numbers a coordinate: 3456
    for (const int d : {fits, fits + 1, 600}) {
        SCOPED_TRACE(d);
        const eb::Energy energy = eb::energy::gaussian({.mean = normal<double>(d, 1), .precision = positive(d, 2)});
        const auto points = normal<T>(40 * std::int64_t{d}, 3);
        const auto got = evaluated(context, energy, points), wanted = evaluated(plain, energy, points);
        EXPECT_TRUE(same_bits(got.values, wanted.values));
        EXPECT_TRUE(same_bits(got.gradients, wanted.gradients));
    }
}

// The wrong row, no row, or a good row that is taken for bad.
CUEBM_TEST(EnergyValues, NameTheFirstBadRow) {
    const auto context = backend.make();
    const eb::Energy energy = eb::energy::gaussian({.precision = {1, 1, 1}});
    constexpr auto inf = std::numeric_limits<T>::infinity();
    for (const T bad : {std::numeric_limits<T>::quiet_NaN(), inf, -inf}) {
        auto points = normal<T>(300 * 3, 1);
        points[3 * 133 + 2] = points[3 * 280] = bad;
        const Placed<T> y(context, points, 300, 3), values(context, 300, 1);
        eb::energy::Evaluate<T> task{.points = y.view(), .values = values.vector()};
        EXPECT_EQ(complaint([&] { eb::energy::evaluate(context, energy, task); }), (Complaint{"points", 133}));
        task.check_finite = false;
        eb::energy::evaluate(context, energy, task);
        EXPECT_FALSE(std::isfinite(values.host()[133]));
        EXPECT_TRUE(std::isfinite(values.host()[134]));
    }
    // Each way in which a CPU reads rows, every element of a pack of them; gradients alone, which nobody looks at.
    for (const int d : {1, 2, 3, 4, 5, 6, 7, 8, 10, 18, 70}) {
        SCOPED_TRACE(d);
        const eb::Energy wide =
            eb::energy::gaussian({.precision = std::vector<double>(static_cast<std::size_t>(d), 1)});
        for (int i = 0; i < std::max(16, d); ++i) {
            auto points = normal<T>(std::int64_t{150} * d, 1);
            const auto row = static_cast<std::size_t>(64 + i % 16), column = static_cast<std::size_t>(i % d);
            points[row * static_cast<std::size_t>(d) + column] = inf;
            const Placed<T> y(context, points, 150, d), gradients(context, 150, d);
            EXPECT_EQ(complaint([&] {
                          eb::energy::evaluate(
                              context, wide,
                              eb::energy::Evaluate<T>{.points = y.view(), .gradients = gradients.view()});
                      }),
                      (Complaint{"points", static_cast<std::int64_t>(row)}));
        }
    }
    auto points = normal<T>(9, 1);
    points[4] = std::numeric_limits<T>::max();  // its square is infinite, and no error
    const Placed<T> y(context, points, 3, 3), values(context, 3, 1);
    eb::energy::evaluate(context, energy, eb::energy::Evaluate<T>{.points = y.view(), .values = values.vector()});
    EXPECT_EQ(values.host()[1], inf);
    const eb::Energy torn = eb::energy::linear({.features = table({4, -4}, 2), .targets = {0}});  // infinity - infinity
    const std::vector<T> far{1, 1, std::numeric_limits<T>::max(), std::numeric_limits<T>::max()};
    const Placed<T> x(context, far, 2, 2), two(context, 2, 1);
    EXPECT_EQ(complaint([&] {
                  eb::energy::evaluate(context, torn,
                                       eb::energy::Evaluate<T>{.points = x.view(), .values = two.vector()});
              }),
              (Complaint{"points", 1}));
    auto many = normal<T>(300, 1);  // values that a CPU writes where they belong, and others
    many[2 * 70] = many[2 * 70 + 1] = std::numeric_limits<T>::max();
    for (const Layout layout : {Layout{}, Layout{.pad = 3, .offset = 1}}) {
        const Placed<T> all(context, many, 150, 2), to(context, 150, 1, layout);
        EXPECT_EQ(complaint([&] {
                      eb::energy::evaluate(context, torn,
                                           eb::energy::Evaluate<T>{.points = all.view(), .values = to.vector()});
                  }),
                  (Complaint{"points", 70}));
    }
}

// A shape that is not looked at: memory would be overrun.
CUEBM_TEST(EnergyValues, RefuseWrongShapes) {
    const auto context = backend.make();
    const eb::Energy energy = eb::energy::gaussian({.precision = {1, 1, 1}});
    const Placed<T> y(context, normal<T>(12, 1), 4, 3), two(context, 4, 2), values(context, 4, 1), few(context, 3, 1);
    const auto evaluate = [&](const eb::Energy& e, const eb::energy::Evaluate<T>& task) {
        return [&context, e, task] { eb::energy::evaluate(context, e, task); };
    };
    expect_refused("energy", evaluate({}, {.points = y.view(), .values = values.vector()}));
    expect_refused("points", evaluate(energy, {.points = two.view(), .values = values.vector()}));
    expect_refused("values", evaluate(energy, {.points = y.view(), .values = few.vector()}));
    expect_refused("values", evaluate(energy, {.points = y.view()}));
    expect_refused("gradients", evaluate(energy, {.points = y.view(), .gradients = two.view()}));
    expect_refused("gradients", evaluate(energy, {.points = y.view(), .gradients = y.view()}));
    evaluate(energy, {.points = {nullptr, 0, 3, 3, context.device()}})();  // no points: nothing to do
    if constexpr (sizeof(T) == sizeof(float)) {                            // 1e300 is no float
        const eb::Energy far = eb::energy::gaussian({.mean = {1e300}, .precision = {1}});
        const Placed<T> one(context, normal<T>(4, 1), 4, 1);
        expect_refused("energy", evaluate(far, {.points = one.view(), .values = values.vector()}));
    }
}
