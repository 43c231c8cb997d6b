// The energies that benchmarks and peers run, with what a point costs, and the cases of sampling from them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <cuebm/energy.hpp>

namespace bench {

// Vector instructions for each lane, as kernels/math/ has them: fused multiply-adds; other floating-point ones;
// comparisons, selections, conversions and those on integers. The limit that follows from them is a bound: a division
// and a root count as one, and neither loads and stores nor latencies count.
struct Operations {
    double fused = 0, real = 0, bits = 0;

    double flops() const { return 2 * fused + real; }
    double instructions() const { return fused + real + bits; }
    Operations& operator+=(const Operations& other);
    friend Operations operator+(Operations a, const Operations& b) { return a += b; }
    friend Operations operator*(double times, const Operations& o) {
        return {times * o.fused, times * o.real, times * o.bits};
    }
};

struct Model {
    std::string name{};
    cuebm::Energy energy{};
    std::int64_t points = 0;                 // whose energies are timed: over 32 MB of them where an energy is cheap
    double spread = 1;                       // of their coordinates
    Operations value{}, gradient{}, both{};  // of a point
    bool kicked_about_mean = false;          // steps within a trajectory need no gradient: separable.hpp
    std::int64_t rows = 0;                   // of a regression
    std::vector<double> features{};          // [rows x d]
    std::vector<double> outcomes{};          // [rows]
};

Model gaussian(std::int64_t d);  // precisions 1
Model gaussian_full(std::int64_t d);
Model mixture(std::int64_t components, std::int64_t d);
Model kmeans(std::int64_t prototypes, std::int64_t d);
Model banana();
Model eight_schools();
Model logistic(std::int64_t rows, std::int64_t d);

// HMC with a step size that is given; those here are accepted over 9 times of 10.
struct ChainsCase {
    std::string name{};
    Model model{};
    int leapfrogs = 10;
    std::int64_t chains = 4096;
    std::int64_t chains_on_gpu = 65'536;  // 500 threads for each of 132 multiprocessors
    double step_size = 0;
    double start_spread = 2;
};
std::vector<std::string> chains_cases();
ChainsCase chains_case(const std::string& name, bool on_gpu);  // std::invalid_argument if there is none

// Of one transition of one chain: normal numbers, leapfrog steps with their gradients, a value, and the accept step.
Operations transition(const ChainsCase& c);

// Uniform in [0, 1), the same on every machine.
class Uniform {
public:
    double operator()();

private:
    std::uint64_t state_ = 1;
};

}  // namespace bench
