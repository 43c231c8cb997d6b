// How the CUDA backend plans an assignment, and energies of points: pure, so that it is tested without CUDA and without
// a GPU.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <cuebm/assign.hpp>

#include "cuda/assign/config.hpp"
#include "cuda/chains/room.hpp"
#include "cuda/energy/config.hpp"

namespace eb = cuebm;
using namespace cuebm::cuda;

namespace {

// A GPU with room for the screened kernels, and what no kernel of ours may exceed: an Ampere block's 99 KiB.
const eb::DeviceProperties device{.name = "a GPU", .device = {eb::Device::Kind::cuda, 0}, .shared_bytes = 99 * 1024};

// Memory that is never read: plan() looks at addresses alone.
template <class T>
struct Task {
    alignas(16) T memory[8] = {};
    eb::Assign<T> assign;

    Task(std::int64_t n, std::int64_t k, std::int64_t d, std::int64_t stride = 0, std::int64_t offset = 0) {
        assign.points = {memory + offset, n, d, stride == 0 ? d : stride};
        assign.prototypes = {memory, k, d, d};
    }
    AssignConfig plan(std::optional<AssignPath> forced = {}, const eb::DeviceProperties& on = device) const {
        return eb::cuda::plan(assign, on, forced);
    }
};

}  // namespace

// A way that is taken with too few prototypes to fill its tiles, or never; one that is slower than another.
TEST(CudaPlan, TakesTheWayOfTheShape) {
    const auto path = [](std::int64_t k, std::int64_t d) { return Task<float>(1000, k, d).plan().path; };
    EXPECT_EQ(path(64, 64), AssignPath::tensor);
    EXPECT_EQ(path(63, 64), AssignPath::fp32);
    EXPECT_EQ(path(32, 64), AssignPath::fp32);
    EXPECT_EQ(path(31, 64), AssignPath::direct);
    for (const auto& [d, most] : {std::pair{1, 256}, {2, 256}, {3, 256}, {4, 256}, {8, 128}, {16, 64}, {32, 32}}) {
        EXPECT_EQ(path(most, d), AssignPath::small) << d;
        EXPECT_EQ(path(most + 1, d), most < 64 ? AssignPath::fp32 : AssignPath::tensor) << d;
    }
    EXPECT_EQ(path(32, 33), AssignPath::fp32);
    EXPECT_EQ(Task<double>(1000, 1000, 8).plan().path, AssignPath::direct);
    EXPECT_EQ(Task<double>(1000, 10, 2).plan().path, AssignPath::direct);
}

// Forcing that is ignored, or that takes a way which cannot do the task.
TEST(CudaPlan, ForcedWayIsTakenWhereItCanBe) {
    for (const auto path : {AssignPath::fp32, AssignPath::tensor, AssignPath::small}) {
        EXPECT_EQ(Task<float>(10, 1, 8).plan(path).path, path);
        EXPECT_EQ(Task<float>(10, 256, 32).plan(path).path, path);
        EXPECT_EQ(Task<double>(10, 256, 8).plan(path).path, AssignPath::direct);
    }
    EXPECT_EQ(Task<float>(10, 1000, 8).plan(AssignPath::direct).path, AssignPath::direct);
    EXPECT_EQ(Task<float>(10, 257, 32).plan(AssignPath::small).path, AssignPath::direct);
    EXPECT_EQ(Task<float>(10, 256, 33).plan(AssignPath::small).path, AssignPath::direct);
    const auto depth = eb::math::screening_max_depth;
    EXPECT_EQ(Task<float>(10, 1000, depth).plan(AssignPath::fp32).path, AssignPath::fp32);
    EXPECT_EQ(Task<float>(10, 1000, depth + 1).plan(AssignPath::fp32).path, AssignPath::direct);
    EXPECT_EQ(Task<float>(10, 1000, depth).plan(AssignPath::tensor).path, AssignPath::direct);
}

// An output that a fast kernel does not write.
TEST(CudaPlan, FastWaysGiveLabelsAndEnergiesAlone) {
    const Task<float> task(100, 100, 8);
    float values[1] = {};
    std::int32_t labels[1] = {};
    std::uint8_t known[1] = {};
    for (const auto forced : {AssignPath::fp32, AssignPath::tensor, AssignPath::small}) {
        const auto path_with = [&](auto set) {
            Task<float> changed = task;
            set(changed.assign);
            return changed.plan(forced).path;
        };
        using Assign = eb::Assign<float>;
        EXPECT_EQ(path_with([&](Assign& a) { a.labels = {labels, 100, 1}; }), forced);
        EXPECT_EQ(path_with([&](Assign& a) { a.energies = {values, 100, 1}; }), forced);
        EXPECT_EQ(path_with([&](Assign& a) { a.known = {known, 1, 8, 8}; }), AssignPath::direct);
        EXPECT_EQ(path_with([&](Assign& a) { a.best_labels = {labels, 100, 2, 2}; }), AssignPath::direct);
        EXPECT_EQ(path_with([&](Assign& a) { a.best_energies = {values, 100, 2, 2}; }), AssignPath::direct);
        EXPECT_EQ(path_with([&](Assign& a) { a.all_energies = {values, 100, 100, 100}; }), AssignPath::direct);
        EXPECT_EQ(path_with([&](Assign& a) { a.free_energies = {values, 100, 1}; }), AssignPath::direct);
    }
}

// Copies of 16 bytes from rows that are not aligned to 16: an error of the GPU.
TEST(CudaPlan, WideCopiesOnlyOfAlignedRows) {
    EXPECT_TRUE(Task<float>(10, 10, 8).plan().wide_points);
    EXPECT_TRUE(Task<float>(10, 10, 8).plan().wide_prototypes);
    EXPECT_TRUE(Task<float>(10, 10, 8, 12).plan().wide_points);
    EXPECT_FALSE(Task<float>(10, 10, 8, 10).plan().wide_points);    // rows from the second on
    EXPECT_FALSE(Task<float>(10, 10, 6).plan().wide_prototypes);    // and the last copy would cross the row's end
    EXPECT_FALSE(Task<float>(10, 10, 6, 8).plan().wide_points);     // as here
    EXPECT_FALSE(Task<float>(10, 10, 8, 8, 1).plan().wide_points);  // all rows
    EXPECT_TRUE(Task<float>(10, 10, 8, 8, 1).plan().wide_prototypes);
    EXPECT_TRUE(Task<double>(10, 10, 6).plan().wide_points);
    EXPECT_FALSE(Task<double>(10, 10, 7).plan().wide_points);
    EXPECT_FALSE(Task<double>(10, 10, 6, 6, 1).plan().wide_points);
}

// Points of a last tile that no block takes, or a block without any.
TEST(CudaPlan, TilesCoverThePoints) {
    const auto tiles = [](auto task, AssignPath path) { return task.plan(path).tiles; };
    for (const auto path : {AssignPath::fp32, AssignPath::tensor})
        for (const auto& [n, wanted] : {std::pair{1, 1}, {127, 1}, {128, 1}, {129, 2}, {1280, 10}, {1281, 11}})
            EXPECT_EQ(tiles(Task<float>(n, 64, 8), path), wanted) << n;
    for (const auto& [n, wanted] : {std::pair{1, 1}, {256, 1}, {257, 2}})
        EXPECT_EQ(tiles(Task<float>(n, 64, 8), AssignPath::small), wanted) << n;
    for (const auto& [n, wanted] : {std::pair{1, 1}, {64, 1}, {65, 2}, {640, 10}, {641, 11}})
        EXPECT_EQ(tiles(Task<float>(n, 64, 8), AssignPath::direct), wanted) << n;
    for (const auto& [n, wanted] : {std::pair{1, 1}, {32, 1}, {33, 2}})
        EXPECT_EQ(tiles(Task<double>(n, 64, 8), AssignPath::direct), wanted) << n;
    const std::int64_t many = (std::int64_t{1} << 33) + 1;  // more than an int of points
    EXPECT_EQ(tiles(Task<float>(many, 64, 8), AssignPath::fp32), (std::int64_t{1} << 26) + 1);
}

// A kernel that a device has no shared memory for.
TEST(CudaPlan, SharedMemoryIsWithinTheDevice) {
    const Task<float> task(1000, 128, 32);
    EXPECT_EQ(task.plan(AssignPath::direct).shared_bytes, 0u);
    // Points and prototypes, twice each, 36 floats a row.
    EXPECT_EQ(task.plan(AssignPath::fp32).shared_bytes, 2u * (128 + 64) * 36 * 4);
    // Two floats a point; prototypes twice, two floats and 64 + 8 halves a row; points once, 32 + 8 halves.
    EXPECT_EQ(task.plan(AssignPath::tensor).shared_bytes, 2u * 128 * 4 + 2u * 128 * (8 + 72 * 2) + 128 * 40 * 2);
    EXPECT_EQ(task.plan(AssignPath::small).shared_bytes, (256u * 36 + 128 * 32) * 4);
    EXPECT_EQ(Task<float>(1000, 10, 1).plan(AssignPath::small).shared_bytes, (256u + 10) * 4 * 4);
    for (const auto path : {AssignPath::fp32, AssignPath::tensor, AssignPath::small}) {
        auto exact = device, small = device;
        exact.shared_bytes = path == AssignPath::tensor ? TensorTile::shared_bytes(32, TensorTile::narrow_chunk)
                                                        : task.plan(path).shared_bytes;
        small.shared_bytes = exact.shared_bytes - 1;
        EXPECT_LE(exact.shared_bytes, device.shared_bytes);
        EXPECT_EQ(task.plan(path, exact).path, path);
        EXPECT_EQ(task.plan(path, small).path, AssignPath::direct);
        EXPECT_EQ(task.plan(path, small).shared_bytes, 0u);
    }
    // Deep points leave room for narrower chunks of prototypes, or for none.
    auto large = device;
    large.shared_bytes = 227 * 1024;
    for (const auto& [on, wide, narrow] : {std::tuple{device, 224, 288}, {large, 736, 800}}) {
        const auto plan_of = [&, &there = on](std::int64_t d) { return Task<float>(1000, 1000, d).plan({}, there); };
        EXPECT_EQ(plan_of(wide).columns, 64);
        EXPECT_EQ(plan_of(wide + 1).columns, 32);
        EXPECT_EQ(plan_of(narrow).path, AssignPath::tensor);
        EXPECT_LE(plan_of(narrow).shared_bytes, on.shared_bytes);
        EXPECT_EQ(plan_of(narrow + 1).path, AssignPath::fp32);
    }
}

// A text that tells of another plan than the one that runs.
TEST(CudaPlan, TextSaysWhatRuns) {
    const auto text_of = [](const Task<float>& task, std::optional<AssignPath> forced = {}) {
        return text<float>(task.plan(forced));
    };
    EXPECT_EQ(text_of(Task<float>(1000, 1000, 8)),
              "screened by tensor cores, 128 x 128 tiles, 8 of them, copies of 16 bytes");
    EXPECT_EQ(text_of(Task<float>(1000, 40, 64)), "screened fp32, 128 x 64 tiles, 8 of them, copies of 16 bytes");
    EXPECT_EQ(text_of(Task<float>(1000, 5, 3)),
              "canonical energies by a thread a point, 256 points a tile, 4 of them, copies of 4 bytes");
    EXPECT_EQ(text_of(Task<float>(100, 10, 7), AssignPath::direct),
              "canonical energies of every pair, 64 x 16 tiles, 2 of them, copies of 4 bytes");
    EXPECT_EQ(text<double>(Task<double>(100, 10, 7).plan()),
              "canonical energies of every pair, 32 x 16 tiles, 4 of them, copies of 8 bytes");
}

// Sums in shared memory that a block has no room for, whose slices miss a column or are narrower than what memory gives
// at once, or that cost more than they save.
TEST(CudaPlan, SumsInSharedMemory) {
    auto h200 = device;
    h200.shared_bytes = 227 * 1024;
    h200.processors = 132;
    const auto plan_of = [&](std::int64_t n, std::int64_t k, std::int64_t d) {
        const auto config = plan_sums<float>(n, k, d, h200);
        if (config.columns > 0) {
            EXPECT_GE(config.columns * config.slices, d);
            EXPECT_LT(config.columns * (config.slices - 1), d);
            EXPECT_GE(config.lanes, std::min(config.columns, 32));
            EXPECT_LE(config.copies * config.lanes, 32);
            EXPECT_LE(config.row_blocks * config.slices, std::max(132u, config.slices));
            EXPECT_EQ(config.shared_bytes, 8u * config.copies * k * (config.columns + 1));
            EXPECT_LE(config.shared_bytes + SumsTile::static_bytes, h200.shared_bytes * 3 / 4);
        }
        return std::tuple{config.columns, config.slices, config.copies, config.row_blocks};
    };
    using Plan = std::tuple<int, unsigned, int, int>;
    const std::int64_t million = 1 << 20;
    EXPECT_EQ(plan_of(million, 64, 64), (Plan{64, 1, 1, 132}));
    EXPECT_EQ(plan_of(million, 1024, 128), (Plan{16, 8, 1, 16}));
    EXPECT_EQ(plan_of(2 * million, 16, 32), (Plan{32, 1, 1, 132}));
    EXPECT_EQ(plan_of(4 * million, 64, 2), (Plan{2, 1, 16, 132}));
    EXPECT_EQ(plan_of(million, 8, 3), (Plan{3, 1, 8, 132}));
    EXPECT_EQ(plan_of(60000, 256, 784), (Plan{64, 13, 1, 10}));
    EXPECT_EQ(plan_of(million, 1000, 5000), (Plan{16, 313, 1, 1}));  // more slices than processors
    EXPECT_EQ(plan_of(1, 1, 1), (Plan{0, 0, 0, 0}));                 // fewer than four rows a cluster
    EXPECT_EQ(plan_of(4, 1, 1), (Plan{1, 1, 32, 1}));
    EXPECT_EQ(plan_of(8192, 1024, 128), (Plan{0, 0, 0, 0}));
    EXPECT_EQ(plan_of(million, 2000, 100), (Plan{8, 13, 1, 10}));
    EXPECT_EQ(plan_of(million, 3000, 100), (Plan{0, 0, 0, 0}));  // no room for 32 bytes of a row
    EXPECT_EQ(plan_of(2 * million, 3000, 2), (Plan{2, 1, 2, 132}));
    EXPECT_EQ(plan_sums<double>(million, 3000, 100, h200).columns, 4);
    EXPECT_EQ(plan_sums<float>(million, 10, 10, {}).columns, 0);
}

// Points that no warp takes, warps that have no points, or shared memory that no block may have.
TEST(CudaPlan, WarpsHaveEnoughPointsAndRoom) {
    auto large = device;
    large.processors = 132;
    large.shared_bytes = 227 * 1024;
    for (const auto& on : {device, large})
        for (const std::int64_t n : {1, 33, 1000, 8000, 4'000'000})
            for (const int d : {1, 2, 3, 10, 25, 64, 100, 110, 111, 220, 1000})
                for (const int scratch : {0, 1, 40, 320})
                    for (const std::size_t element : {sizeof(float), sizeof(double)})
                        for (const bool gradient : {false, true}) {
                            const auto plan = plan_energy(n, d, scratch, gradient, element, on);
                            ASSERT_GE(plan.blocks, 1);
                            ASSERT_LE((plan.blocks - 1) * plan.threads, n);
                            const std::int64_t rows = (gradient ? 2 : 1) * d + scratch;
                            if (plan.rows_each == 0) {
                                EXPECT_GT((rows + 3) * 32 * static_cast<std::int64_t>(element), 28 << 10);
                                EXPECT_EQ(plan.scratch_bytes,
                                          static_cast<std::size_t>(plan.blocks * rows * plan.threads) * element);
                                continue;
                            }
                            const auto room = warp_room(d, scratch, gradient, plan.rows_each, plan.buffers);
                            EXPECT_EQ(plan.shared_bytes, static_cast<std::size_t>(room.elements()) * element *
                                                             static_cast<std::size_t>(plan.threads / 32));
                            EXPECT_LE(plan.shared_bytes, on.shared_bytes);
                            EXPECT_LE((plan.blocks - 1) * (plan.threads / 32) * room.rows, n);
                            EXPECT_EQ(room.pitch % 2, 1);
                            EXPECT_GE(room.pitch, d);
                        }
    const auto plan_of = [&](std::int64_t n, int d, bool gradient) {
        return plan_energy(n, d, 0, gradient, sizeof(float), large);
    };
    EXPECT_EQ(plan_of(8'000'000, 2, true).rows_each, 8);
    EXPECT_EQ(plan_of(4'000'000, 10, true).rows_each, 2);
    EXPECT_EQ(plan_of(4'000'000, 10, true).buffers, 2);
    EXPECT_EQ(plan_of(400'000, 100, true).buffers, 1);
    EXPECT_EQ(plan_of(8'000, 25, true).threads, 32);  // 250 warps for 132 multiprocessors
    EXPECT_EQ(plan_of(8'000, 25, true).blocks, 250);
    EXPECT_EQ(plan_of(4'000'000, 109, true).rows_each, 1);
    EXPECT_EQ(plan_of(4'000'000, 111, true).rows_each, 0);
}

// Warps that never have a chain, or one of an energy that they do not know; a block without room.
TEST(CudaPlan, WarpsHaveChainsOfManyCoordinates) {
    using eb::math::EnergyOp;
    constexpr std::size_t most = 227 << 10;
    const auto plan = [](int d, int max_depth, std::vector<EnergyOp> ops, std::size_t shared_bytes, int scratch = 0) {
        std::vector<eb::math::EnergyStep<float>> steps(ops.size());
        for (std::size_t s = 0; s < ops.size(); ++s) steps[s].op = ops[s];
        const eb::math::EnergyProgram<float> program{.steps = steps.data(),
                                                     .length = static_cast<int>(steps.size()),
                                                     .d = d,
                                                     .scratch_rows = scratch,
                                                     .parameters = nullptr,
                                                     .indices = nullptr};
        eb::math::Transition<float> t{};
        t.d = d;
        t.max_depth = max_depth;
        return plan_crews(program, t, shared_bytes);
    };
    const auto gaussian = EnergyOp::gaussian_diagonal;
    EXPECT_EQ(plan(64, 0, {gaussian}, most).crews, 0);
    EXPECT_EQ(plan(65, 0, {gaussian}, most).crews, 4);
    EXPECT_EQ(plan(65, 0, {gaussian}, most, 10).shared_bytes, 4u * 4 * (5 * 65 + 10));
    EXPECT_EQ(plan(32, 5, {gaussian}, most).crews, 0);
    EXPECT_EQ(plan(33, 5, {gaussian}, most).crews, 4);
    EXPECT_EQ(plan(33, 5, {gaussian}, most).shared_bytes, 4u * 4 * 23 * 33);
    EXPECT_EQ(plan(1000, 5, {gaussian}, most).crews, 4);
    EXPECT_EQ(plan(1000, 5, {gaussian}, most).shared_bytes, 0u);
    EXPECT_EQ(plan(3000, 0, {gaussian}, most).crews, 1);
    EXPECT_EQ(plan(6000, 0, {gaussian}, most).crews, 0);
    EXPECT_EQ(plan(3000, 0, {gaussian}, 48 << 10).crews, 0);
    EXPECT_EQ(plan(100, 0, {gaussian, EnergyOp::ring, EnergyOp::clamp_forward}, most).crews, 4);
    EXPECT_EQ(plan(100, 0, {gaussian, EnergyOp::logistic}, most).crews, 0);
    for (const auto op : {EnergyOp::custom, EnergyOp::eight_schools, EnergyOp::constrain_forward,
                          EnergyOp::gaussian_dense, EnergyOp::kmeans, EnergyOp::mixture, EnergyOp::matrix_forward})
        EXPECT_EQ(plan(100, 0, {op}, most).crews, 0);
}
