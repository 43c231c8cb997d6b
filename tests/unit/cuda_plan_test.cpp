// How the CUDA backend plans an assignment: pure, so that it is tested without CUDA and without a GPU.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <cuebm/assign.hpp>

#include "cuda/assign/config.hpp"

namespace eb = cuebm;
using namespace cuebm::cuda;

namespace {

// A GPU with room for the screened kernel, and what no kernel of ours may exceed: an Ampere block's 99 KiB.
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

// A way that is taken with too few prototypes to fill its tiles, or never.
TEST(CudaPlan, ScreensWhereThereAreEnoughPrototypes) {
    EXPECT_EQ(Task<float>(1000, 31, 8).plan().path, AssignPath::direct);
    EXPECT_EQ(Task<float>(1000, 32, 8).plan().path, AssignPath::screened);
    EXPECT_EQ(Task<double>(1000, 1000, 8).plan().path, AssignPath::direct);
}

// Forcing that is ignored, or that takes a way which cannot do the task.
TEST(CudaPlan, ForcedWayIsTakenWhereItCanBe) {
    const auto screened = AssignPath::screened;
    EXPECT_EQ(Task<float>(10, 1, 8).plan(screened).path, screened);
    EXPECT_EQ(Task<float>(10, 1000, 8).plan(AssignPath::direct).path, AssignPath::direct);
    EXPECT_EQ(Task<double>(10, 1000, 8).plan(screened).path, AssignPath::direct);
    const auto depth = eb::math::screening_max_depth;
    EXPECT_EQ(Task<float>(10, 1000, depth).plan(screened).path, screened);
    EXPECT_EQ(Task<float>(10, 1000, depth + 1).plan(screened).path, AssignPath::direct);
}

// An output that the screened kernel does not write.
TEST(CudaPlan, OnlyLabelsAndEnergiesAreScreened) {
    const Task<float> task(100, 100, 8);
    float values[1] = {};
    std::int32_t labels[1] = {};
    std::uint8_t known[1] = {};
    const auto path_with = [&](auto set) {
        Task<float> changed = task;
        set(changed.assign);
        return changed.plan(AssignPath::screened).path;
    };
    using Assign = eb::Assign<float>;
    EXPECT_EQ(path_with([&](Assign& a) { a.labels = {labels, 100, 1}; }), AssignPath::screened);
    EXPECT_EQ(path_with([&](Assign& a) { a.energies = {values, 100, 1}; }), AssignPath::screened);
    EXPECT_EQ(path_with([&](Assign& a) { a.known = {known, 1, 8, 8}; }), AssignPath::direct);
    EXPECT_EQ(path_with([&](Assign& a) { a.best_labels = {labels, 100, 2, 2}; }), AssignPath::direct);
    EXPECT_EQ(path_with([&](Assign& a) { a.best_energies = {values, 100, 2, 2}; }), AssignPath::direct);
    EXPECT_EQ(path_with([&](Assign& a) { a.all_energies = {values, 100, 100, 100}; }), AssignPath::direct);
    EXPECT_EQ(path_with([&](Assign& a) { a.free_energies = {values, 100, 1}; }), AssignPath::direct);
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
    for (const auto& [n, wanted] : {std::pair{1, 1}, {127, 1}, {128, 1}, {129, 2}, {1280, 10}, {1281, 11}})
        EXPECT_EQ(tiles(Task<float>(n, 64, 8), AssignPath::screened), wanted) << n;
    for (const auto& [n, wanted] : {std::pair{1, 1}, {64, 1}, {65, 2}, {640, 10}, {641, 11}})
        EXPECT_EQ(tiles(Task<float>(n, 64, 8), AssignPath::direct), wanted) << n;
    for (const auto& [n, wanted] : {std::pair{1, 1}, {32, 1}, {33, 2}})
        EXPECT_EQ(tiles(Task<double>(n, 64, 8), AssignPath::direct), wanted) << n;
    const std::int64_t many = (std::int64_t{1} << 33) + 1;  // more than an int of points
    EXPECT_EQ(tiles(Task<float>(many, 64, 8), AssignPath::screened), (std::int64_t{1} << 26) + 1);
}

// A kernel that a device has no shared memory for.
TEST(CudaPlan, SharedMemoryIsWithinTheDevice) {
    const Task<float> task(1000, 1000, 8);
    const auto screened = task.plan();
    // Points and prototypes, twice each, 36 floats a row.
    EXPECT_EQ(screened.shared_bytes, 2u * (128 + 64) * 36 * 4);
    EXPECT_LE(screened.shared_bytes, device.shared_bytes);
    EXPECT_EQ(task.plan(AssignPath::direct).shared_bytes, 0u);
    auto exact = device, small = device;
    exact.shared_bytes = screened.shared_bytes;
    small.shared_bytes = screened.shared_bytes - 1;
    EXPECT_EQ(task.plan({}, exact).path, AssignPath::screened);
    for (const auto forced : {std::optional<AssignPath>{}, std::optional{AssignPath::screened}}) {
        EXPECT_EQ(task.plan(forced, small).path, AssignPath::direct);
        EXPECT_EQ(task.plan(forced, small).shared_bytes, 0u);
    }
}

// A text that tells of another plan than the one that runs.
TEST(CudaPlan, TextSaysWhatRuns) {
    EXPECT_EQ(text<float>(Task<float>(1000, 100, 8).plan()),
              "screened fp32, 128 x 64 tiles, 8 of them, copies of 16 bytes");
    EXPECT_EQ(text<float>(Task<float>(100, 10, 7).plan()),
              "canonical energies of every pair, 64 x 16 tiles, 2 of them, copies of 4 bytes");
    EXPECT_EQ(text<double>(Task<double>(100, 10, 7).plan()),
              "canonical energies of every pair, 32 x 16 tiles, 4 of them, copies of 8 bytes");
}
