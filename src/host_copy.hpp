// Small copies between the host and a stream's device, in the stream's order.
#pragma once

#include <vector>

#include <cuebm/array.hpp>

#include "context_state.hpp"

namespace cuebm::detail {

// Waits at the end of its scope, so that an exception leaves no work in flight that uses what was declared before it.
class WaitAtEnd {
public:
    explicit WaitAtEnd(Stream& stream) : queue_(*stream.state().queue) {}
    ~WaitAtEnd() { queue_.wait_quietly(); }
    WaitAtEnd(const WaitAtEnd&) = delete;
    WaitAtEnd& operator=(const WaitAtEnd&) = delete;

private:
    Queue& queue_;
};

// The values once the stream's work so far is done; throws what was wrong with it.
template <class Source>
auto read(Stream& stream, const Source& source) {
    const auto from = as_matrix(source);
    std::vector<std::remove_const_t<ElementOf<Source>>> values(static_cast<std::size_t>(from.rows * from.cols));
    copy(stream, from, view(values, from.rows, from.cols));
    stream.wait();
    return values;
}

}  // namespace cuebm::detail
