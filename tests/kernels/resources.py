"""Fails where a CUDA kernel spills or uses local memory: resources.py OBJECT..., each with an OBJECT.remarks beside it.

Prints registers and shared memory of every kernel and architecture. Exceptions stand in allowed.txt, with a reason.
"""
import pathlib
import re
import subprocess
import sys

FUNCTION = re.compile(r"Compiling entry function '(\S+)' for '(\S+)'|Function properties for (\S+)")
MEMORY = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
USED = re.compile(r"Used (\d+) registers(?:.*?(\d+) bytes smem)?")


def demangle(name):
    plain = subprocess.run(["c++filt", name], capture_output=True, text=True, check=True).stdout.strip()
    return re.sub(r"^void |_INTERNAL_\w+::|\(.*$", "", plain.replace("(anonymous namespace)::", ""))


def read_remarks(text):
    """Yields (function, architecture, stack, stores, loads, registers, shared); a device function that was not
    inlined has a stack of its own and no registers."""
    function = architecture = memory = None
    for line in text.splitlines():
        if match := FUNCTION.search(line):
            if memory:
                yield function, architecture, *memory, None, None
                memory = None
            function, architecture = match[1] or match[3], match[2] or architecture
        elif match := MEMORY.search(line):
            memory = [int(number) for number in match.groups()]
        elif (match := USED.search(line)) and memory:
            yield function, architecture, *memory, int(match[1]), int(match[2] or 0)
            memory = None
    if memory:
        yield function, architecture, *memory, None, None


def read_allowed(path):
    """Lines "kernel: reason"; the kernel is a part of its demangled name."""
    lines = [line for line in path.read_text().splitlines() if line.strip() and not line.startswith("#")]
    for line in lines:
        if ": " not in line:
            sys.exit(f"{path}: {line!r}: wanted 'kernel: reason'")
    return dict(line.split(": ", 1) for line in lines)


def main():
    allowed = read_allowed(pathlib.Path(__file__).with_name("allowed.txt"))
    used, failed, seen = set(), 0, 0
    print(f"{'kernel':<60} {'sm':<7} {'registers':>9} {'shared':>7} {'stack':>6} {'stores':>6} {'loads':>6}")
    for path in sys.argv[1:]:
        remarks = pathlib.Path(path + ".remarks")
        if not remarks.exists():
            continue  # C++ of the host
        for function, architecture, stack, stores, loads, registers, shared in read_remarks(remarks.read_text()):
            seen += 1
            name = demangle(function)
            verdict = ""
            if stack or stores or loads:
                reason = next((key for key in allowed if key in name), None)
                verdict = f"allowed: {allowed[reason]}" if reason else "SPILLS OR LOCAL MEMORY"
                failed += reason is None
                used.add(reason)
            print(f"{name:<60} {architecture:<7} {registers or '-':>9} {shared or 0:>7} {stack:>6} {stores:>6} "
                  f"{loads:>6} {verdict}".rstrip())
    for key in set(allowed) - used:
        print(f"allowed.txt: {key!r} is needed no more")
        failed += 1
    if seen == 0:
        sys.exit("no remarks of ptxas were found: was the library built by nvcc with -Xptxas=-v?")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
