"""Checks the documentation: `links`: every relative link in a *.md file leads somewhere; `snippets`: every ```cpp
block of README.md and docs/ compiles, as the calls that head a public header do, and the whole programs among them
run."""
import argparse
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def documents():
    found = [path for path in ROOT.rglob("*.md") if "build" not in path.relative_to(ROOT).parts]
    return sorted(found)


def check_links():
    failed = 0
    for document in documents():
        text = re.sub(r"```.*?```", "", document.read_text(), flags=re.S)
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if not re.match(r"[a-z]+:|#", target) and not (document.parent / target.split("#")[0]).exists():
                print(f"{document.relative_to(ROOT)}: {target} does not exist")
                failed += 1
        print(document.relative_to(ROOT))
    return failed


def as_program(block):
    """A snippet without main() becomes the body of a function, after its own includes."""
    if re.search(r"\bint main\(", block):
        return block
    includes = [line for line in block.splitlines() if line.startswith("#include")]
    body = [line for line in block.splitlines() if not line.startswith("#include")]
    return "\n".join(["#include <cuebm/cuebm.hpp>", *includes, "namespace eb = cuebm;", "void snippet();",
                      "void snippet() {", *body, "}"])


# What the calls in headers take for granted.
GIVEN = """auto context = eb::Context::cpu();
const auto E = eb::energy::banana();
const std::vector<double> rows{1, 2, 3, 4, 5, 6};
const std::vector<float> coordinates{1, 2, 3, 4, 5, 6};
const auto X = eb::view(rows, 2, 3);
const std::vector<double> t{0, 1};
const auto y = eb::view(coordinates, 2, 3);
auto values = context.vector<float>(2);
auto gradients = context.matrix<float>(2, 3);
"""


def header_calls():
    """The calls in the first comment of each public header, indented there: a name and a program."""
    for header in sorted((ROOT / "include/cuebm").glob("*.hpp")):
        comment = re.match(r"(?://.*\n)*", header.read_text())[0]
        lines = [line[5:] for line in comment.splitlines() if line.startswith("//   ")]
        code = "\n".join(lines)
        if re.match(r"(const )?auto |eb::", code):
            yield header, as_program("#include <cstdio>\n#include <vector>\n" + GIVEN + "{\n" + code + "\n}")


def compiles(compiler, source, options):
    command = [compiler, "-std=c++20", "-Wall", "-Wextra", "-Werror", "-Wno-unused-variable",
               "-Wno-unused-but-set-variable", f"-I{ROOT}/include", f"-I{ROOT}/src",
               f"-I{ROOT}/kernels", str(source), *options]
    return subprocess.run(command).returncode == 0


def check_snippets(compiler, library, folder):
    folder.mkdir(parents=True, exist_ok=True)
    failed = 0
    for document in documents():
        if document.parent not in (ROOT, ROOT / "docs", ROOT / "docs/design"):
            continue
        text = document.read_text()
        for match in re.finditer(r"^```cpp\n(.*?)^```", text, flags=re.S | re.M):
            line = text.count("\n", 0, match.start()) + 1
            where = f"{document.relative_to(ROOT)}:{line}"
            source = folder / f"{document.stem}_{line}.cpp"
            source.write_text(as_program(match[1]))
            program = "int main(" in match[1]
            run = folder / source.stem
            linked = [str(library), f"-Wl,-rpath,{library.parent}", "-o", str(run)]
            good = compiles(compiler, source, linked if program else ["-fsyntax-only"])
            if good and program:
                good = subprocess.run([str(run)], stdout=subprocess.DEVNULL, cwd=folder).returncode == 0
            print(f"{where}: {'ok' if good else 'FAILED'}{', and runs' if good and program else ''}")
            failed += not good
    calls = list(header_calls())
    if len(calls) < 4:
        print(f"calls were found in {len(calls)} headers; there were 4")
        failed += 1
    for header, program in calls:
        source = folder / f"{header.stem}_header.cpp"
        source.write_text(program)
        good = compiles(compiler, source, ["-fsyntax-only"])
        print(f"{header.relative_to(ROOT)}: {'ok' if good else 'FAILED'}")
        failed += not good
    return failed


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["links", "snippets"])
    parser.add_argument("--compiler", default="g++")
    parser.add_argument("--library", dest="shared", type=pathlib.Path, default=ROOT / "build/cpu/lib/libcuebm.so")
    parser.add_argument("--folder", type=pathlib.Path, default=ROOT / "build/snippets")
    options = parser.parse_args()
    if options.what == "links":
        sys.exit(check_links() != 0)
    sys.exit(check_snippets(options.compiler, options.shared, options.folder) != 0)


if __name__ == "__main__":
    main()
