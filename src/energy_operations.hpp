// What a backend must do for energies of continuous coordinates.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "energy_node.hpp"

namespace cuebm::detail {

class Queue;

// values_i = E(y_i), gradients_i = dE/dy at y_i. Reports rows that are not finite, and rows whose energy is NaN.
template <class T>
struct EvaluateEnergy {
    std::shared_ptr<const OwnedProgram<T>> program;  // kept until the work is done
    MatrixView<const T> points;                      // [n x d]
    VectorView<T> values;                            // [n], optional
    MatrixView<T> gradients;                         // [n x d], optional
    bool check_finite;
};

template <class T>
class EnergyOperations {
public:
    virtual ~EnergyOperations() = default;
    virtual std::size_t scratch_bytes(const EvaluateEnergy<T>&) const = 0;
    virtual void evaluate(Queue&, const EvaluateEnergy<T>&, std::byte* scratch) const = 0;
};

}  // namespace cuebm::detail
