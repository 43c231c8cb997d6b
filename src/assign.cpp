// assign(): argument checks, once, then the backend's operation.
#include <cuebm/assign.hpp>

#include <algorithm>
#include <limits>
#include <string>
#include <type_traits>

#include <cuebm/error.hpp>

#include "context_state.hpp"

namespace cuebm {
namespace {

[[noreturn]] void refuse(const char* function, const char* argument, const std::string& got,
                         const std::string& wanted) {
    throw InvalidArgument(function, argument, got, wanted);
}

std::string shape(std::int64_t rows, std::int64_t cols) { return std::to_string(rows) + " x " + std::to_string(cols); }

void check_matrix(const char* function, const char* argument, const void* data, std::int64_t rows, std::int64_t cols,
                  std::int64_t stride, std::size_t alignment, Device at, Device here) {
    if (rows > 0 && cols > 0 && data == nullptr)
        refuse(function, argument, "nullptr", "memory of shape " + shape(rows, cols));
    if (reinterpret_cast<std::uintptr_t>(data) % alignment != 0)
        refuse(function, argument, "a misaligned pointer", "alignment of " + std::to_string(alignment) + " bytes");
    if (rows > 1 && stride < cols)
        refuse(function, argument, "stride " + std::to_string(stride), "stride >= cols = " + std::to_string(cols));
    if (at != here) refuse(function, argument, "memory of another device", "memory of the context's device");
}

template <class View>
void check_output(const char* function, const char* argument, const View& view, std::int64_t rows, std::int64_t cols,
                  Device here) {
    if (!view) return;
    if (view.rows != rows || view.cols != cols)
        refuse(function, argument, shape(view.rows, view.cols), shape(rows, cols));
    check_matrix(function, argument, view.data, rows, cols, view.stride, alignof(decltype(*view.data)), view.device,
                 here);
}

template <class T>
void check_output(const char* function, const char* argument, const VectorView<T>& view, std::int64_t size,
                  Device here) {
    if (!view) return;
    if (view.size != size) refuse(function, argument, std::to_string(view.size) + " elements", std::to_string(size));
    check_matrix(function, argument, view.data, size, 1, view.stride, alignof(T), view.device, here);
}

template <class T>
void check(const Assign<T>& a, Device here) {
    constexpr auto function = "assign";
    const std::int64_t n = a.points.rows, d = a.points.cols, k = a.prototypes.rows;
    const std::int64_t most = std::numeric_limits<std::int32_t>::max();
    if (n < 0) refuse(function, "points", shape(n, d), "rows >= 0");
    if (d < 1 || d > most) refuse(function, "points", shape(n, d), "1 <= cols < 2^31");
    if (k < 1 || k > most) refuse(function, "prototypes", shape(k, a.prototypes.cols), "1 <= rows < 2^31");
    if (a.prototypes.cols != d) refuse(function, "prototypes", shape(k, a.prototypes.cols), shape(k, d));
    check_matrix(function, "points", a.points.data, n, d, a.points.stride, alignof(T), a.points.device, here);
    check_matrix(function, "prototypes", a.prototypes.data, k, d, a.prototypes.stride, alignof(T), a.prototypes.device,
                 here);
    if (a.known && (a.known.cols != d || (a.known.rows != n && a.known.rows != 1)))
        refuse(function, "known", shape(a.known.rows, a.known.cols), shape(n, d) + " or " + shape(1, d));
    if (a.known)
        check_matrix(function, "known", a.known.data, a.known.rows, d, a.known.stride, 1, a.known.device, here);
    check_output(function, "labels", a.labels, n, here);
    check_output(function, "energies", a.energies, n, here);
    check_output(function, "free_energies", a.free_energies, n, here);
    check_output(function, "all_energies", a.all_energies, n, k, here);
    const std::int64_t m = a.best_labels ? a.best_labels.cols : a.best_energies.cols;
    if (a.best_labels || a.best_energies) {
        const std::int64_t limit = std::min<std::int64_t>(k, 32);
        if (m < 1 || m > limit)
            refuse(function, a.best_labels ? "best_labels" : "best_energies", std::to_string(m) + " columns",
                   "1 to min(k, 32) = " + std::to_string(limit));
        check_output(function, "best_labels", a.best_labels, n, m, here);
        check_output(function, "best_energies", a.best_energies, n, m, here);
    }
    if (!a.labels && !a.energies && !a.free_energies && !a.all_energies && !a.best_labels && !a.best_energies)
        refuse(function, "labels", "no output at all", "at least one output view");
    if (!(a.beta > 0)) refuse(function, "beta", std::to_string(a.beta), "beta > 0");
    if (a.free_energies && !(a.beta <= static_cast<double>(std::numeric_limits<T>::max())))
        refuse(function, "beta", std::to_string(a.beta), "a finite beta > 0 for free_energies");
}

template <class T>
void check(const Update<T>& a, Device here) {
    constexpr auto function = "update";
    const std::int64_t n = a.points.rows, d = a.points.cols, k = a.prototypes.rows;
    const std::int64_t most = std::numeric_limits<std::int32_t>::max();
    if (n < 1 || d < 1 || d > most) refuse(function, "points", shape(n, d), "rows >= 1, 1 <= cols < 2^31");
    if (k < 1 || k > most || a.prototypes.cols != d)
        refuse(function, "prototypes", shape(k, a.prototypes.cols), "k x " + std::to_string(d) + " with 1 <= k < 2^31");
    check_matrix(function, "points", a.points.data, n, d, a.points.stride, alignof(T), a.points.device, here);
    check_matrix(function, "prototypes", a.prototypes.data, k, d, a.prototypes.stride, alignof(T), a.prototypes.device,
                 here);
    if (!a.labels) refuse(function, "labels", "nullptr", std::to_string(n) + " labels");
    check_output(function, "labels", a.labels, n, here);
    check_output(function, "weights", a.weights, n, here);
    check_output(function, "cluster_weights", a.cluster_weights, k, here);
}

void dispatch(detail::Queue& queue, const detail::Backend& backend, const auto& arguments) {
    using T = std::remove_const_t<std::remove_pointer_t<decltype(arguments.points.data)>>;
    if constexpr (requires { arguments.known; })
        detail::assign_operations<T>(backend).assign(queue, arguments);
    else
        detail::assign_operations<T>(backend).update(queue, arguments);
}

template <class Arguments>
void enqueue(Stream& stream, const Arguments& arguments) {
    check(arguments, stream.context().device());
    if (arguments.points.rows == 0) return;
    auto& state = stream.state();
    dispatch(*state.queue, *state.context->backend, arguments);
}

template <class Arguments>
void run(Context& context, const Arguments& arguments) {
    check(arguments, context.device());
    Stream stream(context);
    enqueue(stream, arguments);
    stream.wait();
}

}  // namespace

void assign(Stream& stream, const Assign<float>& arguments) { enqueue(stream, arguments); }
void assign(Stream& stream, const Assign<double>& arguments) { enqueue(stream, arguments); }
void assign(Context& context, const Assign<float>& arguments) { run(context, arguments); }
void assign(Context& context, const Assign<double>& arguments) { run(context, arguments); }

void update(Stream& stream, const Update<float>& arguments) { enqueue(stream, arguments); }
void update(Stream& stream, const Update<double>& arguments) { enqueue(stream, arguments); }
void update(Context& context, const Update<float>& arguments) { run(context, arguments); }
void update(Context& context, const Update<double>& arguments) { run(context, arguments); }

}  // namespace cuebm
