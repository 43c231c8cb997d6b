// A consumer: headers and library must be of one version, and a fit must run.
#include <cstring>
#include <vector>

#include <cuebm/cuebm.hpp>

int main() {
    const std::vector<float> y{0, 1, 10, 11};
    auto context = cuebm::Context::best();
    const auto model = cuebm::kmeans::fit(context, context.copy(cuebm::view(y, 4, 1)), {.k = 2, .seed = 1});
    return model.inertia == 1.0 && std::strcmp(cuebm::version(), "0.1.0") == 0 ? 0 : 1;
}
