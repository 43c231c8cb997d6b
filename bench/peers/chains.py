"""Hamiltonian Monte Carlo of other libraries beside cuebm, on the CPU or a GPU, in float, in turn: same energies, step
sizes, leapfrog steps, chains and threads.

    ./dev peers chains [--cases banana,eight-schools] [--repetitions 5]

Speed: gradients a second of transitions that go on from where the last call ended, nothing stored. Every system makes
as many transitions a repetition as it takes for --seconds, as a run beforehand found out; JAX compiles before that. The
peers may, on the CPU, lay the chains on one device, or split them over as many as there are threads: the faster of the
two is compared. The ratio is that of one repetition, ours over theirs, so above 1 cuebm is faster; medians are printed.
On a CPU what it can do is measured before each repetition, and after each of ours, for the share of the limit.

That all sample the same: after at least 50 transitions (400 on a GPU) from starts of their own, means and variances
over the chains, which are independent, may differ by 5 standard errors; the table has the largest difference of all
coordinates.

Whole runs, of NUTS and of HMC, each system with its own adaptation of step size and a diagonal mass: cuebm's is pooled
over the chains, the others' is each chain's own. All aim at an acceptance of 0.8 (ours of the harmonic mean over
chains), start uniformly in (-2, 2), compile before, and use all threads; JAX lays as many chains on a device for each.
HMC's trajectories have 1 to 19 leapfrog steps at random, the same for all chains, since with a fixed number it is luck
whether they turn back; NumPyro has no such lengths. nutpie has NUTS alone, computes in double, and runs on the CPU.

Effective samples: the least bulk ESS of all coordinates, by cuebm's diagnostics for everyone, a second of warm-up and
draws together; and a leapfrog step, of the draws alone, which tells what the algorithm is worth whatever its speed.
These ratios are of the medians, as seeds are each system's own.

Seconds to R-hat < 1.01: of the shortest run, with as many transitions of warm-up as draws, warm-up included. Both are
doubled, from 50, until the largest rank-normalised split R-hat of all coordinates, by cuebm's diagnostics, is below
1.01 from each of as many seeds as there are repetitions; then the runs of that length are timed by themselves, in turn.
A system that is not there after 12,800 draws is left out.

Prints tables, and writes a JSON row for each pair to bench/results/. A peer that is not installed is left out.
"""

import argparse
import ctypes
import datetime
import os
import statistics
import time
from importlib import metadata

import numpy as np

from adapted import effective, seconds_to_converge
from common import Shim, commit, has_gpu, pointer, write
from jax_samplers import BlackJax, NumPyro
from nutpie_sampler import Nutpie
from turns import in_turn, rows_of

CASES = ["gaussian-10", "gaussian-10-long", "gaussian-100", "banana", "eight-schools", "logistic-1000x25",
         "logistic-5000x20"]
ADAPTED = ["gaussian-10", "banana", "eight-schools"]
LEAST_TRANSITIONS = {False: 50, True: 400}  # before moments are compared; many chains on a GPU see small differences


class Cuebm:
    name = "cuebm"

    def __init__(self, library, case, gpu, threads):
        self.shim, self.session = Shim(library), ctypes.c_void_p()
        self.version = self.shim.version
        self.call("open", case.encode(), ctypes.c_int(gpu), ctypes.c_int(threads), ctypes.byref(self.session))
        self.device = self.shim.text("chains_device", self.session)
        sizes, figures = (ctypes.c_int64 * 4)(), (ctypes.c_double * 3)()
        self.call("case", self.session, sizes, figures)
        self.d, self.chains, self.leapfrogs, rows = sizes
        self.step_size, self.start_spread, self.instructions = figures
        self.acceptance = 0
        self.features, self.outcomes = np.empty((rows, self.d)), np.empty(rows)
        self.call("data", self.session, pointer(self.features), pointer(self.outcomes))

    def __del__(self):
        if self.session:
            self.call("close", self.session)

    def call(self, function, *arguments):
        self.shim.call(f"chains_{function}", *arguments)

    def limits(self, runs=5):
        return self.shim.limits("chains_limits", self.session, runs)

    def run(self, transitions, positions=None):
        acceptance = ctypes.c_double()
        self.call("run", self.session, ctypes.c_int64(transitions), positions, ctypes.byref(acceptance))
        self.acceptance = acceptance.value

    def positions(self):
        found = np.empty((self.chains, self.d), np.float32)
        self.run(1, pointer(found))
        return found

    def adapted(self, sampler, chains, warmup, draws):
        def run(seed):
            found, steps = np.empty((chains, draws, self.d), np.float32), ctypes.c_int64()
            self.call("adapted", self.session, ctypes.c_int(sampler == "nuts"),
                      *map(ctypes.c_int64, (chains, warmup, draws)), ctypes.c_uint64(seed), pointer(found),
                      ctypes.byref(steps))
            return found, steps.value
        return run

    def diagnose(self, draws):
        """The least bulk ESS and the largest rank-normalised split R-hat of all coordinates."""
        ess, r_hat = ctypes.c_double(), ctypes.c_double()
        draws = np.ascontiguousarray(draws, np.float32)
        self.call("diagnose", pointer(draws), *map(ctypes.c_int64, draws.shape), ctypes.byref(ess), ctypes.byref(r_hat))
        return ess.value, r_hat.value


def seconds_of(work):
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def transitions_for(seconds, system):
    count, taken = 4, seconds_of(lambda: system.run(4))
    while taken < seconds / 10:
        count *= 4
        taken = seconds_of(lambda: system.run(count))
    return max(1, round(count * seconds / taken)), taken / count


def faster_way(peer, devices_at_most, seconds):
    """Leaves the peer on as many devices as are fastest; transitions a repetition, devices, seconds of compiling."""
    found = {}
    for devices in sorted({1, devices_at_most}):
        compiling = peer.start(devices)
        count, each = transitions_for(seconds, peer)
        found[devices] = (each, count, compiling)
    best = min(found, key=found.get)
    if best != devices:
        peer.start(best)
    return found[best][1], best, found[best][2]


def differences(a, b):
    """The largest differences of means and of variances over coordinates, in standard errors; rows are independent."""
    def moments(x):
        x = x.astype(np.float64)
        squares = (x - x.mean(0)) ** 2
        return x.mean(0), x.var(0) / len(x), squares.mean(0), squares.var(0) / len(x)
    (mean_a, error_a, var_a, spread_a), (mean_b, error_b, var_b, spread_b) = moments(a), moments(b)
    return (float(np.max(np.abs(mean_a - mean_b) / np.sqrt(error_a + error_b))),
            float(np.max(np.abs(var_a - var_b) / np.sqrt(spread_a + spread_b))))


def installed(classes, case, ours, options):
    peers = []
    for peer in classes:
        try:
            peers.append(peer(case, ours, options.threads))
        except (ImportError, metadata.PackageNotFoundError) as error:
            print(f"  {peer.name}: left out ({error}); pip install {peer.package}")
    return peers


def speed(case, ours, peers, options):
    transitions, extra = {ours: transitions_for(options.seconds, ours)[0]}, {ours: {}}
    for peer in peers:
        transitions[peer], devices, compiling = faster_way(peer, 1 if options.gpu else options.threads, options.seconds)
        extra[peer] = {"devices": devices, "compiling_s": round(compiling, 2)}
    gradients, shares = ours.chains * ours.leapfrogs * 1e-6, []

    def peak(runs=1):
        return ours.limits(runs)[1]["fp32_gflops"]
    gpu_peak = peak(5) if options.gpu else None

    def rate(system):
        before = gpu_peak if options.gpu else peak()  # before the peers, too: all begin with the same caches
        found = gradients * transitions[system] / seconds_of(lambda: system.run(transitions[system]))
        after = gpu_peak if options.gpu or system is not ours else peak()
        if system is ours and before and after:  # multiply-adds count twice in the peak
            shares.append(found * ours.instructions / ((before + after) / 2 * 1e3 / 2))
        return found
    rates = in_turn([ours, *peers], options.repetitions, rate)
    positions = {}
    for system in rates:
        system.run(max(1, LEAST_TRANSITIONS[options.gpu] - (options.repetitions + 1) * transitions[system]))
        positions[system] = system.positions()
        extra[system]["transitions"] = transitions[system]
        if system is not ours:
            mean, variance = differences(positions[ours], positions[system])
            extra[system] |= {"mean_differs": round(mean, 2), "variance_differs": round(variance, 2),
                              "same": max(mean, variance) < 5}
    extra[ours]["acceptance"] = round(ours.acceptance, 3)
    print(f"{case}: {ours.chains} chains of d {ours.d}, {ours.leapfrogs} leapfrog steps of {ours.step_size}\n"
          f"  {'system':10} {'version':8} {'M gradients/s':>12} {'ratio':>7}")
    rows, share = rows_of(case, "M gradients/s", rates, ours, extra), {}
    if shares:  # the first round warms up
        share["ours_of_operation_limit"] = round(statistics.median(shares[1:]), 3)
        print(f"  cuebm at {share['ours_of_operation_limit']:.0%} of its counted operations' limit")
    return [row | share for row in rows]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", dest="shim", default="", help="libcuebm_peers.so; default: of the preset cpu, or cuda")
    parser.add_argument("--cases", default=",".join(CASES), help="with commas")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.5, help="of a repetition; 0: leave gradients a second out")
    parser.add_argument("--samplers", default="hmc,nuts", help="of whole runs, with commas; empty: leave them out")
    parser.add_argument("--ess-chains", type=int, default=256, help="whose effective samples are counted")
    parser.add_argument("--r-hat-chains", type=int, default=16, help="of which R-hat is computed; 0: leave it out")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--gpu", action=argparse.BooleanOptionalAction, default=has_gpu(),
                        help="all on a GPU, or on the CPU; default: where there is one")
    parser.add_argument("--results", default="bench/results")
    options = parser.parse_args()
    names = options.cases.split(",")
    for name in names:
        if name not in CASES:
            parser.error(f"no case {name}; there are {', '.join(CASES)}")
    built = [f"build/{preset}/lib/libcuebm_peers.so" for preset in (["cuda"] if options.gpu else ["cpu", "cuda"])]
    library = options.shim or next(filter(os.path.exists, built), "")
    if not os.path.exists(library):
        parser.error(f"{library or built[0]} is not there; build the target cuebm_peers, or give --library")
    # Before JAX is imported, which reads them once.
    if options.gpu:
        os.environ["JAX_PLATFORMS"] = "cuda"
        os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"  # cuebm needs memory too
    else:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:options.threads])
        os.environ["XLA_FLAGS"] = (os.environ.get("XLA_FLAGS", "") +
                                   f" --xla_force_host_platform_device_count={options.threads}")
        os.environ["JAX_PLATFORMS"] = "cpu"

    results, measured = [], []
    for name in names:
        ours = Cuebm(library, name, options.gpu, options.threads)
        processor, peaks = ours.limits()
        measured.append(peaks)
        if name == names[0]:
            print(f"{processor}; {ours.device}; {options.threads} threads; load {os.getloadavg()}")
        peers = installed((BlackJax, NumPyro), name, ours, options)
        rows = speed(name, ours, peers, options) if options.seconds else []
        for row in rows:
            row["instructions_a_gradient"] = ours.instructions
        if name in ADAPTED and options.samplers:
            if not options.gpu:
                peers += installed((Nutpie,), name, ours, options)
            for sampler in options.samplers.split(","):
                rows += effective(name, sampler, ours, peers, options)
                if options.r_hat_chains:
                    rows += seconds_to_converge(name, sampler, ours, peers, options)
        about = {"device": ours.device, "processor": processor, "threads": options.threads,
                 "cuebm": ours.version, "commit": commit(), "chains": ours.chains, "leapfrogs": ours.leapfrogs,
                 "step_size": ours.step_size, "d": ours.d, "load": os.getloadavg(),
                 "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")}
        results += [row | about for row in rows]
    # The largest of what was measured beside each case: whatever else runs can only lower it.
    peaks = {key: max((each[key] for each in measured if each[key]), default=None) for key in measured[0]}
    print(f"peaks {peaks}; load {os.getloadavg()}")
    for row in results:
        row["peaks"] = peaks
    write(results, "chains", options.results)


if __name__ == "__main__":
    main()
