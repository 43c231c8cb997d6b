// kmeans::fit() with so many prototypes that the CPU keeps bounds from one iteration to the next, on every path of it:
// the bits of a fit that keeps none.
#include <algorithm>
#include <cmath>

#include <cuebm/kmeans.hpp>

#include "support/backends.hpp"
#include "support/fitted.hpp"

namespace eb = cuebm;
using namespace cuebm::test;
using eb::kmeans::Start;

namespace {

class KMeansBounds : public testing::TestWithParam<Backend> {};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(KMeansBounds);
INSTANTIATE_TEST_SUITE_P(, KMeansBounds, testing::ValuesIn(cpu_backends()),
                         [](const auto& info) { return info.param.name + "_float"; });

// Several panels, of at most 32 prototypes each.
struct Bounded {
    static constexpr std::int64_t n = 1000, k = 150, d = 40;
};

// 60 blobs in few dimensions that matter, so that points change their label for some iterations while bounds exclude
// most panels. In a simulation of exact distances it lost labels by each of: a lower bound, an upper one or that of the
// label's own panel without its drift; one panel's drift for all; the own panel's others ignored.
std::vector<float> overlapping_blobs() {
    constexpr std::int64_t d = Bounded::d, centres = 60;
    auto y = normal<float>(Bounded::n * d, 5);
    const auto at = normal<float>(centres * d, 6, 0, 4);
    for (std::int64_t i = 0; i < Bounded::n; ++i) {
        float scale = 1;
        for (std::int64_t j = 0; j < d; ++j, scale *= 0.85f) {
            auto& value = y[static_cast<std::size_t>(i * d + j)];
            value = (value + at[static_cast<std::size_t>(i % centres * d + j)]) * scale;
        }
    }
    return y;
}

eb::kmeans::FitOptions<float> bounded_options() {
    return {.k = Bounded::k, .seed = 4, .start = Start::random, .max_iterations = 12, .tolerance = 0};
}

template <class Element>
Fitted<float> bounded_fit(const Backend& backend, const std::vector<Element>& y,
                          const eb::kmeans::FitOptions<float>& options) {
    const auto context = backend.make();
    const Placed<Element> points(context, y, Bounded::n, Bounded::d, {.pad = 3, .offset = 1});
    const auto model = eb::kmeans::fit(context, points.view(), options);
    const eb::Assign<float> task{
        .points = points.view(), .prototypes = model.prototypes, .labels = model.labels, .energies = model.energies};
    EXPECT_EQ(eb::explain(context, task).starts_with("screened"), backend.path != "direct");  // else no bounds
    return {.prototypes = eb::to_host(context, model.prototypes),
            .energies = eb::to_host(context, model.energies),
            .labels = eb::to_host(context, model.labels),
            .inertia = model.inertia,
            .iterations = model.iterations,
            .empty_clusters = model.empty_clusters,
            .status = model.status};
}

// Returns the fit without bounds.
template <class Element>
Fitted<float> expect_bits_without_bounds(const Backend& backend, const std::vector<Element>& y,
                                         const eb::kmeans::FitOptions<float>& options) {
    const Backend direct{.name = "direct", .threads = 1, .isa = {}, .path = "direct"};
    const auto got = bounded_fit(backend, y, options), wanted = bounded_fit(direct, y, options);
    expect_same(got, wanted);
    EXPECT_EQ(got.empty_clusters, wanted.empty_clusters);
    EXPECT_GE(wanted.iterations, 4);  // else bounds have no time to be wrong
    return wanted;
}

}  // namespace

// A label that is kept although it was beaten, a panel that is skipped although it came near; points packed with the
// shift of one start, and prototypes with another's.
TEST_P(KMeansBounds, OfTwoStarts) {
    auto options = bounded_options();
    options.n_init = 2;
    expect_bits_without_bounds(GetParam(), overlapping_blobs(), options);
}

// Energies of points that keep their label without being looked at.
TEST_P(KMeansBounds, WithEnergiesOfEachIteration) {
    auto options = bounded_options();
    std::vector<double> inertias;  // of the one fit, and then of the other
    options.progress = [&](const eb::kmeans::Progress& p) { inertias.push_back(p.inertia); };
    const auto wanted = expect_bits_without_bounds(GetParam(), overlapping_blobs(), options);
    const auto half = inertias.begin() + wanted.iterations;
    ASSERT_EQ(inertias.size(), 2 * static_cast<std::size_t>(wanted.iterations));
    EXPECT_TRUE(same_bits(std::vector<double>(inertias.begin(), half), std::vector<double>(half, inertias.end())));
}

// An empty cluster's prototype comes from afar, or from behind its equal: drifts that are too short, a twin that stays
// hidden.
TEST_P(KMeansBounds, OfRelocatedClusters) {
    constexpr std::int64_t d = Bounded::d, k = Bounded::k;
    const auto y = overlapping_blobs();
    for (const bool twins : {false, true}) {
        std::vector<float> start(y.begin(), y.begin() + k * d);
        for (std::int64_t z = 100; z < 106; ++z)  // on both sides, so that their mean stays
            for (std::int64_t j = 0; j < d; ++j)
                start[static_cast<std::size_t>(z * d + j)] += z % 2 == 0 ? 30.0f : -30.0f;
        for (std::int64_t z = 10; twins && z < 100; z += 10) std::copy_n(y.begin() + 3 * d, d, start.begin() + z * d);
        auto options = bounded_options();
        options.start = Start::given;
        options.prototypes = eb::view(start, k, d);
        const auto wanted = expect_bits_without_bounds(GetParam(), y, options);
        EXPECT_LT(wanted.empty_clusters, 6);  // they were relocated
    }
}

// Bounds of the points as they came, not at unit length; drifts that leave out the way back to the sphere.
TEST_P(KMeansBounds, OfTheCosine) {
    auto options = bounded_options();
    options.metric = eb::Metric::cosine;
    expect_bits_without_bounds(GetParam(), overlapping_blobs(), options);
}

// Rows that are packed, or looked at again, at the stride of floats.
TEST_P(KMeansBounds, OfBytes) {
    std::vector<std::uint8_t> bytes;
    for (const float value : overlapping_blobs())
        bytes.push_back(static_cast<std::uint8_t>(std::clamp(128 + 12 * value, 0.0f, 255.0f)));
    expect_bits_without_bounds(GetParam(), bytes, bounded_options());
}

// Bounds of distances that cancel: all features but one are as nothing beside the norms.
TEST_P(KMeansBounds, OfOneFeatureOf1e6TimesTheRest) {
    auto y = overlapping_blobs();
    for (std::size_t i = 5; i < y.size(); i += static_cast<std::size_t>(Bounded::d)) y[i] *= 1e6f;
    expect_bits_without_bounds(GetParam(), y, bounded_options());
}

// Underflow that bounds know nothing of. Those of the first points are used, since their floor is just below 2^-60;
// those of the second, whose energies are denormal and often tie, say nothing and are left out.
TEST_P(KMeansBounds, OfTinyPoints) {
    for (const float scale : {3e-14f, 1e-21f}) {
        auto y = overlapping_blobs();
        for (float& value : y) value *= scale;
        expect_bits_without_bounds(GetParam(), y, bounded_options());
    }
}
