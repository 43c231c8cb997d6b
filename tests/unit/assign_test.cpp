// assign() against the obvious loops in double, and its answers to bad input.
#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include <cuebm/cuebm.hpp>

namespace eb = cuebm;

namespace {

template <class T>
std::vector<T> normal(std::int64_t size, unsigned seed, double mean = 0, double sd = 1) {
    std::mt19937 generator(seed);
    std::normal_distribution<double> draw(mean, sd);
    std::vector<T> values(static_cast<std::size_t>(size));
    for (auto& value : values) value = static_cast<T>(draw(generator));
    return values;
}

// The canonical energy as docs/design/canonical-energy.md defines it, written out apart from the library's.
template <class T>
T canonical_energy(const T* y, const T* w, int d) {
    T a[16] = {};
    for (int j = 0; j < d; ++j) a[j % 16] = std::fma(y[j] - w[j], y[j] - w[j], a[j % 16]);
    const auto half = [&](int i) {
        return ((a[i] + a[i + 8]) + (a[i + 4] + a[i + 12])) + ((a[i + 2] + a[i + 10]) + (a[i + 6] + a[i + 14]));
    };
    return half(0) + half(1);
}

template <class T>
class AssignTest : public testing::Test {};
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(AssignTest, Types);

}  // namespace

// Wrong labels, ties that go to a higher index, order of the best, thread-dependent bits, a wrong F_beta.
TYPED_TEST(AssignTest, AgreesWithDoubleLoops) {
    using T = TypeParam;
    for (const auto& [n, k, d, mean, sd] :
         {std::tuple{200, 37, 19, 0.0, 1.0}, {65, 5, 1, 0.0, 1.0}, {3, 40, 1000, 0.0, 1.0}, {130, 16, 32, 1e4, 1e-2}}) {
        const auto y = normal<T>(n * d, 1, mean, sd), w = normal<T>(k * d, 2, mean, sd);
        std::vector<std::int32_t> labels(static_cast<std::size_t>(n)), other(labels),
            best(static_cast<std::size_t>(n * 4));
        std::vector<T> energies(static_cast<std::size_t>(n)), free(energies);
        const double beta = 0.7 / (sd * sd);
        for (const int threads : {1, 3}) {
            auto context = eb::Context::cpu({.threads = threads});
            eb::assign(context, eb::Assign<T>{.points = eb::view(y, n, d),
                                              .prototypes = eb::view(w, k, d),
                                              .labels = eb::view(labels),
                                              .energies = eb::view(energies),
                                              .best_labels = eb::view(best, n, 4),
                                              .free_energies = eb::view(free),
                                              .beta = beta});
            if (threads == 1) other = labels;
            EXPECT_EQ(labels, other);
        }
        for (std::int64_t i = 0; i < n; ++i) {
            std::vector<std::pair<T, int>> canonical;
            double least = INFINITY, sum = 0;
            std::vector<double> exact;
            for (int z = 0; z < k; ++z) {
                double energy = 0;
                for (int j = 0; j < d; ++j)
                    energy += std::pow(double(y[size_t(i * d + j)]) - double(w[size_t(z * d + j)]), 2);
                exact.push_back(energy);
                least = std::min(least, energy);
                canonical.emplace_back(canonical_energy(&y[size_t(i * d)], &w[size_t(z * d)], d), z);
            }
            for (const double energy : exact) sum += std::exp(-beta * (energy - least));
            std::sort(canonical.begin(), canonical.end());
            EXPECT_EQ(labels[size_t(i)], canonical[0].second);
            EXPECT_EQ(energies[size_t(i)], canonical[0].first);
            EXPECT_LE(exact[size_t(labels[size_t(i)])], least * (1 + 1e-4));
            for (int c = 0; c < 4; ++c) EXPECT_EQ(best[size_t(i * 4 + c)], canonical[size_t(c)].second);
            EXPECT_NEAR(double(free[size_t(i)]), least - std::log(sum) / beta, 1e-5 * (least + std::log(k) / beta));
        }
    }
}

// A hidden coordinate that leaks into the energy, or its NaN that spreads.
TYPED_TEST(AssignTest, HiddenCoordinatesAreNotLookedAt) {
    using T = TypeParam;
    const std::vector<T> y{1, T(NAN), 4, 100}, w{0, 0, 5, 5};
    const std::vector<std::uint8_t> known{1, 0};
    std::vector<std::int32_t> labels(2);
    auto context = eb::Context::cpu();
    eb::assign(context, eb::Assign<T>{.points = eb::view(y, 2, 2),
                                      .prototypes = eb::view(w, 2, 2),
                                      .known = eb::view(known, 1, 2),
                                      .labels = eb::view(labels)});
    EXPECT_EQ(labels, (std::vector<std::int32_t>{0, 1}));
}

// Duplicates must go to the lowest index, and y == w must give exactly 0.
TYPED_TEST(AssignTest, DuplicatesAndEqualPoints) {
    using T = TypeParam;
    const auto y = normal<T>(7, 3, 1e4, 1);
    std::vector<T> w;
    for (int z = 0; z < 20; ++z) w.insert(w.end(), y.begin(), y.end());
    std::vector<std::int32_t> labels(1);
    std::vector<T> energies(1);
    auto context = eb::Context::cpu();
    eb::assign(context, eb::Assign<T>{.points = eb::view(y, 1, 7),
                                      .prototypes = eb::view(w, 20, 7),
                                      .labels = eb::view(labels),
                                      .energies = eb::view(energies)});
    EXPECT_EQ(labels[0], 0);
    EXPECT_EQ(energies[0], T(0));
}

// Bad data must name the row, and a context must work afterwards.
TYPED_TEST(AssignTest, BadDataNamesTheRow) {
    using T = TypeParam;
    auto y = normal<T>(300 * 3, 4);
    const auto w = normal<T>(2 * 3, 5);
    std::vector<std::int32_t> labels(300);
    auto context = eb::Context::cpu({.threads = 2});
    const eb::Assign<T> task{
        .points = eb::view(std::as_const(y), 300, 3), .prototypes = eb::view(w, 2, 3), .labels = eb::view(labels)};
    for (const T bad : {T(NAN), T(INFINITY), std::numeric_limits<T>::max()}) {
        auto saved = y;
        y[290 * 3] = y[17 * 3 + 1] = bad;
        try {
            eb::assign(context, task);
            FAIL() << "accepted " << bad;
        } catch (const eb::DataError& error) {
            EXPECT_EQ(error.row(), 17);
            EXPECT_EQ(error.argument(), "points");
        }
        y = saved;
        EXPECT_NO_THROW(eb::assign(context, task));
    }
}

// Each must be refused by name before any work.
TYPED_TEST(AssignTest, BadArgumentsAreNamed) {
    using T = TypeParam;
    const std::vector<T> y(12), w(6);
    std::vector<std::int32_t> labels(4), few(3);
    std::vector<T> free(4);
    auto context = eb::Context::cpu();
    const eb::Assign<T> good{.points = eb::view(y, 4, 3), .prototypes = eb::view(w, 2, 3), .labels = eb::view(labels)};
    const auto refused = [&](auto change) {
        auto task = good;
        change(task);
        try {
            eb::assign(context, task);
        } catch (const eb::InvalidArgument& error) {
            return error.argument();
        }
        return std::string("accepted");
    };
    EXPECT_EQ(refused([](auto&) {}), "accepted");
    EXPECT_EQ(refused([](auto& t) { t.points.data = nullptr; }), "points");
    EXPECT_EQ(refused([](auto& t) { t.points.stride = 2; }), "points");
    EXPECT_EQ(refused([](auto& t) { t.points.device.kind = eb::Device::Kind::cuda; }), "points");
    EXPECT_EQ(refused([](auto& t) { t.prototypes.rows = 0; }), "prototypes");
    EXPECT_EQ(refused([](auto& t) { t.prototypes.cols = 2; }), "prototypes");
    EXPECT_EQ(refused([&](auto& t) { t.labels = eb::view(few); }), "labels");
    EXPECT_EQ(refused([](auto& t) { t.labels = {}; }), "labels");
    EXPECT_EQ(refused([](auto& t) { t.beta = -1; }), "beta");
    EXPECT_EQ(refused([&](auto& t) { t.free_energies = eb::view(free); }), "beta");
    EXPECT_THROW(eb::Context::cpu({.threads = -1}), eb::InvalidArgument);
    EXPECT_THROW(eb::Context::cuda(0), eb::DeviceError);
}

// The limit must hold, the error must carry the figures, and the context must work afterwards.
TEST(Context, OutOfMemoryLeavesItWorking) {
    auto context = eb::Context::cpu({.memory_limit = 1 << 20});
    EXPECT_THROW((void)context.vector<float>(1 << 20), eb::OutOfMemory);
    EXPECT_THROW((void)context.matrix<double>(std::int64_t{1} << 40, std::int64_t{1} << 40), eb::OutOfMemory);
    { const auto fits = context.vector<float>(1000); }
    EXPECT_EQ(context.used_bytes(), 0u);
    const std::vector<float> host{1, 2, 3, 4, 5, 6};
    const auto strided = context.copy(eb::MatrixView<const float>{host.data(), 2, 2, 3, {}});
    EXPECT_EQ(eb::to_host(context, strided), (std::vector<float>{1, 2, 4, 5}));
    const auto turned = context.copy_transposed(eb::view(host, 2, 3));
    EXPECT_EQ(eb::to_host(context, turned), (std::vector<float>{1, 4, 2, 5, 3, 6}));
}

// Work of one stream that starts before another stream's event.
TEST(Stream, EventsOrderStreams) {
    auto context = eb::Context::cpu();
    eb::Stream first(context), second(context);
    std::vector<float> a(1 << 20, 1.0f), b(a.size()), c(a.size());
    eb::copy(first, eb::view(a, 1, 1 << 20), eb::view(b, 1, 1 << 20));
    second.wait_for(first.record());
    eb::copy(second, eb::view(b, 1, 1 << 20), eb::view(c, 1, 1 << 20));
    second.wait();
    EXPECT_EQ(c, a);
    EXPECT_THROW(eb::Stream::wrap(context, nullptr), eb::InvalidArgument);
}
