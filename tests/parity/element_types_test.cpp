// Points stored as uint8, fp16 or bf16: every call gives the bits of the same call on a copy in float, in any layout,
// on every backend and path; and what those types hold that is bad is an error that names the row.
#include "support/assign_problem.hpp"
#include "support/backends.hpp"
#include "support/complaint.hpp"
#include "support/fitted.hpp"

namespace eb = cuebm;
using namespace cuebm::test;

namespace {

class ElementTypes : public testing::TestWithParam<Backend> {};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(ElementTypes);
INSTANTIATE_TEST_SUITE_P(, ElementTypes, testing::ValuesIn(backends()),
                         [](const auto& info) { return info.param.name + "_float"; });

// Values of all sizes, the least above zero too.
template <class Element>
std::vector<Element> values(std::int64_t size, unsigned seed) {
    const auto source = normal<float>(size, seed);
    std::vector<Element> result;
    for (std::size_t i = 0; i < source.size(); ++i) {
        if constexpr (std::is_same_v<Element, std::uint8_t>)
            result.push_back(static_cast<std::uint8_t>(static_cast<int>(std::fabs(source[i]) * 100) % 256));
        else
            result.push_back(Element(i % 7 == 3 ? source[i] * 0x1p-16f : source[i]));
    }
    return result;
}
template <class Element>
std::vector<float> as_floats(const std::vector<Element>& stored) {
    std::vector<float> floats;
    for (const auto value : stored) floats.push_back(static_cast<float>(value));
    return floats;
}

// A problem on floats, and the same points as they are stored.
template <class Element>
struct Both {
    std::vector<Element> stored;
    Problem<float> floats;
    Both(std::int64_t n, std::int64_t k, std::int64_t d) : stored(values<Element>(n * d, 1)) {
        floats = {
            .n = n, .k = k, .d = d, .points = as_floats(stored), .prototypes = as_floats(values<Element>(k * d, 2))};
    }
};

template <class F>
void for_each_type(F test) {
    test(std::uint8_t{});
    test(eb::Half{});
    test(eb::BFloat16{});
}

constexpr Layout layouts[] = {{}, {.pad = 3, .offset = 1}};

void expect_same(const Answers<float>& got, const Answers<float>& wanted) {
    EXPECT_TRUE(same_bits(got.labels, wanted.labels));
    EXPECT_TRUE(same_bits(got.energies, wanted.energies));
    EXPECT_TRUE(same_bits(got.best_labels, wanted.best_labels));
    EXPECT_TRUE(same_bits(got.best_energies, wanted.best_energies));
    EXPECT_TRUE(same_bits(got.all_energies, wanted.all_energies));
    EXPECT_TRUE(same_bits(got.free_energies, wanted.free_energies));
}

template <class Element>
Answers<float> solve_stored(eb::Context& context, const Both<Element>& both, unsigned want, std::int64_t m,
                            Layout layout) {
    const OnDevice<float> there(context, both.floats, want, m);
    const Placed<Element> points(context, both.stored, both.floats.n, both.floats.d, layout);
    auto task = there.task();
    task.points = points.view();
    eb::assign(context, task);
    return there.answers(both.floats);
}

}  // namespace

// A row that is read at another type's stride, a tail that is not converted, chunks that overlap or lose their place in
// an output; each path, each set of outputs, hidden coordinates.
TEST_P(ElementTypes, AssignGivesTheBitsOfFloats) {
    for (const char* path : {"direct", "screened"}) {
        const ScopedVariable forced("CUEBM_ASSIGN", path);
        auto context = GetParam().make();
        for_each_type([&]<class Element>(Element) {
            for (const auto& [n, k, d] : {std::tuple{1, 1, 1}, {60, 33, 37}, {20, 3, 64}})
                for (const Layout layout : layouts) {
                    Both<Element> both(n, k, d);
                    SCOPED_TRACE(testing::Message() << path << ", n " << n << ", d " << d << ", " << sizeof(Element));
                    for (const unsigned want : {unsigned{Want::labels}, Want::labels | Want::energies}) {
                        const auto got = solve_stored(context, both, want, 1, layout);
                        expect_canonical(got, both.floats, want);
                    }
                    both.floats.beta = 0.5;
                    const unsigned all = Want::best | Want::all_energies | Want::free_energies;
                    const std::int64_t m = std::min(k, 3);
                    expect_same(solve_stored(context, both, all, m, layout), solve(context, both.floats, all, m));
                    for (std::int64_t rows : {std::int64_t{1}, std::int64_t{n}}) {
                        both.floats.known.clear();
                        for (std::int64_t i = 0; i < rows * d; ++i) both.floats.known.push_back(i % 3 != 1);
                        const unsigned known = Want::labels | Want::free_energies;
                        expect_same(solve_stored(context, both, known, 1, layout), solve(context, both.floats, known));
                    }
                }
        });
    }
}

// The same on ways that take other shapes, or that the CPU lacks: a chunk that a tile or a thread reads past its end.
TEST_P(ElementTypes, OtherWaysGiveTheBitsOfFloats) {
    const bool cuda = GetParam().kind == eb::Device::Kind::cuda;
    for (const std::string path : {"tensor", "small"}) {
        if (!cuda && path == "tensor") continue;
        const char* named = path == "tensor" ? "tensor" : cuda ? "a thread" : "small fp32";
        const ScopedVariable forced("CUEBM_ASSIGN", path.c_str());
        auto context = GetParam().make();
        for_each_type([&]<class Element>(Element) {
            const Both<Element> both(150, 70, 13);
            if (GetParam().path.empty()) {  // else that is taken
                const OnDevice<float> there(context, both.floats, Want::labels);
                EXPECT_NE(eb::explain(context, there.task()).find(named), std::string::npos) << path;
            }
            for (const Layout layout : layouts)
                for (const unsigned want : {unsigned{Want::labels}, Want::labels | Want::energies})
                    expect_canonical(solve_stored(context, both, want, 1, layout), both.floats, want);
        });
    }
}

TEST_P(ElementTypes, UpdateAndGradientsGiveTheBitsOfFloats) {
    auto context = GetParam().make();
    for_each_type([&]<class Element>(Element) {
        const Both<Element> both(90, 7, 19);
        const auto& p = both.floats;
        auto weights = normal<float>(p.n, 3);
        for (auto& weight : weights) weight = std::fabs(weight);
        std::vector<std::int32_t> labels;
        for (int i = 0; i < p.n; ++i) labels.push_back(i * 5 % 7);
        const auto stored = context.copy(eb::view(both.stored, p.n, p.d));
        const auto floats = context.copy(eb::view(p.points, p.n, p.d)),
                   w = context.copy(eb::view(p.prototypes, p.k, p.d));
        const auto on_device = context.copy(eb::view(labels));
        const auto weight = context.copy(eb::view(weights));
        const auto update = [&](eb::PointsView<float> points) {
            const auto means = context.copy(w);
            eb::update(context, {.points = points, .labels = on_device, .weights = weight, .prototypes = means});
            return eb::to_host(context, means);
        };
        EXPECT_TRUE(same_bits(update(stored), update(floats)));
        for (const double beta : {0.01, eb::infinity}) {
            const auto gradients = [&](eb::PointsView<float> points) {
                const auto y = context.matrix<float>(p.n, p.d), of_w = context.matrix<float>(p.k, p.d);
                eb::assign_gradient(context, {.points = points,
                                              .prototypes = w,
                                              .weights = weight,
                                              .beta = beta,
                                              .point_gradients = y,
                                              .prototype_gradients = of_w});
                auto all = eb::to_host(context, y);
                const auto more = eb::to_host(context, of_w);
                all.insert(all.end(), more.begin(), more.end());
                return all;
            };
            EXPECT_TRUE(same_bits(gradients(stored), gradients(floats)));
        }
    });
}

TEST_P(ElementTypes, TheCosineGivesTheBitsOfFloats) {
    auto context = GetParam().make();
    for_each_type([&]<class Element>(Element) {
        const Both<Element> both(40, 5, 21);
        const auto& p = both.floats;
        const auto floats = context.copy(eb::view(p.points, p.n, p.d));
        const Placed<Element> stored(context, both.stored, p.n, p.d, {.pad = 1, .offset = 3});
        const auto learn = [&](eb::PointsView<float> points) {
            return eb::kmeans::fit(context, points,
                                   {.k = 3, .seed = 2, .max_iterations = 2, .metric = eb::Metric::cosine});
        };
        const auto wanted = learn(floats), got = learn(stored.view());
        EXPECT_TRUE(same_bits(eb::to_host(context, got.prototypes), eb::to_host(context, wanted.prototypes)));
        EXPECT_TRUE(same_bits(eb::to_host(context, eb::kmeans::transform(context, wanted, stored.view())),
                              eb::to_host(context, eb::kmeans::transform(context, wanted, floats))));
    });
}

// More rows than a block of the variance's sums; starts that gather rows.
TEST_P(ElementTypes, FitGivesTheBitsOfFloats) {
    auto context = GetParam().make();
    for_each_type([&]<class Element>(Element) {
        for (const auto& [n, k, d] : {std::tuple{100, 5, 21}, {4200, 2, 1}}) {
            if (n > 1000 && !std::is_same_v<Element, std::uint8_t>) continue;
            const Both<Element> both(n, k, d);
            const Placed<Element> stored(context, both.stored, n, d, {.pad = 1, .offset = 3});
            auto weights = normal<float>(n, 3);
            for (auto& weight : weights) weight = std::fabs(weight);
            const auto weight = context.copy(eb::view(weights));
            for (const auto start : {eb::kmeans::Start::plus_plus, eb::kmeans::Start::random}) {
                if (n > 1000 && start == eb::kmeans::Start::plus_plus) continue;
                eb::kmeans::FitOptions<float> options{
                    .k = k, .seed = 3, .start = start, .max_iterations = n > 1000 ? 1 : 3};
                const auto wanted = fit(context, both.floats.points, n, d, options, weights);
                options.weights = weight;
                const auto model = eb::kmeans::fit(context, stored.view(), options);
                EXPECT_TRUE(same_bits(eb::to_host(context, model.prototypes), wanted.prototypes));
                EXPECT_TRUE(same_bits(eb::to_host(context, model.labels), wanted.labels));
                EXPECT_TRUE(same_bits(eb::to_host(context, model.energies), wanted.energies));
                EXPECT_EQ(model.inertia, wanted.inertia);
                EXPECT_EQ(model.iterations, wanted.iterations);
            }
        }
    });
}

TEST_P(ElementTypes, TheUsesGiveTheBitsOfFloats) {
    auto context = GetParam().make();
    for_each_type([&]<class Element>(Element) {
        const Both<Element> both(70, 12, 19);
        const auto& p = both.floats;
        std::vector<std::uint8_t> mask;
        for (std::int64_t i = 0; i < p.n * p.d; ++i) mask.push_back(i % 4 != 2);
        const auto stored = context.copy(eb::view(both.stored, p.n, p.d));
        const auto floats = context.copy(eb::view(p.points, p.n, p.d)),
                   w = context.copy(eb::view(p.prototypes, p.k, p.d));
        const auto known = context.copy(eb::view(mask, p.n, p.d));
        EXPECT_TRUE(same_bits(eb::to_host(context, eb::kmeans::predict(context, w, stored)),
                              eb::to_host(context, eb::kmeans::predict(context, w, floats))));
        EXPECT_TRUE(same_bits(eb::to_host(context, eb::kmeans::transform(context, w, stored)),
                              eb::to_host(context, eb::kmeans::transform(context, w, floats))));
        const auto complete = [&](eb::PointsView<float> points) {
            return eb::kmeans::complete(context, w, {.points = points, .known = known, .candidates = 3, .beta = 0.01});
        };
        const auto got = complete(stored), wanted = complete(floats);
        EXPECT_TRUE(same_bits(eb::to_host(context, got.labels), eb::to_host(context, wanted.labels)));
        EXPECT_TRUE(same_bits(eb::to_host(context, got.points), eb::to_host(context, wanted.points)));
        EXPECT_TRUE(same_bits(eb::to_host(context, got.probabilities), eb::to_host(context, wanted.probabilities)));
        EXPECT_TRUE(same_bits(eb::to_host(context, got.mean), eb::to_host(context, wanted.mean)));
        EXPECT_TRUE(same_bits(eb::to_host(context, got.free_energies), eb::to_host(context, wanted.free_energies)));
    });
}

// fp16 that overflowed on the user's side, quietly labelled 0 elsewhere. The row's own number, though kernels may count
// from the first of a chunk; and the lowest of several.
TEST_P(ElementTypes, Fp16OverflowIsAnError) {
    auto context = GetParam().make();
    const std::int64_t n = 150, d = 19;
    for (const float bad : {70000.0f, -65520.0f, NAN}) {
        Both<eb::Half> both(n, 40, d);
        const auto labels = context.vector<std::int32_t>(n);
        for (const std::int64_t row : {std::int64_t{149}, std::int64_t{77}, std::int64_t{2}}) {
            both.stored[static_cast<std::size_t>(row * d + d - 1)] = eb::Half(bad);
            const auto points = context.copy(eb::view(both.stored, n, d));
            const auto w = context.copy(eb::view(both.floats.prototypes, 40, d));
            const Complaint wanted{"points", row};
            EXPECT_EQ(complaint([&] { (void)solve_stored(context, both, Want::labels, 1, {}); }), wanted);
            EXPECT_EQ(complaint([&] { (void)solve_stored(context, both, Want::all_energies, 1, {}); }), wanted);
            EXPECT_EQ(complaint([&] { (void)eb::kmeans::fit(context, points, {.k = 3}); }), wanted);
            EXPECT_EQ(complaint([&] { (void)eb::kmeans::predict(context, w, points); }), wanted);
        }
    }
}

// Prototypes keep their number; what earlier work of the stream has reported is not lost; what is hidden is not looked
// at.
TEST_P(ElementTypes, ReportsKeepTheirRows) {
    auto context = GetParam().make();
    const std::int64_t n = 150, d = 19;
    Both<eb::BFloat16> both(n, 40, d);
    both.floats.prototypes[static_cast<std::size_t>(31 * d)] = NAN;
    EXPECT_EQ(complaint([&] { (void)solve_stored(context, both, Want::labels, 1, {}); }),
              (Complaint{"prototypes", 31}));

    both = Both<eb::BFloat16>(n, 40, d);
    both.stored[static_cast<std::size_t>(88 * d)] = eb::BFloat16(3e38f);  // finite; its energies are not
    EXPECT_EQ(complaint([&] { (void)solve_stored(context, both, Want::labels, 1, {}); }), (Complaint{"points", 88}));

    both = Both<eb::BFloat16>(n, 40, d);
    const auto stored = context.copy(eb::view(both.stored, n, d));
    both.floats.points[static_cast<std::size_t>(120 * d)] = NAN;
    const auto floats = context.copy(eb::view(both.floats.points, n, d));
    const auto w = context.copy(eb::view(both.floats.prototypes, 40, d));
    const auto labels = context.vector<std::int32_t>(n);
    eb::Stream stream(context);
    eb::assign(stream, {.points = floats, .prototypes = w, .labels = labels});
    eb::assign(stream, {.points = stored, .prototypes = w, .labels = labels});
    EXPECT_EQ(complaint([&] { stream.wait(); }), (Complaint{"points", 120}));
    EXPECT_EQ(complaint([&] { stream.wait(); }), (Complaint{"none"}));

    both = Both<eb::BFloat16>(n, 40, d);
    for (std::int64_t i = 0; i < n * d; ++i) both.floats.known.push_back(i % d != 4);
    for (std::int64_t i = 0; i < n; ++i) both.stored[static_cast<std::size_t>(i * d + 4)] = eb::BFloat16(NAN);
    expect_same(solve_stored(context, both, Want::labels | Want::energies, 1, {}),
                solve(context, both.floats, Want::labels | Want::energies));
}

// Alignment is that of the stored type; a view of stored points is refused as any other.
TEST_P(ElementTypes, AreCheckedByTheirOwnSize) {
    auto context = GetParam().make();
    const auto bytes = context.matrix<std::uint8_t>(4, 9);
    const auto w = context.copy(eb::view(std::vector<float>(8, 1.0f), 2, 4));
    const auto labels = context.vector<std::int32_t>(4);
    eb::MatrixView<const std::uint8_t> odd{bytes.data() + 1, 4, 4, 9, context.device()};
    const eb::PointsView<float> points = odd;
    EXPECT_EQ(points.slice(2, 1).data, odd.slice(2, 1).data);
    EXPECT_NO_THROW(eb::assign(context, {.points = odd, .prototypes = w, .labels = labels}));
    const eb::MatrixView<const eb::Half> halves{reinterpret_cast<const eb::Half*>(bytes.data() + 1), 4, 4, 4,
                                                context.device()};
    EXPECT_THROW(eb::assign(context, {.points = halves, .prototypes = w, .labels = labels}), eb::InvalidArgument);
    const eb::MatrixView<std::int32_t> over{reinterpret_cast<std::int32_t*>(bytes.data() + 12), 4, 1, 1,
                                            context.device()};
    EXPECT_THROW(eb::assign(context, {.points = odd,
                                      .prototypes = w,
                                      .labels = eb::VectorView<std::int32_t>{over.data, 4, 1, context.device()}}),
                 eb::InvalidArgument);
}
