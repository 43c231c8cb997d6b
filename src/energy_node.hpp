// An energy on the host: a tree of terms, sums, weights and maps, with its parameters in double; and the program that
// it becomes for one type of data.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <cuebm/custom_functions.hpp>
#include <cuebm/energy.hpp>

#include "math/energy_program.hpp"

namespace cuebm::detail {

// A registered energy: its functions, for each type of data, and its file, if that was kept.
struct CustomEnergy {
    std::string name;
    const custom::Source* source;
    math::CustomFunctions<float> of_float;
    math::CustomFunctions<double> of_double;
};

struct EnergyNode {
    enum class Kind { term, sum, weight, map, names };
    Kind kind;
    std::int64_t d;            // coordinates that it reads
    std::string text;          // of a term or a map
    math::EnergyOp op = {};    // of a term, or of a map forward
    std::int64_t rows = 0;     // as in math::EnergyStep
    std::int64_t scratch = 0;  // rows of a term
    std::vector<double> parameters{};
    std::vector<std::int32_t> indices{};
    double beta = 1;  // of a weight
    std::vector<std::string> names{};
    std::vector<std::shared_ptr<const EnergyNode>> children{};
    std::int64_t depth = 0, terms = 1;     // of the tree from here on: operations within each other
    const CustomEnergy* custom = nullptr;  // of that term; lives as long as the process
};

// [rows x d] in the order that kernels read it in: math/energies/matrix.hpp.
std::vector<double> grouped_rows(const std::vector<double>& matrix, std::int64_t rows, std::int64_t d);

// The program, with its memory.
template <class T>
struct OwnedProgram {
    std::vector<math::EnergyStep<T>> steps;
    std::vector<T> parameters;
    std::vector<std::int32_t> indices;
    std::vector<const CustomEnergy*> customs;  // by EnergyStep::custom_index
    std::int32_t d = 0, scratch_rows = 0;
    const char* function = "";  // of the API, for what is refused later

    math::EnergyProgram<T> view() const {
        return {steps.data(),  static_cast<std::int32_t>(steps.size()), d, scratch_rows, parameters.data(),
                indices.data()};
    }
};

// Throws InvalidArgument for no energy, if T cannot hold a parameter, or for a user's own energy on a GPU
// without its file.
template <class T>
std::shared_ptr<const OwnedProgram<T>> program_of(const char* function, const Energy& energy, Device device);

}  // namespace cuebm::detail
