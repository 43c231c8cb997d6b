#!/usr/bin/env python3
"""Checks the checks: deletes each synchronisation of the kernels in turn, and sees which tests notice.

In a scratch copy of the tree, for each __syncthreads, __syncwarp, __threadfence and copy_async_wait in a .cuh file:
delete it, build, run the test command in forward, reverse and random orders and, with --tsan, under ThreadSanitizer.
A deletion that nothing notices fails the run, unless its line says `// redundant: why`.

    tests/emulated/mutate.py --kernels kernels/cuda --target cuebm_tests --test './cuebm_tests --gtest_filter=...'
"""
import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

SYNCHRONISATION = re.compile(r"\b(__syncthreads|__syncwarp|__threadfence|copy_async_wait<[^<>;]*>)\([^();]*\);")


def find_sites(file):
    """(position, end, line number, line, name) of each synchronisation that is not in a comment."""
    text, sites = file.read_text(), []
    for match in SYNCHRONISATION.finditer(text):
        start = text.rfind("\n", 0, match.start()) + 1
        line = text[start : text.find("\n", match.start())]
        if "//" not in text[start : match.start()]:
            sites.append((match.start(), match.end(), text.count("\n", 0, match.start()) + 1, line, match[1]))
    return sites


def copy_tree(source, scratch):
    listing = ["git", "-C", source, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(listing, check=True, capture_output=True, text=True).stdout.split("\0"):
        original, copy = source / name, scratch / name
        if not name or not original.is_file():
            continue
        # What is the same keeps its time, so that only changes are built.
        if not copy.is_file() or copy.read_bytes() != original.read_bytes():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(original, copy)


class Build:
    def __init__(self, source, folder, targets, sanitize):
        self.folder, self.targets = folder, targets
        options = ["-DCMAKE_BUILD_TYPE=RelWithDebInfo", "-DCUEBM_EXAMPLES=OFF", f"-DCUEBM_SANITIZE={sanitize}"]
        options += ["-DCUEBM_TBB=OFF"] if sanitize == "thread" else []
        options += ["-DCMAKE_CXX_COMPILER_LAUNCHER=ccache"] if shutil.which("ccache") else []
        command = ["cmake", "-G", "Ninja", "-S", source, "-B", folder, *options]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    def make(self):
        command = ["cmake", "--build", self.folder, "--target", *self.targets]
        result = subprocess.run(command, capture_output=True, text=True)
        if result.returncode:
            sys.exit(result.stdout + result.stderr + "mutate: does not build")

    def notices(self, test, timeout, order, seed=1):
        """Whether the test fails; a test that hangs has noticed too."""
        environment = os.environ | {"CUEBM_EMULATED_ORDER": order, "CUEBM_EMULATED_SEED": str(seed)}
        try:
            quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            # exec: so that a timeout ends the test itself and not only its shell.
            command = ["sh", "-c", "exec " + test]
            return subprocess.run(command, cwd=self.folder, env=environment, timeout=timeout, **quiet).returncode != 0
        except subprocess.TimeoutExpired:
            return True


def try_all(builds, test, timeout, seeds):
    """How many runs noticed, by mode."""
    for build in builds.values():
        build.make()
    plain = builds["plain"]
    noticed = {order: int(plain.notices(test, timeout, order)) for order in ("forward", "reverse")}
    noticed["random"] = sum(plain.notices(test, timeout, "random", seed) for seed in range(1, seeds + 1))
    if "tsan" in builds:
        noticed["tsan"] = int(builds["tsan"].notices(test, 10 * timeout, "random"))
    return noticed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=Path, default=Path(__file__).resolve().parents[2])
    parser.add_argument("--kernels", default="kernels/cuda", help="folder below the source")
    parser.add_argument("--target", action="append", required=True, help="what to build")
    parser.add_argument("--test", required=True, help="shell command, run in the build folder")
    parser.add_argument("--seeds", type=int, default=10, help="runs in random order")
    parser.add_argument("--tsan", action="store_true", help="also one run under ThreadSanitizer")
    parser.add_argument("--timeout", type=float, default=60, help="seconds a run, ten times that under ThreadSanitizer")
    parser.add_argument("--scratch", type=Path, help="default: build/mutate below the source")
    options = parser.parse_args()

    scratch = (options.scratch or options.source / "build/mutate").resolve()
    source = scratch / "source"
    copy_tree(options.source, source)
    builds = {"plain": Build(source, scratch / "plain", options.target, "")}
    if options.tsan:
        builds["tsan"] = Build(source, scratch / "tsan", options.target, "thread")

    baseline = try_all(builds, options.test, options.timeout, options.seeds)
    if any(baseline.values()):
        sys.exit(f"mutate: the tests fail before anything is deleted: {baseline}")

    failures = sites = 0
    print(f"{'deleted':50s} " + " ".join(f"{mode:>8s}" for mode in baseline), flush=True)
    for file in sorted((source / options.kernels).rglob("*.cuh")):
        original = file.read_text()
        for start, end, number, line, name in find_sites(file):
            file.write_text(original[:start] + "(void)0;" + original[end:])
            try:
                noticed = try_all(builds, options.test, options.timeout, options.seeds)
            finally:
                file.write_text(original)
            redundant, seen = "// redundant:" in line, any(noticed.values())
            verdict = ""
            if redundant:
                verdict = "marked redundant, but is not" if seen else "redundant, as marked"
            elif not seen:
                verdict = "NOT NOTICED"
            failures += redundant == seen
            sites += 1
            columns = " ".join(f"{count or '.':>8}" for count in noticed.values())
            print(f"{file.relative_to(source / options.kernels)}:{number} {name}".ljust(50), columns, verdict, flush=True)
    if sites == 0:
        sys.exit(f"mutate: no synchronisation in {options.kernels}")
    print(f"{sites} deletions, {failures} wrong; random: runs of {options.seeds} that noticed")
    return failures > 0


if __name__ == "__main__":
    sys.exit(main())
