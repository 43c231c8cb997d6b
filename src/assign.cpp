// assign(), assign_gradient() and update(): arguments are checked, once; then the backend's operations are enqueued.
#include <cuebm/assign.hpp>

#include <algorithm>
#include <string>

#include "assign_cosine.hpp"
#include "check.hpp"
#include "context_state.hpp"
#include "float_environment.hpp"
#include "workspace.hpp"

namespace cuebm {
namespace {

using namespace detail;

template <class T>
void check(const Assign<T>& a, Device here) {
    constexpr auto function = "assign";
    const std::int64_t n = a.points.rows, d = a.points.cols, k = a.prototypes.rows;
    check_points_and_prototypes(function, a.points, a.prototypes, 0, here);
    if (a.known && a.known.rows != n && a.known.rows != 1)
        refuse(function, "known", shape(a.known.rows, a.known.cols), shape(n, d) + " or " + shape(1, d));
    check_optional(function, "known", a.known, a.known.rows, d, here);
    check_metric(function, a.metric);
    if (a.metric == Metric::cosine && a.known)
        refuse(function, "known", "a mask with Metric::cosine", "another metric, or every coordinate");
    check_optional(function, "labels", a.labels, n, here);
    check_optional(function, "energies", a.energies, n, here);
    check_optional(function, "free_energies", a.free_energies, n, here);
    check_optional(function, "all_energies", a.all_energies, n, k, here);
    if (a.best_labels || a.best_energies) {
        const std::int64_t m = a.best_labels ? a.best_labels.cols : a.best_energies.cols;
        const std::int64_t limit = std::min<std::int64_t>(k, 32);
        if (m < 1 || m > limit)
            refuse(function, a.best_labels ? "best_labels" : "best_energies", std::to_string(m) + " columns",
                   "1 to min(k, 32) = " + std::to_string(limit));
        check_optional(function, "best_labels", a.best_labels, n, m, here);
        check_optional(function, "best_energies", a.best_energies, n, m, here);
    }
    if (n > 0 && !a.labels && !a.energies && !a.free_energies && !a.all_energies && !a.best_labels && !a.best_energies)
        refuse(function, "labels", "no output at all", "at least one output view");
    check_apart(function,
                {region("labels", a.labels), region("energies", a.energies), region("best_labels", a.best_labels),
                 region("best_energies", a.best_energies), region("all_energies", a.all_energies),
                 region("free_energies", a.free_energies)},
                {region("points", a.points), region("prototypes", a.prototypes), region("known", a.known)});
    check_beta<T>(function, a.metric == Metric::cosine ? a.beta / 2 : a.beta, !a.free_energies, k);
}

template <class T>
void check(const Update<T>& a, Device here) {
    constexpr auto function = "update";
    const std::int64_t n = a.points.rows;
    check_points_and_prototypes(function, a.points, a.prototypes, 1, here);
    check_shape(function, "labels", a.labels, n, here);
    check_optional(function, "weights", a.weights, n, here);
    check_optional(function, "cluster_weights", a.cluster_weights, a.prototypes.rows, here);
    check_apart(function, {region("prototypes", a.prototypes), region("cluster_weights", a.cluster_weights)},
                {region("points", a.points), region("labels", a.labels), region("weights", a.weights)});
}

template <class T>
void check(const AssignGradient<T>& a, Device here) {
    constexpr auto function = "assign_gradient";
    const std::int64_t n = a.points.rows, d = a.points.cols;
    check_points_and_prototypes(function, a.points, a.prototypes, 1, here);
    check_optional(function, "weights", a.weights, n, here);
    check_optional(function, "point_gradients", a.point_gradients, n, d, here);
    check_optional(function, "prototype_gradients", a.prototype_gradients, a.prototypes.rows, d, here);
    if (!a.point_gradients && !a.prototype_gradients)
        refuse(function, "point_gradients", "no output at all", "at least one output view");
    check_apart(function,
                {region("point_gradients", a.point_gradients), region("prototype_gradients", a.prototype_gradients)},
                {region("points", a.points), region("prototypes", a.prototypes), region("weights", a.weights)});
    check_beta<T>(function, a.beta, true, a.prototypes.rows);
}

template <class T>
struct AssignLayout {
    AssignLayout(Carver& carver, const AssignOperations<T>& operations, const Assign<T>& a)
        : scratch(a.metric == Metric::cosine
                      ? CosineLayout<T>(carver, operations, a).scratch
                      : carver.take<std::byte>(static_cast<std::int64_t>(operations.scratch_bytes(a)))) {}
    std::byte* scratch;
};

template <class T>
struct UpdateLayout : SumsLayout {
    UpdateLayout(Carver& carver, const AssignOperations<T>& operations, const Update<T>& a)
        : SumsLayout(carver, a.prototypes.rows, a.points.cols),
          task{.points = a.points,
               .weights = a.weights,
               .labels = a.labels,
               .old_labels = {},
               .k = a.prototypes.rows,
               .into = view(),
               .moved = nullptr},
          scratch(carver.take<std::byte>(static_cast<std::int64_t>(operations.scratch_bytes(task)))) {}
    Accumulate<T> task;
    std::byte* scratch;
};

// The inference that the gradient needs: energies and F_beta at a finite beta, else labels.
template <class T>
struct GradientLayout {
    GradientLayout(Carver& carver, const AssignOperations<T>& operations, const AssignGradient<T>& a)
        : sums(carver, a.prototypes.rows, a.points.cols) {
        const std::int64_t n = a.points.rows;
        const Device here = a.points.device;
        inference = {.points = a.points, .prototypes = a.prototypes, .beta = a.beta};
        if (a.beta < infinity) {
            inference.energies = {carver.take<T>(n), n, 1, here};
            inference.free_energies = {carver.take<T>(n), n, 1, here};
            gaps = carver.take<T>(n);
        } else {
            inference.labels = {carver.take<std::int32_t>(n), n, 1, here};
        }
        accumulation = {.points = a.points,
                        .weights = a.weights,
                        .labels = inference.labels,
                        .old_labels = {},
                        .k = a.prototypes.rows,
                        .into = sums.view(),
                        .moved = nullptr};
        // The inference is over when the sums begin.
        std::size_t bytes = operations.scratch_bytes(inference);
        if (inference.labels) bytes = std::max(bytes, operations.scratch_bytes(accumulation));
        scratch = carver.take<std::byte>(static_cast<std::int64_t>(bytes));
    }
    SumsLayout sums;
    Assign<T> inference;
    T* gaps = nullptr;
    Accumulate<T> accumulation;
    std::byte* scratch;
};

template <class T>
FixedSums start_sums(Queue& queue, const AssignOperations<T>& operations, const SumsLayout& layout,
                     PointsView<T> points, VectorView<const T> weights, std::int64_t k) {
    queue.fill(layout.sums, 0, static_cast<std::size_t>(k * points.cols) * sizeof(std::int64_t));
    queue.fill(layout.counts, 0, static_cast<std::size_t>(k) * sizeof(std::int64_t));
    operations.scales(queue, {.points = points, .weights = weights, .scales = layout.scales});
    return layout.view();
}

template <class T>
void dispatch(Queue& queue, const AssignOperations<T>& operations, const Assign<T>& a) {
    if (a.metric == Metric::cosine) return assign_cosine(queue, operations, a);
    const auto layout = carve<AssignLayout<T>>(queue, operations, a);
    operations.assign(queue, a, layout.scratch, nullptr, nullptr);
}

template <class T>
void dispatch(Queue& queue, const AssignOperations<T>& operations, const Update<T>& a) {
    const auto layout = carve<UpdateLayout<T>>(queue, operations, a);
    const auto sums = start_sums(queue, operations, layout, a.points, a.weights, a.prototypes.rows);
    operations.accumulate(queue, layout.task, layout.scratch);
    operations.finish(queue, {.from = sums,
                              .prototypes = a.prototypes,
                              .means = a.prototypes,
                              .gradients = {},
                              .cluster_weights = a.cluster_weights,
                              .shifts = nullptr});
}

template <class T>
void dispatch(Queue& queue, const AssignOperations<T>& operations, const AssignGradient<T>& a) {
    const bool soft = a.beta < infinity;
    const auto layout = carve<GradientLayout<T>>(queue, operations, a);
    const VectorView<const std::int32_t> labels = layout.inference.labels;
    const T* least = layout.inference.energies.data;
    operations.assign(queue, layout.inference, layout.scratch, nullptr, layout.gaps);
    if (a.point_gradients)
        operations.soft_mean(queue, {.points = a.points,
                                     .prototypes = a.prototypes,
                                     .known = {},
                                     .labels = labels,
                                     .least = least,
                                     .weights = a.weights,
                                     .beta = a.beta,
                                     .gradient = true,
                                     .out = a.point_gradients,
                                     .moves = nullptr});
    if (!a.prototype_gradients) {  // else the sums begin by it: looks at the weights
        if (a.weights)
            operations.scales(queue, {.points = a.points, .weights = a.weights, .scales = layout.sums.scales});
        return;
    }
    const auto sums = start_sums(queue, operations, layout.sums, a.points, a.weights, a.prototypes.rows);
    if (soft)
        operations.accumulate_soft(queue, {.points = a.points,
                                           .prototypes = a.prototypes,
                                           .weights = a.weights,
                                           .least = least,
                                           .gaps = layout.gaps,
                                           .beta = a.beta,
                                           .into = sums});
    else
        operations.accumulate(queue, layout.accumulation, layout.scratch);
    operations.finish(queue, {.from = sums,
                              .prototypes = a.prototypes,
                              .means = {},
                              .gradients = a.prototype_gradients,
                              .cluster_weights = {},
                              .shifts = nullptr});
}

template <class T>
const AssignOperations<T>& operations_of(const Context& context) {
    return assign_operations<T>(*context.state().backend);
}

template <template <class> class Arguments, class T>
void enqueue(Stream& stream, const Arguments<T>& arguments) {
    const DefaultFloatEnvironment environment;
    const Context context = stream.context();
    check(arguments, context.device());
    if (arguments.points.rows > 0) dispatch(*stream.state().queue, operations_of<T>(context), arguments);
}

template <class Arguments>
void run(const Context& context, const Arguments& arguments) {
    Stream stream = detail::stream_of_call(context);
    enqueue(stream, arguments);
    stream.wait();
}

template <template <class> class Layout, template <class> class Arguments, class T>
std::size_t measure(const Context& context, const Arguments<T>& arguments) {
    check(arguments, context.device());
    return layout_bytes<Layout<T>>(operations_of<T>(context), arguments);
}

}  // namespace

#define CUEBM_PUBLIC(function, Arguments, Layout, T)                                  \
    void function(Stream& stream, const Arguments<T>& a) { enqueue(stream, a); }      \
    void function(const Context& context, const Arguments<T>& a) { run(context, a); } \
    std::size_t workspace_bytes(const Context& context, const Arguments<T>& a) { return measure<Layout>(context, a); }
CUEBM_PUBLIC(assign, Assign, AssignLayout, float)
CUEBM_PUBLIC(assign, Assign, AssignLayout, double)
CUEBM_PUBLIC(assign_gradient, AssignGradient, GradientLayout, float)
CUEBM_PUBLIC(assign_gradient, AssignGradient, GradientLayout, double)
CUEBM_PUBLIC(update, Update, UpdateLayout, float)
CUEBM_PUBLIC(update, Update, UpdateLayout, double)
#undef CUEBM_PUBLIC

namespace {
template <class T>
std::string explain_task(const Context& context, const Assign<T>& a) {
    check(a, context.device());
    if (a.metric != Metric::cosine) return operations_of<T>(context).explain(a);
    Carver size;
    const CosineLayout<T> layout(size, operations_of<T>(context), a);
    return "unit rows, " + std::to_string(layout.points.rows) + " points at a time; " +
           operations_of<T>(context).explain(unit_task<T>(a, layout.points, layout.prototypes, 0));
}
}  // namespace
std::string explain(const Context& context, const Assign<float>& a) { return explain_task(context, a); }
std::string explain(const Context& context, const Assign<double>& a) { return explain_task(context, a); }

}  // namespace cuebm
