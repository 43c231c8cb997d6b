// sample() for chains that go on.
#pragma once

#include <cuebm/sample.hpp>

namespace cuebm::detail {

// As sample(), but for the limits on what people give: any step size and mass that T holds is right, for adaptation may
// have ended there.
template <class T>
Samples<T> sample_resumed(const Context& context, const Energy& energy, const Sampler& sampler,
                          const SampleOptions<T>& options);

}  // namespace cuebm::detail
