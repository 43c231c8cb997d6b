// Arguments that no backend may accept: each is refused before any work, by its name. And the smallest that all must.
#include <functional>

#include <cuebm/error.hpp>

#include "support/assign_problem.hpp"
#include "support/backends.hpp"
#include "support/fitted.hpp"

namespace eb = cuebm;
using namespace cuebm::test;

CUEBM_SUITE(BadArguments);

namespace {

// The argument that a call is refused for; "accepted" if it is not. The text must say what was got and wanted.
std::string refused(const std::function<void()>& call) {
    try {
        call();
    } catch (const eb::InvalidArgument& error) {
        const std::string text = error.what();
        EXPECT_NE(text.find(": " + error.argument() + ": got "), std::string::npos) << text;
        EXPECT_NE(text.find(", wanted "), std::string::npos) << text;
        return error.argument();
    }
    return "accepted";
}

template <class View>
void misalign(View& view) {
    view.data = reinterpret_cast<decltype(view.data)>(reinterpret_cast<std::uintptr_t>(view.data) + 1);
}

eb::Device elsewhere(const eb::Context& context) {
    return context.device() == eb::Device{} ? eb::Device{eb::Device::Kind::cuda, 0} : eb::Device{};
}

// A way in which a view can be wrong; refused by the view's name, or where it disagrees with others perhaps by theirs.
template <class View>
struct Way {
    const char* what;
    void (*change)(View& view);
    bool by_its_name = true;
};

template <class View>
std::vector<Way<View>> ways() {
    std::vector<Way<View>> result{{"of a third device", [](View& v) { v.device = {eb::Device::Kind::cuda, 7}; }}};
    if constexpr (!std::is_same_v<View, eb::MatrixView<const std::uint8_t>>)
        result.push_back({"misaligned", [](View& v) { misalign(v); }});
    if constexpr (requires(View v) { v.cols; }) {
        result.push_back({"stride < cols", [](View& v) { v.stride = v.cols - 1; }});
        result.push_back({"stride < 0", [](View& v) { v.stride = -v.cols; }});
        result.push_back({"bytes overflow", [](View& v) { v.stride = std::numeric_limits<std::int64_t>::max() / 2; }});
        result.push_back({"rows < 0", [](View& v) { v.rows = -1; }});
        result.push_back({"a column more", [](View& v) { v.cols += 1; }, false});
        result.push_back({"two rows more", [](View& v) { v.rows += 2; }, false});
    } else {
        result.push_back({"one more", [](View& v) { v.size += 1; }});
        result.push_back({"one less", [](View& v) { v.size -= 1; }});
        result.push_back({"stride 0", [](View& v) { v.stride = 0; }});
        result.push_back({"stride < 0", [](View& v) { v.stride = -1; }});
    }
    return result;
}

template <class Task, class View>
void expect_refused(const eb::Context& on, const Task& good, View Task::*view, const char* name,
                    const std::function<void(const Task&)>& call) {
    for (const auto& way : ways<View>()) {
        Task task = good;
        way.change(task.*view);
        const auto argument = refused([&] { call(task); });
        EXPECT_TRUE(way.by_its_name ? argument == name : argument != "accepted")
            << name << ", " << way.what << ": " << argument;
    }
    Task task = good;
    (task.*view).device = elsewhere(on);
    EXPECT_EQ(refused([&] { call(task); }), name) << "on the wrong device";
}

}  // namespace

// A crash, or an answer, where a view is wrong.
CUEBM_TEST(BadArguments, OfAssign) {
    auto context = backend.make();
    auto problem = normal_problem<T>(9, 4, 3);
    problem.beta = 1;
    problem.known.assign(9 * 3, 1);
    const OnDevice<T> there(context, problem, everything, 2);
    using Task = eb::Assign<T>;
    const Task good = there.task();
    const std::function<void(const Task&)> call = [&](const Task& task) { eb::assign(context, task); };
    EXPECT_EQ(refused([&] { call(good); }), "accepted");
    expect_refused(context, good, &Task::points, "points", call);
    expect_refused(context, good, &Task::prototypes, "prototypes", call);
    expect_refused(context, good, &Task::known, "known", call);
    expect_refused(context, good, &Task::labels, "labels", call);
    expect_refused(context, good, &Task::energies, "energies", call);
    expect_refused(context, good, &Task::best_labels, "best_labels", call);
    expect_refused(context, good, &Task::best_energies, "best_energies", call);
    expect_refused(context, good, &Task::all_energies, "all_energies", call);
    expect_refused(context, good, &Task::free_energies, "free_energies", call);
    const auto changed = [&](const std::function<void(Task&)>& change) {
        Task task = good;
        change(task);
        return refused([&] { call(task); });
    };
    EXPECT_EQ(changed([](Task& t) { t.points.data = nullptr; }), "points");
    EXPECT_EQ(changed([](Task& t) { t.points.type = static_cast<eb::ElementType>(9); }), "points");
    EXPECT_EQ(changed([](Task& t) {
                  t.points.type = sizeof(T) == sizeof(float) ? eb::ElementType::float64 : eb::ElementType::uint8;
              }),
              "points");
    EXPECT_EQ(changed([](Task& t) { t.points.cols = 0; }), "points");
    EXPECT_EQ(changed([](Task& t) { t.points.cols = std::int64_t{1} << 31; }), "points");
    EXPECT_EQ(changed([](Task& t) { t.prototypes.data = nullptr; }), "prototypes");
    EXPECT_EQ(changed([](Task& t) { t.prototypes.rows = 0; }), "prototypes");  // k = 0
    EXPECT_EQ(changed([](Task& t) { t.prototypes.rows = std::int64_t{1} << 31; }), "prototypes");
    EXPECT_EQ(changed([](Task& t) { t.best_labels.cols = 0; }), "best_labels");
    EXPECT_EQ(changed([](Task& t) { t.best_labels.cols = 5; }), "best_labels");  // m > k
    EXPECT_EQ(changed([](Task& t) { t.best_labels = {}, t.best_energies.cols = 33; }), "best_energies");
    EXPECT_EQ(changed([](Task& t) { t = {.points = t.points, .prototypes = t.prototypes}; }), "labels");
    const double subnormal = static_cast<double>(std::numeric_limits<T>::denorm_min());
    for (const double beta :
         {0.0, -0.0, -1.0, static_cast<double>(NAN), -eb::infinity, eb::infinity, subnormal, 1e-310}) {
        SCOPED_TRACE(beta);
        EXPECT_EQ(changed([&](Task& t) { t.beta = beta; }), "beta");
        if (beta == eb::infinity) continue;
        EXPECT_EQ(changed([&](Task& t) { t.beta = beta, t.free_energies = {}; }), "beta");
    }
    // More candidates than 32, where k allows them.
    const auto wide = normal_problem<T>(2, 40, 3);
    EXPECT_EQ(refused([&] { (void)solve(context, wide, Want::best, 33); }), "best_labels");
    EXPECT_NE(refused([&] { (void)eb::explain(context, Task{.points = good.points, .prototypes = {}}); }), "accepted");
    EXPECT_NE(refused([&] { (void)eb::workspace_bytes(context, Task{.points = good.points, .prototypes = {}}); }),
              "accepted");
}

CUEBM_TEST(BadArguments, OfUpdateAndGradient) {
    auto context = backend.make();
    const auto problem = normal_problem<T>(9, 4, 3);
    const Placed<T> y(context, problem.points, 9, 3), w(context, problem.prototypes, 4, 3), out(context, 9, 3),
        to_w(context, 4, 3), weights(context, std::vector<T>(9, T(1)), 9, 1);
    const Placed<std::int32_t> labels(context, std::vector<std::int32_t>(9, 1), 9, 1);
    const Placed<double> cluster_weights(context, 4, 1);
    using Update = eb::Update<T>;
    const Update update{.points = y.view(),
                        .labels = labels.vector(),
                        .weights = weights.vector(),
                        .prototypes = w.view(),
                        .cluster_weights = cluster_weights.vector()};
    const std::function<void(const Update&)> run_update = [&](const Update& task) { eb::update(context, task); };
    expect_refused(context, update, &Update::points, "points", run_update);
    expect_refused(context, update, &Update::labels, "labels", run_update);
    expect_refused(context, update, &Update::weights, "weights", run_update);
    expect_refused(context, update, &Update::prototypes, "prototypes", run_update);
    expect_refused(context, update, &Update::cluster_weights, "cluster_weights", run_update);
    auto empty = update;
    empty.points.rows = empty.labels.size = empty.weights.size = 0;
    EXPECT_EQ(refused([&] { run_update(empty); }), "points");
    auto missing = update;
    missing.labels.data = nullptr;
    EXPECT_EQ(refused([&] { run_update(missing); }), "labels");

    using Gradient = eb::AssignGradient<T>;
    const Gradient gradient{.points = y.view(),
                            .prototypes = w.view(),
                            .weights = weights.vector(),
                            .beta = 1,
                            .point_gradients = out.view(),
                            .prototype_gradients = to_w.view()};
    const std::function<void(const Gradient&)> run_gradient = [&](const Gradient& task) {
        eb::assign_gradient(context, task);
    };
    expect_refused(context, gradient, &Gradient::points, "points", run_gradient);
    expect_refused(context, gradient, &Gradient::prototypes, "prototypes", run_gradient);
    expect_refused(context, gradient, &Gradient::weights, "weights", run_gradient);
    expect_refused(context, gradient, &Gradient::point_gradients, "point_gradients", run_gradient);
    expect_refused(context, gradient, &Gradient::prototype_gradients, "prototype_gradients", run_gradient);
    auto nothing = gradient;
    nothing.point_gradients = nothing.prototype_gradients = {};
    EXPECT_EQ(refused([&] { run_gradient(nothing); }), "point_gradients");
    for (const double beta : {0.0, -1.0, static_cast<double>(NAN)}) {
        auto task = gradient;
        task.beta = beta;
        EXPECT_EQ(refused([&] { run_gradient(task); }), "beta");
    }
}

// Results that overwrite their own arguments, silently wrong; columns of one wide matrix that are refused though apart.
CUEBM_TEST(BadArguments, OutputsOverInputs) {
    auto context = backend.make();
    const auto wide = context.copy(eb::view(normal<T>(9 * 8, 1), 9, 8));
    const auto prototypes = context.copy(eb::view(normal<T>(4 * 3, 2), 4, 3));
    const auto columns = [&](std::int64_t first) {
        return eb::MatrixView<T>{wide.data() + first, 9, 3, 8, context.device()};
    };
    const auto gradient = [&](eb::MatrixView<T> out) {
        return refused([&] {
            eb::assign_gradient(
                context, eb::AssignGradient<T>{.points = columns(0), .prototypes = prototypes, .point_gradients = out});
        });
    };
    EXPECT_EQ(gradient(columns(0)), "point_gradients");
    EXPECT_EQ(gradient(columns(2)), "point_gradients");
    EXPECT_EQ(gradient(columns(3)), "accepted");
    EXPECT_EQ(gradient(columns(5)), "accepted");
    const auto labels = context.copy(eb::view(std::vector<std::int32_t>(9, 1)));
    EXPECT_EQ(refused([&] {
                  eb::update(
                      context,
                      eb::Update<T>{.points = columns(0), .labels = labels, .prototypes = columns(1).slice(0, 4)});
              }),
              "prototypes");
}

CUEBM_TEST(BadArguments, OfFit) {
    auto context = backend.make();
    const auto y = normal<T>(10 * 2, 1), zero = std::vector<T>(10, T(0)), start = normal<T>(3 * 2, 2);
    const Placed<T> points(context, y, 10, 2), weights(context, zero, 10, 1);
    using Options = eb::kmeans::FitOptions<T>;
    const eb::MatrixView<const T> view = points.view();
    const auto fit_refused = [&](const Options& options, eb::MatrixView<const T> v) {
        return refused([&] { (void)eb::kmeans::fit(context, v, options); });
    };
    EXPECT_EQ(fit_refused({.k = 0}, view), "k");
    EXPECT_EQ(fit_refused({.k = -1}, view), "k");
    EXPECT_EQ(fit_refused({.k = 11}, view), "k");
    EXPECT_EQ(fit_refused({.k = 2, .weights = weights.vector()}, view), "weights");  // all 0
    EXPECT_EQ(fit_refused({.k = 2, .weights = {weights.vector().data, 9, 1, context.device()}}, view), "weights");
    EXPECT_EQ(fit_refused({.k = 2, .weights = {weights.vector().data, 10, 1, elsewhere(context)}}, view), "weights");
    EXPECT_EQ(fit_refused({.k = 2, .n_init = 0}, view), "n_init");
    EXPECT_EQ(fit_refused({.k = 2, .start = static_cast<eb::kmeans::Start>(9)}, view), "start");
    EXPECT_EQ(fit_refused({.k = 3, .prototypes = eb::view(start, 3, 2)}, view), "prototypes");  // would be ignored
    EXPECT_EQ(fit_refused({.k = 2, .max_iterations = 0}, view), "max_iterations");
    EXPECT_EQ(fit_refused({.k = 2, .tolerance = -1}, view), "tolerance");
    EXPECT_EQ(fit_refused({.k = 2, .tolerance = static_cast<double>(NAN)}, view), "tolerance");
    const auto given = eb::kmeans::Start::given;
    EXPECT_EQ(fit_refused({.k = 2, .start = given}, view), "prototypes");
    EXPECT_EQ(fit_refused({.k = 2, .start = given, .prototypes = eb::view(start, 3, 2)}, view), "prototypes");
    EXPECT_EQ(fit_refused({.k = 3, .start = given, .prototypes = eb::view(start, 3, 1)}, view), "prototypes");
    EXPECT_EQ(fit_refused({.k = 3, .start = given, .prototypes = eb::view(start, 3, 2), .n_init = 2}, view), "n_init");
    EXPECT_EQ(fit_refused({.k = 1}, {view.data, 0, 2, 2, context.device()}), "points");  // empty data
    EXPECT_EQ(fit_refused({.k = 1}, {view.data, 10, 0, 2, context.device()}), "points");
    EXPECT_EQ(fit_refused({.k = 1}, {nullptr, 10, 2, 2, context.device()}), "points");
    EXPECT_EQ(fit_refused({.k = 1}, {view.data, 10, 2, 2, elsewhere(context)}), "points");
    EXPECT_EQ(fit_refused({.k = 10}, view), "accepted");
}

CUEBM_TEST(BadArguments, OfUses) {
    auto context = backend.make();
    const auto problem = normal_problem<T>(9, 4, 3);
    const Placed<T> y(context, problem.points, 9, 3), w(context, problem.prototypes, 4, 3);
    const Placed<std::uint8_t> known(context, std::vector<std::uint8_t>(9 * 3, 1), 9, 3);
    const eb::MatrixView<const T> points = y.view(), prototypes = w.view();
    using Complete = eb::kmeans::Complete<T>;
    const Complete complete{.points = points, .known = known.view(), .candidates = 2, .beta = 1};
    const auto completing = [&](const std::function<void(Complete&)>& change) {
        Complete task = complete;
        change(task);
        return refused([&] { (void)eb::kmeans::complete(context, prototypes, task); });
    };
    EXPECT_EQ(completing([](Complete&) {}), "accepted");
    EXPECT_EQ(completing([](Complete& c) { c.known = {}; }), "known");
    EXPECT_EQ(completing([](Complete& c) { c.known.rows = 2; }), "known");
    EXPECT_EQ(completing([](Complete& c) { c.known.cols = 2; }), "known");
    EXPECT_EQ(completing([&](Complete& c) { c.known.device = elsewhere(context); }), "known");
    EXPECT_EQ(completing([](Complete& c) { c.candidates = 0; }), "candidates");
    EXPECT_EQ(completing([](Complete& c) { c.candidates = 5; }), "candidates");
    EXPECT_EQ(completing([](Complete& c) { c.beta = 0; }), "beta");
    EXPECT_EQ(completing([](Complete& c) { c.beta = eb::infinity; }), "beta");
    EXPECT_EQ(completing([&](Complete& c) { c.points.device = elsewhere(context); }), "points");
    using Project = eb::kmeans::Project<T>;
    const auto projecting = [&](const Project& task) {
        return refused([&] { (void)eb::kmeans::project(context, prototypes, task); });
    };
    EXPECT_EQ(projecting({.points = points}), "accepted");
    EXPECT_EQ(projecting({.points = points, .beta = 0}), "beta");
    EXPECT_EQ(projecting({.points = points, .beta = 1, .max_iterations = 0}), "max_iterations");
    EXPECT_EQ(projecting({.points = points, .beta = 1, .tolerance = -1}), "tolerance");
    EXPECT_EQ(projecting({.points = {points.data, 9, 2, 3, context.device()}}), "prototypes");
    const eb::MatrixView<const T> narrow{points.data, 9, 2, 3, context.device()},
        none{points.data, 0, 3, 3, context.device()};
    EXPECT_EQ(refused([&] { (void)eb::kmeans::predict(context, prototypes, narrow); }), "prototypes");
    EXPECT_EQ(refused([&] { (void)eb::kmeans::transform(context, prototypes, narrow); }), "prototypes");
    EXPECT_EQ(refused([&] { (void)eb::kmeans::predict(context, none, points); }), "prototypes");
}

CUEBM_TEST(BadArguments, OfCopies) {
    auto context = backend.make();
    const std::vector<T> host(12);
    using View = eb::MatrixView<const T>;
    EXPECT_NE(refused([&] { (void)context.copy(View{nullptr, 3, 4, 4, {}}); }), "accepted");
    EXPECT_NE(refused([&] { (void)context.copy(View{host.data(), 3, 4, 3, {}}); }), "accepted");
    EXPECT_NE(refused([&] { (void)context.copy(View{host.data(), -3, 4, 4, {}}); }), "accepted");
    EXPECT_NE(refused([&] {
                  (void)context.copy(View{host.data(), 3, 4, 4, {eb::Device::Kind::cuda, 7}});
              }),
              "accepted");
    auto view = View{host.data(), 2, 2, 4, {}};
    misalign(view);
    EXPECT_NE(refused([&] { (void)context.copy(view); }), "accepted");
    if (backend.kind == eb::Device::Kind::cuda) {
        const auto device = context.copy(eb::view(host, 3, 4));
        EXPECT_EQ(refused([&] { (void)context.copy_transposed(device.view()); }), "source");
    }
}

// Nothing to do is done: no points, and their outputs empty.
CUEBM_TEST(BadArguments, EmptyDataIsNoError) {
    auto context = backend.make();
    const auto problem = normal_problem<T>(1, 4, 3);
    const Placed<T> w(context, problem.prototypes, 4, 3);
    const Placed<std::int32_t> labels(context, 1, 1);
    const eb::MatrixView<const T> prototypes = w.view(), none{nullptr, 0, 3, 3, context.device()};
    eb::assign(context,
               eb::Assign<T>{
                   .points = none, .prototypes = prototypes, .labels = {labels.vector().data, 0, 1, context.device()}});
    const auto no_labels = context.template vector<std::int32_t>(0);  // of an empty array there may be no address
    eb::assign(context, eb::Assign<T>{.points = none, .prototypes = prototypes, .labels = no_labels});
    EXPECT_EQ(eb::kmeans::predict(context, prototypes, none).size(), 0);
    EXPECT_EQ(eb::kmeans::transform(context, prototypes, none).rows(), 0);
    const auto projection = eb::kmeans::project(context, prototypes, eb::kmeans::Project<T>{.points = none, .beta = 1});
    EXPECT_EQ(projection.points.rows(), 0);
    EXPECT_EQ(projection.status, eb::Status::converged);
    const Placed<std::uint8_t> known(context, std::vector<std::uint8_t>(3, 1), 1, 3);
    const auto completions =
        eb::kmeans::complete(context, prototypes, eb::kmeans::Complete<T>{.points = none, .known = known.view()});
    EXPECT_EQ(completions.points.rows(), 0);
    const eb::MatrixView<const std::uint8_t> no_mask{nullptr, 0, 3, 3, context.device()};
    EXPECT_EQ(eb::kmeans::complete(context, prototypes, eb::kmeans::Complete<T>{.points = none, .known = no_mask})
                  .points.rows(),
              0);
}

// One point, one prototype, one dimension, a thousand of them, and duplicates of every point.
CUEBM_TEST(BadArguments, SmallestAndOddFits) {
    auto context = backend.make();
    const std::vector<T> one{7};
    const auto single = fit(context, one, 1, 1, {.k = 1});
    EXPECT_EQ(single.prototypes, one);
    EXPECT_EQ(single.inertia, 0);
    const auto line = normal<T>(50, 1);
    expect_belonging_together(fit(context, line, 50, 1, {.k = 7}), line, 50, 1);
    const auto wide = normal<T>(12 * 1000, 1);
    expect_belonging_together(fit(context, wide, 12, 1000, {.k = 3}), wide, 12, 1000);
    const std::vector<T> same(20, T(2));
    for (const auto start : {eb::kmeans::Start::plus_plus, eb::kmeans::Start::random}) {
        const auto f = fit(context, same, 20, 1, {.k = 3, .start = start});
        EXPECT_EQ(f.status, eb::Status::too_few_distinct);
        EXPECT_EQ(f.empty_clusters, 2);
        EXPECT_EQ(f.inertia, 0);
        expect_belonging_together(f, same, 20, 1);
    }
    auto doubled = normal<T>(30 * 2, 3);
    doubled.insert(doubled.end(), doubled.begin(), doubled.end());
    const auto f = fit(context, doubled, 60, 2, {.k = 30});  // a mean of two equal points may round
    EXPECT_LE(f.inertia, 60 * tolerance<T>(1, 1) * tolerance<T>(1, 1));
    EXPECT_EQ(f.empty_clusters, 0);
    expect_belonging_together(f, doubled, 60, 2);
}
