// The CUDA backend, emulated or real, beside the CPU's: all results of the K-means family must have the same bits, on
// every shape where a tile, a chunk, a stride or an alignment could go wrong.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <ostream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <cuebm/cuebm.hpp>

#include "support/backends.hpp"
#include "support/data.hpp"

namespace eb = cuebm;
using cuebm::test::normal;

namespace {

template <class T>
void same(const std::string& what, const std::vector<T>& cpu, const std::vector<T>& cuda) {
    for (std::size_t i = 0; i < cpu.size(); ++i)
        if (std::memcmp(&cpu[i], &cuda[i], sizeof(T)) != 0) {
            ADD_FAILURE() << what << ": element " << i << " of " << cpu.size() << ": cpu " << +cpu[i] << ", cuda "
                          << +cuda[i];
            return;
        }
}

struct Shape {
    std::int64_t n, k, d, stride;
    double mean = 0, sd = 1;
};
void PrintTo(const Shape& s, std::ostream* out) { *out << s.n << " x " << s.k << " x " << s.d; }
std::string title_of(const testing::TestParamInfo<Shape>& info) {
    const Shape& s = info.param;
    return "n" + std::to_string(s.n) + "_k" + std::to_string(s.k) + "_d" + std::to_string(s.d);
}

template <class T>
struct Case {
    Shape s;
    std::vector<T> y, w, weights;
    std::vector<std::uint8_t> mask;

    explicit Case(const Shape& shape) : s(shape) {
        y = normal<T>(s.n * s.stride, 1, s.mean, s.sd);
        w = normal<T>(s.k * s.d, 2, s.mean, s.sd);
        // All but ties, which only canonical energies tell apart: with the prototype before, or the last of its class.
        for (std::int64_t z = 5; z < s.k; z += 2) {
            const auto to = w.begin() + z * s.d;
            std::copy_n(to - (z % 4 == 3 && z > 16 ? 16 : 1) * s.d, s.d, to);
            w[static_cast<std::size_t>(z * s.d + z % s.d)] *= T(1) + T(8) * std::numeric_limits<T>::epsilon();
        }
        for (std::int64_t j = 0; j < s.d; ++j) {  // a tie, and an energy of 0
            if (s.k > 3) w[static_cast<std::size_t>(3 * s.d + j)] = w[static_cast<std::size_t>(j)];
            y[static_cast<std::size_t>(j)] = w[static_cast<std::size_t>(j)];
        }
        weights = normal<T>(s.n, 3);
        for (auto& weight : weights) weight = std::fabs(weight);
        if (s.n > 1) weights[0] = 0;
        for (std::int64_t e = 0; e < s.n * s.d; ++e) mask.push_back(e % 3 != 0);
    }
};

// The device arrays of a case: rows stride apart, as a slice of a wider matrix.
template <class T>
struct Device {
    eb::Context context;
    eb::Matrix<T> wide, w;
    eb::Vector<T> weights;
    eb::Matrix<std::uint8_t> mask;
    eb::MatrixView<const T> y;

    Device(eb::Context c, const Case<T>& k)
        : context(std::move(c)),
          wide(context.copy(eb::view(k.y, k.s.n, k.s.stride))),
          w(context.copy(eb::view(k.w, k.s.k, k.s.d))),
          weights(context.copy(eb::view(k.weights))),
          mask(context.copy(eb::view(k.mask, k.s.n, k.s.d))),
          y{wide.data(), k.s.n, k.s.d, k.s.stride, context.device()} {}
};

template <class T>
struct Results {
    std::vector<std::int32_t> labels, best_labels, screened, fit_labels, complete_labels;
    std::vector<T> energies, best, all, free, screened_energies, point_gradients, prototype_gradients, hard_gradients,
        updated, centroids, completed, probabilities, mean, projected, nearest;
    std::vector<double> cluster_weights, inertia;

    Results(Device<T>& a, const Shape& s) {
        auto& c = a.context;
        const std::int64_t n = s.n, k = s.k, d = s.d, m = std::min<std::int64_t>(k, 32);
        const double beta = 0.7 / (s.sd * s.sd);
        auto l = c.template vector<std::int32_t>(n);
        auto e = c.template vector<T>(n), f = c.template vector<T>(n);
        auto bl = c.template matrix<std::int32_t>(n, m);
        auto be = c.template matrix<T>(n, m), full = c.template matrix<T>(n, k);
        eb::assign(c, eb::Assign<T>{.points = a.y,
                                    .prototypes = a.w,
                                    .labels = l,
                                    .energies = e,
                                    .best_labels = bl,
                                    .best_energies = be,
                                    .all_energies = full,
                                    .free_energies = f,
                                    .beta = beta});
        labels = to_host(c, l), energies = to_host(c, e), best_labels = to_host(c, bl), best = to_host(c, be);
        all = to_host(c, full), free = to_host(c, f);
        eb::assign(c, eb::Assign<T>{.points = a.y, .prototypes = a.w, .labels = l});
        screened = to_host(c, l);
        eb::assign(c, eb::Assign<T>{.points = a.y, .prototypes = a.w, .labels = l, .energies = e});
        screened_energies = to_host(c, e);

        auto gy = c.template matrix<T>(n, d), gw = c.template matrix<T>(k, d);
        eb::assign_gradient(c, eb::AssignGradient<T>{.points = a.y,
                                                     .prototypes = a.w,
                                                     .weights = a.weights,
                                                     .beta = beta,
                                                     .point_gradients = gy,
                                                     .prototype_gradients = gw});
        point_gradients = to_host(c, gy), prototype_gradients = to_host(c, gw);
        eb::assign_gradient(c, eb::AssignGradient<T>{.points = a.y,
                                                     .prototypes = a.w,
                                                     .weights = a.weights,
                                                     .point_gradients = gy,
                                                     .prototype_gradients = gw});
        hard_gradients = to_host(c, gw);
        for (const T value : to_host(c, gy)) hard_gradients.push_back(value);

        auto moved = c.copy(a.w.view());
        auto sizes = c.template vector<double>(k);
        eb::update(
            c, eb::Update<T>{
                   .points = a.y, .labels = l, .weights = a.weights, .prototypes = moved, .cluster_weights = sizes});
        updated = to_host(c, moved), cluster_weights = to_host(c, sizes);

        if (n >= k) {
            auto model = eb::kmeans::fit(c, a.y, {.k = k, .seed = 7, .weights = a.weights, .max_iterations = 4});
            centroids = to_host(c, model.prototypes), fit_labels = to_host(c, model.labels);
            inertia = {model.inertia, double(model.iterations)};
            model = eb::kmeans::fit(
                c, a.y,
                {.k = k, .seed = 7, .start = eb::kmeans::Start::parallel, .weights = a.weights, .max_iterations = 1});
            for (const T value : to_host(c, model.prototypes)) centroids.push_back(value);
        }
        auto sets = eb::kmeans::complete(c, a.w, eb::kmeans::Complete<T>{a.y, a.mask, std::int32_t(m), beta});
        complete_labels = to_host(c, sets.labels), completed = to_host(c, sets.points), mean = to_host(c, sets.mean);
        probabilities = to_host(c, sets.probabilities);
        const eb::MatrixView<const std::uint8_t> one{a.mask.data(), 1, d, d, c.device()};
        auto one_mask = eb::kmeans::complete(c, a.w, eb::kmeans::Complete<T>{a.y, one, 1, beta});
        for (const T value : to_host(c, one_mask.mean)) mean.push_back(value);
        auto soft = eb::kmeans::project(c, a.w, eb::kmeans::Project<T>{a.y, beta, 3});
        auto hard = eb::kmeans::project(c, a.w, eb::kmeans::Project<T>{a.y});
        projected = to_host(c, soft.points), nearest = to_host(c, hard.points);
    }
};

// What explain() says of a task, by default of one that all ways can do.
std::string way(eb::Context c, std::int64_t n = 64, std::int64_t k = 40, std::int64_t d = 32) {
    const auto points = c.matrix<float>(n, d), prototypes = c.matrix<float>(k, d);
    const auto labels = c.vector<std::int32_t>(n);
    return eb::explain(c, eb::Assign<float>{.points = points, .prototypes = prototypes, .labels = labels});
}

// Labels and energies, which have the most ways: on each of the contexts.
template <class T>
struct LabelsAndEnergies {
    std::vector<std::int32_t> labels, alone;
    std::vector<T> energies;

    explicit LabelsAndEnergies(Device<T>& a) {
        auto& c = a.context;
        auto l = c.template vector<std::int32_t>(a.y.rows);
        auto e = c.template vector<T>(a.y.rows);
        eb::assign(c, eb::Assign<T>{.points = a.y, .prototypes = a.w, .labels = l});
        alone = to_host(c, l);
        eb::assign(c, eb::Assign<T>{.points = a.y, .prototypes = a.w, .labels = l, .energies = e});
        labels = to_host(c, l), energies = to_host(c, e);
    }
};

template <class T>
void compare_labels(eb::Context cpu, const std::vector<eb::Context>& contexts, const Shape& s) {
    const Case<T> data(s);
    Device<T> on_cpu(cpu, data);
    const LabelsAndEnergies<T> wanted(on_cpu);
    for (const auto& cuda : contexts) {
        Device<T> on_cuda(cuda, data);
        SCOPED_TRACE(way(cuda));
        const LabelsAndEnergies<T> got(on_cuda);
        same("labels alone", wanted.alone, got.alone);
        same("labels", wanted.labels, got.labels);
        same("energies", wanted.energies, got.energies);
    }
}

template <class T>
void compare(eb::Context cpu, eb::Context cuda, const Shape& s) {
    SCOPED_TRACE(cuda.description());
    const std::string name = std::string(sizeof(T) == 4 ? "float " : "double ") + std::to_string(s.n) + " x " +
                             std::to_string(s.k) + " x " + std::to_string(s.d) + ": ";
    const Case<T> data(s);
    Device<T> on_cpu(cpu, data), on_cuda(cuda, data);
    const Results<T> a(on_cpu, s), b(on_cuda, s);
    same(name + "labels", a.labels, b.labels);
    same(name + "energies", a.energies, b.energies);
    same(name + "best labels", a.best_labels, b.best_labels);
    same(name + "best energies", a.best, b.best);
    same(name + "all energies", a.all, b.all);
    same(name + "free energies", a.free, b.free);
    same(name + "labels alone", a.screened, b.screened);
    same(name + "labels and energies", a.screened_energies, b.screened_energies);
    same(name + "point gradients", a.point_gradients, b.point_gradients);
    same(name + "prototype gradients", a.prototype_gradients, b.prototype_gradients);
    same(name + "gradients at infinity", a.hard_gradients, b.hard_gradients);
    same(name + "update", a.updated, b.updated);
    same(name + "cluster weights", a.cluster_weights, b.cluster_weights);
    same(name + "fit", a.centroids, b.centroids);
    same(name + "fit's labels", a.fit_labels, b.fit_labels);
    same(name + "inertia", a.inertia, b.inertia);
    same(name + "completion labels", a.complete_labels, b.complete_labels);
    same(name + "completions", a.completed, b.completed);
    same(name + "probabilities", a.probabilities, b.probabilities);
    same(name + "mean", a.mean, b.mean);
    same(name + "projection", a.projected, b.projected);
    same(name + "nearest", a.nearest, b.nearest);
}

// What a backend says about bad data.
template <class T>
std::string error_of(eb::Context context, std::vector<T> y, std::vector<T> w, std::int64_t k, std::int64_t d,
                     bool check) {
    try {
        const auto points = context.copy(eb::view(y, std::int64_t(y.size()) / d, d));
        const auto prototypes = context.copy(eb::view(w, k, d));
        auto labels = context.vector<std::int32_t>(points.rows());
        auto energies = context.vector<T>(points.rows());
        eb::assign(context, eb::Assign<T>{.points = points,
                                          .prototypes = prototypes,
                                          .labels = labels,
                                          .energies = energies,
                                          .check_finite = check});
        std::string text;
        for (const auto label : to_host(context, labels)) text += std::to_string(label) + " ";
        for (const auto energy : to_host(context, energies)) text += std::to_string(energy) + " ";
        return text;
    } catch (const eb::Error& error) {
        return error.what();
    }
}

template <class T>
void compare_errors(eb::Context cpu, eb::Context cuda) {
    for (const std::int64_t k : {7, 40}) {
        const std::int64_t n = 70, d = 5;
        const auto y = normal<T>(n * d, 1), w = normal<T>(k * d, 2);
        // The first overflows all that it meets; the second overflows an energy, but neither norm.
        const T huge = sizeof(T) == 4 ? T(1e25) : T(1e200), less = sizeof(T) == 4 ? T(2e19) : T(1e155);
        for (const bool check : {true, false})
            for (const auto& [in_y, at, value] : {std::tuple{true, 333, T(NAN)},
                                                  {true, 40, T(INFINITY)},
                                                  {true, 12, huge},
                                                  {false, 17, T(NAN)},
                                                  {false, 3, -T(INFINITY)},
                                                  {false, 30, huge},
                                                  {true, 20, less},
                                                  {false, 30, less}}) {
                auto bad_y = y, bad_w = w;
                (in_y ? bad_y : bad_w)[std::size_t(at)] = value;
                const auto a = error_of(cpu, bad_y, bad_w, k, d, check), b = error_of(cuda, bad_y, bad_w, k, d, check);
                EXPECT_EQ(a, b);
            }
    }
}

// Soft means whose sums take more and more shared memory, and at last none.
template <class T>
void compare_wide(eb::Context cpu, eb::Context cuda) {
    for (const std::int64_t bytes : {4000, 36000, 240000}) {
        const auto d = bytes / static_cast<std::int64_t>(sizeof(T));
        const std::int64_t n = bytes == 4000 ? 20 : 2, k = bytes == 4000 ? 17 : 2;
        const auto y = normal<T>(n * d, 1), w = normal<T>(k * d, 2);
        std::vector<T> gradients[2], projected[2];
        for (const bool on_cuda : {false, true}) {
            eb::Context& c = on_cuda ? cuda : cpu;
            const auto points = c.copy(eb::view(y, n, d)), prototypes = c.copy(eb::view(w, k, d));
            const auto out = c.matrix<T>(n, d);
            eb::assign_gradient(c,
                                eb::AssignGradient<T>{
                                    .points = points, .prototypes = prototypes, .beta = 0.01, .point_gradients = out});
            gradients[on_cuda] = to_host(c, out);
            const auto at = eb::kmeans::project(c, prototypes.view(), eb::kmeans::Project<T>{points, 0.01, 2});
            projected[on_cuda] = to_host(c, at.points);
        }
        same("gradients of " + std::to_string(d) + " columns", gradients[0], gradients[1]);
        same("projections of " + std::to_string(d) + " columns", projected[0], projected[1]);
    }
}

// The CUDA context, if there is one, with each of its ways of assigning forced.
std::vector<eb::Context> cuda_contexts() {
    std::vector<eb::Context> contexts;
    for (const auto& backend : eb::test::backends())
        for (const auto& [path, named] :
             {std::pair{"direct", "canonical"}, {"fp32", "fp32"}, {"tensor", "tensor"}, {"small", "a thread"}}) {
            if (backend.kind != eb::Device::Kind::cuda) continue;
            const eb::test::ScopedVariable forced("CUEBM_ASSIGN", path);
            contexts.push_back(backend.make());
            EXPECT_NE(way(contexts.back()).find(named), std::string::npos) << way(contexts.back());
        }
    return contexts;
}

}  // namespace

// n, k, d, stride: one of all; tiles exact and not; d below, at and above a chunk; rows 16-byte aligned or not; far
// from the origin, where the squares cancel; many prototypes, so that screening has several tiles. Would catch: a tile,
// mask, chunk or stride that is off by one; a tree of another order; ties that go to a higher index; a bound that is
// too small or a class that is not scanned; points that are not shifted; sums that lose or repeat a contribution.
class SameBitsOfShape : public testing::TestWithParam<Shape> {};
INSTANTIATE_TEST_SUITE_P(, SameBitsOfShape,
                         testing::Values(Shape{1, 1, 1, 1}, Shape{3, 1, 5, 5}, Shape{70, 5, 2, 2},
                                         Shape{129, 37, 16, 16}, Shape{65, 40, 19, 23}, Shape{40, 33, 70, 72},
                                         Shape{140, 70, 36, 36}, Shape{64, 16, 64, 64}, Shape{50, 130, 8, 8, 1e4, 1e-2},
                                         Shape{33, 40, 100, 101}),
                         title_of);
TEST_P(SameBitsOfShape, AllResults) {
    auto cpu = eb::Context::cpu({.threads = 2});
    const auto contexts = cuda_contexts();
    if (contexts.empty()) GTEST_SKIP() << "no CUDA backend";
    compare<float>(cpu, contexts.front(), GetParam());
    compare<double>(cpu, contexts.front(), GetParam());
    compare_labels<float>(cpu, contexts, GetParam());
}

// The fits, hard gradients and projections that are made of labels, on the ways that the suite above does not take. Few
// coordinates, so that all ways can; rows 16-byte aligned or not. Would catch: scratch that another call of a fit or a
// completion overwrites; an output that a fast way leaves as it was.
class SameBitsOnEveryWay : public testing::TestWithParam<Shape> {};
INSTANTIATE_TEST_SUITE_P(, SameBitsOnEveryWay, testing::Values(Shape{129, 37, 16, 16}, Shape{140, 70, 30, 31}),
                         title_of);
TEST_P(SameBitsOnEveryWay, AllResults) {
    auto cpu = eb::Context::cpu({.threads = 2});
    const auto contexts = cuda_contexts();
    if (contexts.empty()) GTEST_SKIP() << "no CUDA backend";
    for (auto cuda = contexts.begin() + 1; cuda != contexts.end(); ++cuda) {
        const Shape& s = GetParam();
        SCOPED_TRACE(way(*cuda, s.n, s.k, s.d));
        EXPECT_EQ(way(*cuda, s.n, s.k, s.d).find("every pair"), std::string::npos);  // that is the first context's
        compare<float>(cpu, *cuda, s);
    }
}

// Would catch: a bad row that is not found, or blamed on something else; an energy that overflows unseen, because its
// prototype was screened out.
TEST(SameBits, Errors) {
    const auto contexts = cuda_contexts();
    if (contexts.empty()) GTEST_SKIP() << "no CUDA backend";
    for (const auto& cuda : contexts) {
        compare_errors<float>(eb::Context::cpu({.threads = 2}), cuda);
        compare_errors<double>(eb::Context::cpu({.threads = 2}), cuda);
    }
}

// Would catch: sums of a soft mean that overlap or overrun shared memory, or rows too wide for it that are refused.
TEST(SameBits, WideRows) {
    const auto contexts = cuda_contexts();
    if (contexts.empty()) GTEST_SKIP() << "no CUDA backend";
    compare_wide<float>(eb::Context::cpu(), contexts.front());
    compare_wide<double>(eb::Context::cpu(), contexts.front());
}

// Would catch: a report that outlives its stream, and is thrown by the next one that takes its parts; a wrapped stream
// that does not report.
TEST(SameBits, ReportsOfStreams) {
    const auto contexts = cuda_contexts();
    if (contexts.empty()) GTEST_SKIP() << "no CUDA backend";
    auto cuda = contexts.front();
    auto y = normal<float>(300, 1);
    const auto good = cuda.copy(eb::view(y, 100, 3));
    y[7] = NAN;
    const auto bad = cuda.copy(eb::view(y, 100, 3));
    auto labels = cuda.vector<std::int32_t>(100);
    const eb::Assign<float> task{.points = bad, .prototypes = good, .labels = labels};
    {
        eb::Stream dropped(cuda);
        eb::assign(dropped, task);
    }
    EXPECT_NO_THROW(eb::Stream(cuda).wait());
    auto wrapped = eb::Stream::wrap(cuda, nullptr);
    eb::assign(wrapped, task);
    EXPECT_THROW(wrapped.wait(), eb::DataError);
    EXPECT_NO_THROW(wrapped.wait());
}
