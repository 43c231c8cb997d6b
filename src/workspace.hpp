// Cuts one block of a queue's workspace into arrays. A layout is a struct whose constructor takes its arrays from a
// Carver; it is run twice, first on no block at all, to learn the size.
#pragma once

#include <cstddef>
#include <cstdint>

#include "backend.hpp"

namespace cuebm::detail {

class Carver {
public:
    Carver() = default;
    explicit Carver(std::byte* block) : block_(block) {}
    template <class T>
    T* take(std::int64_t size) {
        const std::size_t at = bytes_;
        bytes_ += (static_cast<std::size_t>(size) * sizeof(T) + 255) / 256 * 256;
        return reinterpret_cast<T*>(block_ + at);
    }
    std::size_t bytes() const { return bytes_; }

private:
    // No memory, but not null: a view that is there must look so while its size is learnt.
    alignas(256) inline static std::byte no_memory_{};
    std::byte* block_ = &no_memory_;
    std::size_t bytes_ = 0;
};

template <class Layout, class... Arguments>
std::size_t layout_bytes(const Arguments&... arguments) {
    Carver size;
    (void)Layout(size, arguments...);
    return size.bytes();
}

template <class Layout, class... Arguments>
Layout carve(Queue& queue, const Arguments&... arguments) {
    Carver carver(queue.workspace(layout_bytes<Layout>(arguments...)));
    return Layout(carver, arguments...);
}

// Fixed-point sums of k prototypes with the scales of their points.
struct SumsLayout {
    SumsLayout(Carver& carver, std::int64_t k, std::int64_t d)
        : sums(carver.take<std::int64_t>(k * d)),
          counts(carver.take<std::int64_t>(k)),
          scales(carver.take<double>(d + 1)) {}
    std::int64_t *sums, *counts;
    double* scales;
    FixedSums view() const { return {sums, counts, scales}; }
};

}  // namespace cuebm::detail
