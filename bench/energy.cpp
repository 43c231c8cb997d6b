// Speed of energy::evaluate, value alone and value and gradient, for points in float that are read from memory.
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <cuebm/cuebm.hpp>

#include "harness.hpp"

namespace eb = cuebm;

namespace {

// The points of one model at a time: they are large.
struct Loaded {
    Loaded(eb::Context& context, const bench::Model& m, std::int64_t n) : model(&m) {
        const std::int64_t d = m.energy.dimension();
        bench::Uniform uniform;
        std::vector<float> host(static_cast<std::size_t>(n * d));
        for (float& x : host) x = static_cast<float>(m.spread * (2 * uniform() - 1));
        points = context.copy(eb::view(host, n, d));
        gradients = context.matrix<float>(n, d);
        values = context.vector<float>(n);
    }
    const bench::Model* model;
    eb::Matrix<float> points, gradients;
    eb::Vector<float> values;
};
std::unique_ptr<Loaded> loaded;

void evaluate(benchmark::State& state, bench::Machine& machine, const bench::Model& model, std::int64_t n,
              bool gradient) {
    if (!loaded || loaded->model != &model || loaded->points.rows() != n) {
        loaded.reset();
        loaded = std::make_unique<Loaded>(machine.context, model, n);
    }
    eb::energy::Evaluate<float> arguments{.points = loaded->points, .values = loaded->values};
    if (gradient) arguments.gradients = loaded->gradients;
    const auto work = [&] { eb::energy::evaluate(machine.context, model.energy, arguments); };
    work();  // the outputs' pages are then there
    const bench::Measured measured = bench::time(state, machine, work);
    const auto points = static_cast<double>(n), coordinates = points * static_cast<double>(model.energy.dimension());
    state.counters["Mpoints/s"] = points / measured.seconds * 1e-6;
    bench::report(
        state,
        {points * (gradient ? model.both : model.value), 4 * coordinates, 4 * (points + (gradient ? coordinates : 0))},
        measured);
}

}  // namespace

int main(int argc, char** argv) {
    const std::vector<bench::Model> models = {
        bench::gaussian(10),    bench::gaussian(100),      bench::gaussian_full(64),
        bench::mixture(16, 10), bench::kmeans(256, 64),    bench::banana(),
        bench::eight_schools(), bench::logistic(1000, 25), bench::logistic(5000, 20)};
    const int status =
        bench::run_program("bench_energy", argc, argv, false, [&](auto& machine, const auto&, bool quick) {
            const auto add = [&](const bench::Model& model, std::int64_t n) {
                for (const bool gradient : {false, true})
                    benchmark::RegisterBenchmark(((gradient ? "energy/value_gradient/" : "energy/value/") + model.name +
                                                  "/n:" + std::to_string(n))
                                                     .c_str(),
                                                 [&machine, &model, n, gradient](benchmark::State& state) {
                                                     evaluate(state, machine, model, n, gradient);
                                                 })
                        ->Unit(n > 1 ? benchmark::kMillisecond : benchmark::kMicrosecond)
                        ->UseManualTime();
            };
            add(models[5], 1);  // a banana: what a call costs
            for (const auto& model : models)
                add(model, quick ? std::max<std::int64_t>(256, model.points / 20) : model.points);
        });
    loaded.reset();
    return status;
}
