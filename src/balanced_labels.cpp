// See balanced_labels.hpp.
#include "balanced_labels.hpp"

#include <algorithm>
#include <functional>
#include <limits>
#include <utility>

namespace cuebm::kmeans {
namespace {

// Far beyond any path, and the sum of it and one stays in range.
constexpr std::int64_t unreachable = std::numeric_limits<std::int64_t>::max() / 2;

// Labels, and what it costs to move a point from one cluster to another.
class Flow {
public:
    Flow(const std::vector<std::int64_t>& costs, std::int64_t k)
        : costs_(costs),
          k_(static_cast<std::size_t>(k)),
          labels_(costs.size() / k_),
          sizes_(k_),
          moves_(k_ * k_),
          step_(k_ * k_, unreachable) {
        for (std::size_t i = 0; i < labels_.size(); ++i) {
            const auto* row = &costs_[i * k_];
            labels_[i] = static_cast<std::int32_t>(std::min_element(row, row + k_) - row);
            ++sizes_[static_cast<std::size_t>(labels_[i])];
            for (std::size_t b = 0; b < k_; ++b)
                if (b != at(i)) moves_[at(i) * k_ + b].push_back({cost(i, b) - cost(i, at(i)), i});
        }
        for (auto& heap : moves_) std::make_heap(heap.begin(), heap.end(), std::greater<>());
        for (std::size_t a = 0; a < k_; ++a) look_at(a);
    }

    // Moves a point along a shortest path from the clusters that must (or may) give one to those that must (or may)
    // take one. It ends in another cluster than it began in.
    template <class Gives, class Takes>
    void move(Gives gives, Takes takes) {
        std::vector<std::int64_t> distance(k_, unreachable);
        std::vector<std::size_t> before(k_, k_);
        for (std::size_t z = 0; z < k_; ++z)
            if (gives(sizes_[z])) distance[z] = 0;
        for (bool shorter = true; shorter;) {  // Bellman and Ford: no cycle costs less than 0
            shorter = false;
            for (std::size_t a = 0; a < k_; ++a)
                for (std::size_t b = 0; b < k_ && distance[a] < unreachable; ++b)
                    if (step_[a * k_ + b] < unreachable && distance[a] + step_[a * k_ + b] < distance[b]) {
                        distance[b] = distance[a] + step_[a * k_ + b];
                        before[b] = a;
                        shorter = true;
                    }
        }
        std::size_t end = k_;
        for (std::size_t z = 0; z < k_; ++z)
            if (takes(sizes_[z]) && (end == k_ || distance[z] < distance[end])) end = z;
        std::vector<std::size_t> path{end};
        while (before[path.back()] != k_) path.push_back(before[path.back()]);
        std::vector<std::size_t> movers;  // chosen before any of them moves
        for (std::size_t p = path.size() - 1; p > 0; --p)
            movers.push_back(moves_[path[p] * k_ + path[p - 1]].front().second);
        for (std::size_t p = path.size() - 1; p > 0; --p) put(movers[path.size() - 1 - p], path[p - 1]);
        for (const auto z : path) look_at(z);
    }

    template <class OfSize>
    bool any(OfSize of_size) const {
        return std::any_of(sizes_.begin(), sizes_.end(), of_size);
    }
    std::vector<std::int32_t> take_labels() { return std::move(labels_); }

private:
    std::size_t at(std::size_t i) const { return static_cast<std::size_t>(labels_[i]); }
    std::int64_t cost(std::size_t i, std::size_t z) const { return costs_[i * k_ + z]; }

    void put(std::size_t i, std::size_t to) {
        --sizes_[at(i)];
        ++sizes_[to];
        labels_[i] = static_cast<std::int32_t>(to);
        for (std::size_t b = 0; b < k_; ++b) {
            if (b == to) continue;
            auto& heap = moves_[to * k_ + b];
            heap.push_back({cost(i, b) - cost(i, to), i});
            std::push_heap(heap.begin(), heap.end(), std::greater<>());
        }
    }
    // Drops what has left cluster a from its heaps, and notes its cheapest moves.
    void look_at(std::size_t a) {
        for (std::size_t b = 0; b < k_; ++b) {
            auto& heap = moves_[a * k_ + b];
            while (!heap.empty() && at(heap.front().second) != a) {
                std::pop_heap(heap.begin(), heap.end(), std::greater<>());
                heap.pop_back();
            }
            step_[a * k_ + b] = heap.empty() ? unreachable : heap.front().first;
        }
    }

    const std::vector<std::int64_t>& costs_;
    std::size_t k_;
    std::vector<std::int32_t> labels_;
    std::vector<std::int64_t> sizes_;
    std::vector<std::vector<std::pair<std::int64_t, std::size_t>>> moves_;  // [k x k] heaps of (what it costs, point)
    std::vector<std::int64_t> step_;                                        // [k x k]: the cheapest
};

}  // namespace

std::vector<std::int32_t> balanced_labels(const std::vector<std::int64_t>& costs, std::int64_t k, Bounds bounds) {
    Flow flow(costs, k);
    // First no cluster may be too large, then none too small: both keep that no cycle of moves costs less than 0.
    const auto too_many = [&](std::int64_t size) { return size > bounds.most; };
    const auto has_room = [&](std::int64_t size) { return size < bounds.most; };
    const auto too_few = [&](std::int64_t size) { return size < bounds.least; };
    const auto can_give = [&](std::int64_t size) { return size > bounds.least; };
    while (flow.any(too_many)) flow.move(too_many, has_room);
    while (flow.any(too_few)) flow.move(can_give, too_few);
    return flow.take_labels();
}

}  // namespace cuebm::kmeans
