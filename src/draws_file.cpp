// See cuebm/draws_file.hpp.
#include <cuebm/draws_file.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <map>
#include <set>
#include <string_view>
#include <type_traits>

#include "check.hpp"
#include "csv_columns.hpp"
#include "file_io.hpp"

namespace cuebm {
namespace detail {
namespace {

// The numbers without leading zeros, with this between them, that the text consists of; none: it does not.
std::vector<std::uint64_t> indices_in(std::string_view text, char between) {
    std::vector<std::uint64_t> indices;
    for (;; text.remove_prefix(1)) {
        const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
        std::uint64_t index = 0;
        if (digits == 0 || text[0] == '0' ||
            std::from_chars(text.data(), text.data() + digits, index).ec != std::errc{})
            return {};
        indices.push_back(index);
        text.remove_prefix(digits);
        if (text.empty()) return indices;
        if (text[0] != between) return {};
    }
}

// The columns of one name.
struct ArrayExtent {
    std::string first;                // its name, as given
    std::vector<std::uint64_t> most;  // of each index
    std::uint64_t elements = 0;
};
// Each element is there once, so that there is a gap unless there are as many as the largest indices say.
bool is_whole(const ArrayExtent& array) {
    std::uint64_t size = 1;
    for (const auto most : array.most)
        if (__builtin_mul_overflow(size, most, &size)) return false;
    return array.elements == size;
}

}  // namespace

std::vector<std::string> csv_columns(const char* function, const std::vector<std::string>& names) {
    std::vector<std::string> columns;
    std::set<std::string> seen;
    std::map<std::string, ArrayExtent> arrays;
    for (const auto& name : names) {
        std::string column = name;
        if (name.ends_with(']') && name.find('[') != std::string::npos) {
            column.pop_back();
            const std::size_t open = column.find('[');
            if (indices_in(std::string_view(column).substr(open + 1), ',').empty())
                refuse(function, "names", "\"" + name + "\"", "indices from 1, as in name[2,1]");
            std::replace(column.begin() + static_cast<std::ptrdiff_t>(open), column.end(), ',', '.');
            column[open] = '.';
        }
        const std::size_t dot = std::min(column.find('.'), column.size());
        const std::string base = column.substr(0, dot);
        const bool element = dot < column.size();
        const auto indices =
            element ? indices_in(std::string_view(column).substr(dot + 1), '.') : std::vector<std::uint64_t>{};
        if (element && indices.empty())
            refuse(function, "names", "\"" + name + "\"", "no dot but before an index from 1, as in name.2.1");
        const bool plain = std::none_of(base.begin(), base.end(), [](char c) {
            return static_cast<unsigned char>(c) <= ' ' || c == '\x7f' ||
                   std::string_view(",\"'#[]").find(c) != std::string_view::npos;
        });
        if (base == "chain" || base == "draw")
            refuse(function, "names", "\"" + name + "\"", "another name: ArviZ counts chains and draws by it");
        if (base.empty() || !plain || base.ends_with("__"))
            refuse(function, "names", "\"" + name + "\"",
                   "a name without blanks, commas, quotes, # or brackets, and without __ at its end");
        if (!seen.insert(column).second) refuse(function, "names", "\"" + name + "\" twice", "each name once");
        ArrayExtent& array = arrays.emplace(base, ArrayExtent{.first = name, .most = indices}).first->second;
        if (array.most.size() != indices.size())
            refuse(function, "names", "\"" + name + "\"", "as many indices as the others of its name");
        for (std::size_t i = 0; i < indices.size(); ++i) array.most[i] = std::max(array.most[i], indices[i]);
        ++array.elements;
        columns.push_back(std::move(column));
    }
    for (const auto& [base, array] : arrays)
        for (std::size_t i = 0; i < array.most.size(); ++i)
            if (arrays.count(base + "_dim_" + std::to_string(i)) != 0)
                refuse(function, "names", "\"" + base + "_dim_" + std::to_string(i) + "\"",
                       "another name: ArviZ counts the elements of \"" + base + "\" by it");
    for (const auto& [base, array] : arrays)
        if (!is_whole(array))
            refuse(function, "names", "the array of \"" + array.first + "\" with gaps", "all of its elements, from 1");
    return columns;
}

}  // namespace detail

namespace diagnostics {
namespace {

using namespace detail;

constexpr auto function = "diagnostics::save_cmdstan_csv";

template <class Value>
void append(std::string& line, Value value) {
    if constexpr (!std::is_integral_v<Value>)
        if (std::isnan(value)) {  // to_chars may say -nan
            line += "nan";
            return;
        }
    char text[32];
    line.append(text, std::to_chars(text, text + sizeof text, value).ptr);
}

void check_on_host(const char* argument, Device device) {
    if (device != Device{}) refuse(function, argument, "memory of a device", "memory of the host");
}

template <class T>
void check_column(const char* argument, const VectorView<const T>& column, std::int64_t draws) {
    if (column && column.size > 1 && column.stride < 1)
        refuse(function, argument, "stride " + std::to_string(column.stride), "stride >= 1");
    check_on_host(argument, column.device);
    check_optional(function, argument, column, draws, Device{});
}

std::string head_of(const CsvHead& head, std::int64_t draws) {
    std::string text = "# model = " + head.model + "\n# method = sample\n#   sample\n";
    text += "#     num_samples = " + std::to_string(draws * head.thin) +
            "\n#     num_warmup = " + std::to_string(head.warmup);
    text +=
        "\n#     save_warmup = 0\n#     thin = " + std::to_string(head.thin) + "\n# id = " + std::to_string(head.id);
    if (head.seed) text += "\n# random\n#   seed = " + std::to_string(*head.seed);
    return text + "\n";
}

template <class T>
void save(const std::string& path, const std::vector<std::string>& names, const MatrixView<const T>& draws,
          const Transitions& t, const CsvHead& head) {
    if (draws.rows < 1 || draws.cols < 1)
        refuse(function, "draws", shape(draws.rows, draws.cols), "[draws x quantities], 1 x 1 or more");
    check_on_host("draws", draws.device);
    check_memory(function, "draws", draws, Device{});
    if (static_cast<std::int64_t>(names.size()) != draws.cols)
        refuse(function, "names", std::to_string(names.size()) + " names",
               std::to_string(draws.cols) + ", one a column");
    if (head.model.empty() || head.model.find_first_of(" \t\r\n") != std::string::npos)
        refuse(function, "head.model", "\"" + head.model + "\"", "a name without blanks or line breaks");
    if (head.warmup < 0) refuse(function, "head.warmup", std::to_string(head.warmup), "warmup >= 0");
    std::int64_t transitions = 0;
    if (head.thin < 1 || __builtin_mul_overflow(draws.rows, head.thin, &transitions))
        refuse(function, "head.thin", std::to_string(head.thin), "thin >= 1, and thin draws below 2^63");

    // Names and values of the sampler's columns, in CmdStan's order.
    std::string title;
    const auto each = [&](auto visit) {
        visit("lp", t.lp);
        visit("accept_stat", t.accept_stat);
        visit("stepsize", t.stepsize);
        visit("treedepth", t.treedepth);
        visit("n_leapfrog", t.n_leapfrog);
        visit("divergent", t.divergent);
        visit("energy", t.energy);
    };
    each([&](const std::string& name, const auto& column) {
        check_column(("transitions." + name).c_str(), column, draws.rows);
        if (column) title += name + "__,";
    });
    for (const auto& column : csv_columns(function, names)) title += column + ",";
    title.back() = '\n';

    OutputFile file(path);
    const std::string start = head_of(head, draws.rows) + title;
    file.write(start.data(), start.size());
    std::string line;
    for (std::int64_t i = 0; i < draws.rows; ++i) {
        line.clear();
        each([&](const char*, const auto& column) {
            if (!column) return;
            append(line, column.data[i * column.stride]);
            line += ',';
        });
        for (std::int64_t j = 0; j < draws.cols; ++j) {
            append(line, draws.data[i * draws.stride + j]);
            line += ',';
        }
        line.back() = '\n';
        file.write(line.data(), line.size());
    }
    file.commit();
}

}  // namespace

void save_cmdstan_csv(const std::string& path, const std::vector<std::string>& names, MatrixView<const float> draws,
                      const Transitions& transitions, const CsvHead& head) {
    save(path, names, draws, transitions, head);
}
void save_cmdstan_csv(const std::string& path, const std::vector<std::string>& names, MatrixView<const double> draws,
                      const Transitions& transitions, const CsvHead& head) {
    save(path, names, draws, transitions, head);
}

}  // namespace diagnostics
}  // namespace cuebm
