// Sizes past 2^31 elements, on the CPU: over memory that is mapped and hardly touched, or with CUEBM_TEST_LARGE=1 in
// earnest.
#include <cstdlib>

#include <sys/mman.h>

#include "support/assign_problem.hpp"
#include "support/backends.hpp"

namespace eb = cuebm;
using namespace cuebm::test;

CUEBM_CPU_SUITE(Large);

namespace {

// Zeros, of which only the pages that are written take memory.
template <class T>
class Mapped {
public:
    explicit Mapped(std::int64_t size) : bytes_(static_cast<std::size_t>(size) * sizeof(T)) {
        void* data = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (data != MAP_FAILED) data_ = static_cast<T*>(data);
    }
    ~Mapped() {
        if (data_ != nullptr) munmap(data_, bytes_);
    }
    Mapped(const Mapped&) = delete;
    Mapped& operator=(const Mapped&) = delete;
    T* data() const { return data_; }

private:
    T* data_ = nullptr;
    std::size_t bytes_;
};

}  // namespace

// An index of 32 bits anywhere: rows lie 2^30 elements apart, so that n d, k d, n m and n k all pass 2^31.
CUEBM_TEST(Large, StridesPastTwoToThe31) {
    auto context = backend.make();
    const std::int64_t n = 5, k = 4, d = 3, stride = std::int64_t{1} << 30;
    const Mapped<T> points(n * stride), prototypes(k * stride), all(n * stride), best_energies(n * stride),
        energies(n * stride), gradient(k * stride);
    const Mapped<std::int32_t> labels(n * stride), best(n * stride);
    const Mapped<std::uint8_t> known(n * stride);
    for (const void* data :
         {static_cast<void*>(points.data()), static_cast<void*>(prototypes.data()), static_cast<void*>(all.data()),
          static_cast<void*>(best_energies.data()), static_cast<void*>(energies.data()),
          static_cast<void*>(gradient.data()), static_cast<void*>(labels.data()), static_cast<void*>(best.data()),
          static_cast<void*>(known.data())})
        if (data == nullptr) GTEST_SKIP() << "this machine maps no such memory";
    const auto problem = normal_problem<T>(n, k, d);
    for (std::int64_t j = 0; j < d; ++j) {
        for (std::int64_t i = 0; i < n; ++i)
            points.data()[i * stride + j] = problem.points[static_cast<std::size_t>(i * d + j)];
        for (std::int64_t i = 0; i < n; ++i) known.data()[i * stride + j] = 1;
        for (std::int64_t z = 0; z < k; ++z)
            prototypes.data()[z * stride + j] = problem.prototypes[static_cast<std::size_t>(z * d + j)];
    }
    const eb::MatrixView<const T> y{points.data(), n, d, stride, {}}, w{prototypes.data(), k, d, stride, {}};
    eb::Assign<T> task{.points = y,
                       .prototypes = w,
                       .known = {known.data(), n, d, stride, {}},
                       .labels = {labels.data(), n, stride, {}},
                       .energies = {energies.data(), n, stride, {}},
                       .best_labels = {best.data(), n, 2, stride, {}},
                       .best_energies = {best_energies.data(), n, 2, stride, {}},
                       .all_energies = {all.data(), n, k, stride, {}}};
    eb::assign(context, task);
    Answers<T> got;
    const auto rows = [&](const auto* data, std::int64_t cols, auto& into) {
        for (std::int64_t i = 0; i < n; ++i) into.insert(into.end(), data + i * stride, data + i * stride + cols);
    };
    rows(labels.data(), 1, got.labels);
    rows(energies.data(), 1, got.energies);
    rows(best.data(), 2, got.best_labels);
    rows(best_energies.data(), 2, got.best_energies);
    rows(all.data(), k, got.all_energies);
    expect_canonical(got, problem, Want::labels | Want::energies | Want::best | Want::all_energies, 2);

    got = {};
    task = {.points = y, .prototypes = w, .labels = task.labels};
    eb::assign(context, task);
    rows(labels.data(), 1, got.labels);
    expect_canonical(got, problem, Want::labels);

    eb::assign_gradient(
        context,
        eb::AssignGradient<T>{
            .points = y, .prototypes = w, .beta = 1, .prototype_gradients = {gradient.data(), k, d, stride, {}}});
    eb::update(context,
               eb::Update<T>{.points = y, .labels = task.labels, .prototypes = {prototypes.data(), k, d, stride, {}}});
    const eb::reference::Matrix exact_y(problem.points, n, d), exact_w(problem.prototypes, k, d);
    const std::vector<double> ones(static_cast<std::size_t>(n), 1.0);
    const auto gradients = eb::reference::prototype_gradients(exact_y, exact_w, ones, 1);
    const auto means = eb::reference::lloyd(exact_y, exact_w, ones);
    for (std::int64_t z = 0; z < k; ++z)
        for (std::int64_t j = 0; j < d; ++j) {
            EXPECT_NEAR(static_cast<double>(gradient.data()[z * stride + j]), gradients(z, j), tolerance<T>(200, 10));
            EXPECT_NEAR(static_cast<double>(prototypes.data()[z * stride + j]), means(z, j), tolerance<T>(8, 5));
        }
}

// Counts and sums in float, which stop growing at 2^24.
TEST_F(OnCpu, CountsPastTwoToThe24) {
    auto context = eb::Context::cpu();
    const std::size_t n = (std::size_t{1} << 24) + 2;
    const std::vector<float> y(n, 0.1f);
    const std::vector<std::int32_t> labels(n, 0);
    std::vector<float> w{7};
    std::vector<double> cluster_weights(1);
    eb::update(context, eb::Update<float>{.points = eb::view(y, static_cast<std::int64_t>(n), 1),
                                          .labels = eb::view(labels),
                                          .prototypes = eb::view(w, 1, 1),
                                          .cluster_weights = eb::view(cluster_weights)});
    EXPECT_EQ(cluster_weights[0], static_cast<double>(n));
    EXPECT_EQ(w[0], 0.1f);
}

// n k past 2^31 pairs in one call.
TEST_F(OnCpu, PairsPastTwoToThe31) {
    const char* large = std::getenv("CUEBM_TEST_LARGE");
    if (large == nullptr || std::string(large) != "1") GTEST_SKIP() << "set CUEBM_TEST_LARGE=1";
    auto context = eb::Context::cpu();
    const std::int64_t n = 70000, k = 31000;
    std::vector<float> y, w;
    for (std::int64_t i = 0; i < n; ++i) y.push_back(static_cast<float>(i * 7919 % k) + 0.25f);
    for (std::int64_t z = 0; z < k; ++z) w.push_back(static_cast<float>(k - 1 - z));
    std::vector<std::int32_t> labels(static_cast<std::size_t>(n));
    eb::assign(context, eb::Assign<float>{.points = eb::view(std::as_const(y), n, 1),
                                          .prototypes = eb::view(std::as_const(w), k, 1),
                                          .labels = eb::view(labels)});
    for (std::int64_t i = 0; i < n; ++i) ASSERT_EQ(labels[static_cast<std::size_t>(i)], k - 1 - i * 7919 % k) << i;
}
