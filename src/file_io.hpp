// Files of the system: reading with the place in every error, and writing whole files or nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>

namespace cuebm::detail {

struct CloseFile {
    void operator()(std::FILE* file) const noexcept { (void)std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

// A regular file, read from its first byte on. Errors: FileError.
class InputFile {
public:
    explicit InputFile(std::string path);
    std::int64_t size() const { return size_; }
    std::int64_t offset() const { return offset_; }
    std::int64_t left() const { return size_ - offset_; }
    // `what` they are, for the error when there are fewer.
    void read(void* to, std::int64_t bytes, const char* what);
    // Where it went wrong: the bytes read last, or a place.
    [[noreturn]] void fail(std::int64_t at, const std::string& got, const std::string& wanted) const;

private:
    std::string path_;
    File file_;
    std::int64_t size_ = 0, offset_ = 0;
};

// A file beside `path` that takes its name when all is written, and is removed if that never comes. Errors: FileError.
class OutputFile {
public:
    explicit OutputFile(std::string path);
    ~OutputFile();
    OutputFile(const OutputFile&) = delete;
    OutputFile& operator=(const OutputFile&) = delete;
    void write(const void* from, std::size_t bytes);
    void commit();

private:
    [[noreturn]] void fail(const char* action) const;

    std::string path_, target_, temporary_;  // target: what a symbolic link leads to
    File file_;
    std::int64_t offset_ = 0;
};

}  // namespace cuebm::detail
