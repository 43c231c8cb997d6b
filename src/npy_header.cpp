// See npy_header.hpp.
#include "npy_header.hpp"

#include <string_view>
#include <vector>

namespace cuebm::detail {
namespace {

constexpr std::string_view magic = "\x93NUMPY";

// Reads what NumPy writes, and the same with other spaces, quotes or order: strings, True and False, tuples of numbers.
class Parser {
public:
    Parser(const InputFile& file, std::string_view text, std::int64_t start)
        : file_(file), text_(text), start_(start) {}

    NpyHeader parse() {
        bool has_type = false, has_order = false, has_shape = false;
        want('{');
        while (!take('}')) {
            const std::size_t at = next();
            const std::string key = string();
            want(':');
            if (key == "descr" && !has_type) {
                type_at_ = next();
                header_.type = string();
                has_type = true;
            } else if (key == "fortran_order" && !has_order) {
                order_at_ = next();
                fortran_ = boolean();
                has_order = true;
            } else if (key == "shape" && !has_shape) {
                shape_at_ = next();
                shape();
                has_shape = true;
            } else {
                fail(at, "the key '" + key + "'", "each of descr, fortran_order and shape once");
            }
            if (!take(',') && peek() != '}') fail(next(), quoted(), "a comma or }");
        }
        if (!has_type || !has_order || !has_shape)
            fail(text_.size(), "a header without one of them", "descr, fortran_order and shape");
        if (next() != text_.size()) fail(next(), quoted(), "the end of the header");
        to_matrix();
        header_.type_at = start_ + static_cast<std::int64_t>(type_at_);
        return header_;
    }

private:
    [[noreturn]] void fail(std::size_t at, const std::string& got, const std::string& wanted) const {
        file_.fail(start_ + static_cast<std::int64_t>(at), got, wanted);
    }
    // The place of the next character that is no space.
    std::size_t next() {
        while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t')) ++at_;
        return at_;
    }
    char peek() { return next() < text_.size() ? text_[at_] : '\0'; }
    std::string quoted() { return peek() == '\0' ? "the end of the header" : std::string("'") + peek() + "'"; }
    bool take(char c) {
        if (peek() != c || at_ == text_.size()) return false;
        ++at_;
        return true;
    }
    void want(char c) {
        if (!take(c)) fail(next(), quoted(), std::string("'") + c + "'");
    }
    std::string string() {
        const char quote = peek();
        if (quote != '\'' && quote != '"') fail(next(), quoted(), "a string; structured types are not read");
        const std::size_t end = text_.find(quote, at_ + 1);
        if (end == std::string_view::npos) fail(at_, "a string without its end", "a string");
        std::string value(text_.substr(at_ + 1, end - at_ - 1));
        at_ = end + 1;
        return value;
    }
    bool boolean() {
        for (const bool value : {false, true}) {
            const std::string_view name = value ? "True" : "False";
            if (text_.substr(next(), name.size()) != name) continue;
            at_ += name.size();
            return value;
        }
        fail(next(), quoted(), "True or False");
    }
    std::int64_t number() {
        std::int64_t value = 0;
        const std::size_t first = next();
        for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_)
            if (__builtin_mul_overflow(value, std::int64_t{10}, &value) ||
                __builtin_add_overflow(value, std::int64_t{text_[at_] - '0'}, &value))
                fail(first, "a size over 2^63 - 1", "a size");
        if (at_ == first) fail(first, quoted(), "a size");
        (void)take('L');  // of Python 2
        return value;
    }
    void shape() {
        want('(');
        while (!take(')')) {
            sizes_.push_back(number());
            if (!take(',') && peek() != ')') fail(next(), quoted(), "a comma or )");
        }
    }
    void to_matrix() {
        if (sizes_.empty() || sizes_.size() > 2)
            fail(shape_at_, std::to_string(sizes_.size()) + " dimensions", "1 or 2");
        header_.rows = sizes_[0];
        header_.cols = sizes_.size() == 2 ? sizes_[1] : 1;
        if (!header_.type.empty() && header_.type[0] == '>')
            fail(type_at_, "big endian, '" + header_.type + "'",
                 "little endian: array.astype('<" + header_.type.substr(1) + "')");
        if (fortran_ && header_.rows > 1 && header_.cols > 1)
            fail(order_at_, "Fortran order", "C order: numpy.ascontiguousarray(array)");
    }

    const InputFile& file_;
    std::string_view text_;
    std::int64_t start_;
    std::size_t at_ = 0, type_at_ = 0, order_at_ = 0, shape_at_ = 0;
    bool fortran_ = false;
    std::vector<std::int64_t> sizes_{};
    NpyHeader header_{};
};

}  // namespace

NpyHeader read_npy_header(InputFile& file) {
    char start[8] = {};
    file.read(start, sizeof start, "a magic string and version");
    if (std::string_view(start, magic.size()) != magic)
        file.fail(0, "another magic string", "that of .npy, \\x93NUMPY");
    const auto major = static_cast<unsigned char>(start[6]), minor = static_cast<unsigned char>(start[7]);
    if (major < 1 || major > 3 || minor != 0)
        file.fail(6, "version " + std::to_string(major) + "." + std::to_string(minor), "1.0, 2.0 or 3.0");
    unsigned char bytes[4] = {};
    file.read(bytes, major == 1 ? 2 : 4, "a header's length");
    const std::int64_t length = bytes[0] | bytes[1] << 8 | std::int64_t{bytes[2]} << 16 | std::int64_t{bytes[3]} << 24;
    const std::int64_t at = file.offset();
    if (length > file.left())
        file.fail(at, std::to_string(file.left()) + " bytes more", "a header of " + std::to_string(length));
    std::string text(static_cast<std::size_t>(length), '\0');
    file.read(text.data(), length, "a header");
    return Parser(file, text, at).parse();
}

std::string npy_header(const std::string& type, std::initializer_list<std::int64_t> sizes) {
    std::string text = "{'descr': '" + type + "', 'fortran_order': False, 'shape': (";
    for (const auto* size = sizes.begin(); size != sizes.end(); ++size)
        text += (size == sizes.begin() ? "" : ", ") + std::to_string(*size);
    text += sizes.size() == 1 ? ",), }" : "), }";
    constexpr std::size_t before = 10, step = 64;
    const std::size_t size = (before + text.size() + 1 + step - 1) / step * step;
    text.resize(size - before - 1, ' ');
    text += '\n';
    std::string result(magic);
    result += {'\1', '\0', static_cast<char>(text.size() & 0xff), static_cast<char>(text.size() >> 8)};
    return result + text;
}

}  // namespace cuebm::detail
