// See file_io.hpp.
#include "file_io.hpp"

#include <atomic>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cuebm/file.hpp>

namespace cuebm {

FileError::FileError(std::string path, std::int64_t offset, const std::string& problem)
    : Error(path + ": byte " + std::to_string(offset) + ": " + problem), path_(std::move(path)), offset_(offset) {}
FileError::~FileError() = default;

namespace detail {
namespace {

std::string system_problem(const char* action) {
    return std::string(action) + ": " + std::generic_category().message(errno);
}

}  // namespace

InputFile::InputFile(std::string path) : path_(std::move(path)) {
    // Not blocking: a pipe would wait for its writer.
    const int descriptor = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0) throw FileError(path_, 0, system_problem("cannot be opened"));
    file_.reset(::fdopen(descriptor, "rb"));
    if (!file_) {
        (void)::close(descriptor);
        throw FileError(path_, 0, system_problem("cannot be opened"));
    }
    struct stat status {};
    if (::fstat(descriptor, &status) != 0) throw FileError(path_, 0, system_problem("has no size"));
    if (!S_ISREG(status.st_mode)) fail(0, "a directory, pipe or device", "a regular file");
    size_ = status.st_size;
    if (size_ == 0) fail(0, "an empty file", "data");
}

void InputFile::read(void* to, std::int64_t bytes, const char* what) {
    if (bytes > left())
        fail(offset_, std::to_string(left()) + " bytes more", std::string(what) + " of " + std::to_string(bytes));
    const std::size_t got = bytes > 0 ? std::fread(to, 1, static_cast<std::size_t>(bytes), file_.get()) : 0;
    offset_ += static_cast<std::int64_t>(got);
    if (static_cast<std::int64_t>(got) == bytes) return;
    if (std::ferror(file_.get()) != 0) throw FileError(path_, offset_, system_problem("cannot be read"));
    fail(offset_, "the end: the file has become shorter", std::string(what) + " of " + std::to_string(bytes));
}

void InputFile::fail(std::int64_t at, const std::string& got, const std::string& wanted) const {
    throw FileError(path_, at, "got " + got + ", wanted " + wanted);
}

OutputFile::OutputFile(std::string path) : path_(std::move(path)), target_(path_) {
    std::error_code problem;
    auto mode = std::filesystem::perms::unknown;  // of a file that is replaced: it keeps them
    if (const auto there = std::filesystem::canonical(path_, problem); !problem) {
        const auto status = std::filesystem::status(there);
        if (status.type() != std::filesystem::file_type::regular)
            throw FileError(path_, 0, "got a directory, pipe or device, wanted a regular file or none");
        target_ = there.string();
        mode = status.permissions();
    } else if (std::error_code no_link; std::filesystem::is_symlink(path_, no_link)) {
        throw FileError(path_, 0, "got a link that leads nowhere: " + problem.message());
    }
    static std::atomic<unsigned> count{0};  // two threads may write at once
    int descriptor = -1;
    for (int attempt = 0; descriptor < 0 && attempt < 1 << 16; ++attempt) {  // another process's may be there
        // A name of its own length: the target's may be as long as names can be.
        const auto name = ".cuebm." + std::to_string(::getpid()) + "." + std::to_string(count++) + ".part";
        temporary_ = std::filesystem::path(target_).replace_filename(name).string();
        const mode_t created = mode == std::filesystem::perms::unknown ? 0666 : 0600;
        descriptor = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, created);
        if (descriptor < 0 && errno != EEXIST) break;
    }
    if (descriptor < 0) throw FileError(path_, 0, system_problem("cannot be created"));
    if (mode != std::filesystem::perms::unknown) (void)::fchmod(descriptor, static_cast<mode_t>(mode) & 0777);
    file_.reset(::fdopen(descriptor, "wb"));
    if (file_) return;
    (void)::close(descriptor);
    (void)::unlink(temporary_.c_str());
    throw FileError(path_, 0, system_problem("cannot be created"));
}

OutputFile::~OutputFile() {
    if (!temporary_.empty()) (void)::unlink(temporary_.c_str());
}

void OutputFile::write(const void* from, std::size_t bytes) {
    if (bytes > 0 && std::fwrite(from, 1, bytes, file_.get()) != bytes) fail("cannot be written");
    offset_ += static_cast<std::int64_t>(bytes);
}

void OutputFile::commit() {
    // To the disk before the name is: after a crash there is the old file or the new one.
    if (std::fflush(file_.get()) != 0 || ::fsync(::fileno(file_.get())) != 0) fail("cannot be written");
    if (std::fclose(file_.release()) != 0) fail("cannot be written");
    if (std::rename(temporary_.c_str(), target_.c_str()) != 0) fail("cannot be renamed to");
    temporary_.clear();
}

void OutputFile::fail(const char* action) const { throw FileError(path_, offset_, system_problem(action)); }

}  // namespace detail
}  // namespace cuebm
