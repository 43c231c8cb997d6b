"""Systems that are compared run in turn. A peer's ratio is that of one repetition where both do the same in it; of
chance, that of the medians."""

import statistics


def in_turn(systems, repetitions, work):
    """work(system) of all systems in turn, a list each; a first round apart warms up."""
    found = {system: [] for system in systems}
    for repetition in range(repetitions + 1):
        for system in systems:
            value = work(system)
            if repetition > 0:
                found[system].append(value)
    return found


def rows_of(case, unit, values, ours, extra, more_is_better=True, paired=True):
    """Prints the medians, and gives the rows; a ratio above 1 says that ours are better."""
    rows, own = [], statistics.median(values[ours])
    for system, theirs in values.items():
        median = statistics.median(theirs)
        pairs = zip(values[ours], theirs) if paired else [(own, median)]
        ratio = statistics.median(a / b if more_is_better else b / a for a, b in pairs)
        seen = "  ".join(f"{key} {value}" for key, value in extra[system].items())
        print(f"  {system.name:10} {system.version:8} {median:12.4g} {ratio:8.2f}  {seen}", flush=True)
        if system is not ours:
            rows.append({"family": "chains", "case": case, "peer": system.name, "peer_version": system.version,
                         "ours": own, "theirs": median, "unit": unit, "ratio": ratio, "all_ours": values[ours],
                         "all_theirs": theirs, "about_ours": extra[ours], "about_theirs": extra[system]})
    return rows
