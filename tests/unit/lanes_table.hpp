// See lanes.hpp. Nothing here may leave a shared inline function in the objects (docs/design/simd.md).
#include "cpu/pack.hpp"
#include "math/normal.hpp"
#include "unit/lanes.hpp"

namespace {

namespace math = cuebm::math;

template <class R>
struct Evaluation {
    using T = typename math::LaneTraits<R>::Scalar;
    using Unsigned = typename math::LaneTraits<R>::Unsigned;
    static constexpr int lanes = sizeof(R) / sizeof(T);

    static R apply(LaneFunction function, R x) {
        const R half = R{} + T(0.5);
        R sine{}, cosine{};
        switch (function) {
            case LaneFunction::exponential: return math::exponential(x);
            case LaneFunction::exp_nonpositive: return math::exp_nonpositive(x);
            case LaneFunction::logarithm: return math::logarithm(x);
            case LaneFunction::log_positive: return math::log_positive(x);
            case LaneFunction::log_one_plus: return math::log_one_plus(x);
            case LaneFunction::log1p_exp: return math::log1p_exp(x);
            case LaneFunction::sigmoid: return math::sigmoid(x);
            case LaneFunction::sine: math::sincos_two_pi(x, sine, cosine); return sine;
            case LaneFunction::cosine: math::sincos_two_pi(x, sine, cosine); return cosine;
            case LaneFunction::square_root: return math::square_root(x);
            case LaneFunction::absolute: return math::absolute(x);
            case LaneFunction::maximum_of_half: return math::maximum(x, half);
            case LaneFunction::minimum_of_half: return math::minimum(x, half);
            case LaneFunction::fused_of_half: return math::fused(x, x, half);
            case LaneFunction::uniform_open: return math::uniform_open<R>(Unsigned(math::to_bits(x)));
            case LaneFunction::uniform_positive: return math::uniform_positive<R>(Unsigned(math::to_bits(x)));
            case LaneFunction::count: break;
        }
        return x;
    }
    static void evaluate(LaneFunction function, const T* in, T* out, int n) {
        for (int i = 0; i < n; i += lanes) {
            R x;
            __builtin_memcpy(&x, in + i, sizeof x);
            x = apply(function, x);
            __builtin_memcpy(out + i, &x, sizeof x);
        }
    }

    static void words(const math::PhiloxWords<Unsigned>& block, std::uint32_t* out) {
        for (int w = 0; w < 4; ++w) {
            math::WordOf<R> lane[lanes];
            __builtin_memcpy(lane, &block.word[w], sizeof lane);
            for (int l = 0; l < lanes; ++l) out[4 * l + w] = static_cast<std::uint32_t>(lane[l]);
        }
    }
    static void known_answer(const std::uint32_t* counter, const std::uint32_t* key, std::uint32_t* out) {
        const math::PhiloxKey k{{key[0], key[1]}};
        if constexpr (lanes == 1) {
            const auto block = math::philox({{counter[0], counter[1], counter[2], counter[3]}}, k);
            for (int w = 0; w < 4; ++w) out[w] = block.word[w];
        } else {
            words(math::philox_rounds(math::PhiloxWords<Unsigned>{{Unsigned{} + counter[0], Unsigned{} + counter[1],
                                                                   Unsigned{} + counter[2], Unsigned{} + counter[3]}},
                                      k, 10),
                  out);
        }
    }
    static void blocks(std::uint64_t seed, std::uint64_t index, std::uint32_t step, std::uint32_t draw,
                       std::uint32_t* out, int n) {
        const auto key = math::random_key(seed, math::RandomPurpose::kmeans_first);
        for (int i = 0; i < n; i += lanes)
            words(math::random_block<R>(key, math::lane_index<R>(index + static_cast<unsigned>(i)), step, draw),
                  out + 4 * i);
    }
    static void normals(std::uint64_t seed, std::uint64_t index, std::uint32_t step, std::uint32_t draw, T* out,
                        int n) {
        constexpr int count = math::NormalBlock<R>::count;
        const auto key = math::random_key(seed, math::RandomPurpose::kmeans_first);
        for (int i = 0; i < n; i += lanes) {
            const auto lane = math::lane_index<R>(index + static_cast<unsigned>(i));
            put(math::normals_of_block<R>(math::random_block<R>(key, lane, step, draw)), out + i * count);
        }
    }
    // As above: block `draw` as the second of two from the draw before, as the first of two beside it.
    static void normals_twice(std::uint64_t seed, std::uint64_t index, std::uint32_t step, std::uint32_t draw, T* first,
                              T* second, int n) {
        constexpr int count = math::NormalBlock<R>::count;
        const auto key = math::random_key(seed, math::RandomPurpose::kmeans_first);
        for (int i = 0; i < n; i += lanes) {
            const auto lane = math::lane_index<R>(index + static_cast<unsigned>(i));
            put(math::random_normals_twice<R>(key, lane, step, draw).first, first + i * count);
            put(math::random_normals_twice<R>(key, lane, step, draw - 1).second, second + i * count);
        }
    }
    static void put(const math::NormalBlock<R>& block, T* out) {
        constexpr int count = math::NormalBlock<R>::count;
        for (int v = 0; v < count; ++v) {
            T lane[lanes];
            __builtin_memcpy(lane, &block.value[v], sizeof lane);
            for (int l = 0; l < lanes; ++l) out[l * count + v] = lane[l];
        }
    }
    static constexpr LanesOf<T> table() { return {lanes, evaluate, known_answer, blocks, normals, normals_twice}; }
};

}  // namespace
