// Data that are bad in themselves: NaN, infinity, wrong weights and labels, overflow. The error names argument and row;
// inputs are as they were, and the context works. And a fit that is stopped from outside.
#include <cuebm/error.hpp>

#include "support/assign_problem.hpp"
#include "support/backends.hpp"
#include "support/complaint.hpp"
#include "support/fitted.hpp"

namespace eb = cuebm;
using namespace cuebm::test;

CUEBM_SUITE(BadData);

namespace {

template <class T>
const std::vector<T> not_finite{static_cast<T>(NAN), static_cast<T>(INFINITY), static_cast<T>(-INFINITY)};

}  // namespace

// A bad value that passes, in any column of any tile; a row that is not the first; a mask that does not hide.
CUEBM_TEST(BadData, OfPointsInAssign) {
    auto context = backend.make();
    for (const auto& [n, d] : {std::pair{130, 37}, {70, 1}, {5, 200}})
        for (const T bad : not_finite<T>) {
            auto problem = normal_problem<T>(n, 40, d);
            problem.beta = 1;
            for (const std::int64_t row : {std::int64_t{n - 1}, std::int64_t{n / 2}}) {
                problem.points[static_cast<std::size_t>(row * d + d - 1)] = bad;
                for (const unsigned want : {Want::labels | Want::energies, Want::best | Want::free_energies,
                                            unsigned{Want::all_energies}, unsigned{Want::free_energies}})
                    EXPECT_EQ(complaint([&] { (void)solve(context, problem, want); }), (Complaint{"points", row}));
            }
            const auto good = normal_problem<T>(n, 40, d);
            expect_canonical(solve(context, good, Want::labels), good, Want::labels);
        }
}

// A prototype that is NaN loses every comparison, and would go unseen.
CUEBM_TEST(BadData, OfPrototypesInAssign) {
    auto context = backend.make();
    for (const T bad : not_finite<T>) {
        auto problem = normal_problem<T>(10, 100, 19);
        problem.prototypes[99 * 19] = problem.prototypes[70 * 19 + 18] = bad;
        for (const unsigned want : {unsigned{Want::labels}, unsigned{Want::all_energies}, unsigned{Want::best}})
            EXPECT_EQ(complaint([&] { (void)solve(context, problem, want); }), (Complaint{"prototypes", 70}));
    }
}

// Energies that overflow, though every value is finite; and those whose norms alone would.
CUEBM_TEST(BadData, OfEnergiesThatOverflow) {
    auto context = backend.make();
    auto problem = normal_problem<T>(30, 20, 4);
    problem.points[17 * 4 + 1] = std::numeric_limits<T>::max();
    for (const unsigned want : {unsigned{Want::labels}, unsigned{Want::energies}, unsigned{Want::all_energies}}) try {
            (void)solve(context, problem, want);
            FAIL() << "accepted";
        } catch (const eb::DataError& error) {
            EXPECT_EQ(error.argument(), "points");
            EXPECT_EQ(error.row(), 17);
            EXPECT_NE(error.problem().find("overflow"), std::string::npos) << error.problem();
        }
}

// A check that cannot be turned off. Rows that are good keep their labels.
CUEBM_TEST(BadData, UncheckedNaNRowsGetLabelZero) {
    auto context = backend.make();
    const auto good = normal_problem<T>(80, 33, 17);
    auto bad = good;
    for (const std::int64_t row : {3, 64}) bad.points[static_cast<std::size_t>(row * 17 + 16)] = static_cast<T>(NAN);
    for (const unsigned want : {unsigned{Want::labels}, Want::labels | Want::best}) {
        const OnDevice<T> there(context, bad, want, 2);
        auto task = there.task();
        task.check_finite = false;
        EXPECT_NO_THROW(eb::assign(context, task));
        auto wanted = solve(context, good, want, 2).labels;
        wanted[3] = wanted[64] = 0;
        EXPECT_EQ(there.answers(bad).labels, wanted);
    }
}

// Weights and labels that are no such, and points, in sums.
CUEBM_TEST(BadData, InUpdateAndGradient) {
    auto context = backend.make();
    const std::int64_t n = 140, k = 5, d = 7;
    const auto good = normal_problem<T>(n, k, d);
    const auto run = [&](const std::vector<T>& y, const std::vector<std::int32_t>& labels,
                         const std::vector<T>& weights) {
        const Placed<T> points(context, y, n, d), w(context, good.prototypes, k, d), weight(context, weights, n, 1);
        const Placed<std::int32_t> label(context, labels, n, 1);
        const auto first = complaint([&] {
            eb::update(context, eb::Update<T>{.points = points.view(),
                                              .labels = label.vector(),
                                              .weights = weight.vector(),
                                              .prototypes = w.view()});
        });
        EXPECT_TRUE(same_bits(points.host(), y));
        if (first.argument == "labels") return first;
        for (const double beta : {1.0, eb::infinity}) {
            const Placed<T> prototypes(context, good.prototypes, k, d), by_w(context, k, d), by_y(context, n, d);
            const eb::AssignGradient<T> task{
                .points = points.view(), .prototypes = prototypes.view(), .weights = weight.vector(), .beta = beta};
            auto of_prototypes = task, of_points = task;
            of_prototypes.prototype_gradients = by_w.view();
            of_points.point_gradients = by_y.view();
            for (const auto& gradient : {of_prototypes, of_points})
                EXPECT_EQ(complaint([&] { eb::assign_gradient(context, gradient); }), first);
        }
        return first;
    };
    const std::vector<std::int32_t> labels(static_cast<std::size_t>(n), 2);
    const std::vector<T> ones(static_cast<std::size_t>(n), T(1));
    EXPECT_EQ(run(good.points, labels, ones), (Complaint{"none"}));
    for (const T bad : not_finite<T>) {
        auto y = good.points;
        y[130 * d + 3] = y[71 * d + 6] = bad;
        EXPECT_EQ(run(y, labels, ones), (Complaint{"points", 71}));
    }
    for (const T bad : {static_cast<T>(-1), static_cast<T>(-0.001), static_cast<T>(NAN), static_cast<T>(INFINITY)}) {
        auto weights = ones;
        weights[139] = weights[65] = bad;
        EXPECT_EQ(run(good.points, labels, weights), (Complaint{"weights", 65}));
    }
    for (const std::int32_t bad : {-1, 5, std::numeric_limits<std::int32_t>::max()}) {
        auto wrong = labels;
        wrong[138] = wrong[64] = bad;
        EXPECT_EQ(run(good.points, wrong, ones), (Complaint{"labels", 64}));
    }
    // Weights of 0 are allowed; all of them leave every prototype as it is.
    const Placed<T> points(context, good.points, n, d), w(context, good.prototypes, k, d),
        zero(context, std::vector<T>(static_cast<std::size_t>(n), T(0)), n, 1);
    const Placed<std::int32_t> label(context, labels, n, 1);
    eb::update(
        context,
        eb::Update<T>{
            .points = points.view(), .labels = label.vector(), .weights = zero.vector(), .prototypes = w.view()});
    EXPECT_TRUE(same_bits(w.host(), good.prototypes));
}

// A fit that ends in garbage, or blames a row of its own subsample; a stream that is spoilt after it.
CUEBM_TEST(BadData, InFit) {
    auto context = backend.make();
    const auto good = blobs<T>(100, 4, 5);
    const auto wanted = fit(context, good, 100, 4, {.k = 5});
    eb::Stream stream(context);
    for (const T bad : not_finite<T>) {
        auto y = good;
        y[40 * 4] = y[77 * 4 + 3] = bad;
        const Placed<T> points(context, y, 100, 4);
        const eb::MatrixView<const T> view = points.view();
        for (const auto start : {eb::kmeans::Start::plus_plus, eb::kmeans::Start::random})
            EXPECT_EQ(complaint([&] { (void)eb::kmeans::fit(stream, view, {.k = 5, .start = start}); }),
                      (Complaint{"points", 40}));
        const eb::kmeans::FitOptions<T> given{
            .k = 5, .start = eb::kmeans::Start::given, .prototypes = eb::view(good.data(), 5, 4)};
        EXPECT_EQ(complaint([&] { (void)eb::kmeans::fit(stream, view, given); }), (Complaint{"points", 40}));
    }
    const Placed<T> points(context, good, 100, 4);
    const eb::MatrixView<const T> view = points.view();
    for (const T bad : {static_cast<T>(-1), static_cast<T>(NAN), static_cast<T>(INFINITY)}) {
        std::vector<T> weights(100, T(1));
        weights[99] = weights[70] = bad;
        const Placed<T> weight(context, weights, 100, 1);
        eb::kmeans::FitOptions<T> options{.k = 5, .weights = weight.vector()};
        EXPECT_EQ(complaint([&] { (void)eb::kmeans::fit(stream, view, options); }), (Complaint{"weights", 70}));
        options.start = eb::kmeans::Start::given;
        options.prototypes = eb::view(good.data(), 5, 4);
        EXPECT_EQ(complaint([&] { (void)eb::kmeans::fit(stream, view, options); }), (Complaint{"weights", 70}));
    }
    auto start = std::vector<T>(good.begin(), good.begin() + 20);
    start[3 * 4 + 1] = static_cast<T>(NAN);
    EXPECT_EQ(complaint([&] {
                  (void)eb::kmeans::fit(
                      stream, view, {.k = 5, .start = eb::kmeans::Start::given, .prototypes = eb::view(start, 5, 4)});
              }),
              (Complaint{"prototypes", 3}));
    const auto model = eb::kmeans::fit(stream, view, {.k = 5});
    EXPECT_TRUE(same_bits(eb::to_host(context, model.prototypes), wanted.prototypes));
}

// The uses of a model.
CUEBM_TEST(BadData, InUses) {
    auto context = backend.make();
    auto problem = normal_problem<T>(70, 9, 5);
    problem.points[66 * 5 + 2] = static_cast<T>(NAN);
    const Placed<T> y(context, problem.points, 70, 5), w(context, problem.prototypes, 9, 5);
    const eb::MatrixView<const T> points = y.view(), prototypes = w.view();
    const Complaint wanted{"points", 66};
    EXPECT_EQ(complaint([&] { (void)eb::kmeans::predict(context, prototypes, points); }), wanted);
    EXPECT_EQ(complaint([&] { (void)eb::kmeans::transform(context, prototypes, points); }), wanted);
    for (const double beta : {1.0, eb::infinity})
        EXPECT_EQ(complaint([&] {
                      (void)eb::kmeans::project(context, prototypes,
                                                eb::kmeans::Project<T>{.points = points, .beta = beta});
                  }),
                  wanted);
    std::vector<std::uint8_t> mask{1, 1, 1, 0, 1};
    const Placed<std::uint8_t> known(context, mask, 1, 5);
    mask[2] = 0;
    const Placed<std::uint8_t> hidden(context, mask, 1, 5);
    const auto completing = [&](const Placed<std::uint8_t>& m) {
        return complaint([&] {
            (void)eb::kmeans::complete(context, prototypes,
                                       eb::kmeans::Complete<T>{.points = points, .known = m.view()});
        });
    };
    EXPECT_EQ(completing(known), wanted);
    EXPECT_EQ(completing(hidden), (Complaint{"none"}));
}

// A cancelled fit whose labels belong to other prototypes, or that goes on.
CUEBM_TEST(BadData, CancelledHalfWayBelongsTogether) {
    auto context = backend.make();
    const auto y = normal<T>(150 * 3, 5);
    std::stop_source stop;
    eb::kmeans::FitOptions<T> options{.k = 20, .start = eb::kmeans::Start::random, .n_init = 3, .tolerance = 0};
    int calls = 0;
    options.cancel = stop.get_token();
    options.progress = [&](const eb::kmeans::Progress& p) {
        EXPECT_EQ(p.iteration, ++calls);
        EXPECT_EQ(p.start, 0);
        EXPECT_EQ(p.max_iterations, 300);
        EXPECT_GT(p.moved, 0);
        EXPECT_GT(p.inertia, 0);
        if (p.iteration == 2) stop.request_stop();
    };
    const auto f = fit(context, y, 150, 3, options);
    EXPECT_EQ(f.status, eb::Status::cancelled);
    EXPECT_EQ(f.iterations, 2);
    EXPECT_EQ(calls, 2);
    expect_belonging_together(f, y, 150, 3);
}

// A callback's exception that is swallowed or ends the process; memory and streams that it leaves behind.
CUEBM_TEST(BadData, ProgressThatThrowsReachesTheCaller) {
    auto context = backend.make();
    const auto y = blobs<T>(100, 3, 4);
    struct Enough {};
    {
        const Placed<T> points(context, y, 100, 3);
        const std::size_t before = context.used_bytes();
        for (int at = 1; at <= 2; ++at) {
            const eb::kmeans::FitOptions<T> options{.k = 9,
                                                    .start = eb::kmeans::Start::random,
                                                    .tolerance = 0,
                                                    .progress = [&](const eb::kmeans::Progress& p) {
                                                        if (p.iteration == at) throw Enough();
                                                    }};
            EXPECT_THROW((void)eb::kmeans::fit(context, eb::MatrixView<const T>(points.view()), options), Enough);
        }
        EXPECT_EQ(context.used_bytes(), before);
    }
    expect_belonging_together(fit(context, y, 100, 3, {.k = 9}), y, 100, 3);
}

// Weights whose smallest counts as 0 in silence; an inertia that overflows, called 0.
CUEBM_TEST(BadData, WeightsOfVeryDifferentSize) {
    auto context = backend.make();
    const auto y = context.copy(eb::view(std::vector<T>{0, 1, 5, 6}, 4, 1));
    const std::vector<T> start{0, 5};
    const auto fit = [&](const std::vector<T>& weights) {
        const auto w = context.copy(eb::view(weights));
        return eb::kmeans::fit(
            context, y.view(),
            eb::kmeans::FitOptions<T>{
                .k = 2, .start = eb::kmeans::Start::given, .prototypes = eb::view(start, 2, 1), .weights = w.view()});
    };
    EXPECT_EQ(fit({1, T(1e-6), 1, 1}).status, eb::Status::converged);
    try {
        (void)fit({1, T(1e-25), 1, 1});
        ADD_FAILURE() << "accepted";
    } catch (const eb::DataError& error) {
        EXPECT_EQ(error.argument(), "weights");
        EXPECT_EQ(error.row(), 1);
    }
    // Bad data are told of before the weights are added.
    const auto bad = context.copy(eb::view(std::vector<T>{0, 1, 5, T(NAN)}, 4, 1));
    const auto weights = context.copy(eb::view(std::vector<T>{1, T(1e-25), 1, 1}));
    const eb::kmeans::FitOptions<T> options{
        .k = 2, .start = eb::kmeans::Start::given, .prototypes = eb::view(start, 2, 1), .weights = weights.view()};
    EXPECT_EQ(complaint([&] { (void)eb::kmeans::fit(context, bad.view(), options); }), (Complaint{"points", 3}));
    if constexpr (sizeof(T) == sizeof(double)) {
        const auto far = context.copy(eb::view(std::vector<T>{0, 1e100, 3e100}, 3, 1));
        const std::vector<T> one{0};
        const auto heavy = context.copy(eb::view(std::vector<T>{1e150, 1e150, 1e150}));
        const auto model = eb::kmeans::fit(
            context, far.view(),
            eb::kmeans::FitOptions<T>{
                .k = 1, .start = eb::kmeans::Start::given, .prototypes = eb::view(one, 1, 1), .weights = heavy.view()});
        EXPECT_EQ(model.inertia, eb::infinity);
    }
}

// Labels that are left unwritten because prototypes are bad, and index them in the next kernel.
CUEBM_TEST(BadData, PrototypesAfterOtherWork) {
    auto context = backend.make();
    { const auto dirty = context.copy(eb::view(std::vector<std::int32_t>(1 << 16, 0x7f7f7f7f))); }
    auto w = normal<T>(20 * 3, 1);
    w[31] = T(NAN);
    const auto y = context.copy(eb::view(normal<T>(40 * 3, 2), 40, 3));
    const auto prototypes = context.copy(eb::view(w, 20, 3));
    const auto mask = context.copy(eb::view(std::vector<std::uint8_t>{1, 0, 1}, 1, 3));
    const auto out = context.template matrix<T>(20, 3);
    const auto argument = [&](auto call) -> std::string {
        try {
            call();
        } catch (const eb::DataError& error) {
            return error.argument();
        }
        return "accepted";
    };
    EXPECT_EQ(argument([&] {
                  (void)eb::kmeans::complete(context, prototypes.view(),
                                             eb::kmeans::Complete<T>{.points = y, .known = mask, .candidates = 3});
              }),
              "prototypes");
    EXPECT_EQ(
        argument([&] { (void)eb::kmeans::project(context, prototypes.view(), eb::kmeans::Project<T>{.points = y}); }),
        "prototypes");
    EXPECT_EQ(argument([&] {
                  eb::assign_gradient(context, eb::AssignGradient<T>{
                                                   .points = y, .prototypes = prototypes, .prototype_gradients = out});
              }),
              "prototypes");
}
