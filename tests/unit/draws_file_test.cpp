// Files of draws: CmdStan's CSV, byte by byte and read back, and .npy of three dimensions.
#include <cuebm/draws_file.hpp>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <unistd.h>

#include "support/data.hpp"

namespace eb = cuebm;
namespace diagnostics = cuebm::diagnostics;
using cuebm::test::normal;

namespace {

// A folder of this test alone.
class DrawsFile : public testing::Test {
protected:
    void SetUp() override { std::filesystem::create_directories(folder_); }
    void TearDown() override { std::filesystem::remove_all(folder_); }
    std::string path() const { return (folder_ / "file").string(); }
    std::string bytes() const {
        std::ifstream file(path(), std::ios::binary);
        return {std::istreambuf_iterator<char>(file), {}};
    }
    std::size_t count() const {
        return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder_), {}));
    }
    // What save_cmdstan_csv says of the argument that it refuses; "nothing".
    template <class... Arguments>
    std::string refused(const Arguments&... arguments) const {
        try {
            diagnostics::save_cmdstan_csv(path(), arguments...);
        } catch (const eb::InvalidArgument& error) {
            EXPECT_EQ(std::string(error.what()).find("context"), std::string::npos)
                << "there is none: " << error.what();
            return error.argument();
        }
        return "nothing";
    }

private:
    std::filesystem::path folder_ =
        std::filesystem::temp_directory_path() / ("cuebm-draws-" + std::to_string(::getpid()) + "-" +
                                                  testing::UnitTest::GetInstance()->current_test_info()->name());
};

std::vector<std::string> split(const std::string& line) {
    std::vector<std::string> cells;
    std::istringstream in(line);
    for (std::string cell; std::getline(in, cell, ',');) cells.push_back(cell);
    return cells;
}

}  // namespace

// Columns in another order than CmdStan's, a name that ArviZ does not take for an element, "-nan", a value cut short.
TEST_F(DrawsFile, CsvIsWrittenAsCmdStanDoes) {
    const std::vector<double> draws{1, 0.1, -2.5e-10, -std::nan(""), std::numeric_limits<double>::infinity(), 3};
    const std::vector<double> lp{-1.5, -2}, accept{0.9, 1}, step{0.25, 0.25}, energy{2, 3};
    const std::vector<std::int32_t> depth{2, 3}, leapfrogs{3, 7}, divergent{0, 1};
    diagnostics::save_cmdstan_csv(path(), {"mu", "theta[1]", "theta.2"}, eb::view(draws, 2, 3),
                                  {.lp = eb::view(lp),
                                   .accept_stat = eb::view(accept),
                                   .stepsize = eb::view(step),
                                   .treedepth = eb::view(depth),
                                   .n_leapfrog = eb::view(leapfrogs),
                                   .divergent = eb::view(divergent),
                                   .energy = eb::view(energy)},
                                  {.model = "spiral", .id = 2, .seed = 7, .warmup = 500, .thin = 3});
    EXPECT_EQ(bytes(),
              "# model = spiral\n# method = sample\n#   sample\n#     num_samples = 6\n#     num_warmup = 500\n"
              "#     save_warmup = 0\n#     thin = 3\n# id = 2\n# random\n#   seed = 7\n"
              "lp__,accept_stat__,stepsize__,treedepth__,n_leapfrog__,divergent__,energy__,mu,theta.1,theta.2\n"
              "-1.5,0.9,0.25,2,3,0,2,1,0.1,-2.5e-10\n"
              "-2,1,0.25,3,7,1,3,nan,inf,3\n");
    EXPECT_EQ(count(), 1u) << "a temporary file is left";

    const std::vector<float> narrow{0.1f, 3};  // in a float's digits, not 0.10000000149011612
    diagnostics::save_cmdstan_csv(path(), {"x"}, eb::view(narrow, 2, 1), {.energy = eb::view(energy)});
    EXPECT_NE(bytes().find("# id = 1\nenergy__,x\n2,0.1\n3,3\n"), std::string::npos) << bytes();
}

// Digits that are lost, strides that are not followed.
TEST_F(DrawsFile, CsvGivesBackEveryBit) {
    constexpr std::int64_t draws = 200, quantities = 3, stride = 5;
    auto x = normal<double>(draws * stride, 6);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = std::ldexp(x[i], static_cast<int>(i % 2000) - 1000);
    const auto lp = normal<double>(2 * draws, 7);
    diagnostics::save_cmdstan_csv(path(), {"a", "b[1,1]", "b[1,2]"},
                                  eb::MatrixView<const double>{x.data(), draws, quantities, stride, {}},
                                  {.lp = {lp.data(), draws, 2, {}}});
    std::ifstream file(path());
    std::string line;
    while (std::getline(file, line) && line[0] == '#') {
    }
    EXPECT_EQ(line, "lp__,a,b.1.1,b.1.2");
    for (std::int64_t i = 0; i < draws; ++i) {
        ASSERT_TRUE(std::getline(file, line));
        const auto cells = split(line);
        ASSERT_EQ(cells.size(), 4u);
        EXPECT_EQ(std::strtod(cells[0].c_str(), nullptr), lp[static_cast<std::size_t>(2 * i)]);
        for (std::size_t j = 0; j < 3; ++j)
            EXPECT_EQ(std::strtod(cells[j + 1].c_str(), nullptr), x[static_cast<std::size_t>(i * stride) + j]) << line;
    }
    EXPECT_FALSE(std::getline(file, line));
}

// Names that ArviZ reads as others, or cannot read: arrays of no or other numbers of indices or with gaps, sampler's
// columns, two cells. The file that was there stays.
TEST_F(DrawsFile, CsvOfNamesThatWouldNotComeBackIsRefused) {
    const std::vector<double> draws{1, 2};
    const auto two = eb::view(draws, 1, 2);
    using Names = std::vector<std::string>;
    for (const auto& good : {Names{"a", "b"}, Names{"θ[1]", "θ[2]"}, Names{"x_1", "X-1(2)"}, Names{"x.1.2", "x[1,1]"}})
        EXPECT_EQ(refused(good, two), "nothing") << good[0];
    const auto before = bytes();
    for (const char* bad : {"",    "b,c", "b c",   "b\n",     "#b",   "\"b\"", "b__",    "b[0]",  "b[01]",
                            "b[]", "b[1", "b]",    "b[1][2]", "b[i]", "b.",    "b.c",    "b.0",   "b..1",
                            ".1",  "[1]", "b[1,]", "a",       "a[1]", "a.1",   "b[1]__", "chain", "draw"})
        EXPECT_EQ(refused(Names{"a", bad}, two), "names") << bad;
    EXPECT_EQ(refused(Names{"b[1]", "b.1"}, two), "names");
    EXPECT_EQ(refused(Names{"b[1]", "b[1,2]"}, two), "names");
    EXPECT_EQ(refused(Names{"a"}, two), "names");
    EXPECT_EQ(refused(Names{"b[1]", "b[3]"}, two), "names");
    EXPECT_EQ(refused(Names{"b[2,1]", "b[2,2]"}, two), "names");
    EXPECT_EQ(refused(Names{"b[4294967296,4294967296]", "a"}, two), "names");
    const std::vector<double> three{1, 2, 3};
    EXPECT_EQ(refused(Names{"b[1,1]", "b[2,1]", "b[1,2]"}, eb::view(three, 1, 3)), "names");
    EXPECT_EQ(refused(Names{"b[1]", "b[2]", "b_dim_0"}, eb::view(three, 1, 3)), "names");  // ArviZ's index of b
    EXPECT_EQ(bytes(), before);
}

// An argument that is not looked at, or another one that is named.
TEST_F(DrawsFile, CsvNamesTheArgumentThatIsWrong) {
    const std::vector<double> x{1, 2, 3};
    const std::vector<std::int32_t> whole{1, 2, 3};
    const std::vector<std::string> name{"x"};
    const auto good = eb::view(x, 3, 1);
    using Draws = eb::MatrixView<const double>;
    for (const auto& bad : {Draws{nullptr, 3, 1, 1, {}}, Draws{x.data(), 0, 1, 1, {}}, Draws{x.data(), 3, 0, 1, {}},
                            Draws{x.data(), 3, 1, 0, {}}, Draws{x.data(), 3, 1, 1, {eb::Device::Kind::cuda, 0}}})
        EXPECT_EQ(refused(name, bad), "draws");
    EXPECT_EQ(refused(name, good, diagnostics::Transitions{.lp = {x.data(), 2, 1, {}}}), "transitions.lp");
    EXPECT_EQ(refused(name, good, diagnostics::Transitions{.stepsize = {x.data(), 3, 0, {}}}), "transitions.stepsize");
    EXPECT_EQ(refused(name, good, diagnostics::Transitions{.divergent = {whole.data(), 4, 1, {}}}),
              "transitions.divergent");
    EXPECT_EQ(refused(name, good, diagnostics::Transitions{.energy = {x.data(), 3, 1, {eb::Device::Kind::cuda, 0}}}),
              "transitions.energy");
    EXPECT_EQ(refused(name, good, diagnostics::Transitions{}, diagnostics::CsvHead{.model = "a b"}), "head.model");
    EXPECT_EQ(refused(name, good, diagnostics::Transitions{}, diagnostics::CsvHead{.model = ""}), "head.model");
    EXPECT_EQ(refused(name, good, diagnostics::Transitions{}, diagnostics::CsvHead{.warmup = -1}), "head.warmup");
    EXPECT_EQ(refused(name, good, diagnostics::Transitions{}, diagnostics::CsvHead{.thin = 0}), "head.thin");
    EXPECT_EQ(count(), 0u) << "a file of a call that was refused";
    try {
        diagnostics::save_cmdstan_csv(path() + "/none/x.csv", name, good);
        ADD_FAILURE() << "no error";
    } catch (const eb::FileError& error) {
        EXPECT_EQ(error.path(), path() + "/none/x.csv");
    }
}

// A shape of two dimensions, sizes in another order, a header that is not padded to 64.
TEST_F(DrawsFile, NpyOfThreeDimensions) {
    const auto x = normal<double>(6 * 4, 2);
    eb::write_npy(path(), eb::MatrixView<const double>{x.data(), 6, 3, 4, {}}, 2);
    std::string wanted = "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3, 3), }";
    wanted.resize(128 - 10 - 1, ' ');
    wanted = std::string("\x93NUMPY\x01\x00\x76\x00", 10) + wanted + "\n";
    for (std::size_t i = 0; i < 6; ++i)
        wanted.append(reinterpret_cast<const char*>(x.data() + 4 * i), 3 * sizeof(double));
    EXPECT_EQ(bytes(), wanted);
    EXPECT_THROW((void)eb::read_npy<double>(path()), eb::FileError);
    for (const std::int64_t planes : {-1, 0, 4, 12}) try {
            eb::write_npy(path(), eb::view(x, 6, 4), planes);
            ADD_FAILURE() << planes;
        } catch (const eb::InvalidArgument& error) {
            EXPECT_EQ(error.argument(), "planes");
        }
    EXPECT_EQ(bytes(), wanted);
}
