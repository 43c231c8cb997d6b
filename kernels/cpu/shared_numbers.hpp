// Numbers that the threads of a team share. Integer additions and maxima commute: no bit depends on who comes first.
#pragma once

#include <atomic>
#include <cstdint>

namespace cuebm::cpu {

inline void add(std::int64_t& to, std::int64_t value) {
    std::atomic_ref(to).fetch_add(value, std::memory_order_relaxed);
}

inline void raise(double& to, double value) {
    const std::atomic_ref<double> shared(to);
    double seen = shared.load(std::memory_order_relaxed);
    while (value > seen && !shared.compare_exchange_weak(seen, value, std::memory_order_relaxed)) {
    }
}

}  // namespace cuebm::cpu
