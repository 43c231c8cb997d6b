// Arguments of the diagnostics of one quantity are checked here; see quantity_draws.hpp for what is computed.
#include <cuebm/diagnostics.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <type_traits>

#include "autocovariance.hpp"
#include "check.hpp"
#include "float_environment.hpp"
#include "quantity_draws.hpp"

namespace cuebm::diagnostics {
namespace {

using namespace detail;

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

template <class T>
void check_draws(const char* function, const char* argument, const MatrixView<const T>& draws) {
    if (draws.rows < 1 || draws.cols < 1)
        refuse(function, argument, shape(draws.rows, draws.cols), "[chains x draws], 1 x 1 or more");
    if (draws.device != Device{}) refuse(function, argument, "memory of a device", "memory of the host");
    check_memory(function, argument, draws, Device{});
}

void check_prob(const char* function, double prob) {
    if (!(prob > 0 && prob < 1)) refuse(function, "prob", text_of(prob), "0 < prob < 1");
}

// Draws in double without gaps: those of the caller if they are so already.
class Contiguous {
public:
    template <class T>
    explicit Contiguous(const MatrixView<const T>& draws) {
        if constexpr (std::is_same_v<T, double>)
            if (draws.rows == 1 || draws.stride == draws.cols) data_ = draws.data;
        if (data_ == nullptr) {
            copy_.reserve(static_cast<std::size_t>(draws.rows * draws.cols));
            for (std::int64_t c = 0; c < draws.rows; ++c) {
                const T* row = draws.data + c * draws.stride;
                copy_.insert(copy_.end(), row, row + draws.cols);
            }
            data_ = copy_.data();
        }
        finite_ = std::all_of(data_, data_ + draws.rows * draws.cols, [](double x) { return std::isfinite(x); });
    }
    Contiguous(const Contiguous&) = delete;
    Contiguous& operator=(const Contiguous&) = delete;
    const double* data() const { return data_; }
    bool finite() const { return finite_; }

private:
    std::vector<double> copy_{};
    const double* data_ = nullptr;
    bool finite_ = false;
};

template <class T, class Compute>
double of_quantity(const char* function, const MatrixView<const T>& draws, Compute compute) {
    check_draws(function, "draws", draws);
    const DefaultFloatEnvironment environment;
    const Contiguous values(draws);
    if (draws.cols < 4 || !values.finite()) return nan;
    QuantityDraws quantity(draws.rows, draws.cols);
    quantity.look_at(values.data());
    return compute(quantity);
}

template <class T>
std::vector<double> run_e_bfmi(const MatrixView<const T>& energies) {
    check_draws("diagnostics::e_bfmi", "energies", energies);
    const DefaultFloatEnvironment environment;
    std::vector<double> result;
    for (std::int64_t c = 0; c < energies.rows; ++c) {
        const Contiguous values(energies.slice(c, 1));
        const double* e = values.data();
        double steps = 0;
        for (std::int64_t i = 1; i < energies.cols; ++i) steps += (e[i] - e[i - 1]) * (e[i] - e[i - 1]);
        const double n = static_cast<double>(energies.cols), variance = ChainMoments(e, 1, energies.cols).variance;
        result.push_back(energies.cols < 4 || !values.finite() ? nan : steps / (n - 1) / variance);
    }
    return result;
}

template <class T>
double run_nested_r_hat(const MatrixView<const T>& draws, std::int64_t superchains) {
    constexpr auto function = "diagnostics::nested_r_hat";
    check_draws(function, "draws", draws);
    if (superchains < 2 || draws.rows % superchains != 0)
        refuse(function, "superchains", std::to_string(superchains),
               "2 or more that divide the " + std::to_string(draws.rows) + " chains");
    const DefaultFloatEnvironment environment;
    const Contiguous values(draws);
    if (!values.finite()) return nan;
    const std::int64_t chains = draws.rows / superchains;
    std::vector<double> means;
    double within = 0;
    for (std::int64_t k = 0; k < superchains; ++k) {
        const ChainMoments chain(values.data() + k * chains * draws.cols, chains, draws.cols);
        means.push_back(ChainMoments(chain.means.data(), 1, chains).means[0]);
        within += chain.variance + variance_of(chain.means);
    }
    within /= static_cast<double>(superchains);
    const double between = variance_of(means);
    if (within == 0) return between > 0 ? std::numeric_limits<double>::infinity() : nan;
    return std::sqrt(1 + between / within);
}

template <class T>
HostMatrix<double> run_autocorrelation(const MatrixView<const T>& draws, std::int64_t most_lag) {
    constexpr auto function = "diagnostics::autocorrelation";
    check_draws(function, "draws", draws);
    if (most_lag < 0 || most_lag >= draws.cols)
        refuse(function, "most_lag", std::to_string(most_lag), "0 <= most_lag < draws = " + std::to_string(draws.cols));
    const DefaultFloatEnvironment environment;
    HostMatrix<double> result{.values = {}, .rows = draws.rows, .cols = most_lag + 1};
    for (std::int64_t c = 0; c < draws.rows; ++c) {
        const Contiguous values(draws.slice(c, 1));
        const double mean = ChainMoments(values.data(), 1, draws.cols).means[0];
        std::vector<double> centred(values.data(), values.data() + draws.cols);
        for (auto& x : centred) x -= mean;
        Autocovariances covariances(centred.data(), 1, draws.cols);
        if (most_lag >= Autocovariances::direct_lags) (void)covariances.at(most_lag);  // then all come from there
        const double variance = covariances.at(0);  // NaN if a draw is not finite, since the mean then is not
        for (std::int64_t lag = 0; lag <= most_lag; ++lag) result.values.push_back(covariances.at(lag) / variance);
    }
    return result;
}

}  // namespace

#define CUEBM_OF_QUANTITY(function, T)                                                   \
    double function(MatrixView<const T> draws) {                                         \
        return of_quantity("diagnostics::" #function, draws,                             \
                           [](QuantityDraws& quantity) { return quantity.function(); }); \
    }
#define CUEBM_OF_QUANTILE(function, T)                                                           \
    double function(MatrixView<const T> draws, double prob) {                                    \
        check_prob("diagnostics::" #function, prob);                                             \
        return of_quantity("diagnostics::" #function, draws,                                     \
                           [prob](QuantityDraws& quantity) { return quantity.function(prob); }); \
    }
#define CUEBM_DIAGNOSTICS(T)                                                                  \
    CUEBM_OF_QUANTITY(r_hat, T)                                                               \
    CUEBM_OF_QUANTITY(ess_bulk, T)                                                            \
    CUEBM_OF_QUANTITY(ess_tail, T)                                                            \
    CUEBM_OF_QUANTITY(ess_mean, T)                                                            \
    CUEBM_OF_QUANTITY(mcse_mean, T)                                                           \
    CUEBM_OF_QUANTITY(mcse_sd, T)                                                             \
    CUEBM_OF_QUANTITY(batch_means_ess, T)                                                     \
    CUEBM_OF_QUANTILE(ess_quantile, T)                                                        \
    CUEBM_OF_QUANTILE(mcse_quantile, T)                                                       \
    std::vector<double> e_bfmi(MatrixView<const T> energies) { return run_e_bfmi(energies); } \
    double nested_r_hat(MatrixView<const T> draws, std::int64_t superchains) {                \
        return run_nested_r_hat(draws, superchains);                                          \
    }                                                                                         \
    HostMatrix<double> autocorrelation(MatrixView<const T> draws, std::int64_t most_lag) {    \
        return run_autocorrelation(draws, most_lag);                                          \
    }
CUEBM_DIAGNOSTICS(float)
CUEBM_DIAGNOSTICS(double)

}  // namespace cuebm::diagnostics
