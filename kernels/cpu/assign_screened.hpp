// Labels and energies by screening: fp32 scores in register tiles, a list of candidates for each point that the bound
// of math/screening.hpp proves complete, and canonical energies of these alone. Included like assign_direct.hpp, after
// it.
#pragma once

#include "cpu/assign_direct.hpp"
#include "math/screening.hpp"

namespace cuebm::cpu::CUEBM_ISA {
namespace {

// The register tile: 14 x 2 accumulators, 2 packs of prototypes and 1 of points fill 31 of 32 registers; 6 x 2 fill 15
// of 16. A block of 4 or 8 tiles meets each panel while it is in L2; not tuned.
constexpr int screened_points = math::pack_registers == 32 ? 14 : 6;
constexpr int screened_prototypes = 2 * width<float>;
constexpr int block_points = screened_points * (math::pack_registers == 32 ? 4 : 8);
constexpr int most_candidates = 32;

typedef float Quad __attribute__((vector_size(16)));  // 4 coordinates: so points need no transpose

// Prototypes of a point that may be its canonical argmin, in increasing order.
struct Candidates {
    float least_upper;  // the least fl(s) + B so far; candidates have fl(s) - B at most this
    float norm;         // N
    bool all;           // everything is a candidate: the bound says nothing, or the list is full
    int count;
    std::int32_t labels[most_candidates];
    float lower[most_candidates];  // fl(s) - B
};

void give_up(Candidates& point) {
    point.all = true;
    point.least_upper = -__builtin_inff();  // takes no more
}

CUEBM_INLINE void drop_beaten(Candidates& point) {
    int kept = 0;
    for (int c = 0; c < point.count; ++c)
        if (point.lower[c] <= point.least_upper) {
            point.labels[kept] = point.labels[c];
            point.lower[kept++] = point.lower[c];
        }
    point.count = kept;
}

// Some prototypes of a panel are not beaten yet. Rare: about log(k / panel) times a point, and near ties.
__attribute__((noinline)) void note(Candidates& point, const float* lower, const float* upper, std::int64_t first) {
    for (int l = 0; l < screened_prototypes; ++l)
        if (upper[l] < point.least_upper) point.least_upper = upper[l];
    for (int l = 0; l < screened_prototypes; ++l) {
        if (!(lower[l] <= point.least_upper)) continue;
        if (point.count == most_candidates) drop_beaten(point);
        if (point.count == most_candidates) return give_up(point);
        point.labels[point.count] = static_cast<std::int32_t>(first + l);
        point.lower[point.count++] = lower[l];
    }
}

// Shifts row i into its place in a tile, [groups][screened_points][4], and bounds its norm. `row`: room for it.
CUEBM_INLINE void stage_shifted(const AssignData<float>& task, const Screen& screen, std::int64_t i, float* row,
                                float* tile, Candidates& point) {
    const float* y = row_of(task.points, i, task.d, row);
    Quad squares = {};
    for (std::int64_t g = 0; g < screen.groups; ++g) {
        Quad v = {}, m;
        const std::int64_t left = task.d - 4 * g;
        if (left >= 4)
            __builtin_memcpy(&v, y + 4 * g, sizeof v);
        else
            for (int q = 0; q < static_cast<int>(left); ++q) v[q] = y[4 * g + q];
        __builtin_memcpy(&m, screen.shift + 4 * g, sizeof m);
        v = v - m;
        squares = squares + v * v;
        __builtin_memcpy(tile + g * screened_points * 4, &v, sizeof v);
    }
    const float sum = (squares[0] + squares[2]) + (squares[1] + squares[3]);
    point.norm = __builtin_sqrtf(sum + screen.norm_floor) * screen.norm_growth;
    point.least_upper = __builtin_inff();
    point.all = false;
    point.count = 0;
    if (!(point.norm + screen.largest_norm <= math::screening_reach_limit)) give_up(point);  // so does NaN
}

// A tile of points meets a panel of prototypes.
__attribute__((noinline)) void screen_tile(const Screen& screen, const float* y, std::int64_t panel,
                                           Candidates* points) {
    constexpr int W = width<float>;
    const float* w = screen.panels + panel * screen.groups * 4 * screened_prototypes;
    Pack<float> dot[screened_points][2] = {};
    for (std::int64_t g = 0; g < screen.groups; ++g, y += 4 * screened_points, w += 4 * screened_prototypes)
#pragma GCC unroll 1  // unrolled, the accumulators spill
        for (int q = 0; q < 4; ++q) {
            const Pack<float> w0 = math::load(w + q * screened_prototypes);
            const Pack<float> w1 = math::load(w + q * screened_prototypes + W);
#pragma GCC unroll 14
            for (int i = 0; i < screened_points; ++i) {
                Pack<float> v = math::broadcast(y[4 * i + q]);
#if defined(__AVX512F__)
                asm("" : "+v"(v));  // one broadcast for both products, not a memory operand in each
#endif
                dot[i][0] = math::product_sum(v, w0, dot[i][0]);
                dot[i][1] = math::product_sum(v, w1, dot[i][1]);
            }
        }
    const std::int64_t first = panel * screened_prototypes;
#pragma GCC unroll 14
    for (int i = 0; i < screened_points; ++i) {
        Pack<float> lower[2], upper[2];
        unsigned hits = 0;
#pragma GCC unroll 2
        for (int u = 0; u < 2; ++u) {
            const Pack<float> score = math::load(screen.half_squares + first + u * W) - dot[i][u];
            const Pack<float> reach = math::load(screen.norms + first + u * W) + points[i].norm;
            const Pack<float> bound = reach * reach * screen.spread + screen.floor;
            lower[u] = score - bound;
            upper[u] = score + bound;
            hits |= math::lane_bits(lower[u] <= points[i].least_upper);
        }
        if (hits == 0) continue;
        float lows[screened_prototypes], highs[screened_prototypes];
        for (int u = 0; u < 2; ++u) math::store(lows + u * W, lower[u]), math::store(highs + u * W, upper[u]);
        note(points[i], lows, highs, first);
    }
}

// One pair's canonical energy. `y` and `w` are padded.
CUEBM_INLINE float pair_energy(const float* y, const float* w, std::int64_t depth) {
    Pack<float> sums[parts<float>] = {};
    for (std::int64_t j = 0; j < depth; j += lanes)
#pragma GCC unroll 4
        for (int p = 0; p < parts<float>; ++p) {
            const Pack<float> t = math::load(y + j + p * width<float>) - math::load(w + j + p * width<float>);
            sums[p] = math::fused(t, t, sums[p]);
        }
    float a[lanes];
    for (int p = 0; p < parts<float>; ++p) math::store(a + p * width<float>, sums[p]);
    return math::tree_sum(a);
}

// The candidates' canonical energies decide.
void settle(const AssignData<float>& task, std::int64_t i, Candidates& point, float* y) {
    drop_beaten(point);
    std::int32_t label = point.labels[0];
    if (point.count > 1 || task.energies != nullptr) {
        stage<float, false>(task, i, y, nullptr);
        float least = __builtin_inff();
        for (int c = 0; c < point.count; ++c) {
            const float energy = pair_energy(y, task.prototypes + point.labels[c] * task.depth, task.depth);
            if (energy < least) least = energy, label = point.labels[c];
        }
        if (task.energies != nullptr) task.energies[i * task.energies_stride] = least;
    }
    if (task.labels != nullptr) task.labels[i * task.labels_stride] = label;
}

// Scratch: the tiles of points, or what direct() needs for the points that were given up; one padded point; candidates.
CUEBM_INLINE std::int64_t staging_bytes(std::int64_t depth) {
    const auto tiles = static_cast<std::int64_t>(sizeof(float)) * block_points * depth;
    const auto given_up = static_cast<std::int64_t>(direct_bytes<float>(depth, false));
    return ((tiles > given_up ? tiles : given_up) + 63) / 64 * 64;
}
std::size_t screened_scratch(std::int64_t depth) {
    return static_cast<std::size_t>(staging_bytes(depth)) + sizeof(float) * static_cast<std::size_t>(depth) +
           block_points * sizeof(Candidates);
}

std::int64_t screened(const AssignData<float>& task, const Screen& screen, std::int64_t first, std::int64_t last,
                      std::byte* scratch) {
    float* tiles = reinterpret_cast<float*>(scratch);
    float* y = reinterpret_cast<float*>(scratch + staging_bytes(task.depth));
    auto* points = reinterpret_cast<Candidates*>(y + task.depth);
    const std::int64_t count = last - first, tile_size = screen.groups * 4 * screened_points;
    const std::int64_t used = (count + screened_points - 1) / screened_points * screened_points;
    for (std::int64_t i = 0; i < used; ++i) {  // the rest of the last tile repeats the last point
        const std::int64_t row = first + (i < count ? i : count - 1);
        float* place = tiles + i / screened_points * tile_size + i % screened_points * 4;
        stage_shifted(task, screen, row, y, place, points[i]);
    }
    for (std::int64_t panel = 0; panel * screened_prototypes < task.k; ++panel)
        for (std::int64_t i = 0; i < used; i += screened_points)
            screen_tile(screen, tiles + i / screened_points * tile_size, panel, points + i);
    for (std::int64_t i = 0; i < count; ++i)
        if (!points[i].all) settle(task, first + i, points[i], y);
    // Runs of points that were given up, as long as one call of direct() takes.
    std::int64_t bad = no_bad_row;
    for (std::int64_t i = 0; i < count;) {
        std::int64_t end = i;
        while (end < count && points[end].all && end - i < direct_rows) ++end;
        if (end > i) {
            const std::int64_t found = direct(task, first + i, first + end, scratch);
            if (bad == no_bad_row) bad = found;
        }
        i = end > i ? end : i + 1;
    }
    return bad;
}

}  // namespace
}  // namespace cuebm::cpu::CUEBM_ISA
