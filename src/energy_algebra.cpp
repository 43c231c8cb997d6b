// Sums, weights and changes of variables of energies; the names of their coordinates.
#include <algorithm>
#include <cmath>
#include <utility>

#include "check.hpp"
#include "csv_columns.hpp"
#include "energy_node.hpp"

namespace cuebm {
namespace {

using namespace detail;
using Node = EnergyNode;
using math::Constraint;

const Node& node_of(const char* function, const Energy& energy) {
    if (!energy) refuse(function, "energy", "none", "an energy");
    return *energy.node();
}

// Trees are walked, and destroyed, by recursion; a tree that is a child twice is walked twice.
constexpr std::int64_t most_depth = 1000, most_terms = 1 << 20;

Energy parent(const char* function, Node node, std::vector<std::shared_ptr<const Node>> children) {
    node.terms = 0;
    for (const auto& child : children) {
        node.depth = std::max(node.depth, child->depth + 1);
        node.terms += child->terms;
    }
    if (node.depth > most_depth)
        refuse(function, "energy", std::to_string(node.depth) + " operations within each other",
               "at most 1000 of them");
    if (node.terms > most_terms)
        refuse(function, "energy", std::to_string(node.terms) + " terms", "at most 2^20 of them");
    node.children = std::move(children);
    return Energy(std::make_shared<const Node>(std::move(node)));
}

Energy map(const char* function, const Energy& energy, Node node) {
    node.kind = Node::Kind::map;
    return parent(function, std::move(node), {energy.node()});
}

}  // namespace

std::int64_t Energy::dimension() const { return node_of("Energy::dimension", *this).d; }

std::string Energy::text() const {
    const Node& node = node_of("Energy::text", *this);
    const auto child = [&](std::size_t c) { return Energy(node.children[c]).text(); };
    switch (node.kind) {
        case Node::Kind::term: return node.text;
        case Node::Kind::names: return child(0);
        case Node::Kind::sum: {
            std::string text = child(0);
            for (std::size_t c = 1; c < node.children.size(); ++c) text += " + " + child(c);
            return text;
        }
        case Node::Kind::weight: {
            const bool brackets = node.children[0]->kind == Node::Kind::sum;
            return text_of(node.beta) + (brackets ? " (" : " ") + child(0) + (brackets ? ")" : "");
        }
        case Node::Kind::map: return node.text + " of " + child(0);
    }
    return "";
}

namespace {

// The coordinates that people know an energy by lie behind its outermost constraints and clamps.
bool is_known_by_its_child(const Node& node) {
    return node.kind == Node::Kind::weight ||
           (node.kind == Node::Kind::map &&
            (node.op == math::EnergyOp::clamp_forward || node.op == math::EnergyOp::constrain_forward));
}

// Names of the coordinates that it reads itself, if it was given some; those behind a constraint or clamp are others.
const std::vector<std::string>* own_names(const Node& node) {
    const auto child = [&](std::size_t c) -> const Node& { return *node.children[c]; };
    switch (node.kind) {
        case Node::Kind::term:
        case Node::Kind::map: return nullptr;
        case Node::Kind::weight: return own_names(child(0));
        case Node::Kind::sum: {
            for (const auto& each : node.children)
                if (const auto* names = own_names(*each)) return names;
            return nullptr;
        }
        case Node::Kind::names: break;
    }
    const Node* known = &node;
    while (known->kind == Node::Kind::names || known->kind == Node::Kind::weight) known = known->children[0].get();
    return is_known_by_its_child(*known) ? nullptr : &node.names;
}

std::vector<std::string> names_of(const Node& node) {
    if (node.kind == Node::Kind::names) return node.names;
    if (is_known_by_its_child(node)) return names_of(*node.children[0]);
    if (const auto* own = own_names(node)) return *own;
    std::vector<std::string> names;
    for (std::int64_t j = 0; j < node.d; ++j) names.push_back("x[" + std::to_string(j + 1) + "]");
    return names;
}

// A bound of a held coordinate is held too.
std::vector<bool> held_of(const Node& node, std::vector<bool> held) {
    if (node.kind == Node::Kind::names) return held_of(*node.children[0], std::move(held));
    if (!is_known_by_its_child(node)) return held;
    if (node.kind == Node::Kind::weight) return held_of(*node.children[0], std::move(held));
    std::vector<bool> mapped(static_cast<std::size_t>(node.rows));
    for (std::size_t j = 0; j < mapped.size(); ++j) {
        if (node.op == math::EnergyOp::clamp_forward) {
            const auto index = node.indices[j];
            mapped[j] = index < 0 || held[static_cast<std::size_t>(index)];
        } else {
            const bool above = static_cast<Constraint>(node.indices[j]) == Constraint::above;
            mapped[j] = held[j] && (!above || mapped[j - 1]);
        }
    }
    return held_of(*node.children[0], std::move(mapped));
}

std::vector<double> coordinates_of(const Node& node, std::vector<double> point) {
    if (node.kind == Node::Kind::names) return coordinates_of(*node.children[0], std::move(point));
    if (!is_known_by_its_child(node)) return point;
    const Node& child = *node.children[0];
    if (node.kind == Node::Kind::weight) return coordinates_of(child, std::move(point));
    std::vector<double> mapped(static_cast<std::size_t>(node.rows));
    for (std::size_t j = 0; j < mapped.size(); ++j) {
        if (node.op == math::EnergyOp::clamp_forward) {
            const auto index = node.indices[j];
            mapped[j] = index < 0 ? node.parameters[j] : point[static_cast<std::size_t>(index)];
            continue;
        }
        const double x = point[j], bound = node.parameters[j], width = node.parameters[mapped.size() + j];
        switch (static_cast<Constraint>(node.indices[j])) {
            case Constraint::none: mapped[j] = x; break;
            case Constraint::lower: mapped[j] = bound + std::exp(x); break;
            case Constraint::upper: mapped[j] = bound - std::exp(x); break;
            case Constraint::interval: mapped[j] = bound + width / (1 + std::exp(-x)); break;
            case Constraint::above: mapped[j] = mapped[j - 1] + std::exp(x); break;
        }
    }
    return coordinates_of(child, std::move(mapped));
}

}  // namespace

std::vector<std::string> Energy::names() const { return names_of(node_of("Energy::names", *this)); }

std::vector<bool> Energy::held() const {
    const Node& node = node_of("Energy::held", *this);
    return held_of(node, std::vector<bool>(static_cast<std::size_t>(node.d)));
}

std::vector<double> Energy::coordinates(const std::vector<double>& point) const {
    const Node& node = node_of("Energy::coordinates", *this);
    if (static_cast<std::int64_t>(point.size()) != node.d)
        refuse("Energy::coordinates", "point", std::to_string(point.size()) + " values", std::to_string(node.d));
    return coordinates_of(node, point);
}

Energy operator+(const Energy& a, const Energy& b) {
    const Node &left = node_of("energy +", a), &right = node_of("energy +", b);
    if (left.d != right.d)
        refuse("energy +", "energy", std::to_string(left.d) + " + " + std::to_string(right.d) + " coordinates",
               "energies of the same coordinates");
    // A sum that is made in a loop is one of many, not one within another.
    std::vector<std::shared_ptr<const Node>> terms;
    for (const auto& side : {a.node(), b.node()}) {
        if (side->kind == Node::Kind::sum)
            terms.insert(terms.end(), side->children.begin(), side->children.end());
        else
            terms.push_back(side);
    }
    return parent("energy +", {.kind = Node::Kind::sum, .d = left.d, .text = {}}, std::move(terms));
}

Energy operator*(double beta, const Energy& energy) {
    const Node& node = node_of("energy *", energy);
    if (!(beta > 0) || !std::isfinite(beta)) refuse("energy *", "beta", text_of(beta), "a finite beta > 0");
    return parent("energy *", {.kind = Node::Kind::weight, .d = node.d, .text = {}, .beta = beta}, {energy.node()});
}

namespace energy {
namespace {

void check_values(const char* function, const char* argument, const std::vector<double>& values, std::int64_t size) {
    if (static_cast<std::int64_t>(values.size()) != size)
        refuse(function, argument, std::to_string(values.size()) + " values", std::to_string(size));
    for (const double value : values)
        if (!std::isfinite(value)) refuse(function, argument, text_of(value), "finite values");
}

}  // namespace

Energy affine(const Energy& energy, const Affine& m) {
    constexpr auto function = "energy::affine";
    const std::int64_t rows = node_of(function, energy).d;
    const bool dense = m.matrix.rows > 0 || !m.matrix.on_host;
    if (dense == !m.scale.empty())
        refuse(function, "scale", dense ? "beside a matrix" : "none", "either matrix or scale");
    if (!m.matrix.on_host) refuse(function, "matrix", "memory of a device", "host memory: parameters are copied");
    if (dense && (m.matrix.rows != rows || m.matrix.cols < 1 || m.matrix.cols > 1 << 24))
        refuse(function, "matrix", shape(m.matrix.rows, m.matrix.cols),
               std::to_string(rows) + " rows and 1 to 2^24 columns");
    auto shift = m.shift;
    if (shift.empty()) shift.assign(static_cast<std::size_t>(rows), 0.0);
    check_values(function, "shift", shift, rows);
    const auto& factors = dense ? m.matrix.values : m.scale;
    check_values(function, dense ? "matrix" : "scale", factors, dense ? rows * m.matrix.cols : rows);
    std::vector<double> parameters = dense ? grouped_rows(factors, rows, m.matrix.cols) : factors;
    parameters.insert(parameters.end(), shift.begin(), shift.end());
    return map(function, energy,
               {.kind = {},
                .d = dense ? m.matrix.cols : rows,
                .text = "affine",
                .op = dense ? math::EnergyOp::matrix_forward : math::EnergyOp::scale_forward,
                .rows = rows,
                .parameters = std::move(parameters)});
}

Energy clamp(const Energy& energy, const Clamp& held) {
    constexpr auto function = "energy::clamp";
    const std::int64_t d = node_of(function, energy).d;
    if (static_cast<std::int64_t>(held.known.size()) != d)
        refuse(function, "known", std::to_string(held.known.size()) + " values", std::to_string(d));
    if (static_cast<std::int64_t>(held.values.size()) != d)
        refuse(function, "values", std::to_string(held.values.size()) + " values", std::to_string(d));
    Node node{.kind = {}, .d = 0, .text = "clamp", .op = math::EnergyOp::clamp_forward, .rows = d};
    std::vector<std::int32_t> free;
    for (std::size_t j = 0; j < held.known.size(); ++j) {
        const bool known = held.known[j] != 0;
        if (known && !std::isfinite(held.values[j]))
            refuse(function, "values", text_of(held.values[j]), "finite values where known");
        node.indices.push_back(known ? -1 : static_cast<std::int32_t>(free.size()));
        node.parameters.push_back(known ? held.values[j] : 0.0);
        if (!known) free.push_back(static_cast<std::int32_t>(j));
    }
    if (free.empty()) refuse(function, "known", "every coordinate", "at least one coordinate that is free");
    node.d = static_cast<std::int64_t>(free.size());
    node.indices.insert(node.indices.end(), free.begin(), free.end());
    return map(function, energy, std::move(node));
}

Energy constrain(const Energy& energy, const std::vector<Support>& supports) {
    constexpr auto function = "energy::constrain";
    const std::int64_t d = node_of(function, energy).d;
    if (static_cast<std::int64_t>(supports.size()) != d)
        refuse(function, "supports", std::to_string(supports.size()) + " of them", std::to_string(d));
    Node node{.kind = {}, .d = d, .text = "constrain", .op = math::EnergyOp::constrain_forward, .rows = d};
    std::vector<double> widths;
    for (std::size_t j = 0; j < supports.size(); ++j) {
        const Support& s = supports[j];
        const bool bounded = s.kind != Support::Kind::real && s.kind != Support::Kind::ordered;
        if (bounded && !std::isfinite(s.from)) refuse(function, "supports", text_of(s.from), "finite bounds");
        if (s.kind == Support::Kind::interval &&
            !(std::isfinite(s.to) && s.to > s.from && std::isfinite(s.to - s.from)))
            refuse(function, "supports", "the interval " + text_of(s.from) + " to " + text_of(s.to),
                   "a finite upper bound above the lower, and a finite width");
        if (s.kind == Support::Kind::ordered && j == 0)
            refuse(function, "supports", "ordered for the first coordinate", "ordered after another coordinate");
        Constraint kind = Constraint::none;
        switch (s.kind) {
            case Support::Kind::real: break;
            case Support::Kind::lower: kind = Constraint::lower; break;
            case Support::Kind::upper: kind = Constraint::upper; break;
            case Support::Kind::interval: kind = Constraint::interval; break;
            case Support::Kind::ordered: kind = Constraint::above; break;
            default: refuse(function, "supports", std::to_string(static_cast<int>(s.kind)), "a Support::Kind");
        }
        node.indices.push_back(static_cast<std::int32_t>(kind));
        node.parameters.push_back(bounded ? s.from : 0.0);
        widths.push_back(s.kind == Support::Kind::interval ? s.to - s.from : 1.0);
    }
    node.parameters.insert(node.parameters.end(), widths.begin(), widths.end());
    return map(function, energy, std::move(node));
}

Energy named(const Energy& energy, const std::vector<std::string>& names) {
    constexpr auto function = "energy::named";
    const auto wanted = names_of(node_of(function, energy)).size();
    if (names.size() != wanted)
        refuse(function, "names", std::to_string(names.size()) + " names", std::to_string(wanted));
    (void)csv_columns(function, names);  // now, and not when the draws are saved
    return parent(function, {.kind = Node::Kind::names, .d = energy.dimension(), .text = {}, .names = names},
                  {energy.node()});
}

}  // namespace energy
}  // namespace cuebm
