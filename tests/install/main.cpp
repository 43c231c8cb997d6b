// A consumer: headers and library must be of one version, and a fit must run.
#include <cstdio>
#include <string>
#include <vector>

#include <cuebm/cuebm.hpp>

int main() {
    const std::string headers = std::to_string(CUEBM_VERSION_MAJOR) + "." + std::to_string(CUEBM_VERSION_MINOR) + "." +
                                std::to_string(CUEBM_VERSION_PATCH);
    if (headers != cuebm::version()) {
        std::printf("headers of %s, library of %s\n", headers.c_str(), cuebm::version());
        return 1;
    }
    const std::vector<float> y{0, 1, 10, 11};
    auto context = cuebm::Context::best();
    const auto model = cuebm::kmeans::fit(context, context.copy(cuebm::view(y, 4, 1)), {.k = 2, .seed = 1});
    if (model.inertia != 1.0) std::printf("inertia %g, wanted 1\n", model.inertia);
    return model.inertia == 1.0 ? 0 : 1;
}
