"""Whole runs of each system's own sampler and adaptation, for chains.py: what their draws are worth, by cuebm's
diagnostics for everyone, and how long they take until R-hat is small.

A system has adapted(sampler, chains, warmup, draws), which compiles, and returns a function of the seed; that returns
draws [chains x draws x d] and their leapfrog steps, without those of warm-up.
"""

import statistics
import time

from turns import in_turn, rows_of

R_HAT = 1.01
SHORTEST, LONGEST = 50, 12_800  # draws of each chain until R-hat is below that


def able(sampler, systems):
    return [system for system in systems if sampler in system.samplers]


def header(text, unit):
    print(f"{text}\n  {'system':10} {'version':8} {unit:>12} {'ratio':>8}", flush=True)


def effective(case, sampler, ours, peers, options):
    """Rows of the least bulk ESS a second, warm-up and draws together, and a leapfrog step of the draws."""
    chains, warmup, draws = options.ess_chains, 500, 500
    runs = {system: system.adapted(sampler, chains, warmup, draws) for system in [ours, *able(sampler, peers)]}
    last, seeds = {}, dict.fromkeys(runs, 0)

    def run(system):
        seeds[system] += 1
        begin = time.perf_counter()
        last[system], steps = runs[system](seeds[system])
        seconds = time.perf_counter() - begin
        ess, r_hat = ours.diagnose(last[system])
        print(f"  {case}, {sampler}, {system.name}: {seconds:.2f} s", flush=True)
        return ess, seconds, steps, r_hat

    found = in_turn(runs, options.repetitions, run)
    extra = {}
    for system, values in found.items():
        first = last[system].reshape(-1, ours.d)[:, :2].astype(float)
        ess, _, steps, r_hat = values[-1]
        extra[system] = {"least_ess": round(ess), "steps_a_draw": round(steps / (chains * draws), 2),
                         "r_hat": round(r_hat, 4), "means": [round(float(value), 3) for value in first.mean(0)],
                         "deviations": [round(float(value), 3) for value in first.std(0)]}
    label = f"{case}, {sampler} adapted, {chains} chains"
    header(f"{label}, {warmup} warm-up and {draws} draws", "ESS/s")
    rows = rows_of(label, "least bulk ESS/s",
                   {system: [ess / seconds for ess, seconds, *_ in values] for system, values in found.items()},
                   ours, extra, paired=False)
    header(f"{label}, of the draws alone", "ESS/step")
    return rows + rows_of(label, "least bulk ESS/leapfrog step",
                          {system: [ess / steps for ess, _, steps, _ in values] for system, values in found.items()},
                          ours, dict.fromkeys(found, {}), paired=False)


def shortest(case, sampler, system, ours, options):
    """The run, its draws and the largest R-hat, once it is below 1.01 from every seed; or None."""
    draws = SHORTEST
    while draws <= LONGEST:
        run, found = system.adapted(sampler, options.r_hat_chains, draws, draws), []
        for seed in range(1, options.repetitions + 1):
            found.append(ours.diagnose(run(seed)[0])[1])
            if not found[-1] < R_HAT:
                break
        print(f"  {case}, {sampler}, {system.name}: {draws} draws, R-hat {found[-1]:.4f}", flush=True)
        if found[-1] < R_HAT:
            return run, draws, max(found)
        draws *= 2
    return None


def seconds_to_converge(case, sampler, ours, peers, options):
    """Rows of the seconds of runs that are just long enough, with as much warm-up as draws."""
    found = {system: shortest(case, sampler, system, ours, options) for system in [ours, *able(sampler, peers)]}
    for system in [system for system in found if not found[system]]:
        print(f"  {system.name}: left out, R-hat is not below {R_HAT} after {LONGEST} draws")
        del found[system]
    if ours not in found:
        return []
    seeds = dict.fromkeys(found, -1)

    def run(system):
        seeds[system] = seeds[system] % options.repetitions + 1
        begin = time.perf_counter()
        found[system][0](seeds[system])
        return time.perf_counter() - begin

    seconds = in_turn(found, options.repetitions, run)
    extra = {system: {"draws": draws, "r_hat": round(worst, 4)} for system, (_, draws, worst) in found.items()}
    label = f"{case}, {sampler} adapted, {options.r_hat_chains} chains"
    header(f"{label}, as much warm-up as draws", "s")
    return rows_of(label, f"s to R-hat < {R_HAT}", seconds, ours, extra, more_is_better=False)
