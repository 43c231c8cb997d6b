// Which prototypes share a panel. A bound kept for a panel excludes it where all of its prototypes are far, so panels
// are of prototypes that lie together (as groups in Y. Ding et al., "Yinyang K-means", ICML 2015).
#pragma once

#include <cstdint>

#include <cuebm/view.hpp>

namespace cuebm::cpu {

// order [k]: a permutation of the prototypes in which every `panel` that follow each other are near each other. Halves
// them again and again, along the line between the means of two halves. O(k d log(k / panel)). Any order is right.
// Scratch: line [d], places [k].
void group_prototypes(MatrixView<const float> prototypes, std::int64_t panel, std::int32_t* order, float* line,
                      float* places);

}  // namespace cuebm::cpu
