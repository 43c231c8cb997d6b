// NVRTC for the emulator, a library of its own that CUEBM_NVRTC names: the C++ compiler that built it makes a shared
// object of a program and of the headers that it is given, and of nothing else of kernels/ or src/.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <string>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

namespace fs = std::filesystem;

struct Program {
    std::string text, name, log, code;
    std::vector<std::pair<std::string, std::string>> headers;
    std::vector<std::string> expressions, lowered;
};

namespace {

constexpr int success = 0, invalid_input = 3, compilation = 6, unknown_name = 8;

std::string content_of(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

void write(const fs::path& path, const std::string& text) {
    fs::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << text;
}

int copy_out(const std::string& from, char* to) {
    from.copy(to, from.size());
    to[from.size()] = '\0';
    return success;
}

}  // namespace

#define CUEBM_EXPORTED extern "C" __attribute__((visibility("default"))) int

CUEBM_EXPORTED nvrtcVersion(int* major, int* minor) {
    *major = *minor = 0;  // so that no other NVRTC takes its code from a cache
    return success;
}
CUEBM_EXPORTED nvrtcGetNumSupportedArchs(int* count) {
    *count = 3;
    return success;
}
CUEBM_EXPORTED nvrtcGetSupportedArchs(int* known) {
    known[0] = 80;
    known[1] = 90;
    known[2] = 100;
    return success;
}
CUEBM_EXPORTED nvrtcCreateProgram(Program** program, const char* text, const char* name, int count,
                                  const char* const* texts, const char* const* names) {
    *program = new Program{text, name, {}, {}, {}, {}, {}};
    for (int i = 0; i < count; ++i) (*program)->headers.emplace_back(names[i], texts[i]);
    return success;
}
CUEBM_EXPORTED nvrtcDestroyProgram(Program** program) {
    delete *program;
    *program = nullptr;
    return success;
}
CUEBM_EXPORTED nvrtcAddNameExpression(Program* program, const char* expression) {
    program->expressions.push_back(expression);
    program->lowered.push_back("cuebm_kernel_" + std::to_string(program->expressions.size()));
    return success;
}
CUEBM_EXPORTED nvrtcGetLoweredName(Program* program, const char* expression, const char** name) {
    for (std::size_t i = 0; i < program->expressions.size(); ++i)
        if (program->expressions[i] == expression) {
            *name = program->lowered[i].c_str();
            return success;
        }
    return unknown_name;
}

CUEBM_EXPORTED nvrtcCompileProgram(Program* program, int count, const char* const* options) {
    const auto is_fmad = [](const char* option) { return std::string(option) == "-fmad=false"; };
    if (std::none_of(options, options + count, is_fmad)) return invalid_input;  // our bits need it
    std::string pattern = (fs::temp_directory_path() / "cuebm-nvrtc-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) return invalid_input;
    const fs::path folder = pattern;
    for (const auto& [name, text] : program->headers)
        if (name.find('.') != std::string::npos)
            write(folder / "headers" / name, text);  // the host has its own <cstdint>
    std::string text = program->text + "extern \"C\" __attribute__((visibility(\"default\"))) void* const\n";
    for (std::size_t i = 0; i < program->expressions.size(); ++i)
        text +=
            (i > 0 ? ", " : "") + program->lowered[i] + " = reinterpret_cast<void*>(&" + program->expressions[i] + ")";
    write(folder / "program.cpp", text + ";\n");
    const auto in_folder = [&](const char* name) { return "'" + (folder / name).string() + "' "; };
    // What was handed over comes first; the emulator's own headers come from the project.
    const std::string command = CUEBM_EMULATED_COMPILER " -I" + in_folder("headers") + CUEBM_EMULATED_REST " " +
                                in_folder("program.cpp") + "-o " + in_folder("program.so") + "2> " + in_folder("log");
    const int status = std::system(command.c_str());
    // As NVRTC writes them: file(line): error.
    program->log = std::regex_replace(content_of(folder / "log"), std::regex("([^ \n]+):([0-9]+):[0-9]+:"), "$1($2):");
    program->code = status == 0 ? content_of(folder / "program.so") : "";
    fs::remove_all(folder);
    return status == 0 ? success : compilation;
}

CUEBM_EXPORTED nvrtcGetProgramLogSize(Program* program, std::size_t* size) {
    *size = program->log.size() + 1;
    return success;
}
CUEBM_EXPORTED nvrtcGetProgramLog(Program* program, char* log) { return copy_out(program->log, log); }
CUEBM_EXPORTED nvrtcGetCUBINSize(Program* program, std::size_t* size) {
    *size = program->code.size();
    return success;
}
CUEBM_EXPORTED nvrtcGetCUBIN(Program* program, char* code) {
    program->code.copy(code, program->code.size());
    return success;
}
