// energy::evaluate(): arguments are checked, then the backend's operation is enqueued.
#include <cuebm/energy.hpp>

#include "check.hpp"
#include "context_state.hpp"
#include "float_environment.hpp"

namespace cuebm::energy {
namespace {

using namespace detail;

template <class T>
void enqueue(Stream& stream, const Energy& energy, const Evaluate<T>& a) {
    constexpr auto function = "energy::evaluate";
    const DefaultFloatEnvironment environment;
    const Device here = stream.context().device();
    const auto program = program_of<T>(function, energy, here);
    const std::int64_t n = a.points.rows, d = energy.dimension();
    if (n < 0 || a.points.cols != d)
        refuse(function, "points", shape(n, a.points.cols), "n x " + std::to_string(d) + ", as the energy has");
    check_memory(function, "points", a.points, here);
    check_optional(function, "values", a.values, n, here);
    check_optional(function, "gradients", a.gradients, n, d, here);
    if (!a.values && !a.gradients && n > 0) refuse(function, "values", "no output at all", "at least one output view");
    check_apart(function, {region("values", a.values), region("gradients", a.gradients)}, {region("points", a.points)});
    if (n == 0) return;
    Queue& queue = *stream.state().queue;
    const auto& operations = energy_operations<T>(*stream.context().state().backend);
    auto points = a.points;
    if (n == 1) points.stride = d;  // it may have been anything, and kernels divide by it
    const EvaluateEnergy<T> task{program, points, a.values, a.gradients, a.check_finite};
    operations.evaluate(queue, task, queue.workspace(operations.scratch_bytes(task)));
}

template <class T>
void run(const Context& context, const Energy& energy, const Evaluate<T>& a) {
    Stream stream = detail::stream_of_call(context);
    enqueue(stream, energy, a);
    stream.wait();
}

}  // namespace

void evaluate(const Context& c, const Energy& e, const Evaluate<float>& a) { run(c, e, a); }
void evaluate(const Context& c, const Energy& e, const Evaluate<double>& a) { run(c, e, a); }
void evaluate(Stream& s, const Energy& e, const Evaluate<float>& a) { enqueue(s, e, a); }
void evaluate(Stream& s, const Energy& e, const Evaluate<double>& a) { enqueue(s, e, a); }

}  // namespace cuebm::energy
