"""The run on a GPU: `pack` makes build/cuda/bin and build/cuda/lib independent of this machine, `run` runs them.

`run` writes one JSON with device, driver, commit, date and the result of each step to $OUT, or to bench/results/.
`device` only says whether there is a GPU.
Not tried on a GPU yet: it was written on a machine without one.
"""
import datetime
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build/cuda"
COMMIT = BUILD / "lib/commit.txt"
SYSTEM = re.compile(r"^(ld-linux|linux-vdso|libc\.|libm\.|libpthread|libdl|librt)")  # every machine has its own
SANITIZERS = ["memcheck", "racecheck", "initcheck", "synccheck"]
NO_GPU = "no GPU: nothing was run (`./dev gpu build` makes what a GPU machine can run)"
LIMIT_S = 600  # a step that takes longer has failed


def programs(pattern):
    return sorted(path for path in BUILD.glob(f"bin/{pattern}") if os.access(path, os.X_OK))


def pack():
    """Copies the libraries that another machine may lack, such as oneTBB and Google Benchmark, beside ours."""
    for binary in [*programs("*"), *BUILD.glob("lib/*.so")]:
        listing = subprocess.run(["ldd", binary], capture_output=True, text=True, check=True).stdout
        for name, path in re.findall(r"^\s*(\S+) => (/\S+)", listing, flags=re.M):
            if not SYSTEM.match(name) and pathlib.Path(path).resolve().parent != BUILD / "lib":
                shutil.copy(path, BUILD / "lib" / name)
    COMMIT.write_text(subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True,
                                     text=True, check=True).stdout)
    print("packed:", *(path.relative_to(ROOT) for path in programs("*")))


def query_device():
    """The first GPU, or None."""
    fields = ["name", "driver_version", "compute_cap", "memory.total"]
    try:
        text = subprocess.run(["nvidia-smi", f"--query-gpu={','.join(fields)}", "--format=csv,noheader"],
                              capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    return dict(zip(fields, text.splitlines()[0].split(", "))) if text.strip() else None


def step(name, command):
    # A test program that is asked for CUDA by name fails without it, and so cannot pass on the CPU by mistake.
    environment = dict(os.environ, CUEBM_TEST_BACKENDS="cuda")
    print(f"== {name}", flush=True)
    start = time.monotonic()
    try:
        done = subprocess.run(command, cwd=ROOT, env=environment, timeout=LIMIT_S, text=True, errors="replace",
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        status, output = done.returncode, done.stdout
    except (OSError, subprocess.TimeoutExpired) as error:
        status, output = -1, str(error)
    seconds = round(time.monotonic() - start, 1)
    print(f"{output[-2000:]}\n-- {'ok' if status == 0 else f'FAILED ({status})'}, {seconds} s", flush=True)
    return {"name": name, "command": [str(word) for word in command], "ok": status == 0, "seconds": seconds,
            "output": output[-8000:]}


def test_steps():
    for program in programs("unit_tests") + programs("parity_tests"):
        yield step(program.name, [program, "--gtest_brief=1"])
    parity = BUILD / "bin/parity_tests"
    checker = shutil.which("compute-sanitizer") or shutil.which("/usr/local/cuda/bin/compute-sanitizer")
    for tool in SANITIZERS if checker and parity.exists() else []:
        yield step(tool, [checker, "--tool", tool, "--error-exitcode", "1", parity, "--gtest_brief=1"])


def bench_steps():
    for program in programs("bench_*"):
        with tempfile.NamedTemporaryFile(suffix=".json") as out:
            result = step(program.name, [program, f"--benchmark_out={out.name}", "--benchmark_out_format=json"])
            try:
                result["benchmarks"] = json.load(open(out.name))
            except ValueError:
                result["ok"] = False
        yield result
    if (ROOT / "bench/peers/run.py").exists():
        python = ROOT / "build/peers/bin/python"
        yield step("peers", [python if python.exists() else sys.executable, ROOT / "bench/peers/run.py"])


def run():
    device = query_device()
    if device is None:
        sys.exit(NO_GPU)
    if not programs("*"):
        sys.exit("build/cuda/bin is empty: run `./dev gpu build` on a machine with nvcc and GoogleTest, and carry "
                 "build/cuda/bin and build/cuda/lib here; nothing was run")
    now = datetime.datetime.now(datetime.timezone.utc)
    commit = COMMIT.read_text().strip() if COMMIT.exists() else "unknown"
    steps = [*test_steps(), *bench_steps()]
    folder = pathlib.Path(os.environ.get("OUT", ROOT / "bench/results"))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"gpu-{re.sub(r'[^A-Za-z0-9]+', '-', device['name'])}-{now:%Y%m%d-%H%M%S}.json"
    path.write_text(json.dumps({"device": device, "commit": commit, "date": now.isoformat(), "steps": steps}, indent=1))
    failed = [each["name"] for each in steps if not each["ok"]]
    print(f"wrote {path}; {len(steps) - len(failed)} passed, {len(failed)} failed {' '.join(failed)}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    actions = {"pack": pack, "run": run, "device": lambda: query_device() or sys.exit(NO_GPU)}
    if len(sys.argv) != 2 or sys.argv[1] not in actions:
        sys.exit("usage: gpu.py pack|run|device")
    actions[sys.argv[1]]()
