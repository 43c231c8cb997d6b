// Helpers of the emulator's tests: device memory with its copies, and a loop over orders.
#pragma once

#include <vector>

#include "cuda/launch.hpp"

namespace cuebm::cuda {

template <class T>
class DeviceArray {
public:
    explicit DeviceArray(std::size_t count) : count_(count) {
        check(cudaMalloc(&data_, count * sizeof(T)), "cudaMalloc");
    }
    explicit DeviceArray(const std::vector<T>& host) : DeviceArray(host.size()) {
        check(cudaMemcpyAsync(data_, host.data(), count_ * sizeof(T), cudaMemcpyHostToDevice), "copy to device");
    }
    ~DeviceArray() { cudaFree(data_); }
    DeviceArray(const DeviceArray&) = delete;
    DeviceArray& operator=(const DeviceArray&) = delete;

    T* data() { return data_; }
    std::vector<T> host() const {
        std::vector<T> result(count_);
        check(cudaMemcpyAsync(result.data(), data_, count_ * sizeof(T), cudaMemcpyDeviceToHost), "copy to host");
        return result;
    }

private:
    std::size_t count_;
    T* data_ = nullptr;
};

// Calls test() in forward, in reverse, and in random order from each seed.
template <class Test>
void in_all_orders(int seeds, Test test) {
    auto& settings = emulator::settings();
    const auto before = settings;
    for (int run = -2; run < seeds; ++run) {
        settings.order = run == -2   ? emulator::Order::forward
                         : run == -1 ? emulator::Order::reverse
                                     : emulator::Order::random;
        settings.seed = static_cast<std::uint64_t>(run + 2);
        test();
    }
    settings = before;
}

}  // namespace cuebm::cuda
