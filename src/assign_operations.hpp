// What a backend must do for the K-means energy. Arguments are checked by src/ before they come here;
// every function only enqueues. Scratch comes from the queue's workspace (Queue::scratch).
#pragma once

#include <cstdint>

#include <cuebm/assign.hpp>
#include <cuebm/view.hpp>

namespace cuebm::detail {

class Queue;

template <class T>
class AssignOperations {
public:
    virtual ~AssignOperations() = default;
    virtual void assign(Queue&, const Assign<T>&) const = 0;
    virtual void update(Queue&, const Update<T>&) const = 0;
};

}  // namespace cuebm::detail
