// A user's floating-point environment must not change a bit, and must be found as it was left.
#include <cfenv>

#include <cuebm/kmeans.hpp>
#include <cuebm/kmeans_soft.hpp>
#include <cuebm/sample.hpp>

#include "support/assign_problem.hpp"
#include "support/backends.hpp"

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace eb = cuebm;
using namespace cuebm::test;

CUEBM_SUITE(Environment);

namespace {

// Rounding mode and, on x86, flush-to-zero and denormals-are-zero; put back at the end of the scope.
class UsersMode {
public:
    UsersMode(int rounding, bool flush) {
        std::fegetenv(&saved_);
        std::fesetround(rounding);
#if defined(__x86_64__)
        if (flush) _mm_setcsr(_mm_getcsr() | 0x8040);
#else
        (void)flush;
#endif
    }
    ~UsersMode() { std::fesetenv(&saved_); }
    UsersMode(const UsersMode&) = delete;
    UsersMode& operator=(const UsersMode&) = delete;

private:
    std::fenv_t saved_;
};

unsigned mode() {
    unsigned bits = static_cast<unsigned>(std::fegetround()) << 16;
#if defined(__x86_64__)
    bits |= _mm_getcsr() & 0xffc0;
#endif
    return bits;
}

template <class T>
struct AllResults {
    Answers<T> answers;
    std::vector<T> gradient, prototypes, energies, projected, mean;
    double inertia;
    int iterations;
};

// With a context and streams made in the mode that is set now.
template <class T>
AllResults<T> all_results(const Backend& backend, const Problem<T>& p, const std::vector<T>& w) {
    auto context = backend.make();
    AllResults<T> result;
    result.answers = solve(context, p, Want::labels | Want::energies | Want::all_energies | Want::free_energies);
    const auto y = context.copy(eb::view(p.points, p.n, p.d)),
               prototypes = context.copy(eb::view(p.prototypes, p.k, p.d));
    const eb::MatrixView<const T> points = y.view();
    const auto gradient = context.template matrix<T>(p.k, p.d);
    eb::assign_gradient(
        context, eb::AssignGradient<T>{
                     .points = points, .prototypes = prototypes, .beta = p.beta, .prototype_gradients = gradient});
    result.gradient = eb::to_host(context, gradient);
    const auto weights = context.copy(eb::view(w));
    const auto model = eb::kmeans::fit(context, points, {.k = 6, .seed = 2, .weights = weights, .max_iterations = 5});
    result.prototypes = eb::to_host(context, model.prototypes);
    result.energies = eb::to_host(context, model.energies);
    result.inertia = model.inertia;
    result.iterations = model.iterations;
    const auto projection = eb::kmeans::project(context, eb::MatrixView<const T>(prototypes.view()),
                                                eb::kmeans::Project<T>{.points = points, .beta = p.beta});
    result.projected = eb::to_host(context, projection.points);
    const std::vector<std::uint8_t> mask(static_cast<std::size_t>(p.d), 1);
    const auto known = context.copy(eb::view(mask, 1, p.d));
    const auto completions = eb::kmeans::complete(
        context, eb::MatrixView<const T>(prototypes.view()),
        eb::kmeans::Complete<T>{.points = points, .known = known, .candidates = 2, .beta = p.beta});
    result.mean = eb::to_host(context, completions.mean);
    return result;
}

}  // namespace

// Rounding or flushing of the caller's thread that leaks into a stream's, a worker's, or the host's part of a fit.
CUEBM_TEST(Environment, OfTheUserChangesNoBit) {
    auto problem = normal_problem<T>(70, 40, 17);
    problem.beta = 0.7;
    const bool is_float = sizeof(T) == sizeof(float);
    for (std::size_t j = 0; j < 17; ++j)  // the first point and prototype have subnormal energies
        problem.points[j] = static_cast<T>((is_float ? 1e-20 : 1e-158) * static_cast<double>(j)),
        problem.prototypes[j] = 0;
    std::vector<T> weights;
    for (int i = 0; i < 70; ++i) weights.push_back(static_cast<T>(1 + i % 7) / 7);
    const auto wanted = all_results(backend, problem, weights);
    for (const int rounding : {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD}) {
        SCOPED_TRACE(rounding);
        AllResults<T> got;
        unsigned before = 0, after = 0;
        {
            const UsersMode users(rounding, true);
            before = mode();
            got = all_results(backend, problem, weights);
            after = mode();
        }
        EXPECT_EQ(after, before) << "the user's mode was changed";
        EXPECT_TRUE(same_bits(got.answers.labels, wanted.answers.labels));
        EXPECT_TRUE(same_bits(got.answers.all_energies, wanted.answers.all_energies));
        EXPECT_TRUE(same_bits(got.answers.free_energies, wanted.answers.free_energies));
        EXPECT_TRUE(same_bits(got.gradient, wanted.gradient));
        EXPECT_TRUE(same_bits(got.prototypes, wanted.prototypes));
        EXPECT_TRUE(same_bits(got.energies, wanted.energies));
        EXPECT_EQ(got.inertia, wanted.inertia);
        EXPECT_EQ(got.iterations, wanted.iterations);
        EXPECT_TRUE(same_bits(got.projected, wanted.projected));
        EXPECT_TRUE(same_bits(got.mean, wanted.mean));
    }
}

// A user's function that leaves another mode for the rest of the call.
CUEBM_TEST(Environment, LeftByACallbackChangesNoBit) {
    const auto context = backend.make();
    const auto y = normal<T>(60 * 3, 3);
    const auto points = context.copy(eb::view(y, 60, 3));
    const auto run = [&](int rounding) {
        const UsersMode users(FE_TONEAREST, false);
        const auto set = [rounding] { std::fesetround(rounding); };
        std::vector<T> results;
        const auto add = [&](const std::vector<T>& more) { results.insert(results.end(), more.begin(), more.end()); };
        const auto chains = eb::sample<T>(
            context, eb::energy::eight_schools(), eb::Hmc{.leapfrogs = 4},
            {.chains = 70, .warmup = 160, .draws = 4, .dense_mass = true, .progress = [&](const eb::SampleProgress&) {
                 set();
             }});
        add(eb::to_host(context, chains.draws));
        results.push_back(static_cast<T>(chains.acceptance));
        const auto soft = eb::kmeans::fit_soft(context, eb::PointsView<T>(points),
                                               {.k = 4,
                                                .beta = 2,
                                                .beta_start = 0.1,
                                                .max_iterations = 20,
                                                .progress = [&](const eb::kmeans::SoftProgress&) { set(); }});
        add(eb::to_host(context, soft.prototypes));
        return results;
    };
    const auto wanted = run(FE_TONEAREST);
    EXPECT_TRUE(same_bits(run(FE_UPWARD), wanted));
}
