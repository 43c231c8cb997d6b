// C functions around cuebm, so that bench/peers/assign.py can call it through ctypes beside the other libraries.
#include <algorithm>
#include <stop_token>
#include <string>

#include <cuebm/cuebm.hpp>

#include "shim.hpp"

namespace eb = cuebm;

namespace {
using bench::guarded;

// Points that were copied to the device once, as the GPU peers' tensors are.
struct Session {
    eb::Context context;
    eb::Matrix<float> points{};
    std::string device{};

    bench::Limits limits{};
};

void fetch(const eb::Context& context, const eb::kmeans::Model<float>& model, float* prototypes, std::int32_t* labels) {
    eb::Stream stream(context);
    eb::copy(stream, model.prototypes.view(), eb::view(prototypes, model.prototypes.rows(), model.prototypes.cols()));
    eb::copy(stream, model.labels.view(), eb::view(labels, model.labels.size()));
    stream.wait();
}
}  // namespace

#pragma GCC visibility push(default)
extern "C" {

const char* cuebm_peers_error() { return bench::message.c_str(); }
const char* cuebm_peers_version() { return eb::version(); }

int cuebm_peers_open(const float* points, std::int64_t n, std::int64_t d, int on_gpu, int threads, void** session) {
    return guarded([&] {
        auto* s = new Session{on_gpu != 0 ? eb::Context::cuda(0) : eb::Context::cpu({.threads = threads})};
        *session = s;
        s->points = s->context.copy(eb::view(points, n, d));
        s->device = s->context.properties().name;
    });
}

int cuebm_peers_close(void* session) {
    delete static_cast<Session*>(session);
    return 0;
}

const char* cuebm_peers_device(void* session) { return static_cast<Session*>(session)->device.c_str(); }

// What the machine can do: bench::tell_limits() names the figures.
int cuebm_peers_limits(void* session, int runs, double* figures, const char** processor) {
    return guarded([&] {
        auto& s = *static_cast<Session*>(session);
        bench::tell_limits(s.context, runs, s.limits, figures, processor);
    });
}

// Lloyd from the given start until no label moves, or for so many iterations; labels that belong to the prototypes.
int cuebm_peers_fit(void* session, std::int64_t k, const float* start, int iterations, float* prototypes,
                    std::int32_t* labels, int* done) {
    return guarded([&] {
        auto& s = *static_cast<Session*>(session);
        const auto model = eb::kmeans::fit(s.context, s.points,
                                           {.k = k,
                                            .start = eb::kmeans::Start::given,
                                            .prototypes = eb::view(start, k, s.points.cols()),
                                            .max_iterations = iterations,
                                            .tolerance = 0});
        fetch(s.context, model, prototypes, labels);
        *done = model.iterations;
    });
}

// From the points alone, the start included (k-means|| from k = 32 on, greedy k-means++ below), until the inertia is at
// most `target` or for so many iterations. The CPU reads the points where they are; on a GPU they are those of the
// session.
int cuebm_peers_reach(void* session, const float* points, std::int64_t k, std::uint64_t seed, double target,
                      int iterations, float* prototypes, std::int32_t* labels, int* done) {
    return guarded([&] {
        auto& s = *static_cast<Session*>(session);
        const eb::MatrixView<const float> there = s.points;
        std::stop_source enough;
        const auto model = eb::kmeans::fit(
            s.context, s.context.device() == eb::Device{} ? eb::view(points, there.rows, there.cols) : there,
            {.k = k,
             .seed = seed,
             .start = k >= 32 ? eb::kmeans::Start::parallel : eb::kmeans::Start::plus_plus,
             .max_iterations = iterations,
             .tolerance = 0,
             .progress =
                 [&](const eb::kmeans::Progress& p) {
                     if (p.inertia <= target) enough.request_stop();
                 },
             .cancel = enough.get_token()});
        fetch(s.context, model, prototypes, labels);
        *done = model.iterations;
    });
}

}  // extern "C"
#pragma GCC visibility pop
