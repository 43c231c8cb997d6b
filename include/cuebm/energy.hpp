// Energies of continuous coordinates: building blocks, their algebra, and their values and gradients for many points
// at once. exp(-E) is the density that an energy stands for, up to a constant.
//
//   auto E = eb::energy::logistic({.features = X, .outcomes = t, .prior_sd = 1}) +
//            0.5 * eb::energy::gaussian({.precision = {1, 2, 3}});
//   eb::energy::evaluate(context, E, {.points = y, .values = values, .gradients = gradients});
//
// Parameters are given on the host in double, copied, and rounded to the type of the points once; an Energy is cheap to
// copy and never changes. Values and gradients of a point have the same bits on every device, instruction set and
// thread count, whatever other points are beside it: docs/design/energy.md has the order of every sum.
// Errors of the building blocks: InvalidArgument for sizes that disagree, and for parameters that are not finite or out
// of range; an energy has 1 to 2^24 coordinates.
// Costs are operations for the value and the gradient of a point, a fused multiply-add two; lower orders are left out.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <cuebm/context.hpp>
#include <cuebm/export.hpp>
#include <cuebm/view.hpp>

namespace cuebm {

namespace detail {
struct EnergyNode;
}

class CUEBM_API Energy {
public:
    Energy() = default;  // none: refused wherever an energy is wanted
    explicit Energy(std::shared_ptr<const detail::EnergyNode> node) : node_(std::move(node)) {}
    explicit operator bool() const { return node_ != nullptr; }
    std::int64_t dimension() const;  // d, of its points
    std::string text() const;        // for people: "logistic(n = 100, d = 3) + 0.5 gaussian(d = 3)"
    // Of the coordinates that people know it by, behind constraints and clamps: "x[1]", ... as Stan counts, unless
    // named() gave others. A sum is known by its own coordinates; the first of its terms whose own coordinates have
    // names gives them.
    std::vector<std::string> names() const;
    // Those coordinates of a point [d], [names().size()]: bounds applied, clamped values in their places. Errors:
    // InvalidArgument for another number of values than d.
    std::vector<double> coordinates(const std::vector<double>& point) const;
    // Which of them a clamp holds, [names().size()].
    std::vector<bool> held() const;
    const std::shared_ptr<const detail::EnergyNode>& node() const { return node_; }

private:
    std::shared_ptr<const detail::EnergyNode> node_;
};

// E_1(x) + E_2(x). Errors: InvalidArgument if their dimensions differ, or for more than 2^20 terms; as for all of
// these, for more than 1000 operations within each other (of a sum in a loop all terms are beside each other). Cost: a
// copy of the list of terms; of a point, that of the terms.
CUEBM_API Energy operator+(const Energy& a, const Energy& b);
// beta E(x), an inverse temperature or a weight: finite, > 0. Errors: InvalidArgument for another beta. Cost: none of
// its own; weights within each other are multiplied beforehand, and each term has its product.
CUEBM_API Energy operator*(double beta, const Energy& energy);

namespace energy {

// A matrix of parameters, copied from a view of the host's memory.
struct Table {
    std::vector<double> values;  // row by row
    std::int64_t rows = 0, cols = 0;

    Table() = default;
    template <class T>
    Table(MatrixView<T> view) : rows(view.rows), cols(view.cols), on_host(view.device == Device{}) {
        if (!on_host || view.data == nullptr || (rows > 1 && view.stride < cols)) return;
        for (std::int64_t i = 0; i < rows; ++i)
            for (std::int64_t j = 0; j < cols; ++j)
                values.push_back(static_cast<double>(view.data[i * view.stride + j]));
    }
    bool on_host = true;  // else refused; so is one without its rows * cols values
};

// 1/2 sum_j p_j (x_j - m_j)^2, or 1/2 (x - m)' P (x - m). Errors: InvalidArgument also for both precisions, or none.
// Cost: 8 d, or 2 d^2 operations; d^3 / 3 once, to see that P is positive definite.
struct Gaussian {
    std::vector<double> mean{};       // [d]; empty: 0
    std::vector<double> precision{};  // [d], > 0: of each coordinate
    Table precision_matrix{};  // or [d x d], symmetric to rounding, of which the mean of both halves is taken, and
                               // positive definite
};
CUEBM_API Energy gaussian(const Gaussian& parameters);

// -log sum_k w_k N(x; m_k, diag(1 / p_k)), normalised: exp(-E) integrates to sum_k w_k. Cost: 8 k d operations and k
// exponentials.
struct Mixture {
    std::vector<double> weights{};  // [k], > 0; empty: 1 / k each
    Table means{};                  // [k x d]
    Table precisions{};             // [k x d], > 0; absent: 1
};
CUEBM_API Energy mixture(const Mixture& parameters);

// F_beta of K-means, -1/beta log sum_k exp(-beta ||x - w_k||^2). Cost: 5 k d operations and k exponentials.
struct KMeans {
    Table prototypes{};  // [k x d]
    double beta = 1;     // > 0
};
CUEBM_API Energy kmeans(const KMeans& parameters);

// 1/2 (x_0 / s)^2 + 1/2 (x_1 - b (x_0^2 - s^2))^2 + 1/2 sum_{j>1} x_j^2 (H. Haario, E. Saksman and J. Tamminen,
// Computational Statistics 14, 1999). Means 0; deviations s, sqrt(1 + 2 b^2 s^4), then 1. Cost: 4 d operations.
struct Banana {
    std::int64_t dimension = 2;  // >= 2
    double scale = 10;           // s > 0
    double curvature = 0.03;     // b, of either sign; the paper's has the other
};
CUEBM_API Energy banana(const Banana& parameters = {});

// sum_{j<d-1} a (x_{j+1} - x_j^2)^2 + (1 - x_j)^2 (H. H. Rosenbrock, The Computer Journal 3, 1960). Cost: 21 d
// operations.
struct Rosenbrock {
    std::int64_t dimension = 2;  // >= 2
    double steepness = 100;      // a > 0
};
CUEBM_API Energy rosenbrock(const Rosenbrock& parameters = {});

// x_0 ~ N(0, s), the others ~ N(0, exp(x_0 / 2)), given by their deviations (R. M. Neal, Annals of Statistics 31,
// 2003). Cost: 5 d operations and an exponential.
struct Funnel {
    std::int64_t dimension = 10;  // >= 2
    double scale = 3;             // s > 0
};
CUEBM_API Energy funnel(const Funnel& parameters = {});

// 1/2 ((|x| - r) / w)^2. At the origin the gradient is 0. Cost: 5 d operations, a square root and a division.
struct Ring {
    std::int64_t dimension = 2;  // >= 1
    double radius = 2;           // r >= 0
    double width = 0.25;         // w > 0
};
CUEBM_API Energy ring(const Ring& parameters = {});

// h ((x_0 / a)^2 - 1)^2 + 1/2 sum_{j>0} x_j^2: minima at x_0 = -a and a, with a barrier of h between them.
// Cost: 4 d operations.
struct DoubleWell {
    std::int64_t dimension = 1;  // >= 1
    double height = 4;           // h > 0
    double separation = 1;       // a > 0
};
CUEBM_API Energy double_well(const DoubleWell& parameters = {});

// sum_i log(1 + exp(eta_i)) - t_i eta_i + 1/2 |theta / prior_sd|^2, eta = X theta. Cost: 4 n d operations and n
// exponentials and logarithms.
struct Logistic {
    Table features{};                // X [n x d]; give a column of ones for an intercept
    std::vector<double> outcomes{};  // t [n], 0 or 1
    double prior_sd = infinity_sd;   // > 0; infinity: no prior

    static constexpr double infinity_sd = __builtin_inf();
};
CUEBM_API Energy logistic(const Logistic& parameters);

// 1/2 |(X theta - t) / noise_sd|^2 + 1/2 |theta / prior_sd|^2. Cost: 4 n d operations.
struct Linear {
    Table features{};                         // X [n x d]
    std::vector<double> targets{};            // t [n]
    double noise_sd = 1;                      // > 0
    double prior_sd = Logistic::infinity_sd;  // > 0; infinity: no prior
};
CUEBM_API Energy linear(const Linear& parameters);

// Eight schools, for any number m of schools (D. B. Rubin, Journal of Educational Statistics 6, 1981), priors as in
// inference-gym: avg_effect ~ N(0, 10), log_stddev ~ N(5, 1), effects ~ N(avg_effect, exp(log_stddev)). d = m + 2:
// avg_effect, log_stddev and m more. Cost: 19 m operations, or 14 m if centred, and an exponential.
struct EightSchools {
    std::vector<double> effects{28, 8, -3, 7, -1, 1, 18, 12};   // [m], measured; m >= 1
    std::vector<double> errors{15, 10, 16, 11, 9, 11, 10, 18};  // [m], > 0: their deviations
    bool centred = false;  // false: the last m coordinates are (effect - avg_effect) / exp(log_stddev); true: effects
};
CUEBM_API Energy eight_schools(const EightSchools& parameters = {});

// E(z | y) = ||y - W z||^2 + lambda |z|_1 (B. A. Olshausen and D. J. Field, Nature 381, 1996). Cost: 4 m d operations.
struct Sparse {
    Table dictionary{};            // W [m x d], a column each atom
    std::vector<double> signal{};  // y [m]
    double lambda = 1;             // >= 0
};
CUEBM_API Energy sparse(const Sparse& parameters);

// An energy of one's own, registered by its name: <cuebm/custom.hpp> says how, and what it costs on a GPU. Errors:
// InvalidArgument for a name that no file registered, a build that rounds otherwise than the library, another number of
// coordinates or parameters than it was written for, and for more than 32 coordinates without a gradient of its own; on
// a GPU, when it is first evaluated there, also for a file that was not kept or does not compile, and DeviceError
// without NVRTC.
struct Custom {
    std::string name{};
    std::int64_t dimension = 0;        // d; 0: the one that it was written for
    std::vector<double> parameters{};  // rounded to the points' type, as all parameters are
};
CUEBM_API Energy custom(const Custom& parameters);

// E(A x + b), or E(a x + b) coordinate by coordinate. No Jacobian: this is another function, not another density of the
// same thing; the two differ by a constant alone. Errors: InvalidArgument for both A and a or neither, for sizes that
// disagree, d > 2^24, values that are not finite, and A in a device's memory. Cost, beside E's: 4 m d operations for A,
// m the dimension of E, or 4 d for a.
struct Affine {
    Table matrix{};               // A [dimension of E x d]
    std::vector<double> scale{};  // or a [d], of any sign
    std::vector<double> shift{};  // b [dimension of E]; empty: 0
};
CUEBM_API Energy affine(const Energy& energy, const Affine& map);

// F(x, y) with x held at its values: an energy of the free coordinates y alone, in their order. Errors:
// InvalidArgument for sizes that disagree, a held value that is not finite, and if none is free. Cost, beside E's: a
// copy of d coordinates, and an addition for each free one.
struct Clamp {
    std::vector<std::uint8_t> known{};  // [d], not 0 where held; at least one is free
    std::vector<double> values{};       // [d]; those of free coordinates are not looked at
};
CUEBM_API Energy clamp(const Energy& energy, const Clamp& held);

// What a coordinate may be.
struct Support {
    enum class Kind : std::uint8_t { real, lower, upper, interval, ordered };
    Kind kind = Kind::real;
    // `from` is the bound of lower and of upper, and the lower one of an interval; `to`, above it, an interval's upper
    // one. Others are not looked at.
    double from = 0, to = 0;

    static Support real() { return {}; }
    static Support positive() { return {Kind::lower, 0, 0}; }
    static Support above(double bound) { return {Kind::lower, bound, 0}; }
    static Support below(double bound) { return {Kind::upper, bound, 0}; }
    static Support interval(double low, double high) { return {Kind::interval, low, high}; }
    static Support ordered() { return {Kind::ordered, 0, 0}; }  // larger than the coordinate before; not for the first
};

// Constrain last: a weight outside would weigh the Jacobian too, and a sum count it twice.
// The same density over unbounded coordinates u: E(x(u)) - log |dx/du|, with x = bound + exp(u), bound - exp(u), low +
// (high - low) sigmoid(u), or the coordinate before + exp(u) (Stan Reference Manual, Constraint transforms).
// Errors: InvalidArgument for another number of supports than d, bounds that are not finite, an interval whose `to` is
// not above `from` or whose width overflows, a kind that is none, and a first coordinate that is `ordered`: none is
// before it. Cost, beside E's: 2 exponentials for a coordinate with one bound or ordered; 5, 3 logarithms and 3
// divisions for an interval.
CUEBM_API Energy constrain(const Energy& energy, const std::vector<Support>& supports);  // [d]

// The same with names of its coordinates, [names().size()]. Errors: InvalidArgument for another number of them, and for
// names that diagnostics::save_cmdstan_csv refuses (cuebm/draws_file.hpp): "mu", "theta[1]", "theta[2]". Cost: a point
// costs no more.
CUEBM_API Energy named(const Energy& energy, const std::vector<std::string>& names);

// Values and gradients of n points, in one pass over them. Give the outputs that are wanted; at least one.
// Memory: on the CPU 2 d and the energy's scratch for 64 points a thread (a pack of 2 to 16, if d > 64); on a GPU
// the parameters, and where d and the energy's scratch do not fit in shared memory, a few n d. Errors: InvalidArgument
// for shapes, null or misaligned views, other devices, outputs that overlap, a parameter that overflows in T (it may
// round to 0), a product of weights that overflows or is below T's least normal number, and an energy whose scratch is
// more than 2^28 numbers a point; DataError for the first row of points that has a NaN or infinity, or whose energy, if
// values are wanted, is NaN (it overflowed on the way). An energy of +infinity is no error.
template <class T>
struct Evaluate {
    MatrixView<const T> points;  // [n x d], n >= 0
    VectorView<T> values{};      // [n], optional
    MatrixView<T> gradients{};   // [n x d], optional
    bool check_finite = true;    // false: NaN in, NaN out
};
CUEBM_API void evaluate(const Context& context, const Energy& energy, const Evaluate<float>& arguments);
CUEBM_API void evaluate(const Context& context, const Energy& energy, const Evaluate<double>& arguments);
CUEBM_API void evaluate(Stream& stream, const Energy& energy, const Evaluate<float>& arguments);
CUEBM_API void evaluate(Stream& stream, const Energy& energy, const Evaluate<double>& arguments);

}  // namespace energy
}  // namespace cuebm
