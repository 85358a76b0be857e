// libnvrtc.so for machines without a GPU: compiles CUDA C++ as host C++ behind a prelude, into a shared object.
#include "driver_types.h"

#include <cctype>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <regex>
#include <spawn.h>
#include <sstream>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

extern char **environ;

// The text of the two headers that go in front of each source, put into this library by the assembler.
#define EMBED(symbol, file)                                                                           \
    asm(".section .rodata\n" #symbol "_start:\n.incbin \"" file "\"\n" #symbol "_end:\n.previous\n"); \
    extern "C" const char symbol##_start[], symbol##_end[];
#pragma GCC visibility push(hidden)
EMBED(emulator_state_text, EMULATOR_SOURCES "/launch_state.h")
EMBED(emulator_prelude_text, EMULATOR_SOURCES "/device_prelude.h")
#pragma GCC visibility pop

typedef int nvrtcResult;
enum {
    NVRTC_SUCCESS = 0,
    NVRTC_ERROR_OUT_OF_MEMORY = 1,
    NVRTC_ERROR_PROGRAM_CREATION_FAILURE = 2,
    NVRTC_ERROR_INVALID_INPUT = 3,
    NVRTC_ERROR_INVALID_PROGRAM = 4,
    NVRTC_ERROR_INVALID_OPTION = 5,
    NVRTC_ERROR_COMPILATION = 6,
    NVRTC_ERROR_BUILTIN_OPERATION_FAILURE = 7,
    NVRTC_ERROR_INTERNAL_ERROR = 11
};

struct _nvrtcProgram {
    std::string source, name, log, image;
};
typedef _nvrtcProgram *nvrtcProgram;

namespace {

std::string readFile(const std::string &path) {
    std::ifstream file(path, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
}

bool writeFile(const std::string &path, const std::string &text) {
    std::ofstream file(path, std::ios::binary);
    file << text;
    return bool(file.flush());
}

// Runs a program with its standard error in a file; false if it could not start or failed.
bool run(const std::vector<std::string> &words, const std::string &errors) {
    std::vector<char *> arguments;
    for (const std::string &word : words) arguments.push_back(const_cast<char *>(word.c_str()));
    arguments.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 2, errors.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    pid_t child;
    int failure = posix_spawnp(&child, arguments[0], &actions, nullptr, arguments.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    if (failure) {
        writeFile(errors, "cannot run " + words[0] + ": " + std::strerror(failure) + "\n");
        return false;
    }
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {}
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

std::vector<std::string> compiler() {
    const char *chosen = std::getenv("ATELIER_EMULATOR_CXX");
    std::istringstream text(chosen && *chosen ? chosen : "c++");
    std::vector<std::string> words{std::istream_iterator<std::string>(text), {}};
    for (const char *option : {"-std=c++17", "-w", "-O2", "-fPIC", "-fvisibility=hidden", "-fno-strict-aliasing",
                               "-fwrapv", "-ffp-contract=off", "-fno-exceptions", "-fno-rtti"})
        words.push_back(option);
    return words;
}

const std::string kernelMarker = "__emulator_kernel_marker__", sharedMarker = "__emulator_shared_marker__";

bool isWordCharacter(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }

// Takes `alignas(...)` and `__attribute__((...))` off the front of a declaration and returns them.
std::string takeAlignment(std::string &declaration) {
    size_t end = 0;
    for (;;) {
        size_t start = declaration.find_first_not_of(" \n", end);
        if (start == std::string::npos) break;
        if (declaration.compare(start, 7, "alignas") != 0 && declaration.compare(start, 13, "__attribute__") != 0) break;
        size_t position = declaration.find('(', start);
        if (position == std::string::npos) break;
        int depth = 0;
        do {
            if (declaration[position] == '(') ++depth;
            if (declaration[position] == ')') --depth;
        } while (++position < declaration.size() && depth > 0);
        end = position;
    }
    std::string alignment = declaration.substr(0, end);
    declaration.erase(0, end);
    return alignment + " ";
}

// Rewrites `__shared__ T name[N];` as a static thread-local variable, and `extern __shared__ T name[];`,
// inside a function, as a pointer to the dynamic shared memory.
std::string withSharedVariables(const std::string &text) {
    std::string result;
    size_t position = 0;
    for (size_t found; (found = text.find(sharedMarker, position)) != std::string::npos;) {
        std::string before = text.substr(position, found - position);
        size_t end = text.find(';', found);
        if (end == std::string::npos) break;
        std::string declaration = text.substr(found + sharedMarker.size(), end - found - sharedMarker.size());
        const std::string alignment = takeAlignment(declaration);
        size_t last = before.find_last_not_of(" \n");
        size_t word = last == std::string::npos ? last : before.find_last_of(" \n;{}", last);
        const std::string specifier = last == std::string::npos ? "" : before.substr(word + 1, last - word);
        size_t bracket = declaration.find_last_of('[');
        if (specifier == "extern" && bracket != std::string::npos) {
            before.erase(word + 1);
            size_t nameEnd = declaration.find_last_not_of(" \n", bracket - 1) + 1, name = nameEnd;
            while (name > 0 && isWordCharacter(declaration[name - 1])) --name;
            const std::string type = declaration.substr(0, name);
            declaration = type + " *" + declaration.substr(name, nameEnd - name) + " = (" + type + " *)emulator_dynamic_shared()";
        } else {
            if (specifier == "static") before.erase(word + 1);
            declaration = alignment + "static thread_local " + declaration;
        }
        result += before + declaration;
        position = end;
    }
    return result + text.substr(position);
}

// Removes the kernel markers from preprocessed text and appends one entry point per kernel.
std::string withEntryPoints(const std::string &text) {
    std::string result, entries = "\n# 1 \"emulator_entry_points\"\n";
    size_t position = 0;
    for (;;) {
        size_t found = text.find(kernelMarker, position);
        if (found == std::string::npos) break;
        result.append(text, position, found - position);
        position = found + kernelMarker.size();
        size_t start = text.find_last_of(";{}", found);
        start = start == std::string::npos ? 0 : start + 1;
        size_t parenthesis = text.find('(', position);
        // A kernel template has no C name; only kernels that are named outright can be launched.
        if (parenthesis == std::string::npos || text.substr(start, found - start).find("template") != std::string::npos) continue;
        size_t end = parenthesis;
        while (end > position && !isWordCharacter(text[end - 1])) --end;
        size_t begin = end;
        while (begin > position && isWordCharacter(text[begin - 1])) --begin;
        std::string name = text.substr(begin, end - begin);
        std::string entry = "extern \"C\" __attribute__((visibility(\"default\"))) void emulator_launch_" + name +
                            "(void **parameters) { emulator_call(" + name + ", parameters); }\n";
        if (!name.empty() && entries.find(entry) == std::string::npos) entries += entry;
    }
    result.append(text, position, std::string::npos);
    return result + entries;
}

// Turns the host compiler's `file:line:column:` into NVRTC's `file(line):`.
std::string nvrtcStyle(const std::string &log) {
    static const std::regex place("(^|\\n)([^:\\n]+):([0-9]+):[0-9]+:");
    return std::regex_replace(log, place, "$1$2($3):");
}

} // namespace

EMULATED nvrtcResult nvrtcVersion(int *major, int *minor) {
    if (!major || !minor) return NVRTC_ERROR_INVALID_INPUT;
    // Not a number of the real one, whose code must not be taken for this, and another one after each change.
    *major = 0;
    *minor = EMULATOR_VERSION;
    return NVRTC_SUCCESS;
}

EMULATED const char *nvrtcGetErrorString(nvrtcResult result) {
    static const char *const names[] = {"NVRTC_SUCCESS", "NVRTC_ERROR_OUT_OF_MEMORY",
        "NVRTC_ERROR_PROGRAM_CREATION_FAILURE", "NVRTC_ERROR_INVALID_INPUT", "NVRTC_ERROR_INVALID_PROGRAM",
        "NVRTC_ERROR_INVALID_OPTION", "NVRTC_ERROR_COMPILATION", "NVRTC_ERROR_BUILTIN_OPERATION_FAILURE",
        "NVRTC_ERROR_NO_NAME_EXPRESSIONS_AFTER_COMPILATION", "NVRTC_ERROR_NO_LOWERED_NAMES_BEFORE_COMPILATION",
        "NVRTC_ERROR_NAME_EXPRESSION_NOT_VALID", "NVRTC_ERROR_INTERNAL_ERROR"};
    return result >= 0 && result <= 11 ? names[result] : "NVRTC_ERROR unknown";
}

EMULATED nvrtcResult nvrtcCreateProgram(nvrtcProgram *program, const char *source, const char *name, int headerCount,
                                        const char *const *, const char *const *) {
    if (!program || !source || headerCount != 0) return NVRTC_ERROR_INVALID_INPUT;
    *program = new _nvrtcProgram{source, name && *name ? name : "kernels.cu", "", ""};
    return NVRTC_SUCCESS;
}

EMULATED nvrtcResult nvrtcDestroyProgram(nvrtcProgram *program) {
    if (!program || !*program) return NVRTC_ERROR_INVALID_PROGRAM;
    delete *program;
    *program = nullptr;
    return NVRTC_SUCCESS;
}

EMULATED nvrtcResult nvrtcCompileProgram(nvrtcProgram program, int optionCount, const char *const *options) {
    if (!program) return NVRTC_ERROR_INVALID_PROGRAM;
    program->log.clear();
    program->image.clear();
    std::vector<std::string> definitions;
    for (int i = 0; i < optionCount; ++i) {
        std::string option = options[i];
        const std::string longName = "--define-macro";
        if (option == "-D" || option == longName) {
            if (++i == optionCount) return NVRTC_ERROR_INVALID_OPTION;
            definitions.push_back(std::string("-D") + options[i]);
        } else if (option.compare(0, 2, "-D") == 0) {
            definitions.push_back(option);
        } else if (option.compare(0, longName.size() + 1, longName + "=") == 0) {
            definitions.push_back("-D" + option.substr(longName.size() + 1));
        } else if (option.empty() || option[0] != '-') {
            program->log = "nvrtc: error: invalid option: " + option + "\n";
            return NVRTC_ERROR_INVALID_OPTION;
        }
    }

    const char *parent = std::getenv("TMPDIR");
    std::string directory = std::string(parent && *parent ? parent : "/tmp") + "/cuda_emulator_XXXXXX";
    if (!mkdtemp(&directory[0])) return NVRTC_ERROR_INTERNAL_ERROR;
    const std::string source = directory + "/source.cpp", expanded = directory + "/expanded.ii",
                      object = directory + "/module.so", errors = directory + "/errors";

    std::string text = "#line 1 \"launch_state.h\"\n" + std::string(emulator_state_text_start, emulator_state_text_end) +
                       "\n#line 1 \"device_prelude.h\"\n" + std::string(emulator_prelude_text_start, emulator_prelude_text_end) +
                       "\n#line 1 \"" + program->name + "\"\n" + program->source + "\n";
    bool compiled = writeFile(source, text);
    std::vector<std::string> command = compiler();
    command.insert(command.end(), definitions.begin(), definitions.end());
    command.insert(command.end(), {"-E", source, "-o", expanded});
    compiled = compiled && run(command, errors);
    compiled = compiled && writeFile(expanded, withEntryPoints(withSharedVariables(readFile(expanded))));
    command = compiler();
    command.insert(command.end(), {"-shared", "-Wl,-z,now", "-Wl,-z,defs", expanded, "-o", object, "-lm"});
    compiled = compiled && run(command, errors);
    program->log = nvrtcStyle(readFile(errors));
    if (compiled) {
        std::string library = readFile(object);
        EmulatedImageHeader header;
        std::memcpy(header.magic, EMULATED_IMAGE_MAGIC, sizeof header.magic);
        header.size = library.size();
        program->image.assign(reinterpret_cast<const char *>(&header), sizeof header);
        program->image += library;
    }
    for (const std::string &path : {source, expanded, object, errors}) unlink(path.c_str());
    rmdir(directory.c_str());
    return compiled ? NVRTC_SUCCESS : NVRTC_ERROR_COMPILATION;
}

// The sizes of the log and the PTX count a terminating zero, as NVRTC's do.

EMULATED nvrtcResult nvrtcGetProgramLogSize(nvrtcProgram program, size_t *size) {
    if (!program) return NVRTC_ERROR_INVALID_PROGRAM;
    *size = program->log.size() + 1;
    return NVRTC_SUCCESS;
}
EMULATED nvrtcResult nvrtcGetProgramLog(nvrtcProgram program, char *log) {
    if (!program) return NVRTC_ERROR_INVALID_PROGRAM;
    std::memcpy(log, program->log.c_str(), program->log.size() + 1);
    return NVRTC_SUCCESS;
}
EMULATED nvrtcResult nvrtcGetCUBINSize(nvrtcProgram program, size_t *size) {
    if (!program || program->image.empty()) return NVRTC_ERROR_INVALID_PROGRAM;
    *size = program->image.size();
    return NVRTC_SUCCESS;
}
EMULATED nvrtcResult nvrtcGetCUBIN(nvrtcProgram program, char *bytes) {
    if (!program || program->image.empty()) return NVRTC_ERROR_INVALID_PROGRAM;
    std::memcpy(bytes, program->image.data(), program->image.size());
    return NVRTC_SUCCESS;
}
EMULATED nvrtcResult nvrtcGetPTXSize(nvrtcProgram program, size_t *size) {
    if (!program || program->image.empty()) return NVRTC_ERROR_INVALID_PROGRAM;
    *size = program->image.size() + 1;
    return NVRTC_SUCCESS;
}
EMULATED nvrtcResult nvrtcGetPTX(nvrtcProgram program, char *bytes) {
    if (!program || program->image.empty()) return NVRTC_ERROR_INVALID_PROGRAM;
    std::memcpy(bytes, program->image.c_str(), program->image.size() + 1);
    return NVRTC_SUCCESS;
}
