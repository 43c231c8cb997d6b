// See program_source.hpp.
#include "cuda/custom/program_source.hpp"

#include <algorithm>

namespace cuebm::cuda {
namespace {

// Without a byte order mark, which no line but the first may have.
std::string content_of(const custom::Source& file) {
    const std::string text = file.text, mark = "\xef\xbb\xbf";
    return text.starts_with(mark) ? text.substr(mark.size()) : text;
}

}  // namespace

std::string text_of(const ProgramSource& source) {
    // Users' macros come last, where no header sees them.
    std::string text = "#define CUEBM_PROGRAM_OPS " + std::to_string(source.ops) +
                       "u\n"
                       "#include <cuebm/custom.hpp>\n"
                       "namespace cuebm::math {\n"
                       "template <class CuebmElement>\n"
                       "CUEBM_MATH void run_custom(int, const CustomCall<CuebmElement>&);\n"
                       "}\n"
                       "#include \"" +
                       std::string(source.header) + "\"\nusing Element = " + source.element + ";\n";
    // A file once, however many of its energies there are. In a namespace of its own: two may use one name.
    std::vector<const custom::Source*> files;
    std::string calls;
    for (std::size_t i = 0; i < source.customs.size(); ++i) {
        const custom::Source* const file = source.customs[i]->source;
        const auto found = std::find(files.begin(), files.end(), file);
        const auto space = "file_" + std::to_string(found - files.begin());
        if (found == files.end()) {
            files.push_back(file);
            text += "namespace " + space + " {\n#line 1 \"" + file->name + "\"\n" + content_of(*file) + "\n\n}\n";
        }
        calls += "        case " + std::to_string(i) + ": return custom::run<" + space +
                 "::" + source.customs[i]->name + ", CuebmElement>(call);\n";
    }
    return text +
           "#line 1 \"cuebm_program.cu\"\n"
           "namespace cuebm::math {\n"
           "template <class CuebmElement>\n"
           "CUEBM_MATH void run_custom(int which, const CustomCall<CuebmElement>& call) {\n"
           "    switch (which) {\n" +
           calls +
           "    }\n"
           "}\n"
           "}  // namespace cuebm::math\n";
}

std::string names_of(const ProgramSource& source) {
    std::string names;
    for (const auto* custom : source.customs) names += (names.empty() ? "" : " with ") + custom->name;
    return names;
}

}  // namespace cuebm::cuda
