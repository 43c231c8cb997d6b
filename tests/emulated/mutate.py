#!/usr/bin/env python3
"""Checks the checks: deletes each synchronisation of the kernels in turn, and sees which tests notice.

In a scratch copy of the tree, for each __syncthreads, __syncwarp, __threadfence, copy_async_commit and copy_async_wait
(and crew_wait, in kernels/math) in a .cuh or .hpp file: delete it, build, and run the tests in forward, reverse and random orders under AddressSanitizer, and
once under ThreadSanitizer. A deletion that nothing notices fails the run, unless its line says `// unseen: why` (no mode
can see it) or `// redundant: why` (it is not needed); and so does a line that says so and is noticed.
"""
import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

NAMES = r"__syncthreads|__syncwarp|crew_wait|__threadfence|copy_async_commit|copy_async_wait<[^<>;]*>"
SYNCHRONISATION = re.compile(rf"\b({NAMES})\((?:[^()]|\([^()]*\))*\);")
ACCEPTED = re.compile(r"// (redundant|unseen):")
# For each folder of kernels, tests that run all of them on a few tiles; small, since they run so often.
TESTS = {
    "assign": "*SameBitsOfShape*n65_k40_d19*",
    "energy": "EnergyValues.FollowTheirFormulas/cuda_float:EnergyValues.AreTheSameBitsForManyPoints/cuda_float",
    "chains": "ChainsOn.HaveTheSameBits/cuda_float:ChainsOn.OfManyCoordinates*/cuda_float:ChainsOn.DoNotDependOnOthersOrOnLaunches/cuda_float",
}


def find_sites(file):
    """(position, end, line number, line, name) of each synchronisation that is not in a comment."""
    text, sites = file.read_text(), []
    for match in SYNCHRONISATION.finditer(text):
        start = text.rfind("\n", 0, match.start()) + 1
        line = text[start : text.find("\n", match.start())]
        definition = re.match(r"\s*(__device__|CUEBM_MATH)|\s*(inline|template)\b", line)
        if "//" not in text[start : match.start()] and not definition:
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
            shutil.copy(original, copy)


class Build:
    def __init__(self, source, folder, preset, targets):
        self.folder, self.targets = folder, targets
        command = ["cmake", "--preset", preset, "-S", source, "-B", folder, "-DCUEBM_WARNINGS_AS_ERRORS=OFF"]
        subprocess.run(command, cwd=source, check=True, stdout=subprocess.DEVNULL)

    def make(self):
        command = ["cmake", "--build", self.folder, "--target", *self.targets]
        result = subprocess.run(command, capture_output=True, text=True)
        if result.returncode:
            sys.exit(result.stdout + result.stderr + "mutate: does not build")

    def notices(self, test, timeout, order, seed=1):
        """Whether the test fails; a test that hangs has noticed too."""
        environment = os.environ | {
            "CUEBM_EMULATED_ORDER": order,
            "CUEBM_EMULATED_SEED": str(seed),
            "CUEBM_TEST_BACKENDS": "cuda",
            "CUEBM_CUDA_PLUGIN": str(next(self.folder.rglob("libcuebm_cuda_emulated.so"))),
            "TSAN_OPTIONS": "halt_on_error=1",
        }
        try:
            quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            return subprocess.run(test, cwd=self.folder, env=environment, timeout=timeout, **quiet).returncode != 0
        except subprocess.TimeoutExpired:
            return True


def try_all(asan, tsan, test, timeout, seeds):
    """How many runs noticed, by mode."""
    asan.make()
    tsan.make()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        thread = pool.submit(tsan.notices, test, 10 * timeout, "random")
        single = {order: pool.submit(asan.notices, test, timeout, order) for order in ("forward", "reverse")}
        random = [pool.submit(asan.notices, test, timeout, "random", seed) for seed in range(1, seeds + 1)]
    noticed = {order: int(run.result()) for order, run in single.items()}
    return noticed | {"random": sum(run.result() for run in random), "tsan": int(thread.result())}


def main():
    root = Path(__file__).resolve().parents[2]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kernels", default="kernels/cuda", help="folder below the root")
    parser.add_argument("--filter", help="of parity_tests, instead of the tests that belong to each folder")
    parser.add_argument("--seeds", type=int, default=3, help="runs in random order")
    parser.add_argument("--timeout", type=float, default=120, help="seconds a run, ten times that under ThreadSanitizer")
    parser.add_argument("--scratch", type=Path, default=root / "build/mutate")
    options = parser.parse_args()

    scratch = options.scratch.resolve()
    source = scratch / "source"
    copy_tree(root, source)
    targets = ["parity_tests", "cuebm_cuda_emulated"]
    asan, tsan = (Build(source, scratch / preset, preset, targets) for preset in ("emulated", "tsan"))

    def look(filter):
        test = ["bin/parity_tests", "--gtest_brief=1", f"--gtest_filter={options.filter or filter}"]
        return try_all(asan, tsan, test, options.timeout, options.seeds)

    files = sorted(file for kind in ("*.cuh", "*.hpp") for file in (source / options.kernels).rglob(kind))
    folders = {file.parent.name for file in files if find_sites(file)}
    everything = ":".join(TESTS.values())
    begun = time.monotonic()
    baseline = look(":".join(TESTS.get(folder, everything) for folder in sorted(folders)))
    if any(baseline.values()):
        sys.exit(f"mutate: the tests fail before anything is deleted: {baseline}")
    print(f"nothing deleted: all pass; built and run in {time.monotonic() - begun:.0f} s", flush=True)

    failures = sites = 0
    print(f"{'deleted':50s} " + " ".join(f"{mode:>8s}" for mode in baseline), flush=True)
    for file in files:
        original = file.read_text()
        for start, end, number, line, name in find_sites(file):
            file.write_text(original[:start] + "(void)0;" + original[end:])
            try:
                noticed = look(TESTS.get(file.parent.name, everything))
            finally:
                file.write_text(original)
            accepted, seen = ACCEPTED.search(line), any(noticed.values())
            verdict = ""
            if accepted:
                verdict = f"marked {accepted[1]}, but was noticed" if seen else f"{accepted[1]}, as marked"
            elif not seen:
                verdict = "NOT NOTICED"
            failures += bool(accepted) == seen
            sites += 1
            columns = " ".join(f"{count or '.':>8}" for count in noticed.values())
            print(f"{file.relative_to(source / options.kernels)}:{number} {name}".ljust(50), columns, verdict, flush=True)
    if sites == 0:
        sys.exit(f"mutate: no synchronisation in {options.kernels}")
    print(f"{sites} deletions, {failures} wrong; random: runs of {options.seeds} that noticed")
    return failures > 0


if __name__ == "__main__":
    sys.exit(main())
