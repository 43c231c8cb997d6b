// The building blocks: parameters are checked, and become a term of an energy's tree.
#include <cuebm/energy.hpp>

#include <cmath>
#include <initializer_list>
#include <numbers>

#include "check.hpp"
#include "energy_node.hpp"

namespace cuebm::energy {
namespace {

using namespace detail;
using Node = EnergyNode;

constexpr std::int64_t most_coordinates = 1 << 24;

void check_dimension(const char* function, const char* argument, std::int64_t d, std::int64_t least) {
    if (d < least || d > most_coordinates)
        refuse(function, argument, std::to_string(d) + " coordinates", std::to_string(least) + " to 2^24 coordinates");
}

void check_finite(const char* function, const char* argument, const std::vector<double>& values) {
    for (const double value : values)
        if (!std::isfinite(value)) refuse(function, argument, text_of(value), "finite values");
}

void check_positive(const char* function, const char* argument, const std::vector<double>& values) {
    for (const double value : values)
        if (!(value > 0) || !std::isfinite(value)) refuse(function, argument, text_of(value), "finite values > 0");
}

void check_size(const char* function, const char* argument, const std::vector<double>& values, std::int64_t size) {
    if (static_cast<std::int64_t>(values.size()) != size)
        refuse(function, argument, std::to_string(values.size()) + " values", std::to_string(size));
}

void check_table(const char* function, const char* argument, const Table& table) {
    if (!table.on_host) refuse(function, argument, "memory of a device", "host memory: parameters are copied");
    if (table.rows < 1 || table.cols < 1)
        refuse(function, argument, shape(table.rows, table.cols), "at least one row and one column");
    if (table.rows > most_columns) refuse(function, argument, shape(table.rows, table.cols), "fewer than 2^31 rows");
    check_dimension(function, argument, table.cols, 1);
    if (static_cast<std::int64_t>(table.values.size()) != table.rows * table.cols)
        refuse(function, argument, "a view without memory of " + shape(table.rows, table.cols), "one with it");
    check_finite(function, argument, table.values);
}

std::string sized(const char* name, std::initializer_list<std::pair<const char*, std::int64_t>> sizes) {
    std::string text = std::string(name) + "(";
    for (const auto& [what, size] : sizes)
        text += (text.back() == '(' ? "" : ", ") + std::string(what) + " = " + std::to_string(size);
    return text + ")";
}

std::vector<double> joined(std::initializer_list<const std::vector<double>*> parts) {
    std::vector<double> all;
    for (const auto* part : parts) all.insert(all.end(), part->begin(), part->end());
    return all;
}

Energy term(Node node) {
    node.kind = Node::Kind::term;
    return Energy(std::make_shared<const Node>(std::move(node)));
}

// 1 / sd^2; 0 for none.
double precision_of(const char* function, const char* argument, double sd, bool may_be_infinite) {
    if (may_be_infinite && std::isinf(sd) && sd > 0) return 0;
    check_positive(function, argument, {sd});
    check_positive(function, argument, {1 / (sd * sd)});
    return 1 / (sd * sd);
}

Energy regression(math::EnergyOp op, const char* name, const Table& features, const std::vector<double>& targets,
                  double first, double second) {
    const std::int64_t n = features.rows, d = features.cols;
    const std::vector<double> last{first, second}, rows = grouped_rows(features.values, n, d);
    return term({.kind = {},
                 .d = d,
                 .text = sized(name, {{"n", n}, {"d", d}}),
                 .op = op,
                 .rows = n,
                 .scratch = d,
                 .parameters = joined({&rows, &targets, &last})});
}

// By Cholesky's decomposition, d^3 / 3 operations; a pivot that is only rounding is none.
bool is_positive_definite(std::vector<double> a, std::int64_t size) {
    const auto d = static_cast<std::size_t>(size);
    for (std::size_t k = 0; k < d; ++k) {
        const double diagonal = a[k * d + k];
        for (std::size_t j = 0; j < k; ++j) a[k * d + k] -= a[k * d + j] * a[k * d + j];
        if (!(a[k * d + k] > 1e-14 * static_cast<double>(d) * diagonal)) return false;
        const double root = std::sqrt(a[k * d + k]);
        a[k * d + k] = root;
        for (std::size_t i = k + 1; i < d; ++i) {
            double sum = a[i * d + k];
            for (std::size_t j = 0; j < k; ++j) sum -= a[i * d + j] * a[k * d + j];
            a[i * d + k] = sum / root;
        }
    }
    return true;
}

}  // namespace

Energy gaussian(const Gaussian& p) {
    constexpr auto function = "energy::gaussian";
    const bool dense = p.precision_matrix.rows > 0 || !p.precision_matrix.on_host;
    if (dense == !p.precision.empty())
        refuse(function, "precision", dense ? "two of them" : "none", "either precision or precision_matrix");
    if (dense) check_table(function, "precision_matrix", p.precision_matrix);
    const auto d = dense ? p.precision_matrix.cols : static_cast<std::int64_t>(p.precision.size());
    check_dimension(function, "precision", d, 1);
    auto mean = p.mean;
    if (mean.empty()) mean.assign(static_cast<std::size_t>(d), 0.0);
    check_size(function, "mean", mean, d);
    check_finite(function, "mean", mean);
    if (!dense) {
        check_positive(function, "precision", p.precision);
        return term({.kind = {},
                     .d = d,
                     .text = sized("gaussian", {{"d", d}}),
                     .op = math::EnergyOp::gaussian_diagonal,
                     .parameters = joined({&mean, &p.precision})});
    }
    if (p.precision_matrix.rows != d)
        refuse(function, "precision_matrix", shape(p.precision_matrix.rows, d), shape(d, d));
    auto precision = p.precision_matrix.values;
    const auto at = [&](std::int64_t i, std::int64_t j) -> double& {
        return precision[static_cast<std::size_t>(i * d + j)];
    };
    for (std::int64_t i = 0; i < d; ++i) {
        if (!(at(i, i) > 0)) refuse(function, "precision_matrix", text_of(at(i, i)) + " on its diagonal", "values > 0");
        for (std::int64_t j = 0; j < i; ++j) {
            if (!(std::abs(at(i, j) - at(j, i)) <= 1e-6 * std::sqrt(at(i, i) * at(j, j))))
                refuse(function, "precision_matrix",
                       text_of(at(i, j)) + " at " + shape(i, j) + " and " + text_of(at(j, i)) + " across",
                       "a symmetric matrix");
            // The energy knows the mean of both alone; its gradient, a row at a time, would not.
            if (at(i, j) != at(j, i)) at(i, j) = at(j, i) = at(i, j) / 2 + at(j, i) / 2;
        }
    }
    if (!is_positive_definite(precision, d))
        refuse(function, "precision_matrix", "one that is not positive definite",
               "a precision: exp(-E) has no integral");
    const auto rows = grouped_rows(precision, d, d);
    return term({.kind = {},
                 .d = d,
                 .text = sized("gaussian", {{"d", d}}) + " with a full precision",
                 .op = math::EnergyOp::gaussian_dense,
                 .scratch = d,
                 .parameters = joined({&rows, &mean})});
}

Energy mixture(const Mixture& p) {
    constexpr auto function = "energy::mixture";
    check_table(function, "means", p.means);
    const std::int64_t k = p.means.rows, d = p.means.cols;
    auto weights = p.weights;
    if (weights.empty()) weights.assign(static_cast<std::size_t>(k), 1.0 / static_cast<double>(k));
    check_size(function, "weights", weights, k);
    check_positive(function, "weights", weights);
    auto precisions = p.precisions;
    if (precisions.rows == 0 && precisions.on_host) {
        precisions = p.means;
        precisions.values.assign(precisions.values.size(), 1.0);
    }
    check_table(function, "precisions", precisions);
    if (precisions.rows != k || precisions.cols != d)
        refuse(function, "precisions", shape(precisions.rows, precisions.cols), shape(k, d));
    check_positive(function, "precisions", precisions.values);
    std::vector<double> constants(static_cast<std::size_t>(k));
    for (std::size_t c = 0; c < constants.size(); ++c) {
        constants[c] = 0.5 * static_cast<double>(d) * std::log(2 * std::numbers::pi) - std::log(weights[c]);
        for (std::size_t j = 0; j < static_cast<std::size_t>(d); ++j)
            constants[c] -= 0.5 * std::log(precisions.values[c * static_cast<std::size_t>(d) + j]);
    }
    return term({.kind = {},
                 .d = d,
                 .text = sized("mixture", {{"k", k}, {"d", d}}),
                 .op = math::EnergyOp::mixture,
                 .rows = k,
                 .scratch = k + d,
                 .parameters = joined({&constants, &p.means.values, &precisions.values})});
}

Energy kmeans(const KMeans& p) {
    constexpr auto function = "energy::kmeans";
    check_table(function, "prototypes", p.prototypes);
    check_positive(function, "beta", {p.beta});
    const std::int64_t k = p.prototypes.rows, d = p.prototypes.cols;
    const std::vector<double> rows = grouped_rows(p.prototypes.values, k, d), last{p.beta};
    return term({.kind = {},
                 .d = d,
                 .text = sized("kmeans", {{"k", k}, {"d", d}}),
                 .op = math::EnergyOp::kmeans,
                 .rows = k,
                 .scratch = k + d,
                 .parameters = joined({&rows, &last})});
}

namespace {

Energy small(const char* name, math::EnergyOp op, std::int64_t d, std::vector<double> parameters) {
    return term({.kind = {}, .d = d, .text = sized(name, {{"d", d}}), .op = op, .parameters = std::move(parameters)});
}

}  // namespace

Energy banana(const Banana& p) {
    constexpr auto function = "energy::banana";
    check_dimension(function, "dimension", p.dimension, 2);
    check_positive(function, "scale", {p.scale});
    check_finite(function, "curvature", {p.curvature});
    return small("banana", math::EnergyOp::banana, p.dimension,
                 {p.scale * p.scale, p.curvature, 1 / (p.scale * p.scale)});
}

Energy rosenbrock(const Rosenbrock& p) {
    constexpr auto function = "energy::rosenbrock";
    check_dimension(function, "dimension", p.dimension, 2);
    check_positive(function, "steepness", {p.steepness});
    return small("rosenbrock", math::EnergyOp::rosenbrock, p.dimension, {p.steepness});
}

Energy funnel(const Funnel& p) {
    constexpr auto function = "energy::funnel";
    check_dimension(function, "dimension", p.dimension, 2);
    check_positive(function, "scale", {p.scale});
    return small("funnel", math::EnergyOp::funnel, p.dimension, {1 / (p.scale * p.scale)});
}

Energy ring(const Ring& p) {
    constexpr auto function = "energy::ring";
    check_dimension(function, "dimension", p.dimension, 1);
    if (!(p.radius >= 0) || !std::isfinite(p.radius))
        refuse(function, "radius", text_of(p.radius), "a finite radius >= 0");
    check_positive(function, "width", {p.width});
    return small("ring", math::EnergyOp::ring, p.dimension, {p.radius, 1 / (p.width * p.width)});
}

Energy double_well(const DoubleWell& p) {
    constexpr auto function = "energy::double_well";
    check_dimension(function, "dimension", p.dimension, 1);
    check_positive(function, "height", {p.height});
    check_positive(function, "separation", {p.separation});
    return small("double_well", math::EnergyOp::double_well, p.dimension,
                 {p.height, 1 / (p.separation * p.separation)});
}

Energy logistic(const Logistic& p) {
    constexpr auto function = "energy::logistic";
    check_table(function, "features", p.features);
    check_size(function, "outcomes", p.outcomes, p.features.rows);
    for (const double outcome : p.outcomes)
        if (outcome != 0 && outcome != 1) refuse(function, "outcomes", text_of(outcome), "0 or 1");
    const double prior = precision_of(function, "prior_sd", p.prior_sd, true);
    return regression(math::EnergyOp::logistic, "logistic", p.features, p.outcomes, prior, 1);
}

Energy linear(const Linear& p) {
    constexpr auto function = "energy::linear";
    check_table(function, "features", p.features);
    check_size(function, "targets", p.targets, p.features.rows);
    check_finite(function, "targets", p.targets);
    const double noise = precision_of(function, "noise_sd", p.noise_sd, false);
    const double prior = precision_of(function, "prior_sd", p.prior_sd, true);
    return regression(math::EnergyOp::linear, "linear", p.features, p.targets, prior, noise);
}

Energy sparse(const Sparse& p) {
    constexpr auto function = "energy::sparse";
    check_table(function, "dictionary", p.dictionary);
    check_size(function, "signal", p.signal, p.dictionary.rows);
    check_finite(function, "signal", p.signal);
    if (!(p.lambda >= 0) || !std::isfinite(p.lambda))
        refuse(function, "lambda", text_of(p.lambda), "a finite lambda >= 0");
    return regression(math::EnergyOp::sparse, "sparse", p.dictionary, p.signal, p.lambda, 2);
}

Energy eight_schools(const EightSchools& p) {
    constexpr auto function = "energy::eight_schools";
    const auto m = static_cast<std::int64_t>(p.effects.size());
    check_dimension(function, "effects", m, 1);
    check_finite(function, "effects", p.effects);
    check_size(function, "errors", p.errors, m);
    check_positive(function, "errors", p.errors);
    std::vector<double> precisions;
    for (const double error : p.errors) precisions.push_back(1 / (error * error));
    return term({.kind = {},
                 .d = m + 2,
                 .text = sized(p.centred ? "eight_schools, centred" : "eight_schools", {{"schools", m}}),
                 .op = p.centred ? math::EnergyOp::eight_schools_centred : math::EnergyOp::eight_schools,
                 .parameters = joined({&p.effects, &precisions})});
}

}  // namespace cuebm::energy
