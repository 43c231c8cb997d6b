// See autocovariance.hpp.
#include "autocovariance.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>

namespace cuebm::detail {
namespace {

// The discrete transform of Fourier of a power of two. Forward leaves its result in bit-reversed order, and backward
// takes that order: what lies between is done element by element, so nothing is ever put in order.
class Fourier {
public:
    explicit Fourier(std::size_t size) : size_(size), cosines_(size / 2), sines_(size / 2) {
        constexpr double pi = 3.14159265358979323846;
        for (std::size_t i = 0; i < size / 2; ++i) {
            const double angle = 2 * pi * static_cast<double>(i) / static_cast<double>(size);
            cosines_[i] = std::cos(angle);
            sines_[i] = std::sin(angle);
        }
    }
    void forward(std::vector<double>& re, std::vector<double>& im) const {
        for (std::size_t half = size_ / 2; half > 0; half /= 2)
            for (std::size_t block = 0; block < size_; block += 2 * half)
                for (std::size_t i = 0; i < half; ++i) {
                    const std::size_t a = block + i, b = a + half, w = i * (size_ / 2 / half);
                    const double x = re[a] - re[b], y = im[a] - im[b];
                    re[a] += re[b];
                    im[a] += im[b];
                    re[b] = x * cosines_[w] + y * sines_[w];
                    im[b] = y * cosines_[w] - x * sines_[w];
                }
    }
    // Without the division by size.
    void backward(std::vector<double>& re, std::vector<double>& im) const {
        for (std::size_t half = 1; half < size_; half *= 2)
            for (std::size_t block = 0; block < size_; block += 2 * half)
                for (std::size_t i = 0; i < half; ++i) {
                    const std::size_t a = block + i, b = a + half, w = i * (size_ / 2 / half);
                    const double x = re[b] * cosines_[w] - im[b] * sines_[w];
                    const double y = im[b] * cosines_[w] + re[b] * sines_[w];
                    re[b] = re[a] - x;
                    im[b] = im[a] - y;
                    re[a] += x;
                    im[a] += y;
                }
    }

private:
    std::size_t size_;
    std::vector<double> cosines_, sines_;
};

}  // namespace

double Autocovariances::at(std::int64_t lag) {
    if (!all_.empty()) return all_[static_cast<std::size_t>(lag)];
    if (lag < direct_lags) return direct(lag);
    transform();
    return all_[static_cast<std::size_t>(lag)];
}

double Autocovariances::direct(std::int64_t lag) const {
    double total = 0;
    for (std::int64_t c = 0; c < chains_; ++c) {
        const double* x = values_ + c * draws_;
        const std::int64_t count = draws_ - lag;
        double sums[4] = {};  // four at a time: one sum would wait for each addition
        std::int64_t i = 0;
        for (; i + 4 <= count; i += 4)
            for (std::int64_t j = 0; j < 4; ++j) sums[j] += x[i + j] * x[i + j + lag];
        for (; i < count; ++i) sums[0] += x[i] * x[i + lag];
        total += (sums[0] + sums[1]) + (sums[2] + sums[3]);
    }
    return total / (static_cast<double>(chains_) * static_cast<double>(draws_));
}

// |transform|^2 of a + ib, transformed back, has the sum of the autocovariances of a and b as its real part; and the
// powers of all pairs may be added before.
void Autocovariances::transform() {
    const auto draws = static_cast<std::size_t>(draws_), size = std::bit_ceil(2 * draws);
    const Fourier fourier(size);
    std::vector<double> re(size), im(size), power(size);
    for (std::int64_t c = 0; c < chains_; c += 2) {
        const double* a = values_ + c * draws_;
        std::fill(re.begin(), re.end(), 0.0);
        std::fill(im.begin(), im.end(), 0.0);
        std::copy(a, a + draws, re.begin());
        if (c + 1 < chains_) std::copy(a + draws, a + 2 * draws, im.begin());
        fourier.forward(re, im);
        for (std::size_t i = 0; i < size; ++i) power[i] += re[i] * re[i] + im[i] * im[i];
    }
    std::fill(im.begin(), im.end(), 0.0);
    fourier.backward(power, im);
    const double scale = static_cast<double>(chains_) * static_cast<double>(draws_) * static_cast<double>(size);
    all_.resize(draws);
    for (std::size_t t = 0; t < draws; ++t) all_[t] = power[t] / scale;
}

}  // namespace cuebm::detail
