"""The run on a GPU: `pack` makes build/cuda/bin and build/cuda/lib independent of this machine, `run` runs them.

    gpu.py pack | device | run [STEP...]      steps: parity memcheck racecheck initcheck synccheck memcheck_chains
                                              racecheck_chains bench_assign bench_energy bench_chains peers_assign
                                              peers_chains

`run` keeps one JSON with device, driver, commit, date and the steps so far, in $OUT or in bench/results/. A step that
this machine cannot do is `skipped`, with the reason. `device` only says whether there is a GPU.
"""
import concurrent.futures
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
# What a GPU machine has itself. An older libstdc++ beside ours could keep its PyTorch from loading; CUDA's libraries
# are large, and only the unit tests, which need no GPU, use one.
SYSTEM = re.compile(r"ld-linux|linux-vdso|lib(c|m|pthread|dl|rt|stdc\+\+|gcc_s)\.so|lib(cu(da|rand|blas)|nv)")
NO_GPU = "no GPU: nothing was run (`./dev gpu build` makes what a GPU machine can run)"
# Seconds a step may take. Some machines cut a command after 10 minutes: give them some of the steps at a time.
LIMITS = {"parity": 240, "memcheck": 60, "racecheck": 60, "initcheck": 40, "synccheck": 40, "memcheck_chains": 120,
          "racecheck_chains": 120, "bench_assign": 60, "bench_energy": 30, "bench_chains": 60, "peers_assign": 70,
          "peers_chains": 100}
SHARDS = 8  # processes that deal out the tests; the cases that wait for the CPU's reference then overlap
# compute-sanitizer is 10 to 50 times slower: the kernels of K-means on some shapes and the named tests in float; and by
# steps of their own every energy and each sampler. (How long these two take is not known yet.)
CHECKED = {"": "SameBitsOfShape.*n3_*:SameBitsOfShape.*n70_*:SameBitsOfShape.*n65_*:SameBitsOfShape.*n140_*:"
               "SameBits.Reports*:ScikitLearn.*/cuda_float:CuVS.*/cuda_float",
           "chains": "EnergyValues.FollowTheirFormulas/cuda_float:ChainsOn.HaveTheSameBits/cuda_float:"
                     "ChainsOn.OfSeventy*/cuda_float:DenseMass.HasTheSameBits/cuda_float"}
KEPT = 20000  # characters of a step's output, the last
# Where a machine keeps things is nobody's business: of a path are kept its part within the project, or its last name.
ABSOLUTE = re.compile(r"(?<![\w.])/(?:[\w.+-]+/)*?((?:tests|bench|build|tools)/[\w./+-]+|[\w.+-]+(?![\w./+-]))")


class Skipped(Exception):
    """Why this machine cannot do a step."""


def without_paths(value):
    if isinstance(value, str):
        return ABSOLUTE.sub(r"\1", value)
    if isinstance(value, dict):
        return {key: without_paths(each) for key, each in value.items()}
    return [without_paths(each) for each in value] if isinstance(value, list) else value


def program(name):
    path = BUILD / "bin" / name
    if not os.access(path, os.X_OK):
        raise Skipped(f"{path.relative_to(ROOT)} is missing: run `./dev gpu build` on a machine with nvcc and "
                      "GoogleTest, and carry build/cuda/bin and build/cuda/lib here")
    return path


def pack():
    """Copies the libraries that another machine may lack, such as oneTBB and Google Benchmark, beside ours."""
    libraries = BUILD / "lib"
    for binary in [*BUILD.glob("bin/parity_tests"), *BUILD.glob("bin/bench_*"), *libraries.glob("*.so")]:
        listing = subprocess.run(["ldd", binary], capture_output=True, text=True, check=True).stdout
        for name, path in re.findall(r"^\s*(\S+) => (/\S+)", listing, flags=re.M):
            if not SYSTEM.match(name) and pathlib.Path(path).resolve().parent != libraries:
                shutil.copy(path, libraries / name)
    COMMIT.write_text(subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True,
                                     text=True, check=True).stdout)
    files = [path for folder in ("bin", "lib") for path in (BUILD / folder).iterdir() if not path.is_symlink()]
    size = sum(path.stat().st_size for path in files)
    print(f"packed build/cuda/bin and build/cuda/lib, {size / 2**20:.0f} MiB in {len(files)} files")


def query_device():
    """The first GPU, or None."""
    fields = ["name", "driver_version", "compute_cap", "memory.total"]
    try:
        text = subprocess.run(["nvidia-smi", f"--query-gpu={','.join(fields)}", "--format=csv,noheader"],
                              capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    return dict(zip(fields, text.splitlines()[0].split(", "))) if text.strip() else None


def execute(name, command, **variables):
    # A test program that is asked for CUDA by name fails without it, and so cannot pass on the CPU by mistake.
    environment = dict(os.environ, CUEBM_TEST_BACKENDS="cuda", PYTHONUNBUFFERED="1", **variables)
    # `timeout` also ends what the command has started, which would keep the output open.
    limited = ["timeout", "--kill-after=5", str(LIMITS[name]), *map(str, command)]
    start = time.monotonic()
    done = subprocess.run(limited, cwd=ROOT, env=environment, text=True, errors="replace", stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
    seconds = round(time.monotonic() - start, 1)
    status = "ok" if done.returncode == 0 else "failed"
    if done.returncode in (124, 137) and seconds >= LIMITS[name]:
        status = "timed out"
    return {"status": status, "command": limited, "exit": done.returncode, "seconds": seconds,
            "output": done.stdout[-KEPT:]}


def run_tests(name, command):
    """In SHARDS processes at once; an error that no later call of a process survives then spoils a part only."""
    def shard(index):
        return execute(name, [*command, "--gtest_brief=1"], GTEST_TOTAL_SHARDS=str(SHARDS), GTEST_SHARD_INDEX=str(index))
    with concurrent.futures.ThreadPoolExecutor(SHARDS) as pool:
        parts = list(pool.map(shard, range(SHARDS)))
    output = "".join(part["output"] for part in parts)
    passed = [re.findall(r"PASSED  \] ([1-9]\d*)", part["output"]) for part in parts]
    wrong = [part["status"] for part in parts if part["status"] != "ok"]
    if not wrong and not all(passed):
        wrong = ["failed"]  # every test of a shard skipped itself, or the filter found none
    return parts[0] | {"status": wrong[0] if wrong else "ok", "seconds": max(part["seconds"] for part in parts),
                       "exit": max(part["exit"] for part in parts), "tests_passed": sum(int(n[-1]) for n in passed if n),
                       "failures": sorted(set(re.findall(r"FAILED  \] (\S+?),? ", output))), "output": output[-KEPT:]}


def parity(name):
    return run_tests(name, [program("parity_tests")])


def sanitizer(name):
    checker = shutil.which("compute-sanitizer") or shutil.which("/usr/local/cuda/bin/compute-sanitizer")
    if checker is None:
        raise Skipped("no compute-sanitizer in PATH or /usr/local/cuda/bin")
    tool, _, family = name.partition("_")
    # The tests make allocations fail on purpose, which memcheck would report as errors of the CUDA API.
    options = ["--report-api-errors", "no"] if tool == "memcheck" else []
    return run_tests(name, [checker, "--tool", tool, "--error-exitcode", "1", *options, program("parity_tests"),
                            f"--gtest_filter={CHECKED[family]}"])


def bench(name):
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        result = execute(name, [program(name), "--device", "cuda", f"--benchmark_out={out.name}",
                                "--benchmark_min_time=0.05", "--benchmark_out_format=json"])
        try:
            result["benchmarks"] = json.load(open(out.name))
        except ValueError:  # it did not come to the end: the output has the rows so far
            if result["status"] == "ok":
                result["status"] = "failed"
    return result


def peers(name):
    library = BUILD / "lib/libcuebm_peers.so"
    if not library.exists():
        raise Skipped(f"{library.relative_to(ROOT)} is missing: see `./dev gpu build`")
    family = name.removeprefix("peers_")
    wanted = "numpy, torch" if family == "assign" else "numpy, jax"
    pythons = [path for path in (ROOT / "build/peers/bin/python", pathlib.Path(sys.executable)) if path.exists()]
    able = [python for python in pythons if subprocess.run([python, "-c", f"import {wanted}"],
                                                           capture_output=True).returncode == 0]
    if not able:
        raise Skipped(f"no {wanted} in {' or '.join(map(str, pythons))}")
    short = (["--iterations", "1", "10", "--seeds"] if family == "assign" else
             ["--repetitions", "3", "--seconds", "0.1", "--samplers", "hmc", "--r-hat-chains", "0"])
    return execute(name, [able[0], ROOT / "bench/peers/run.py", family, "--gpu", "--library", library, *short, "--results",
                          results_folder()])


def results_folder():
    return pathlib.Path(os.environ.get("OUT") or ROOT / "bench/results")


STEPS = {"parity": parity, "memcheck": sanitizer, "racecheck": sanitizer, "initcheck": sanitizer,
         "synccheck": sanitizer, "memcheck_chains": sanitizer, "racecheck_chains": sanitizer,
         "bench_assign": bench, "bench_energy": bench, "bench_chains": bench, "peers_assign": peers,
         "peers_chains": peers}


def run(names):
    unknown = [name for name in names if name not in STEPS]
    if unknown:
        sys.exit(f"no step {' '.join(unknown)}; there are: {' '.join(STEPS)}")
    names = names or list(STEPS)
    device = query_device()
    if device is None:
        sys.exit(NO_GPU)
    now = datetime.datetime.now(datetime.timezone.utc)
    results_folder().mkdir(parents=True, exist_ok=True)
    path = results_folder() / f"gpu-{re.sub(r'[^A-Za-z0-9]+', '-', device['name'])}-{now:%Y%m%d-%H%M%S}.json"
    report = {"device": device, "commit": COMMIT.read_text().strip() if COMMIT.exists() else "unknown",
              "date": now.isoformat(), "steps": []}
    for name in names:
        print(f"== {name}", flush=True)
        try:
            result = STEPS[name](name)
            print(f"{result['output'][-2000:]}\n-- {name}: {result['status']}, {result['seconds']} s", flush=True)
        except Skipped as reason:
            result = {"status": "skipped", "reason": str(reason)}
            print(f"-- {name}: skipped: {reason}", flush=True)
        report["steps"].append({"name": name, **result})
        path.write_text(json.dumps(without_paths(report), indent=1) + "\n")  # at once: the machine may end the run before its end
    # A tool or a peer may be missing here, but without the parity tests nothing is known of the kernels.
    statuses = {step["name"]: step["status"] for step in report["steps"]}
    print(f"wrote {path}: " + ", ".join(f"{name} {status}" for name, status in statuses.items()))
    good = set(statuses.values()) <= {"ok", "skipped"} and "ok" in statuses.values()
    sys.exit(0 if good and statuses.get("parity", "ok") == "ok" else 1)


if __name__ == "__main__":
    action, *rest = sys.argv[1:] or [""]
    if action == "run":
        run(rest)
    elif action == "pack" and not rest:
        pack()
    elif action == "device" and not rest:
        query_device() or sys.exit(NO_GPU)
    else:
        sys.exit(__doc__)
