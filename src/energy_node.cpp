// See energy_node.hpp: a tree becomes a list of steps, maps around what they map.
#include "energy_node.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "check.hpp"
#include "math/energies/matrix.hpp"

namespace cuebm::detail {
namespace {

template <class T>
class Writer {
public:
    Writer(const char* function, Device device) : function_(function), device_(device) {}

    std::shared_ptr<OwnedProgram<T>> write(const EnergyNode& root) {
        program_->d = static_cast<std::int32_t>(root.d);
        program_->function = function_;
        write(root, -1, -1, 1.0);
        for (auto& step : program_->steps) step.scratch = maps_;
        const std::int64_t rows = maps_ + terms_;
        if (rows > most_rows)
            refuse(function_, "energy", std::to_string(rows) + " rows of scratch", "fewer than 2^28: a smaller energy");
        program_->scratch_rows = static_cast<std::int32_t>(rows);
        return program_;
    }

private:
    static constexpr std::int64_t most_rows = 1 << 28;

    void write(const EnergyNode& node, std::int32_t x, std::int32_t gradient, double scale) {
        switch (node.kind) {
            case EnergyNode::Kind::names: return write(*node.children[0], x, gradient, scale);
            case EnergyNode::Kind::weight: return write(*node.children[0], x, gradient, scale * node.beta);
            case EnergyNode::Kind::sum:
                for (const auto& child : node.children) write(*child, x, gradient, scale);
                return;
            case EnergyNode::Kind::term: {
                auto step = step_of(node, x, gradient, scale);
                step.first = is_first(gradient);
                program_->steps.push_back(step);
                terms_ = std::max(terms_, node.scratch);
                return;
            }
            case EnergyNode::Kind::map: break;
        }
        auto step = step_of(node, x, gradient, scale);
        step.to = take(node.rows);
        step.to_gradient = take(node.rows);
        program_->steps.push_back(step);
        write(*node.children[0], step.to, step.to_gradient, scale);
        step.first = is_first(gradient);
        step.op = static_cast<math::EnergyOp>(static_cast<int>(step.op) + 1);  // backward follows forward
        program_->steps.push_back(step);
    }

    // Whether nothing has been added to this gradient yet; it now has.
    bool is_first(std::int32_t gradient) { return written_.insert(gradient).second; }

    std::int32_t take(std::int64_t rows) {
        const std::int32_t first = maps_;
        if (maps_ + rows > most_rows) refuse(function_, "energy", "maps of too many coordinates", "a smaller energy");
        maps_ += static_cast<std::int32_t>(rows);
        return first;
    }

    math::EnergyStep<T> step_of(const EnergyNode& node, std::int32_t x, std::int32_t gradient, double scale) {
        // Groups of rows are read 16 bytes at a time.
        program_->parameters.resize((program_->parameters.size() + 3) / 4 * 4);
        const auto parameters = static_cast<std::int64_t>(program_->parameters.size());
        const auto indices = static_cast<std::int64_t>(program_->indices.size());
        for (const double value : node.parameters) program_->parameters.push_back(rounded(node, value, false));
        program_->indices.insert(program_->indices.end(), node.indices.begin(), node.indices.end());
        return {.op = node.op,
                .d = static_cast<std::int32_t>(node.d),
                .rows = static_cast<std::int32_t>(node.rows),
                .x = x,
                .gradient = gradient,
                .to = 0,
                .to_gradient = 0,
                .first = 0,
                .scratch = 0,
                .custom_index = index_of(node),
                .parameters = parameters,
                .indices = indices,
                .scale = rounded(node, scale, true),
                .custom = functions_of(node.custom)};
    }

    std::int32_t index_of(const EnergyNode& node) {
        if (node.custom == nullptr) return 0;
        if (device_.kind == Device::Kind::cuda && node.custom->source == nullptr)
            refuse(function_, "energy", node.text + " on a GPU, built without its file",
                   "one that cuebm_add_energy() built, which keeps the file for a GPU's compiler");
        auto& customs = program_->customs;
        const auto found = std::find(customs.begin(), customs.end(), node.custom);
        const auto index = static_cast<std::int32_t>(found - customs.begin());
        if (found == customs.end()) customs.push_back(node.custom);
        return index;
    }

    static const math::CustomFunctions<T>* functions_of(const CustomEnergy* custom) {
        if (custom == nullptr) return nullptr;
        if constexpr (sizeof(T) == sizeof(float))
            return &custom->of_float;
        else
            return &custom->of_double;
    }

    // Rounded to T. Data may round to 0; a weight may not.
    T rounded(const EnergyNode& node, double value, bool weight) const {
        const T here = static_cast<T>(value);
        if (!std::isfinite(here) || (weight && !(here >= std::numeric_limits<T>::min())))
            refuse(function_, "energy",
                   (weight ? "a weight of " : "a parameter of ") + node.text + ", " + text_of(value),
                   sizeof(T) == sizeof(float) ? "one that float holds, or points of double" : "one that double holds");
        return here;
    }

    const char* function_;
    Device device_;
    std::shared_ptr<OwnedProgram<T>> program_ = std::make_shared<OwnedProgram<T>>();
    std::set<std::int32_t> written_;
    std::int32_t maps_ = 0;
    std::int64_t terms_ = 0;
};

}  // namespace

std::vector<double> grouped_rows(const std::vector<double>& matrix, std::int64_t rows, std::int64_t d) {
    std::vector<double> grouped;
    grouped.reserve(static_cast<std::size_t>(math::grouped_size(rows, d)));
    for (std::int64_t first = 0; first < rows; first += math::rows_at_once)
        for (std::int64_t j = 0; j < d; ++j)
            for (std::int64_t r = first; r < first + math::rows_at_once; ++r)
                grouped.push_back(matrix[static_cast<std::size_t>(std::min(r, rows - 1) * d + j)]);
    return grouped;
}

template <class T>
std::shared_ptr<const OwnedProgram<T>> program_of(const char* function, const Energy& energy, Device device) {
    if (!energy) refuse(function, "energy", "none", "an energy");
    return Writer<T>(function, device).write(*energy.node());
}
template std::shared_ptr<const OwnedProgram<float>> program_of(const char*, const Energy&, Device);
template std::shared_ptr<const OwnedProgram<double>> program_of(const char*, const Energy&, Device);

}  // namespace cuebm::detail
