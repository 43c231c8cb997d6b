// See program_source.hpp.
#include "cuda/custom/program_source.hpp"

#include <algorithm>

namespace cuebm::cuda {

std::string text_of(const ProgramSource& source) {
    std::string text = "#define CUEBM_PROGRAM_OPS " + std::to_string(source.ops) + "u\n#include <cuebm/custom.hpp>\n";
    // A file once, however many of its energies there are. In a namespace of its own: two may use one name.
    std::vector<const custom::Source*> files;
    std::string calls;
    for (std::size_t i = 0; i < source.customs.size(); ++i) {
        const custom::Source* const file = source.customs[i]->source;
        const auto found = std::find(files.begin(), files.end(), file);
        const auto space = "file_" + std::to_string(found - files.begin());
        if (found == files.end()) {
            files.push_back(file);
            text += "namespace " + space + " {\n#line 1 \"" + file->name + "\"\n" + file->text + "\n}\n";
        }
        calls += "        case " + std::to_string(i) + ": return custom::run<" + space +
                 "::" + source.customs[i]->name + ", T>(call);\n";
    }
    return text +
           "#line 1 \"cuebm_program.cu\"\n"
           "namespace cuebm::math {\n"
           "template <class T>\n"
           "CUEBM_MATH void run_custom(int which, const CustomCall<T>& call) {\n"
           "    switch (which) {\n" +
           calls +
           "    }\n"
           "}\n"
           "}  // namespace cuebm::math\n"
           "#include \"" +
           source.header + "\"\nusing Element = " + source.element + ";\n";
}

}  // namespace cuebm::cuda
