// Files of matrices: what is written is what the format says, byte by byte, and comes back; and every way in which a
// file can be wrong is an error that names it and the place, never a crash.
#include <cuebm/file.hpp>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include <sys/stat.h>
#include <unistd.h>

#include <cuebm/kmeans.hpp>
#include <cuebm/kmeans_mini_batch.hpp>

#include "support/backends.hpp"
#include "support/data.hpp"

namespace eb = cuebm;
using namespace cuebm::test;

namespace {

// A folder of this test alone.
class Files : public OnCpu {
protected:
    void SetUp() override {
        OnCpu::SetUp();
        if (!IsSkipped()) std::filesystem::create_directories(folder_);
    }
    void TearDown() override { std::filesystem::remove_all(folder_); }
    std::string path(const std::string& name = "file") const { return (folder_ / name).string(); }
    std::string put(const std::string& bytes) const {
        std::ofstream(path(), std::ios::binary) << bytes;
        return path();
    }
    static std::string bytes(const std::string& path) {
        std::ifstream file(path, std::ios::binary);
        return {std::istreambuf_iterator<char>(file), {}};
    }
    std::size_t count() const {
        return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder_), {}));
    }
    // The place and the words of the error; -1: none.
    template <class Read>
    std::pair<std::int64_t, std::string> problem(Read read) const {
        try {
            read();
        } catch (const eb::FileError& error) {
            const std::string text = error.what();
            EXPECT_EQ(error.path(), path());
            EXPECT_NE(text.find(error.path() + ": byte " + std::to_string(error.offset())), std::string::npos) << text;
            return {error.offset(), text};
        }
        return {-1, ""};
    }
    std::int64_t offset(const std::string& bytes) const {
        put(bytes);
        return problem([&] { (void)eb::read_npy<float>(path()); }).first;
    }

private:
    std::filesystem::path folder_ =
        std::filesystem::temp_directory_path() / ("cuebm-files-" + std::to_string(::getpid()) + "-" +
                                                  testing::UnitTest::GetInstance()->current_test_info()->name());
};

template <class T>
std::string raw(const std::vector<T>& values) {
    return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

// Of a format version, with the header's length in 2 or 4 bytes.
std::string npy(const std::string& dictionary, const std::string& data, char version = 1) {
    std::string result = std::string("\x93NUMPY") + version + '\0';
    const std::string header = dictionary + "\n";
    result += static_cast<char>(header.size());
    result.append(version == 1 ? 1 : 3, '\0');
    return result + header + data;
}
std::string dictionary(const std::string& type, const std::string& shape, const std::string& fortran = "False") {
    return "{'descr': '" + type + "', 'fortran_order': " + fortran + ", 'shape': " + shape + ", }";
}

template <class T>
void expect_round_trip(const std::string& path, const std::vector<T>& values, std::int64_t rows, std::int64_t cols) {
    eb::write_npy(path, eb::view(values, rows, cols));
    const auto back = eb::read_npy<T>(path);
    EXPECT_EQ(back.rows, rows);
    EXPECT_EQ(back.cols, cols);
    EXPECT_EQ(raw(back.values), raw(values));
}

}  // namespace

// The bytes that numpy.save writes for an array of this shape, copied from its definition: a type or an order that is
// another, a header that is not padded to 64.
TEST_F(Files, NpyIsWrittenAsNumPyDoes) {
    const std::vector<float> values{1, 2, 3, 4, 5, 6};
    eb::write_npy(path(), eb::view(values, 2, 3));
    std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }";
    header.resize(128 - 10 - 1, ' ');
    EXPECT_EQ(bytes(path()), std::string("\x93NUMPY\x01\x00\x76\x00", 10) + header + "\n" + raw(values));

    eb::write_npy(path(), eb::view(values));
    EXPECT_NE(bytes(path()).find("'shape': (6,), }"), std::string::npos);
    EXPECT_EQ(bytes(path()).size(), 128 + 24u);
    EXPECT_EQ(count(), 1u) << "a temporary file is left";
}

TEST_F(Files, NpyComesBack) {
    expect_round_trip<float>(path(), {1, -2, 0x1p-149f, 4, 5, 6}, 3, 2);
    expect_round_trip<double>(path(), {1, -2, 3}, 1, 3);
    expect_round_trip<std::uint8_t>(path(), {0, 255, 7}, 3, 1);
    expect_round_trip<eb::Half>(path(), {eb::Half(1.5f), eb::Half(-2)}, 1, 2);
    expect_round_trip<std::int32_t>(path(), {-1, 2}, 2, 1);
    expect_round_trip<float>(path(), {}, 0, 3);

    const std::vector<float> wide{1, 2, 9, 3, 4, 9};  // rows that are apart
    eb::write_npy(path(), eb::MatrixView<const float>{wide.data(), 2, 2, 3, {}});
    EXPECT_EQ(eb::read_npy<float>(path()).values, (std::vector<float>{1, 2, 3, 4}));
    eb::write_npy(path(), eb::VectorView<const float>{wide.data(), 2, 3, {}});
    EXPECT_EQ(eb::read_npy<float>(path()).values, (std::vector<float>{1, 3}));
}

// Versions, spaces, quotes and order that other writers use.
TEST_F(Files, NpyOfOthersIsRead) {
    const std::vector<float> values{1, 2, 3, 4, 5, 6};
    for (const char version : {'\1', '\2', '\3'})
        for (const std::string& text :
             {dictionary("<f4", "(2, 3)"), dictionary("<f4", "(2L, 3L)"), dictionary("f4", "(2, 3)"),
              dictionary("=f4", "(2, 3)"),
              std::string("{\"shape\":(2,3),\"fortran_order\":False,\"descr\":\"<f4\"}   "),
              std::string("{ 'fortran_order' : False , 'shape' : ( 2 , 3 , ) , 'descr' : '<f4' }")}) {
            put(npy(text, raw(values), version));
            const auto got = eb::read_npy<float>(path());
            EXPECT_EQ(got.values, values);
            EXPECT_EQ(got.rows, 2);
        }
    put(npy(dictionary("<f4", "(6, 1)", "True"), raw(values)));  // of one column both orders are one
    EXPECT_EQ(eb::read_npy<float>(path()).cols, 1);
    put(npy(dictionary("<f4", "(6,)"), raw(values)));
    EXPECT_EQ(eb::read_npy<float>(path()).rows, 6);
    put(npy(dictionary("<u1", "(2, 3)"), "abcdef"));
    EXPECT_EQ(eb::read_npy<std::uint8_t>(path()).values[5], 'f');
}

TEST_F(Files, EveryTruncationIsAnError) {
    const std::string whole = npy(dictionary("<f4", "(2, 3)"), raw(std::vector<float>{1, 2, 3, 4, 5, 6}));
    for (std::size_t size = 0; size < whole.size(); ++size) EXPECT_GE(offset(whole.substr(0, size)), 0) << size;
    EXPECT_EQ(offset(whole), -1);
    EXPECT_GE(offset(whole + "x"), 0);
    const std::vector<std::int32_t> two_rows{2, 5, 6, 2, 7, 8};
    const std::string vecs = raw(two_rows);
    for (std::size_t size = 0; size < vecs.size(); ++size) {
        put(vecs.substr(0, size));
        const bool fits = size == vecs.size() / 2;  // the first row, whole
        EXPECT_EQ(problem([&] { (void)eb::read_vecs<std::int32_t>(path()); }).first >= 0, !fits) << size;
    }
}

// One byte of the header is another: an error or the same data, and never a crash (under AddressSanitizer).
TEST_F(Files, AnyOtherHeaderIsReadOrRefused) {
    const std::string whole = npy(dictionary("<f4", "(2, 3)"), raw(std::vector<float>{1, 2, 3, 4, 5, 6}));
    for (std::size_t at = 0; at < whole.size() - 24; ++at)
        for (const char c : {'\0', ' ', '\'', '(', ')', ',', '9', ':', '{', '}', 'L', '\x7f', '\xff'}) {
            auto changed = whole;
            changed[at] = c;
            put(changed);
            try {
                EXPECT_EQ(eb::read_npy<float>(path()).values.size(), 6u);
            } catch (const eb::FileError&) {
            }
        }
}

TEST_F(Files, WhatIsWrongIsNamedWithItsPlace) {
    const std::string data = raw(std::vector<float>(6, 1.0f));
    EXPECT_EQ(offset(""), 0);
    EXPECT_EQ(offset("\x93NUMPX\x01" + npy("", "").substr(7)), 0);
    EXPECT_EQ(offset(npy(dictionary("<f4", "(2, 3)"), data, 4)), 6);
    EXPECT_EQ(offset(npy(dictionary("<f8", "(2, 3)"), data)), 20);          // another type
    EXPECT_EQ(offset(npy(dictionary(">f4", "(2, 3)"), data)), 20);          // big endian
    EXPECT_EQ(offset(npy(dictionary("<f4", "(2, 3)", "True"), data)), 44);  // Fortran order
    EXPECT_EQ(offset(npy(dictionary("<f4", "()"), data)), 60);
    EXPECT_EQ(offset(npy(dictionary("<f4", "(1, 2, 3)"), data)), 60);
    EXPECT_EQ(offset(npy(dictionary("<f4", "(-2, 3)"), data)), 61);
    EXPECT_EQ(offset(npy(dictionary("<f4", "(99999999999999999999, 3)"), data)), 61);
    EXPECT_EQ(offset(npy("{'descr': [('x', '<f4')], 'fortran_order': False, 'shape': (6,), }", data)), 20);
    EXPECT_GT(offset(npy("{'descr': '<f4', 'shape': (6,), }", data)), 0);
    EXPECT_GT(offset(npy("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (6,), }", data)), 0);
    EXPECT_GT(offset(npy(dictionary("<f4", "(6,)") + " x", data)), 0);
    // Shapes whose bytes wrap around to those that are there.
    EXPECT_GT(offset(npy(dictionary("<f4", "(4611686018427387904, 4)"), "")), 0);
    EXPECT_GT(offset(npy(dictionary("<f4", "(2, 4611686018427387904)"), "")), 0);
    EXPECT_GT(offset(npy(dictionary("<f4", "(1000000000, 1000000000)"), data)), 0);

    const auto words = [&](const auto& read) { return problem(read).second; };
    put(npy(dictionary(">f4", "(2, 3)"), data));
    EXPECT_NE(words([&] { (void)eb::read_npy<float>(path()); }).find("got big endian, '>f4', wanted"),
              std::string::npos);
    std::filesystem::remove(path());
    EXPECT_NE(words([&] { (void)eb::read_npy<float>(path()); }).find("cannot be opened: No such file"),
              std::string::npos);
    std::filesystem::create_directory(path());
    EXPECT_NE(words([&] { (void)eb::read_npy<float>(path()); }).find("got a directory"), std::string::npos);
}

TEST_F(Files, VecsAreRowsWithTheirLengths) {
    const std::vector<float> values{1, 2, 3, 4, 5, 6};
    eb::write_vecs(path(), eb::view(values, 3, 2));
    const auto row = [](float a, float b) { return raw(std::vector<std::int32_t>{2}) + raw(std::vector<float>{a, b}); };
    EXPECT_EQ(bytes(path()), row(1, 2) + row(3, 4) + row(5, 6));
    const auto back = eb::read_vecs<float>(path());
    EXPECT_EQ(back.values, values);
    EXPECT_EQ(back.rows, 3);
    eb::write_vecs(path(), eb::view(std::vector<std::uint8_t>{1, 2, 3}, 1, 3));
    EXPECT_EQ(bytes(path()), raw(std::vector<std::int32_t>{3}) + "\1\2\3");
    EXPECT_EQ(eb::read_vecs<std::uint8_t>(path()).values, (std::vector<std::uint8_t>{1, 2, 3}));

    const auto read = [&] { (void)eb::read_vecs<std::int32_t>(path()); };
    put(raw(std::vector<std::int32_t>{2, 5, 6, 1, 7, 8}));  // ragged
    EXPECT_EQ(problem(read).first, 12);
    for (const std::int32_t length : {0, -1, 2147483647}) {
        put(raw(std::vector<std::int32_t>{length, 5, 6}));
        EXPECT_EQ(problem(read).first, 0);
    }
}

TEST_F(Files, AreReadInChunks) {
    std::vector<float> values(7 * 3);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
    for (const bool npy : {true, false}) {
        if (npy)
            eb::write_npy(path(), eb::view(std::as_const(values), 7, 3));
        else
            eb::write_vecs(path(), eb::view(std::as_const(values), 7, 3));
        auto reader = npy ? eb::RowReader<float>::npy(path()) : eb::RowReader<float>::vecs(path());
        EXPECT_EQ(reader.rows(), 7);
        EXPECT_EQ(reader.cols(), 3);
        std::vector<float> all;
        std::vector<std::int64_t> counts;
        for (auto rows = reader.next(3); rows.rows > 0; rows = reader.next(3)) {
            all.insert(all.end(), rows.values.begin(), rows.values.end());
            counts.push_back(rows.rows);
        }
        EXPECT_EQ(all, values);
        EXPECT_EQ(counts, (std::vector<std::int64_t>{3, 3, 1}));
        EXPECT_EQ(reader.next(5).rows, 0);
        EXPECT_THROW((void)reader.next(0), eb::InvalidArgument);
    }
}

// A reader that goes on after a row of another length, and takes values for sizes.
TEST_F(Files, AReaderThatFailedReadsNoMore) {
    std::string rows;
    for (const std::int32_t value : {1, 7, 2, 7, 1, 1, 1, 1}) rows.append(reinterpret_cast<const char*>(&value), 4);
    put(rows);
    auto reader = eb::RowReader<std::int32_t>::vecs(path());
    EXPECT_EQ(reader.next(1).values, (std::vector<std::int32_t>{7}));
    EXPECT_THROW((void)reader.next(1), eb::FileError);
    EXPECT_THROW((void)reader.next(1), eb::FileError);
}

// Chunks that are not those of the file, or are read as another type.
TEST_F(Files, ChunksFeedPartialFit) {
    const auto context = eb::Context::cpu({.threads = 1});
    const std::vector<std::uint8_t> values{0, 1, 200, 201, 2, 199, 3, 198};
    eb::write_npy(path(), eb::view(values, 8, 1));
    eb::kmeans::MiniBatch<float> streamed, whole;
    auto reader = eb::RowReader<std::uint8_t>::npy(path());
    for (auto rows = reader.next(4); rows.rows > 0; rows = reader.next(4))
        eb::kmeans::partial_fit(context, streamed, rows.view(), {.k = 2, .seed = 7});
    const std::vector<float> floats(values.begin(), values.end());
    for (const std::int64_t first : {0, 4})
        eb::kmeans::partial_fit(context, whole, eb::view(floats.data() + first, 4, 1), {.k = 2, .seed = 7});
    EXPECT_EQ(eb::to_host(context, streamed.prototypes), eb::to_host(context, whole.prototypes));
}

// A write that fails leaves the old file, and no other.
TEST_F(Files, AreReplacedWholeOrNotAtAll) {
    const std::vector<float> values{1, 2};
    eb::write_npy(path(), eb::view(values, 1, 2));
    const auto before = bytes(path());
    EXPECT_THROW(eb::write_npy(path(), eb::MatrixView<const float>{nullptr, 1, 2, 2, {}}), eb::InvalidArgument);
    EXPECT_THROW(eb::write_npy(path(), eb::MatrixView<const float>{values.data(), 2, 2, 1, {}}), eb::InvalidArgument);
    EXPECT_THROW(eb::write_vecs(path(), eb::MatrixView<const float>{values.data(), 0, 2, 2, {}}), eb::InvalidArgument);
    const eb::Device gpu{eb::Device::Kind::cuda, 0};
    EXPECT_THROW(eb::write_npy(path(), eb::MatrixView<const float>{values.data(), 1, 2, 2, gpu}), eb::InvalidArgument);
    EXPECT_EQ(bytes(path()), before);
    EXPECT_THROW(eb::write_npy(path("none/file"), eb::view(values, 1, 2)), eb::FileError);
    std::filesystem::create_directories(path("folder/full"));
    EXPECT_THROW(eb::write_npy(path("folder"), eb::view(values, 1, 2)), eb::FileError);
    EXPECT_EQ(count(), 2u) << "a temporary file is left";
}

// A private file that others can read afterwards; a name that has no room for an ending.
TEST_F(Files, KeepTheirModeAndAnyName) {
    namespace fs = std::filesystem;
    const std::vector<float> values{1, 2, 3};
    const std::string name = path(std::string(255, 'n'));
    eb::write_npy(name, eb::view(values, 3, 1));
    const auto mode = fs::perms::owner_read | fs::perms::owner_write;
    fs::permissions(name, mode);
    eb::write_npy(name, eb::view(values, 1, 3));
    EXPECT_EQ(fs::status(name).permissions(), mode);
    EXPECT_EQ(eb::read_npy<float>(name).cols, 3);
    EXPECT_EQ(count(), 1u) << "a temporary file is left";
}

// What a process that was killed has left.
TEST_F(Files, AreWrittenBesideWhatAnotherLeft) {
    const std::vector<float> values{1, 2};
    const auto left = [&](int count) {
        return path(".cuebm." + std::to_string(getpid()) + "." + std::to_string(count) + ".part");
    };
    for (int count = 0; count < 2000; ++count) std::ofstream(left(count)) << "x";
    eb::write_npy(path(), eb::view(values, 1, 2));
    EXPECT_EQ(eb::read_npy<float>(path()).values, values);
    EXPECT_EQ(count(), 2001u);
}

// A link that is replaced by a file, a device that is.
TEST_F(Files, AreWrittenThroughLinks) {
    const std::vector<float> values{1, 2, 3};
    eb::write_npy(path("there.npy"), eb::view(values, 3, 1));
    std::filesystem::create_symlink(path("there.npy"), path("link.npy"));
    const std::vector<float> others{4, 5};
    eb::write_npy(path("link.npy"), eb::view(others, 2, 1));
    EXPECT_TRUE(std::filesystem::is_symlink(path("link.npy")));
    EXPECT_EQ(eb::read_npy<float>(path("there.npy")).values, others);
    ASSERT_EQ(mkfifo(path("pipe").c_str(), 0600), 0);
    EXPECT_THROW(eb::write_npy(path("pipe"), eb::view(others, 2, 1)), eb::FileError);
    EXPECT_TRUE(std::filesystem::is_fifo(path("pipe")));
    std::filesystem::create_symlink(path("nowhere"), path("dangling"));
    EXPECT_THROW(eb::write_npy(path("dangling"), eb::view(others, 2, 1)), eb::FileError);
}

// The bytes of a file are points as they are: no copy in float between.
TEST_F(Files, BytesArePoints) {
    const auto context = eb::Context::cpu({.threads = 1});
    const std::vector<std::uint8_t> values{0, 1, 200, 201};
    eb::write_vecs(path(), eb::view(values, 4, 1));
    const auto points = eb::read_vecs<std::uint8_t>(path());
    const auto model = eb::kmeans::fit(context, points, {.k = 2});
    const auto labels = eb::to_host(context, model.labels);
    EXPECT_EQ(labels[0], labels[1]);
    EXPECT_EQ(labels[2], labels[3]);
    EXPECT_NE(labels[0], labels[2]);
    EXPECT_EQ(model.inertia, 1.0);
}
